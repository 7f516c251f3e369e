//! Entries that were removed from the server before they were mirrored.

use recount_runtime::IncidentKind;

use super::fake::Fake;
use super::support::{caught_up, entries, held_by, id, kinds, mirrored, open};

fn gap(after: usize, before: usize, missing: Option<u64>, certain: bool) -> IncidentKind {
    IncidentKind::Gap {
        after: id(after),
        before: Some(id(before)),
        missing,
        certain,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_counted_where_the_server_counts() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    server.add(0, entries(0..100)).await;
    mirrored(&server, dir.path()).await;
    server.add(0, entries(100..200)).await;
    server.remove(0, id(140)).await;
    let mirror = caught_up(&server, dir.path()).await;
    assert_eq!(kinds(&mirror.incidents()), [gap(99, 140, Some(40), true)]);
    let mut expected: Vec<_> = entries(0..100).iter().map(|entry| entry.id).collect();
    expected.extend((140..200).map(id));
    let held = held_by(&mirror, 0).await;
    assert_eq!(
        held.iter().map(|entry| entry.id).collect::<Vec<_>>(),
        expected
    );
    mirror.close().await;
    // It is kept, and not told twice.
    mirrored(&server, dir.path()).await;
    let mirror = open(&server, dir.path()).await;
    assert_eq!(mirror.incidents().len(), 1);
    mirror.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trim_of_recount_s_own_tells_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1).without_counts();
    server.add(0, entries(0..10)).await;
    mirrored(&server, dir.path()).await;
    server.add(0, entries(10..20)).await;
    server.trim(0, id(15)).await;
    let mirror = caught_up(&server, dir.path()).await;
    assert_eq!(kinds(&mirror.incidents()), [gap(9, 15, None, true)]);
    mirror.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_tells_a_gap_is_possible() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1).without_counts();
    server.add(0, entries(0..10)).await;
    mirrored(&server, dir.path()).await;
    server.add(0, entries(10..20)).await;
    server.remove(0, id(15)).await;
    let mirror = caught_up(&server, dir.path()).await;
    assert_eq!(kinds(&mirror.incidents()), [gap(9, 15, None, false)]);
    mirror.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_mirrored_may_be_trimmed() {
    for counts in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let server = Fake::new(1);
        let server = if counts {
            server
        } else {
            server.without_counts()
        };
        server.add(0, entries(0..10)).await;
        mirrored(&server, dir.path()).await;
        // A part of it, all of it, and all of it with something after it.
        for (keep, more) in [(5, 10..11), (11, 11..11), (11, 11..20)] {
            server.trim(0, id(keep)).await;
            server.add(0, entries(more)).await;
            let mirror = caught_up(&server, dir.path()).await;
            assert_eq!(mirror.incidents(), []);
            mirror.close().await;
        }
        let mirror = caught_up(&server, dir.path()).await;
        assert_eq!(held_by(&mirror, 0).await.len(), 20);
        mirror.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_removed_is_a_gap_too() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    server.add(0, entries(0..10)).await;
    mirrored(&server, dir.path()).await;
    server.add(0, entries(10..20)).await;
    server.remove(0, id(100)).await;
    let mirror = caught_up(&server, dir.path()).await;
    server.add(0, entries(20..21)).await;
    mirror.caught_up(&server.tail().await).await.unwrap();
    let [mut found] = kinds(&mirror.incidents()).try_into().expect("one gap");
    if let IncidentKind::Gap { before, .. } = &mut found {
        // It may have connected before there was one.
        *before = Some(id(20));
    }
    assert_eq!(found, gap(9, 20, Some(10), true));
    assert_eq!(held_by(&mirror, 0).await.len(), 11);
    mirror.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_missing_meanwhile_is_noticed_by_its_count() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    server.add(0, entries(0..10)).await;
    mirrored(&server, dir.path()).await;
    for (round, missing) in [(0, 3), (1, 0), (2, 5)] {
        let mirror = caught_up(&server, dir.path()).await;
        server.vanish(0, missing);
        let n = 10 + round;
        server.add(0, entries(n..n + 1)).await;
        mirror.caught_up(&server.tail().await).await.unwrap();
        mirror.close().await;
    }
    let mirror = open(&server, dir.path()).await;
    let gaps = [gap(9, 10, Some(3), true), gap(11, 12, Some(5), true)];
    assert_eq!(kinds(&mirror.incidents()), gaps);
    mirror.close().await;
}
