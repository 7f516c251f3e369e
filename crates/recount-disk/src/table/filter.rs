//! A blocked Bloom filter whose every block checks itself: one look-up touches one cache line.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::bytes::{put_u32, u32_at, u64_at};

/// Bytes of a block: 480 bits and their checksum.
pub(super) const BLOCK: usize = 64;
const BITS: u32 = 480;
/// About 1 in 600 keys that are not there passes.
const BITS_PER_KEY: u64 = 16;

/// How many blocks `keys` keys need.
pub(super) fn blocks_for(keys: u64) -> u64 {
    (keys * BITS_PER_KEY).div_ceil(u64::from(BITS)).max(1)
}

/// A filter being filled.
pub(super) struct Building(Vec<u8>);

impl Building {
    pub(super) fn new(blocks: u64) -> Self {
        Self(vec![0; blocks as usize * BLOCK])
    }

    pub(super) fn add(&mut self, key: &[u8]) {
        let key = FilterKey::new(key);
        let start = key.block(self.0.len() / BLOCK) * BLOCK;
        for bit in key.bits {
            self.0[start + usize::from(bit) / 8] |= 1 << (bit % 8);
        }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        for block in self.0.chunks_exact_mut(BLOCK) {
            let crc = crc32c::crc32c(&block[..BLOCK - 4]);
            put_u32(block, BLOCK - 4, crc);
        }
        self.0
    }
}

/// Where the first block is that does not match its checksum.
pub(super) fn first_damaged(bytes: &[u8]) -> Option<usize> {
    let damaged = |block: &[u8]| crc32c::crc32c(&block[..BLOCK - 4]) != u32_at(block, BLOCK - 4);
    let mut blocks = bytes.chunks_exact(BLOCK);
    Some(blocks.position(damaged)? * BLOCK)
}

/// What a filter asks of a key; made once for all the filters that are asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FilterKey {
    position: u64,
    bits: [u16; 6],
}

impl FilterKey {
    /// Keys are hashes, at least 10 bytes long.
    pub(crate) fn new(key: &[u8]) -> Self {
        // Bytes 2 to 9: the low bytes of the block's choice and two of their own, spread by an odd
        // multiplier so that the six groups do not repeat that choice.
        let spread = u64_at(key, 2).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let bit = |group: u32| ((spread >> (10 + group * 9)) as u16 & 511) % BITS as u16;
        Self {
            position: u64_at(key, 0),
            bits: [bit(0), bit(1), bit(2), bit(3), bit(4), bit(5)],
        }
    }

    fn block(&self, blocks: usize) -> usize {
        ((u128::from(self.position) * blocks as u128) >> 64) as usize
    }
}

/// Which blocks of a filter were found to match their checksums, a bit each.
pub(super) struct Verified(Box<[AtomicU64]>);

impl Verified {
    pub(super) fn none(blocks: u64) -> Self {
        Self(
            (0..blocks.div_ceil(64))
                .map(|_| AtomicU64::new(0))
                .collect(),
        )
    }
}

/// A finished filter.
pub(super) struct Filter<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) verified: &'a Verified,
}

impl Filter<'_> {
    /// Whether the key may have been added; none if the block is damaged.
    ///
    /// A look-up in passing costs one cache line: each block is checked the first time only.
    #[inline]
    pub(super) fn may_hold(&self, key: &FilterKey) -> Option<bool> {
        let number = key.block(self.bytes.len() / BLOCK);
        let block: &[u8; BLOCK] = self.bytes[number * BLOCK..].first_chunk()?;
        let word = &self.verified.0[number / 64];
        if word.load(Ordering::Relaxed) & (1 << (number % 64)) == 0 {
            if crc32c::crc32c(&block[..BLOCK - 4]) != u32_at(block, BLOCK - 4) {
                return None;
            }
            word.fetch_or(1 << (number % 64), Ordering::Relaxed);
        }
        let set = |bit: &u16| block[usize::from(*bit) / 8 % BLOCK] & (1 << (bit % 8)) != 0;
        Some(key.bits.iter().all(set))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Hashes;

    fn key(of: u32) -> [u8; 10] {
        let hash = Hashes::new(&[7; 16]).event_id(&of.to_le_bytes());
        crate::bytes::array_at(&hash.to_be_bytes(), 6)
    }

    #[test]
    fn added_keys_pass_and_few_others_do() {
        let keys = 20_000;
        let mut filter = Building::new(blocks_for(u64::from(keys)));
        (0..keys).for_each(|n| filter.add(&key(n)));
        let bytes = filter.finish();
        let verified = Verified::none(blocks_for(u64::from(keys)));
        let filter = Filter {
            bytes: &bytes,
            verified: &verified,
        };
        let passes = |n: &u32| filter.may_hold(&FilterKey::new(&key(*n))) == Some(true);
        assert!((0..keys).all(|n| passes(&n)));
        let wrong = (keys..2 * keys).filter(passes).count();
        assert!(wrong < 80, "{wrong} of {keys} absent keys pass");
    }

    #[test]
    fn a_flipped_bit_is_noticed() {
        let mut filter = Building::new(1);
        filter.add(&key(1));
        let mut bytes = filter.finish();
        bytes[17] ^= 4;
        let verified = Verified::none(1);
        let filter = Filter {
            bytes: &bytes,
            verified: &verified,
        };
        assert_eq!(filter.may_hold(&FilterKey::new(&key(1))), None);
    }
}
