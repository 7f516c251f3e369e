//! The bounds that every engine keeps.

/// What an append may hold at most. Checked before anything is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one event: the sum of its stream field names and values. Default 1 MiB.
    pub event_bytes_max: usize,
    /// Events of one batch. Default 10,000.
    pub batch_events_max: usize,
    /// Bytes of one batch: the sum of its events' bytes. Default 64 MiB.
    pub batch_bytes_max: usize,
}

impl Limits {
    /// Bytes of an event id, type, session, user, agent, trace or causation id.
    pub const ID_BYTES_MAX: usize = 128;
    /// Entries that one read or query returns at most, whatever it asked for.
    pub const PAGE_ENTRIES_MAX: usize = 10_000;
    /// Bytes after which a page ends early, with a continuation.
    pub const PAGE_BYTES_MAX: usize = 16 << 20;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            event_bytes_max: 1 << 20,
            batch_events_max: 10_000,
            batch_bytes_max: 64 << 20,
        }
    }
}
