//! A sync that fails: the log stops, for what is on stable storage is not known any more.

use recount_core::{Batch, EventLog, TrimError, TrimLimit, TrimRequest};
use recount_disk::sim::{Fault, SimStorage};
use recount_disk::{DiskLog, SyncMode};

use super::support::{ROOT, STREAM, append_again, batch, ids, names, open, options};

#[tokio::test]
async fn stops_the_log_and_takes_nothing_that_was_acknowledged() {
    let mut stopped = 0;
    for nth in 0..70 {
        println!("sync {nth}");
        let storage = SimStorage::new(nth);
        storage.fail(Fault::SyncFails { nth });
        stopped += u32::from(work(storage).await);
    }
    assert!(stopped > 12, "{stopped} of the syncs stopped the log");
}

/// Whether the log stopped while it was in use.
async fn work(storage: SimStorage) -> bool {
    let mut acknowledged = 0;
    let mut stopped = false;
    match open(&storage).await {
        Err(error) => assert!(error.to_string().contains("syncing"), "{error}"),
        Ok(log) => {
            for from in (0..60).step_by(5) {
                match log.append(Batch::new(batch(from..from + 5))).await {
                    Ok(_) => acknowledged += 5,
                    Err(error) => {
                        assert_eq!(error.code(), "stopped", "{error}");
                        stopped = true;
                        check_stopped(&log, acknowledged).await;
                        break;
                    }
                }
            }
            // A helper's sync may fail after the last append.
            let closed = log.close().await;
            assert!(!stopped || closed.is_err());
        }
    }
    // The process ends, and the system still holds what was never on stable storage.
    let storage = storage.kill();
    let log = open(&storage).await.unwrap();
    let left = ids(&log).await;
    assert!(left.len() >= acknowledged);
    assert_eq!(left, names(0..left.len()));
    for from in (0..60).step_by(5) {
        log.append(Batch::new(batch(from..from + 5))).await.unwrap();
    }
    drop(log);
    // What was acknowledged now is there, however it had come there.
    let log = open(&storage.crash()).await.unwrap();
    assert_eq!(ids(&log).await, names(0..60));
    append_again(&log, 0..60).await;
    stopped
}

async fn check_stopped(log: &DiskLog, acknowledged: usize) {
    for n in [1000, 1001] {
        let error = log.append(Batch::new(batch(n..n + 1))).await.unwrap_err();
        assert_eq!(error.code(), "stopped");
        assert!(error.to_string().contains("syncing"), "{error}");
    }
    let trim = TrimRequest::exact(TrimLimit::MaxLength(0));
    assert!(matches!(
        log.trim(&trim).await,
        Err(TrimError::Stopped { .. })
    ));
    assert_eq!(
        ids(log).await,
        names(0..acknowledged),
        "reads go on, of what was acknowledged"
    );
    assert_eq!(log.info().await.unwrap().length(), acknowledged as u64);
}

#[tokio::test]
async fn of_an_unacknowledged_interval_fails_the_close() {
    let storage = SimStorage::new(1);
    let log = DiskLog::open(ROOT, STREAM, options(&storage, SyncMode::Os))
        .await
        .unwrap();
    log.append(Batch::new(batch(0..5))).await.unwrap();
    storage.fail(Fault::SyncFails { nth: 0 });
    let error = log.close().await.unwrap_err();
    assert!(error.to_string().contains("syncing"), "{error}");
    let log = open(&storage).await.unwrap();
    append_again(&log, 0..5).await;
    let log = open(&storage.crash()).await.unwrap();
    assert_eq!(ids(&log).await, names(0..5));
}

#[tokio::test]
async fn of_a_trim_stops_it() {
    for nth in 0..4 {
        let storage = SimStorage::new(nth);
        // A mode in which no helper syncs at the same time.
        let log = DiskLog::open(ROOT, STREAM, options(&storage, SyncMode::Os))
            .await
            .unwrap();
        log.append(Batch::new(batch(0..3))).await.unwrap();
        storage.fail(Fault::SyncFails { nth });
        let error = log
            .trim(&TrimRequest::exact(TrimLimit::MaxLength(1)))
            .await
            .unwrap_err();
        assert_eq!(error.code(), "stopped", "{error}");
        assert_eq!(ids(&log).await, names(0..3));
        let log = open(&storage.kill()).await.unwrap();
        let left = ids(&log).await;
        assert!(left == names(0..3) || left == names(2..3), "{left:?}");
    }
}
