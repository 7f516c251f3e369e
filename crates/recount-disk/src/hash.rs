//! The keyed hashes under which ids, sessions and contents are remembered.
//!
//! The key is the stream's own and random, so nobody can publish ids that collide on purpose.

use std::hash::{BuildHasherDefault, Hasher};

use siphasher::sip128;
use twox_hash::XxHash3_64;

/// 80 bits of hash stand for an event id.
pub(crate) const ID_MASK: u128 = (1 << 80) - 1;

/// Hashes under one stream's key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hashes {
    keys: (u64, u64),
}

impl Hashes {
    pub(crate) fn new(key: &[u8; 16]) -> Self {
        let key = u128::from_le_bytes(*key);
        Self {
            keys: (key as u64, (key >> 64) as u64),
        }
    }

    /// An event id's hash; never 0.
    pub(crate) fn event_id(&self, id: &[u8]) -> u128 {
        (self.wide(b'i', id) & ID_MASK).max(1)
    }

    /// The hash of a session, a user or a custom type, told apart by `kind`; never 0.
    pub(crate) fn term(&self, kind: u8, name: &[u8]) -> u128 {
        self.wide(kind, name).max(1)
    }

    fn wide(&self, kind: u8, bytes: &[u8]) -> u128 {
        // The kind goes into the key: one pass over the bytes, no copy.
        sip128::SipHasher13::new_with_keys(self.keys.0 ^ u64::from(kind), self.keys.1)
            .hash(bytes)
            .as_u128()
    }
}

/// The hash of a content that comes as a number and a long rest.
///
/// XXH3 without a key is many times faster than `SipHash`, and enough: contents are compared by hash only
/// under one and the same event id, so a collision made on purpose harms nobody but who made it.
pub(crate) fn content(head: u64, rest: &[u8]) -> u64 {
    // The odd factor keeps different numbers different and spreads them over all bits.
    XxHash3_64::oneshot(rest) ^ head.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// The hash of a timestamp that the producer gave; never 0, which stands for one it did not.
pub(crate) fn timestamp(ms: i64) -> u32 {
    (XxHash3_64::oneshot(&ms.to_le_bytes()) as u32).max(1)
}

/// A hasher for keys that are hashes already.
#[derive(Default)]
pub(crate) struct AlreadyHashed(u64);

/// Builds [`AlreadyHashed`] for a map keyed by hashes.
pub(crate) type ByHash = BuildHasherDefault<AlreadyHashed>;

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 ^= u64::from_le_bytes(word);
        }
    }

    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }
}
