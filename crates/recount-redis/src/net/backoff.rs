//! How long to wait between attempts.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Waits that double from [`FIRST`] to [`LONGEST`], each shortened by a random part of its half, so that
/// many clients of a server that comes back do not all knock at once.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    attempts: u32,
}

const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(500);

impl Backoff {
    /// The next wait.
    pub(super) fn next(&mut self) -> Duration {
        self.next_with(random())
    }

    fn next_with(&mut self, random: u64) -> Duration {
        let full = FIRST
            .saturating_mul(1 << self.attempts.min(16))
            .min(LONGEST);
        self.attempts = self.attempts.saturating_add(1);
        let spread = full.as_micros() as u64 / 2;
        full.saturating_sub(Duration::from_micros(random % (spread + 1)))
    }
}

/// A number that differs from one call and one process to the next: enough to spread waits.
pub(super) fn random() -> u64 {
    RandomState::new().hash_one(0u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..8).map(|_| backoff.next_with(0).as_millis()).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 500, 500]);
        backoff.attempts = u32::MAX;
        assert_eq!(backoff.next_with(0), LONGEST);
    }

    #[test]
    fn a_wait_is_shortened_by_at_most_half() {
        for random in (0..2_000_000).step_by(997).chain([u64::MAX]) {
            let mut backoff = Backoff { attempts: 3 };
            let wait = backoff.next_with(random);
            assert!(wait >= Duration::from_millis(40) && wait <= Duration::from_millis(80));
        }
    }

    #[test]
    fn random_numbers_differ() {
        assert_ne!(random(), random());
    }
}
