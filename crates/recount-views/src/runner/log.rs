//! What the runner asks of the log besides its entries.

use std::ops::Bound;

use recount_core::{
    Cursor, EntryId, EventLog, IdRange, Partition, Position, ReadError, ReadRange, Recorded,
};

use crate::checkpoint::{Checkpoint, Why};

/// Entries that are counted one by one, and read at a time.
const COUNTED_MAX: usize = 8 * PAGE;
const PAGE: usize = 1024;

/// Why a view that came to `checkpoint` cannot go on from there: the log lost what the view took in, or holds
/// something else. That an entry was trimmed is no reason.
pub(crate) async fn lost(
    log: &dyn EventLog,
    checkpoint: &Checkpoint,
) -> Result<Option<Why>, ReadError> {
    let tail = log.tail().await?;
    for (partition, place) in checkpoint.places() {
        let entry_id = place.entry_id();
        let position = || {
            Position {
                partition,
                entry_id,
            }
            .to_string()
        };
        if place.is_of_another(log.history(partition).await?) {
            return Ok(Some(Why::LogReplaced {
                position: position(),
            }));
        }
        if tail.get(partition) < entry_id {
            return Ok(Some(Why::LogLost {
                position: position(),
            }));
        }
        let ids = IdRange {
            start: Bound::Included(entry_id),
            end: Bound::Included(entry_id),
        };
        let same = match first_in(log, partition, ids).await? {
            Some(entry) => place.is(&entry),
            None => first_left(log, partition).await?.entry_id > entry_id,
        };
        if !same {
            return Ok(Some(Why::LogReplaced {
                position: position(),
            }));
        }
    }
    Ok(None)
}

/// The first entry left of a partition, or where the next one will be at the earliest.
pub(crate) async fn first_left(
    log: &dyn EventLog,
    partition: Partition,
) -> Result<Position, ReadError> {
    // First the tail: what comes in between is above it.
    let tail = log.tail().await?.get(partition);
    let first = first_in(log, partition, IdRange::ALL).await?;
    let next = if tail == EntryId::MIN {
        None
    } else {
        tail.next()
    };
    Ok(Position {
        partition,
        entry_id: first.map_or(next.unwrap_or(tail), |first| first.position.entry_id),
    })
}

async fn first_in(
    log: &dyn EventLog,
    partition: Partition,
    ids: IdRange,
) -> Result<Option<Recorded>, ReadError> {
    let range = ReadRange {
        partition,
        ..ReadRange::new(ids).limit(1)
    };
    Ok(log.read(&range).await?.entries.pop())
}

/// How many entries lie after `cursor`: counted where they are few, else about.
pub(crate) async fn behind(log: &dyn EventLog, cursor: &Cursor) -> Result<u64, ReadError> {
    let mut counted = 0;
    for partition in 0..log.partitions() {
        let mut after = cursor.get(partition);
        loop {
            let range = ReadRange {
                partition,
                ..ReadRange::new(IdRange::after(after)).limit(PAGE)
            };
            let page = log.read(&range).await?.entries;
            counted += page.len();
            match page.last() {
                _ if counted >= COUNTED_MAX => {
                    return Ok(left(log, cursor).await?.max(counted as u64));
                }
                Some(last) => after = last.position.entry_id,
                None => break,
            }
        }
    }
    Ok(counted as u64)
}

/// About how many entries lie after `cursor`, as if they were spread evenly over the time they were recorded in.
pub(crate) async fn left(log: &dyn EventLog, cursor: &Cursor) -> Result<u64, ReadError> {
    let mut left = 0.0;
    for partition in log.info().await?.partitions {
        let from = cursor.get(partition.partition);
        let Some(first) = partition.first.filter(|_| from < partition.last) else {
            continue;
        };
        let whole = partition.last.ms.saturating_sub(first.ms) + 1;
        let rest = partition.last.ms.saturating_sub(from.ms.max(first.ms)) + 1;
        let share = if from < first {
            1.0
        } else {
            rest as f64 / whole as f64
        };
        left += (partition.length as f64 * share).max(1.0);
    }
    Ok(left as u64)
}
