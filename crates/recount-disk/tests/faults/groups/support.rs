//! What the cases share: a log with a group, and the calls on it.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use recount_core::{
    ClaimRequest, Cursor, Delivery, EntryId, GroupInfo, GroupStart, GroupStore, ManualClock,
    PendingEntry, Position,
};
use recount_disk::sim::SimStorage;
use recount_disk::{DiskLog, DiskOptions, SyncMode};

use crate::support::{ROOT, START_MS, STREAM, append, file, options};

pub const GROUP: &str = "audit";

pub fn journal() -> PathBuf {
    file("groups.log")
}

/// A log whose events are synced, and groups as `groups_sync` says. Its segments never fill up, so that nobody
/// else writes meanwhile.
pub fn with(storage: &SimStorage, groups_sync: SyncMode, now_ms: u64) -> DiskOptions {
    DiskOptions {
        groups_sync,
        segment_bytes: 4 << 20,
        clock: Arc::new(ManualClock::at(START_MS + now_ms)),
        ..options(storage, SyncMode::Always)
    }
}

/// So long that no sync comes by itself.
pub fn never() -> SyncMode {
    SyncMode::Interval(Duration::from_hours(1))
}

pub async fn open_at(storage: &SimStorage, now_ms: u64) -> DiskLog {
    DiskLog::open(ROOT, STREAM, with(storage, never(), now_ms))
        .await
        .unwrap()
}

/// A log of so many entries with a group that begins at the first.
pub async fn filled(storage: &SimStorage, entries: usize) -> DiskLog {
    let log = open_at(storage, 0).await;
    append(&log, 0..entries).await;
    log.create(GROUP, &GroupStart::Start).await.unwrap();
    log
}

pub fn at(entry_id: EntryId) -> Position {
    Position {
        partition: 0,
        entry_id,
    }
}

/// The id of the `n`th entry, where all came in one batch.
pub fn id(n: u64) -> EntryId {
    EntryId::new(START_MS, n)
}

pub fn positions(numbers: impl IntoIterator<Item = u64>) -> Vec<Position> {
    numbers.into_iter().map(|n| at(id(n))).collect()
}

pub fn claiming(consumer: &str, min_idle_ms: u64) -> ClaimRequest {
    ClaimRequest {
        consumer: consumer.to_owned(),
        min_idle_ms,
    }
}

/// The sequences of delivered entries, and how often each was delivered.
pub fn counts(deliveries: &[Delivery]) -> Vec<(u64, u64)> {
    let count = |delivery: &Delivery| (delivery.position.entry_id.seq, delivery.delivery_count);
    deliveries.iter().map(count).collect()
}

pub async fn pending(log: &DiskLog) -> Vec<PendingEntry> {
    let start = Cursor::start();
    let all = log.pending_entries(GROUP, None, &start, usize::MAX);
    all.await.unwrap()
}

pub async fn info(log: &DiskLog) -> GroupInfo {
    let all = log.groups().await.unwrap();
    all.into_iter().find(|info| info.name == GROUP).unwrap()
}

/// Everything that calls tell of the groups, but for when a consumer called last.
pub async fn told(log: &DiskLog) -> String {
    let mut told = String::new();
    for info in log.groups().await.unwrap() {
        let GroupInfo {
            name,
            last_delivered,
            lags,
            ..
        } = &info;
        let start = Cursor::start();
        let all = log.pending_entries(name, None, &start, usize::MAX);
        let names: Vec<String> = log
            .consumers(name)
            .await
            .unwrap()
            .into_iter()
            .map(|consumer| consumer.name)
            .collect();
        writeln!(told, "{name} {last_delivered:?} {lags:?} {names:?}").unwrap();
        for entry in all.await.unwrap() {
            let PendingEntry {
                position,
                consumer,
                delivery_count,
                ..
            } = entry;
            writeln!(
                told,
                "  {} {consumer:?} {delivery_count}",
                position.entry_id
            )
            .unwrap();
        }
    }
    told
}
