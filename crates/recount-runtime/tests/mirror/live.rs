//! Catching up, and going on as entries come.

use std::sync::Arc;

use recount_core::{Cursor, EventLog, Query, ReadError};

use super::fake::Fake;
use super::support::{assert_same, caught_up, entries, event, held_by, id, mirrored, open};

#[tokio::test(flavor = "multi_thread")]
async fn it_catches_up_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    server.add(0, entries(0..9_000)).await;
    let mirror = caught_up(&server, dir.path()).await;
    assert!(mirror.is_maintainer());
    assert_same(&mirror, &server, 0).await;
    for n in 9_000..9_050 {
        server.add(0, entries(n..n + 1)).await;
        mirror.caught_up(&server.tail().await).await.unwrap();
        assert_eq!(held_by(&mirror, 0).await.len(), n + 1);
    }
    assert_same(&mirror, &server, 0).await;
    let progress = mirror.progress().borrow()[0];
    assert_eq!((progress.mirrored, progress.last), (9_050, id(9_049)));
    assert!(progress.live && progress.expected == 9_050);
    assert_eq!(mirror.incidents(), []);
    mirror.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_through_the_log_is_found_by_index() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    let mirror = open(&server, dir.path()).await;
    for n in 0..30 {
        server.log(0).append(event(n).into()).await.unwrap();
    }
    mirror.caught_up(&server.tail().await).await.unwrap();
    let found = mirror.log(0).unwrap().query(&Query::session("s1")).await;
    let found = found.unwrap().entries;
    let revisions: Vec<u64> = found.iter().map(|entry| entry.revision).collect();
    assert_eq!(revisions, (1..=10).collect::<Vec<_>>());
    mirror.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_where_it_ended() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    server.add(0, entries(0..500)).await;
    mirrored(&server, dir.path()).await;
    server.add(0, entries(500..700)).await;
    let before = server.fed();
    let mirror = caught_up(&server, dir.path()).await;
    assert_eq!(server.fed() - before, 200);
    assert_same(&mirror, &server, 0).await;
    assert_eq!(mirror.incidents(), []);
    mirror.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_partition_is_mirrored_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(3);
    for partition in 0..3 {
        let from = partition as usize * 100;
        server.add(partition, entries(from..from + 50)).await;
    }
    let mirror = caught_up(&server, dir.path()).await;
    server.add(1, entries(160..170)).await;
    mirror.caught_up(&server.tail().await).await.unwrap();
    for partition in 0..3 {
        assert_same(&mirror, &server, partition).await;
    }
    assert!(mirror.log(3).is_none());
    mirror.close().await;
    let synced = server.registered().pop().unwrap();
    assert_eq!(synced, server.tail().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_is_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    server.add(0, entries(0..10)).await;
    let mirror = caught_up(&server, dir.path()).await;
    server.down();
    server.add(0, entries(10..20)).await;
    let waiting = mirror.caught_up(&server.tail().await).await;
    assert_eq!(waiting.unwrap_err().code(), "unavailable");
    server.up();
    mirror.caught_up(&server.tail().await).await.unwrap();
    assert_same(&mirror, &server, 0).await;
    assert_eq!(mirror.incidents(), []);
    mirror.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_at_first_holds_up_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    server.add(0, entries(0..10)).await;
    server.down();
    let mirror = open(&server, dir.path()).await;
    assert_eq!(held_by(&mirror, 0).await, []);
    server.up();
    mirror.caught_up(&server.tail().await).await.unwrap();
    assert_same(&mirror, &server, 0).await;
    mirror.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_removed_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    server.add(0, entries(0..10)).await;
    server.trim(0, id(100)).await;
    let mirror = open(&server, dir.path()).await;
    assert_eq!(server.tail().await.get(0), id(9));
    mirror.caught_up(&server.tail().await).await.unwrap();
    assert_eq!(held_by(&mirror, 0).await, []);
    mirror.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_ends_every_wait() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(2);
    server.add(0, entries(0..1)).await;
    let mirror = Arc::new(caught_up(&server, dir.path()).await);
    // The server has what the mirror is still to get, but does not hand it out.
    let waiting = tokio::spawn({
        let mirror = Arc::clone(&mirror);
        let far = Cursor::after(id(50));
        async move { mirror.caught_up(&far).await }
    });
    mirror.close().await;
    mirror.close().await;
    // It may have learned before that the server holds nothing up to there.
    let ended = waiting.await.unwrap();
    assert!(
        matches!(ended, Ok(()) | Err(ReadError::Closed)),
        "{ended:?}"
    );
    let closed = mirror.caught_up(&Cursor::after(id(50))).await;
    assert_eq!(closed, Err(ReadError::Closed));
    // Another may take its place at once.
    assert!(open(&server, dir.path()).await.is_maintainer());
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_it_lets_go() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    drop(caught_up(&server, dir.path()).await);
    let next = open(&server, dir.path()).await;
    next.maintaining().await.unwrap();
    next.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_name_is_its_own_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    let mirror = open(&server, dir.path()).await;
    let name = mirror.name().to_owned();
    mirror.close().await;
    let mirror = open(&server, dir.path()).await;
    assert_eq!(mirror.name(), name);
    mirror.close().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let other = open(&server, elsewhere.path()).await;
    assert_ne!(other.name(), name);
    other.close().await;
}
