//! What goes into calls on groups, and what comes out.

use crate::{Cursor, EntryId, Partition, Position, Recorded};

/// Where a group starts reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupStart {
    /// At the first entry there is.
    Start,
    /// After the last entry there is at this moment.
    End,
    /// After these ids.
    After(Cursor),
}

/// An entry handed to a consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Where the entry is.
    pub position: Position,
    /// The entry; none if it was trimmed while it was pending.
    pub entry: Option<Recorded>,
    /// How often it has been delivered, this time included.
    pub delivery_count: u64,
}

/// Who claims, and from how idle an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    /// The new owner.
    pub consumer: String,
    /// How long an entry must have been with its owner untouched, in milliseconds.
    pub min_idle_ms: u64,
}

/// What an automatic claim brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// The entries taken over.
    pub deliveries: Vec<Delivery>,
    /// Where to look next.
    pub next: Option<Cursor>,
}

/// What is pending in a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PendingSummary {
    /// How many entries.
    pub count: u64,
    /// The first and the last of them by id, in each partition that has any.
    pub ranges: Vec<(Partition, EntryId, EntryId)>,
    /// How many each consumer owns, by name; given-back entries are under nobody's.
    pub by_consumer: Vec<(String, u64)>,
}

/// One pending entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingEntry {
    /// Where it is.
    pub position: Position,
    /// Who owns it; none once it was given back.
    pub consumer: Option<String>,
    /// How long ago it was delivered last, in milliseconds.
    pub idle_ms: u64,
    /// How often it was delivered.
    pub delivery_count: u64,
}

/// A group as a list shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupInfo {
    /// Its name.
    pub name: String,
    /// How many consumers it has.
    pub consumers: u64,
    /// How many entries are pending.
    pub pending: u64,
    /// The smallest id that is pending. Its milliseconds say since when it has been waiting.
    pub oldest_pending: Option<EntryId>,
    /// How far it has delivered.
    pub last_delivered: Cursor,
    /// How many retained entries of each partition it has not delivered yet, by partition.
    pub lags: Vec<(Partition, u64)>,
    /// How long ago a consumer called last, in milliseconds; none if none ever did.
    pub idle_ms: Option<u64>,
}

impl GroupInfo {
    /// How many retained entries it has not delivered yet.
    pub fn lag(&self) -> u64 {
        self.lags.iter().map(|(_, lag)| lag).sum()
    }
}

/// A consumer as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerInfo {
    /// Its name.
    pub name: String,
    /// How many entries are pending for it.
    pub pending: u64,
    /// How long ago it called last, in milliseconds.
    pub idle_ms: u64,
}
