//! What a log says of itself.

use crate::{Durability, EntryId, Partition};

/// What a log holds and what it promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogInfo {
    /// The engine's name: `disk`, `redis`, `memory`.
    pub engine: &'static str,
    /// The stream's name.
    pub stream: String,
    /// Where it is: a directory or an address, without secrets.
    pub location: String,
    /// What an acknowledgement promises here.
    pub durability: Durability,
    /// The same in one sentence.
    pub durability_note: String,
    /// How long an event id is remembered, in milliseconds.
    pub idempotency_window_ms: u64,
    /// The partitions, by number.
    pub partitions: Vec<PartitionInfo>,
    /// Bytes the stream takes where it is stored, with indexes and everything else.
    pub bytes: u64,
    /// Further facts of the engine's own, as names and values to be shown.
    pub details: Vec<(String, String)>,
    /// What whoever runs this should know: in a sentence each, with what to do.
    pub warnings: Vec<String>,
}

impl LogInfo {
    /// Entries in all partitions.
    pub fn length(&self) -> u64 {
        self.partitions
            .iter()
            .map(|partition| partition.length)
            .sum()
    }
}

/// What a partition holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionInfo {
    /// Its number.
    pub partition: Partition,
    /// How many entries it holds.
    pub length: u64,
    /// How many entries were ever added, trimmed ones included.
    pub entries_added: u64,
    /// The first entry.
    pub first: Option<EntryId>,
    /// The last id given out, `0-0` in a partition that never held an entry. Its entry may have
    /// been trimmed.
    pub last: EntryId,
    /// What keeps entries from being trimmed.
    pub held_back: Vec<HeldBack>,
}

/// Somebody who still needs entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBack {
    /// Who: `group audit`, `mirror laptop`.
    pub by: String,
    /// Nothing from this id on is removed. It need not be that of an entry.
    pub from: EntryId,
}
