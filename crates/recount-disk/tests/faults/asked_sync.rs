//! A sync that somebody asks for, where the mode would leave it to the system.

use std::time::Duration;

use recount_core::{EventLog, TrimLimit, TrimRequest};
use recount_disk::sim::{Fault, SimStorage};
use recount_disk::{DiskLog, DiskOptions, SyncMode};

use super::support::{ROOT, STREAM, append, ids, names, open, options};

/// Modes that do not sync by themselves within a test.
const MODES: [SyncMode; 2] = [
    SyncMode::Os,
    SyncMode::Interval(Duration::from_secs(100_000)),
];

async fn open_in(storage: &SimStorage, sync: SyncMode) -> DiskLog {
    let opened = DiskLog::open(ROOT, STREAM, options(storage, sync)).await;
    opened.expect("the log opens")
}

#[tokio::test]
async fn puts_everything_appended_before_it_on_stable_storage() {
    for seed in 0..40 {
        let sync = MODES[seed as usize % 2];
        println!("seed {seed}, {sync}");
        let storage = SimStorage::new(seed);
        let log = open_in(&storage, sync).await;
        let mut from = 0;
        for count in [1, 70, 3, 0, 40] {
            // In batches that fill several segments.
            for at in (from..from + count).step_by(7) {
                append(&log, at..(from + count).min(at + 7)).await;
            }
            from += count;
            log.sync().await.unwrap();
            append(&log, from..from + 2).await;
            from += 2;
            let crashed = storage.fork(seed).crash();
            let log = open(&crashed).await.expect("the log opens after a crash");
            let left = ids(&log).await;
            assert!(left.len() >= from - 2, "{} of {from}", left.len());
            assert_eq!(left, names(0..left.len()));
        }
        log.close().await.unwrap();
    }
}

#[tokio::test]
async fn goes_on_after_a_trim() {
    let storage = SimStorage::new(7);
    let log = open_in(&storage, SyncMode::Os).await;
    append(&log, 0..60).await;
    append(&log, 60..120).await;
    let trim = TrimRequest::exact(TrimLimit::MaxLength(10));
    log.trim(&trim).await.unwrap();
    append(&log, 120..130).await;
    log.sync().await.unwrap();
    let log = open(&storage.crash()).await.unwrap();
    assert_eq!(ids(&log).await, names(110..130));
}

#[tokio::test]
async fn stops_the_log_if_it_fails() {
    let storage = SimStorage::new(1);
    let log = open_in(&storage, SyncMode::Os).await;
    append(&log, 0..5).await;
    storage.fail(Fault::SyncFails { nth: 0 });
    assert_eq!(log.sync().await.unwrap_err().code(), "stopped");
    storage.heal();
    // A later success would hide what was lost.
    assert_eq!(log.sync().await.unwrap_err().code(), "stopped");
    let refused = log
        .append(super::support::batch(5..6).remove(0).into())
        .await;
    assert_eq!(refused.unwrap_err().code(), "stopped");
}

#[tokio::test]
async fn only_the_writer_can() {
    let root = tempfile::tempdir().unwrap();
    let open = || DiskLog::open(root.path(), STREAM, DiskOptions::default());
    let log = open().await.unwrap();
    append(&log, 0..5).await;
    log.sync().await.unwrap();
    let follower = DiskLog::open_read_only(root.path(), STREAM, DiskOptions::default());
    let refused = follower.await.unwrap().sync().await;
    assert_eq!(refused.unwrap_err().code(), "read_only");
    log.close().await.unwrap();
    assert_eq!(log.sync().await.unwrap_err().code(), "closed");
}
