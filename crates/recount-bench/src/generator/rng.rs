//! Random numbers that are the same everywhere for the same seed.

use std::ops::RangeInclusive;

/// `SplitMix64`: a counter, scrambled.
pub struct Rng(u64);

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        scramble(self.0)
    }

    /// A number below `bound`, which is not 0; evenly enough for bounds far below 2^32.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((self.next() >> 32) * bound) >> 32
    }

    /// True in `percent` of all cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }

    /// A number of the range, small ones far more often: each doubling is as likely as the next.
    pub fn skewed(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = range.into_inner();
        let doublings = u64::from((high / low).ilog2());
        let from = low << self.below(doublings + 1);
        from + self.below(from.min(high + 1 - from))
    }
}

/// Maps every number to another one, no two to the same.
pub fn scramble(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skewed_numbers_fill_their_range_and_are_mostly_small() {
        let mut rng = Rng::new(1);
        let mut drawn: Vec<u64> = (0..100_000).map(|_| rng.skewed(5..=2_000)).collect();
        drawn.sort_unstable();
        assert_eq!(drawn.first(), Some(&5));
        assert!(
            (50..150).contains(&drawn[50_000]),
            "median {}",
            drawn[50_000]
        );
        assert!((1_950..=2_000).contains(&drawn[99_999]));
    }
}
