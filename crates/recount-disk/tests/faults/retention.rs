//! What the writer does not keep, it trims as it goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use recount_core::{Batch, EventLog, ManualClock};
use recount_core::{MaxLength, Retention};
use recount_disk::sim::SimStorage;
use recount_disk::{DiskLog, DiskOptions, SyncMode};

use super::support::{ROOT, START_MS, STREAM, append, append_again, event, ids, names, options};

const HOUR: Duration = Duration::from_hours(1);

async fn open_keeping(
    storage: &SimStorage,
    clock: &Arc<ManualClock>,
    retention: Retention,
) -> DiskLog {
    let options = DiskOptions {
        retention,
        clock: Arc::clone(clock) as _,
        ..options(storage, SyncMode::Always)
    };
    DiskLog::open(ROOT, STREAM, options).await.unwrap()
}

fn length(entries: u64, exact: bool) -> Retention {
    Retention {
        max_length: Some(MaxLength { entries, exact }),
        ..Retention::default()
    }
}

fn period(period: Duration) -> Retention {
    Retention {
        period: Some(period),
        ..Retention::default()
    }
}

/// What is retained once the writer has looked: it trims after it has answered.
async fn settles(log: &DiskLog, expected: Vec<String>) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while ids(log).await != expected {
        assert!(
            Instant::now() < deadline,
            "{:?} are retained, not {expected:?}",
            ids(log).await
        );
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_exact_length_is_kept_append_by_append() {
    let storage = SimStorage::new(1);
    let clock = Arc::new(ManualClock::at(START_MS));
    let log = open_keeping(&storage, &clock, length(7, true)).await;
    for n in 0..20 {
        append(&log, n..n + 1).await;
        settles(&log, names((n + 1).saturating_sub(7)..n + 1)).await;
    }
    // The window is not shortened by it.
    append_again(&log, 0..20).await;
    let details = log.info().await.unwrap().details;
    assert!(
        details.contains(&("max_length".into(), "7".into())),
        "{details:?}"
    );
}

#[tokio::test]
async fn an_approximate_length_is_never_undercut_and_exceeded_by_a_bounded_number() {
    let storage = SimStorage::new(1);
    let clock = Arc::new(ManualClock::at(START_MS));
    let log = open_keeping(&storage, &clock, length(50, false)).await;
    append(&log, 0..1050).await;
    append(&log, 1050..1051).await;
    settles(&log, names(1001..1051)).await;
    append(&log, 1051..1061).await;
    assert_eq!(ids(&log).await, names(1001..1061));
}

#[tokio::test]
async fn what_is_too_old_goes_with_an_append_at_opening_and_by_the_clock() {
    let storage = SimStorage::new(1);
    let clock = Arc::new(ManualClock::at(START_MS));
    let log = open_keeping(&storage, &clock, period(HOUR)).await;
    append(&log, 0..5).await;
    clock.set(START_MS + 1_800_000);
    append(&log, 5..10).await;
    assert_eq!(ids(&log).await, names(0..10));
    clock.set(START_MS + 3_600_000);
    append(&log, 10..11).await;
    settles(&log, names(5..11)).await;
    log.close().await.unwrap();

    clock.set(START_MS + 5_400_000);
    let log = open_keeping(&storage, &clock, period(HOUR)).await;
    settles(&log, names(10..11)).await;
    log.close().await.unwrap();

    // Nothing is appended any more: a thread of the log's own looks at the clock.
    let log = open_keeping(&storage, &clock, period(Duration::from_secs(1))).await;
    settles(&log, Vec::new()).await;
    append(&log, 20..21).await;
    clock.set(START_MS + 9_000_000);
    settles(&log, Vec::new()).await;
}

#[tokio::test]
async fn a_log_that_keeps_everything_keeps_everything() {
    let storage = SimStorage::new(1);
    let clock = Arc::new(ManualClock::at(START_MS));
    let log = open_keeping(&storage, &clock, Retention::default()).await;
    append(&log, 0..50).await;
    clock.set(START_MS + 1_000_000_000);
    let receipt = log.append(Batch::new(vec![event(50, 60)])).await.unwrap();
    assert_eq!(receipt.appended(), 1);
    assert_eq!(ids(&log).await, [names(0..50), names(50..51)].concat());
}
