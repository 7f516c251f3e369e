//! The rows of the two kinds of tables, as bytes that sort by their keys.

use recount_core::EntryId;

use crate::bytes::{array_at, u32_at, u64_at};

pub(super) const ID: usize = 31;
pub(super) const ID_WIDE: usize = 38;
pub(super) const SESSION: usize = 28;
/// Milliseconds and sequences up to these fit into a narrow row.
const NARROW_MS: u64 = (1 << 40) - 1;
const NARROW_SEQ: u64 = u32::MAX as u64;

/// Between what the event ids of a table lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IdBounds {
    /// The smallest and the greatest ms of their entry ids.
    pub(crate) ms: (u64, u64),
    /// The smallest and the greatest of their first sixteen bytes, see [`id_prefix`].
    pub(crate) prefix: (u128, u128),
}

impl IdBounds {
    /// The bounds of nothing.
    pub(crate) const NONE: Self = Self {
        ms: (u64::MAX, 0),
        prefix: (u128::MAX, 0),
    };

    /// Makes room for an id.
    pub(crate) fn add(&mut self, ms: u64, prefix: u128) {
        self.include(&Self {
            ms: (ms, ms),
            prefix: (prefix, prefix),
        });
    }

    /// Whether an id can lie between both these bounds and `other`.
    pub(crate) fn overlap(&self, other: &Self) -> bool {
        self.prefix.0 <= other.prefix.1 && other.prefix.0 <= self.prefix.1
    }

    /// Whether an id with this prefix can be among them.
    pub(crate) fn span(&self, prefix: u128) -> bool {
        (self.prefix.0..=self.prefix.1).contains(&prefix)
    }

    /// Whether milliseconds within the bounds fit into narrow rows.
    pub(super) fn is_narrow(&self) -> bool {
        self.ms.1.saturating_sub(self.ms.0) <= NARROW_MS
    }

    /// Makes room for all that `other` has.
    pub(crate) fn include(&mut self, other: &Self) {
        self.ms = (self.ms.0.min(other.ms.0), self.ms.1.max(other.ms.1));
        self.prefix = (
            self.prefix.0.min(other.prefix.0),
            self.prefix.1.max(other.prefix.1),
        );
    }
}

/// The first sixteen bytes of an event id, zeros behind a shorter one, as a number that sorts like
/// the text. Ids that begin with the time, as `UUIDv7` do, are thus told from older ones at once.
pub(crate) fn id_prefix(id: &[u8]) -> u128 {
    let mut prefix = [0; 16];
    let len = id.len().min(16);
    prefix[..len].copy_from_slice(&id[..len]);
    u128::from_be_bytes(prefix)
}

/// An event id that was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IdRow {
    /// The id's hash, 80 bits.
    pub(crate) hash: u128,
    pub(crate) content: u64,
    pub(crate) timestamp: u32,
    pub(crate) entry_id: EntryId,
}

/// The key of an event id's hash.
pub(crate) fn id_key(hash: u128) -> [u8; 10] {
    array_at(&hash.to_be_bytes(), 6)
}

/// The key of a session's hash.
pub(crate) fn session_key(hash: u128) -> [u8; 16] {
    hash.to_be_bytes()
}

impl IdRow {
    /// Whether the row fits into the narrow form above `ms_min`.
    pub(super) fn is_narrow(&self, ms_min: u64) -> bool {
        self.entry_id.ms - ms_min <= NARROW_MS && self.entry_id.seq <= NARROW_SEQ
    }

    pub(super) fn encode(&self, wide: bool, ms_min: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&id_key(self.hash));
        out.extend_from_slice(&self.content.to_le_bytes());
        out.extend_from_slice(&self.timestamp.to_le_bytes());
        let EntryId { ms, seq } = self.entry_id;
        if wide {
            out.extend_from_slice(&ms.to_le_bytes());
            out.extend_from_slice(&seq.to_le_bytes());
        } else {
            out.extend_from_slice(&(ms - ms_min).to_le_bytes()[..5]);
            out.extend_from_slice(&(seq as u32).to_le_bytes());
        }
    }

    pub(super) fn decode(row: &[u8], ms_min: u64) -> Self {
        let mut hash = [0; 16];
        hash[6..].copy_from_slice(&row[..10]);
        let entry_id = if row.len() == ID_WIDE {
            EntryId::new(u64_at(row, 22), u64_at(row, 30))
        } else {
            let mut ms = [0; 8];
            ms[..5].copy_from_slice(&row[22..27]);
            EntryId::new(ms_min + u64::from_le_bytes(ms), u64::from(u32_at(row, 27)))
        };
        Self {
            hash: u128::from_be_bytes(hash),
            content: u64_at(row, 10),
            timestamp: u32_at(row, 18),
            entry_id,
        }
    }
}

/// A session found in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SessionRow {
    pub(crate) hash: u128,
    pub(crate) segment: u32,
    /// The session's revision at the end of the segment.
    pub(crate) revision: u64,
}

impl SessionRow {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&session_key(self.hash));
        out.extend_from_slice(&self.segment.to_be_bytes());
        out.extend_from_slice(&self.revision.to_le_bytes());
    }

    pub(crate) fn decode(row: &[u8]) -> Self {
        Self {
            hash: u128::from_be_bytes(array_at(row, 0)),
            segment: u32::from_be_bytes(array_at(row, 16)),
            revision: u64_at(row, 20),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_survive_and_sort_by_hash(
            a in (any::<u128>(), any::<u64>(), any::<u32>(), any::<u64>(), any::<u64>()),
            b in any::<u128>(),
            base in any::<u64>(),
        ) {
            let mask = crate::hash::ID_MASK;
            let ms_min = base.min(a.3);
            let row = IdRow { hash: a.0 & mask, content: a.1, timestamp: a.2, entry_id: EntryId::new(a.3, a.4) };
            for wide in [true, !row.is_narrow(ms_min)] {
                let mut bytes = Vec::new();
                row.encode(wide, ms_min, &mut bytes);
                prop_assert_eq!(bytes.len(), if wide { ID_WIDE } else { ID });
                prop_assert_eq!(IdRow::decode(&bytes, ms_min), row);
            }
            prop_assert_eq!(id_key(a.0 & mask).cmp(&id_key(b & mask)), (a.0 & mask).cmp(&(b & mask)));
            let session = SessionRow { hash: a.0, segment: a.2, revision: a.1 };
            let mut bytes = Vec::new();
            session.encode(&mut bytes);
            prop_assert_eq!(bytes.len(), SESSION);
            prop_assert_eq!(SessionRow::decode(&bytes), session);
        }
    }
}
