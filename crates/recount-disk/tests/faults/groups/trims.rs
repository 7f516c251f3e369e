//! Retention that groups hold up, or do not.

use std::sync::Arc;

use recount_core::{EventLog, GroupStart, GroupStore, HeldUp, ManualClock, MaxLength, Retention};
use recount_disk::sim::SimStorage;
use recount_disk::{DiskLog, DiskOptions, SyncMode};

use super::support::{GROUP, claiming, info, positions};
use crate::support::{ROOT, START_MS, STREAM, append, ids, names, options};

async fn keeping(
    storage: &SimStorage,
    clock: &Arc<ManualClock>,
    entries: u64,
    held_up: HeldUp,
) -> DiskLog {
    let max_length = Some(MaxLength {
        entries,
        exact: true,
    });
    let options = DiskOptions {
        retention: Retention {
            max_length,
            held_up,
            ..Retention::default()
        },
        clock: Arc::clone(clock) as _,
        ..options(storage, SyncMode::Always)
    };
    DiskLog::open(ROOT, STREAM, options).await.unwrap()
}

#[tokio::test]
async fn retention_waits_for_a_group_and_says_so() {
    let (storage, clock) = (SimStorage::new(1), Arc::new(ManualClock::at(START_MS)));
    let log = keeping(&storage, &clock, 3, HeldUp::Block).await;
    log.create(GROUP, &GroupStart::Start).await.unwrap();
    append(&log, 0..9).await;
    append(&log, 9..10).await;
    assert_eq!(ids(&log).await, names(0..10));
    let told = log.info().await.unwrap();
    assert_eq!(told.partitions[0].held_back[0].by, "group audit");
    assert!(
        told.warnings[0].contains("group audit"),
        "{:?}",
        told.warnings
    );

    log.read_new(GROUP, "a", 10).await.unwrap();
    log.ack(GROUP, &positions((0..4).chain(5..9)))
        .await
        .unwrap();
    append(&log, 10..11).await;
    // What was trimmed after an append is seen by the next call of the writer.
    log.sync().await.unwrap();
    assert_eq!(ids(&log).await, names(4..11));
    log.ack(GROUP, &positions([4])).await.unwrap();
    append(&log, 11..12).await;
    log.sync().await.unwrap();
    assert_eq!(ids(&log).await, names(9..12));
    assert_eq!(log.info().await.unwrap().warnings, Vec::<String>::new());
}

#[tokio::test]
async fn forced_retention_takes_what_is_pending_and_the_lag_stays_right() {
    let (storage, clock) = (SimStorage::new(1), Arc::new(ManualClock::at(START_MS)));
    let log = keeping(&storage, &clock, 3, HeldUp::Force).await;
    log.create(GROUP, &GroupStart::Start).await.unwrap();
    append(&log, 0..3).await;
    log.read_new(GROUP, "a", 2).await.unwrap();
    append(&log, 3..9).await;
    log.sync().await.unwrap();
    assert_eq!(ids(&log).await, names(6..9));
    let group = info(&log).await;
    assert_eq!((group.pending, group.lag()), (2, 3));
    let bodies = log.claim(GROUP, &claiming("b", 0), &positions(0..2)).await;
    let bodies: Vec<_> = bodies.unwrap().into_iter().map(|d| d.entry).collect();
    assert_eq!(bodies, [None, None]);
    assert_eq!(log.requeue(GROUP, &positions([2])).await, Ok(vec![]));
}

#[tokio::test]
async fn a_group_that_nobody_asks_for_any_more_expires() {
    let (storage, clock) = (SimStorage::new(1), Arc::new(ManualClock::at(START_MS)));
    let policy = HeldUp::ExpireGroupsAfter(60_000);
    let log = keeping(&storage, &clock, 2, policy).await;
    for name in [GROUP, "never called"] {
        log.create(name, &GroupStart::Start).await.unwrap();
    }
    append(&log, 0..2).await;
    log.read_new(GROUP, "a", 1).await.unwrap();
    clock.advance(60_000);
    append(&log, 2..5).await;
    log.sync().await.unwrap();
    assert_eq!(ids(&log).await, names(0..5));
    // A call holds up again, also after a restart.
    clock.advance(1);
    log.read_new(GROUP, "a", 0).await.unwrap();
    log.destroy("never called").await.unwrap();
    let storage = {
        log.close().await.unwrap();
        storage.crash()
    };
    let log = keeping(&storage, &clock, 2, policy).await;
    clock.advance(60_000);
    append(&log, 5..6).await;
    log.sync().await.unwrap();
    assert_eq!(ids(&log).await, names(0..6));
    clock.advance(1);
    append(&log, 6..7).await;
    log.sync().await.unwrap();
    assert_eq!(ids(&log).await, names(5..7));
}
