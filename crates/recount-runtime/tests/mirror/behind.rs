//! What is told of how far a registered mirror is behind.

use recount_core::{Behind, EntryId, Origin};

use super::fake::Fake;
use super::support::{entries, id, mirrored};

#[tokio::test]
async fn a_mirror_that_has_everything_is_not_behind_however_long_nothing_comes() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    server.add(0, entries(0..10)).await;
    mirrored(&server, dir.path()).await;
    server.clock.advance(3_600_000);
    let synced = server.registrations().await.unwrap()[0].synced.get(0);
    assert_eq!(server.behind(0, synced).await.unwrap(), None);

    server.clock.set(id(10).ms + 250);
    server.add(0, entries(10..13)).await;
    let behind = Behind {
        entries: 3,
        all: true,
        age_ms: 250,
    };
    assert_eq!(server.behind(0, synced).await.unwrap(), Some(behind));
}

#[tokio::test]
async fn many_entries_are_counted_where_that_is_cheap() {
    let server = Fake::new(1);
    server.add(0, entries(0..12_000)).await;
    let everything = server.behind(0, EntryId::MIN).await.unwrap().unwrap();
    assert_eq!((everything.entries, everything.all), (12_000, true));
    let many = server.behind(0, id(0)).await.unwrap().unwrap();
    assert_eq!((many.entries, many.all), (Behind::COUNTED_MAX, false));
    let few = server.behind(0, id(10_000)).await.unwrap().unwrap();
    assert_eq!((few.entries, few.all), (1_999, true));
}
