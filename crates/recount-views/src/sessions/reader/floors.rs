//! Below which entries nothing is left in the log.

use std::collections::BTreeMap;
use std::ops::Bound;

use recount_core::{Direction, EntryId, Partition, Position};

use super::super::damage::damaged;
use super::super::keys;
use crate::rows::{RowsError, Snapshot};

/// The id of the first entry left, by partition, where something was trimmed.
#[derive(Default)]
pub(super) struct Floors(BTreeMap<Partition, EntryId>);

impl Floors {
    pub(super) fn read(rows: &Snapshot) -> Result<Self, RowsError> {
        let mut floors = Self::default();
        for entry in rows.range(keys::FLOORS, Bound::Unbounded, Direction::Forward)? {
            let (key, value) = entry?;
            let partition = key.strip_prefix(keys::FLOORS);
            let partition = partition.and_then(|bytes| bytes.try_into().ok());
            let partition = partition.map(Partition::from_be_bytes);
            let floor = partition.zip(keys::read_id(value));
            floors.0.extend([floor.ok_or_else(|| damaged(key))?]);
        }
        Ok(floors)
    }

    /// Whether a session whose last entry is there is gone.
    pub(super) fn hide(&self, last: Position) -> bool {
        let floor = self.0.get(&last.partition);
        floor.is_some_and(|&floor| last.entry_id < floor)
    }
}
