//! How far a replay is.

use recount_core::{EntryId, Partition, Position, Recorded, Timestamp};

/// How far a replay is: what [`Replay::after`](crate::Replay::after) goes on behind.
///
/// Everything that a replay delivers has its place in one order, so that its last event says it all. With what was
/// recorded when the replay began, [`Replay::end`](crate::Replay::end), it is all that has to be kept to go on later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayMark {
    /// Where the event is that was delivered last.
    pub position: Position,
    /// Of sessions side by side: how far in time the event's session was.
    pub happened: Option<Timestamp>,
}

/// A place in the order in which a replay delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// None in the order of the log.
    happened: Option<Timestamp>,
    entry_id: EntryId,
    partition: Partition,
}

impl Key {
    pub(super) fn of(recorded: &Recorded, happened: Option<Timestamp>) -> Self {
        Self {
            happened,
            entry_id: recorded.position.entry_id,
            partition: recorded.position.partition,
        }
    }

    pub(super) fn entry_id(&self) -> EntryId {
        self.entry_id
    }
}

impl From<ReplayMark> for Key {
    fn from(mark: ReplayMark) -> Self {
        Self {
            happened: mark.happened,
            entry_id: mark.position.entry_id,
            partition: mark.position.partition,
        }
    }
}

impl From<Key> for ReplayMark {
    fn from(key: Key) -> Self {
        Self {
            position: Position {
                partition: key.partition,
                entry_id: key.entry_id,
            },
            happened: key.happened,
        }
    }
}
