//! Clocks that step back.

use std::sync::Arc;
use std::time::Duration;

use recount_core::{EntryId, EventLog, ManualClock, TrimLimit, TrimRequest};
use recount_disk::sim::SimStorage;
use recount_disk::{DiskLog, DiskOptions, SyncMode};

use super::support::{ROOT, START_MS, STREAM, append, append_again, ids, names, options, read_all};

/// Opens the log with a clock that shows so many milliseconds after the start.
async fn open_at(storage: &SimStorage, ms: u64) -> (DiskLog, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(START_MS + ms));
    let options = DiskOptions {
        clock: Arc::clone(&clock) as _,
        idempotency_window: Duration::from_mins(1),
        ..options(storage, SyncMode::Always)
    };
    (DiskLog::open(ROOT, STREAM, options).await.unwrap(), clock)
}

async fn entry_ids(log: &DiskLog) -> Vec<EntryId> {
    let all = read_all(log).await;
    all.iter()
        .map(|recorded| recorded.position.entry_id)
        .collect()
}

#[tokio::test]
async fn ids_increase_all_the_same() {
    let storage = SimStorage::new(1);
    let (log, clock) = open_at(&storage, 1000).await;
    append(&log, 0..2).await;
    clock.set(START_MS);
    append(&log, 2..40).await;
    clock.set(0);
    append(&log, 40..42).await;
    let before = entry_ids(&log).await;
    assert!(
        before.is_sorted_by(|a, b| a < b) && before.len() == 42,
        "{before:?}"
    );
    drop(log);
    let storage = storage.crash();
    let (log, _) = open_at(&storage, 500).await;
    append(&log, 42..44).await;
    let after = entry_ids(&log).await;
    assert_eq!(after[..42], before);
    assert!(after.is_sorted_by(|a, b| a < b), "{after:?}");
    // Where nothing is retained, the last id is remembered all the same.
    log.trim(&TrimRequest::exact(TrimLimit::MaxLength(0)))
        .await
        .unwrap();
    drop(log);
    let (log, _) = open_at(&storage.crash(), 0).await;
    assert_eq!(log.tail().await.unwrap().get(0), after[43]);
    append(&log, 44..45).await;
    assert!(entry_ids(&log).await[0] > after[43]);
}

#[tokio::test]
async fn nothing_within_the_window_is_forgotten_for_a_clock_that_ran_ahead() {
    let storage = SimStorage::new(1);
    let (log, clock) = open_at(&storage, 0).await;
    append(&log, 0..40).await;
    clock.advance(120_000);
    let trim = TrimRequest::exact(TrimLimit::MaxLength(0));
    log.trim(&trim).await.unwrap();
    log.close().await.unwrap();
    let (log, clock) = open_at(&storage, 120_000).await;
    clock.set(START_MS);
    append_again(&log, 0..40).await;
    assert_eq!(ids(&log).await, names(0..0));
    append(&log, 40..41).await;
}
