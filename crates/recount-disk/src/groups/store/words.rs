//! Telling what the state is.

use recount_core::{ConsumerInfo, Cursor, EntryId, GroupInfo, PendingEntry, PendingSummary};

use super::call::position;
use crate::error::Fault;
use crate::groups::state::{Consumer, Group};
use crate::shared::Snapshot;

/// A group as a list shows it, but for its lag.
pub(super) fn info(group: &Group, now_ms: u64) -> GroupInfo {
    GroupInfo {
        name: group.name.to_string(),
        consumers: group.by_name.len() as u64,
        pending: group.pending.len() as u64,
        oldest_pending: group.pending.first_key_value().map(|(id, _)| *id),
        last_delivered: Cursor::after(group.cursor),
        lags: Vec::new(),
        idle_ms: group.idle_ms(now_ms),
    }
}

/// Counts what is retained behind a group's cursor.
pub(super) fn set_lag(info: &mut GroupInfo, snapshot: &Snapshot) -> Result<(), Fault> {
    let delivered = snapshot.entries_through(info.last_delivered.get(0))?;
    let lag = snapshot
        .added
        .saturating_sub(delivered.max(snapshot.trimmed));
    info.lags = vec![(0, lag)];
    Ok(())
}

pub(super) fn sum(group: &Group) -> PendingSummary {
    let first = group.pending.first_key_value();
    let last = group.pending.last_key_value();
    let range = first.zip(last);
    PendingSummary {
        count: group.pending.len() as u64,
        ranges: range
            .map(|((first, _), (last, _))| (0, *first, *last))
            .into_iter()
            .collect(),
        by_consumer: all(group)
            .filter(|consumer| !consumer.pending.is_empty())
            .map(|consumer| (consumer.name.to_string(), consumer.pending.len() as u64))
            .collect(),
    }
}

/// Up to `count` pending entries after an id, of one consumer or of all.
pub(super) fn entries(
    group: &Group,
    consumer: Option<&str>,
    after: EntryId,
    count: usize,
    now_ms: u64,
) -> Vec<PendingEntry> {
    let describe = |id: EntryId| {
        let pending = group.pending.get(&id)?;
        Some(PendingEntry {
            position: position(id),
            consumer: group.owner_of(pending).map(ToString::to_string),
            idle_ms: pending.idle_ms(now_ms),
            delivery_count: pending.count,
        })
    };
    let Some(name) = consumer else {
        let ids = group.pending_after(after).map(|(id, _)| id);
        return ids.take(count).filter_map(describe).collect();
    };
    let owner = group.by_name.get(name);
    let ids = owner
        .into_iter()
        .flat_map(|&owner| group.owned_after(owner, after));
    ids.take(count).filter_map(describe).collect()
}

/// The consumers, by name.
pub(super) fn consumers(group: &Group, now_ms: u64) -> Vec<ConsumerInfo> {
    let info = |consumer: &Consumer| ConsumerInfo {
        name: consumer.name.to_string(),
        pending: consumer.pending.len() as u64,
        idle_ms: now_ms.saturating_sub(consumer.called_ms),
    };
    all(group).map(info).collect()
}

fn all(group: &Group) -> impl Iterator<Item = &Consumer> {
    let numbers = group.by_name.values();
    numbers.filter_map(|&number| group.consumer(number))
}
