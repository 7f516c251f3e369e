//! A blocked Bloom filter whose every block checks itself: one look-up touches one cache line.

use crate::bytes::{put_u32, u32_at, u64_at};

/// Bytes of a block: 480 bits and their checksum.
pub(super) const BLOCK: usize = 64;
const BITS: u32 = 480;
/// About 1 in 200 keys that are not there passes.
const BITS_PER_KEY: u64 = 12;

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
        let start = block_of(key, self.0.len() / BLOCK) * BLOCK;
        for bit in bits_of(key) {
            self.0[start + bit as usize / 8] |= 1 << (bit % 8);
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

/// A finished filter.
pub(super) struct Filter<'a>(&'a [u8]);

impl<'a> Filter<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether `key` may have been added; none if the block is damaged.
    pub(super) fn may_hold(&self, key: &[u8]) -> Option<bool> {
        let start = block_of(key, self.0.len() / BLOCK) * BLOCK;
        let block = &self.0[start..start + BLOCK];
        if crc32c::crc32c(&block[..BLOCK - 4]) != u32_at(block, BLOCK - 4) {
            return None;
        }
        Some(bits_of(key).all(|bit| block[bit as usize / 8] & (1 << (bit % 8)) != 0))
    }
}

/// Keys are hashes, at least 10 bytes long.
fn block_of(key: &[u8], blocks: usize) -> usize {
    ((u128::from(u64_at(key, 0)) * blocks as u128) >> 64) as usize
}

fn bits_of(key: &[u8]) -> impl Iterator<Item = u32> {
    // Bytes 2 to 9: the low bytes of the block's choice and two of their own, spread by an odd
    // multiplier so that the six groups do not repeat that choice.
    let spread = u64_at(key, 2).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (0..6).map(move |group| ((spread >> (10 + group * 9)) as u32 & 511) % BITS)
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
        let filter = Filter::new(&bytes);
        assert!((0..keys).all(|n| filter.may_hold(&key(n)) == Some(true)));
        let wrong = (keys..2 * keys)
            .filter(|&n| filter.may_hold(&key(n)) == Some(true))
            .count();
        assert!(wrong < 400, "{wrong} of {keys} absent keys pass");
    }

    #[test]
    fn a_flipped_bit_is_noticed() {
        let mut filter = Building::new(1);
        filter.add(&key(1));
        let mut bytes = filter.finish();
        bytes[17] ^= 4;
        assert_eq!(Filter::new(&bytes).may_hold(&key(1)), None);
    }
}
