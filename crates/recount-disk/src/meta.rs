//! Who a stream is: `stream.meta`.

use crate::bytes::{array_at, put_u32, put_u64, u32_at, u64_at};

pub(crate) const META_BYTES: usize = 64;
const MAGIC: &[u8; 8] = b"RCNTMETA";
const VERSION: u32 = 1;

/// What `stream.meta` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    /// Tells this stream's segments from any other's.
    pub(crate) identity: [u8; 16],
    /// The key of all hashes.
    pub(crate) key: [u8; 16],
    pub(crate) created_ms: u64,
}

impl Meta {
    pub(crate) fn generate(created_ms: u64) -> Self {
        Self {
            identity: uuid::Uuid::new_v4().into_bytes(),
            key: uuid::Uuid::new_v4().into_bytes(),
            created_ms,
        }
    }

    pub(crate) fn encode(&self) -> [u8; META_BYTES] {
        let mut bytes = [0; META_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        put_u32(&mut bytes, 8, VERSION);
        bytes[16..32].copy_from_slice(&self.identity);
        bytes[32..48].copy_from_slice(&self.key);
        put_u64(&mut bytes, 48, self.created_ms);
        let crc = crc32c::crc32c(&bytes[..56]);
        put_u32(&mut bytes, 56, crc);
        bytes
    }

    /// What the bytes say; the version where it is not ours.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, BadMeta> {
        if bytes.len() != META_BYTES
            || &bytes[..8] != MAGIC
            || crc32c::crc32c(&bytes[..56]) != u32_at(bytes, 56)
        {
            return Err(BadMeta::Damaged);
        }
        match (u32_at(bytes, 8), Self::unchecked(bytes)) {
            (VERSION, Some(meta)) => Ok(meta),
            (other, _) => Err(BadMeta::Version(other)),
        }
    }

    /// What the bytes say if nothing of it is damaged.
    pub(crate) fn unchecked(bytes: &[u8]) -> Option<Self> {
        (bytes.len() >= 56).then(|| Self {
            identity: array_at(bytes, 16),
            key: array_at(bytes, 32),
            created_ms: u64_at(bytes, 48),
        })
    }
}

/// Why `stream.meta` was not understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadMeta {
    Damaged,
    Version(u32),
}
