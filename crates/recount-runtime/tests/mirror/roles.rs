//! One process maintains a mirror, others follow and take over.

use recount_core::Origin;
use recount_runtime::{MirrorError, Role};

use super::fake::Fake;
use super::support::{assert_same, caught_up, entries, open};

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_reads_what_the_maintainer_writes() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(2);
    let maintainer = open(&server, dir.path()).await;
    let follower = open(&server, dir.path()).await;
    assert_eq!(maintainer.role(), Some(Role::Maintainer));
    assert_eq!(follower.role(), Some(Role::Follower));
    for n in 0..20 {
        server.add(n % 2, entries(n as usize..n as usize + 1)).await;
        follower.caught_up(&server.tail().await).await.unwrap();
        assert_same(&follower, &server, n % 2).await;
    }
    let before = server.fed();
    assert_eq!(before, 20, "the follower asks the server for nothing");
    follower.close().await;
    maintainer.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_takes_over() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    server.add(0, entries(0..100)).await;
    let first = caught_up(&server, dir.path()).await;
    let second = open(&server, dir.path()).await;
    let third = open(&server, dir.path()).await;
    first.close().await;
    server.add(0, entries(100..200)).await;
    // Whoever of the two it is, both get it.
    for mirror in [&second, &third] {
        mirror.caught_up(&server.tail().await).await.unwrap();
        assert_same(mirror, &server, 0).await;
    }
    second.close().await;
    third.maintaining().await.unwrap();
    server.add(0, entries(200..300)).await;
    third.caught_up(&server.tail().await).await.unwrap();
    assert_same(&third, &server, 0).await;
    assert_eq!(server.fed(), 300, "nothing is mirrored twice");
    assert_eq!(third.incidents(), []);
    third.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_cannot_be_used_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let options = super::support::options(&file);
    let opened = recount_runtime::Mirror::open(Fake::new(1), options).await;
    let Err(error @ MirrorError::Storage { .. }) = opened else {
        panic!("an error of the storage");
    };
    assert!(error.to_string().contains("file"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lets_nobody_write_is_mirrored() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    server.add(0, entries(0..100)).await;
    server.refuse();
    let mirror = caught_up(&server, dir.path()).await;
    assert_same(&mirror, &server, 0).await;
    let told = mirror.unregistered().expect("it is not registered");
    assert!(told.to_string().contains("lets nobody write"), "{told}");
    mirror.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_was_forgotten_goes_on_and_registers_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    server.add(0, entries(0..10)).await;
    let mirror = caught_up(&server, dir.path()).await;
    assert!(server.forget(mirror.name()).await.unwrap());
    server.add(0, entries(10..20)).await;
    mirror.caught_up(&server.tail().await).await.unwrap();
    mirror.close().await;
    let known = server.registrations().await.unwrap();
    assert_eq!(known.len(), 1);
    assert_eq!(known[0].synced, server.tail().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_seen_when_it_is_closed_is_counted_and_registered() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let server = Fake::new(1);
        server.add(0, entries(0..3_000)).await;
        let mirror = caught_up(&server, dir.path()).await;
        mirror.close().await;
        assert_eq!(mirror.progress().borrow()[0].mirrored, 3_000);
        assert_eq!(server.registered().pop().unwrap(), server.tail().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_failure_is_told_and_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = Fake::new(1);
    let mirror = caught_up(&server, dir.path()).await;
    let data = mirror.dir().join("data");
    let away = mirror.dir().join("away");
    // Somebody takes the data away while it is written, and brings it back.
    std::fs::rename(&data, &away).unwrap();
    std::fs::write(&data, "").unwrap();
    server.add(0, entries(0..10)).await;
    let told = mirror.caught_up(&server.tail().await).await;
    if let Err(error) = told {
        assert_eq!(error.code(), "storage", "{error}");
    }
    std::fs::remove_file(&data).unwrap();
    std::fs::rename(&away, &data).unwrap();
    mirror.maintaining().await.unwrap();
    loop {
        match mirror.caught_up(&server.tail().await).await {
            Ok(()) => break,
            Err(error) => assert_eq!(error.code(), "storage", "{error}"),
        }
        tokio::task::yield_now().await;
    }
    assert_same(&mirror, &server, 0).await;
    mirror.close().await;
}
