//! One writer at a time, and readers beside it.

use std::time::{Duration, Instant};

use recount_core::{Batch, EventLog};
use recount_disk::sim::SimStorage;
use recount_disk::{DiskLog, DiskOptions, OpenError};

use super::support::{STREAM, append, batch, ids, names, open};

fn impatient() -> DiskOptions {
    DiskOptions {
        lock_wait: Duration::ZERO,
        ..DiskOptions::default()
    }
}

fn assert_locked(refused: Result<DiskLog, OpenError>) {
    let error = refused.err().expect("there is a writer already");
    let told = error.to_string();
    let OpenError::Locked { pid, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(pid, std::process::id().to_string());
    assert!(
        told.contains(&pid) && told.contains("one process writes"),
        "{told}"
    );
}

#[tokio::test]
async fn a_second_writer_is_told_who_the_first_is() {
    let dir = tempfile::tempdir().unwrap();
    let first = DiskLog::open(dir.path(), STREAM, impatient())
        .await
        .unwrap();
    append(&first, 0..3).await;
    assert_locked(DiskLog::open(dir.path(), STREAM, impatient()).await);
    let other = DiskLog::open(dir.path(), "other", impatient()).await;
    other.expect("another stream has a lock of its own");

    let follower = DiskLog::open_read_only(dir.path(), STREAM, impatient())
        .await
        .unwrap();
    assert_eq!(ids(&follower).await, names(0..3));
    append(&first, 3..5).await;
    assert_eq!(ids(&follower).await, names(0..5));
    let refused = follower.append(Batch::new(batch(9..10))).await.unwrap_err();
    assert_eq!(refused.code(), "read_only");

    first.close().await.unwrap();
    let second = DiskLog::open(dir.path(), STREAM, impatient()).await;
    let second = second.expect("the lock is free once the log is closed");
    append(&second, 5..6).await;
    assert_eq!(ids(&follower).await, names(0..6));
    drop(second);
    // Dropped, the writer finishes in the background: this one waits for it.
    let third = DiskLog::open(dir.path(), STREAM, DiskOptions::default())
        .await
        .unwrap();
    assert_eq!(ids(&third).await, names(0..6));
}

#[tokio::test]
async fn a_killed_writer_holds_no_lock() {
    let storage = SimStorage::new(1);
    let first = open(&storage).await.unwrap();
    append(&first, 0..3).await;
    assert_locked(open(&storage).await);
    let storage = storage.kill();
    let second = open(&storage).await.unwrap();
    assert_eq!(ids(&second).await, names(0..3));
    // The dead one's handle tells so, and takes nothing from the living.
    assert_eq!(
        first
            .append(Batch::new(batch(3..4)))
            .await
            .unwrap_err()
            .code(),
        "stopped"
    );
    drop(first);
    assert_locked(open(&storage).await);
}

#[tokio::test]
async fn a_writer_whose_lock_or_file_is_taken_away_stops() {
    for gone in ["writer.lock", "0000000001.log"] {
        let dir = tempfile::tempdir().unwrap();
        let log = DiskLog::open(dir.path(), STREAM, impatient())
            .await
            .unwrap();
        append(&log, 0..3).await;
        std::fs::remove_file(dir.path().join("streams").join(STREAM).join(gone)).unwrap();
        // It looks now and then.
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut next = 3;
        let refused = loop {
            match log.append(Batch::new(batch(next..next + 1))).await {
                Err(refused) => break refused,
                Ok(_) => assert!(Instant::now() < deadline, "{gone} is not missed"),
            }
            next += 1;
        };
        assert_eq!(refused.code(), "stopped", "{gone}");
        assert!(refused.to_string().contains(gone), "{refused}");
        drop(log);
        if gone == "writer.lock" {
            let log = DiskLog::open(dir.path(), STREAM, impatient())
                .await
                .unwrap();
            assert_eq!(ids(&log).await, names(0..next));
        }
    }
}
