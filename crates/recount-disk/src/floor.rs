//! Where the retained entries begin: `floor`.

use crate::bytes::{put_u32, put_u64, u32_at, u64_at};

const FLOOR_BYTES: usize = 64;
const MAGIC: &[u8; 8] = b"RCNTFLOR";

/// What `floor` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Floor {
    /// How many entries, counted from the first ever added, are trimmed.
    pub(crate) trimmed: u64,
    /// The segment the first retained entry is in, or will be.
    pub(crate) segment: u64,
    /// Of trimmed segments below this one the tables are on stable storage, whatever their names say.
    pub(crate) tables_below: u64,
}

impl Floor {
    /// Nothing is trimmed.
    pub(crate) const NONE: Self = Self {
        trimmed: 0,
        segment: 1,
        tables_below: 0,
    };

    pub(crate) fn encode(&self) -> [u8; FLOOR_BYTES] {
        let mut bytes = [0; FLOOR_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        put_u64(&mut bytes, 8, self.trimmed);
        put_u64(&mut bytes, 16, self.segment);
        let crc = crc32c::crc32c(&bytes[..24]);
        put_u32(&mut bytes, 24, crc);
        put_u64(&mut bytes, 28, self.tables_below);
        let crc = crc32c::crc32c(&bytes[..36]);
        put_u32(&mut bytes, 36, crc);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let whole = bytes.len() == FLOOR_BYTES
            && &bytes[..8] == MAGIC
            && crc32c::crc32c(&bytes[..24]) == u32_at(bytes, 24);
        // Older versions left the rest 0.
        let tables = || crc32c::crc32c(&bytes[..36]) == u32_at(bytes, 36);
        let whole = whole && (bytes[28..].iter().all(|&byte| byte == 0) || tables());
        whole.then(|| Self {
            trimmed: u64_at(bytes, 8),
            segment: u64_at(bytes, 16),
            tables_below: u64_at(bytes, 28),
        })
    }
}
