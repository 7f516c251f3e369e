//! How long to wait before trying again.

use std::time::Duration;

use uuid::Uuid;

/// How long an event that failed waits before it is handled again.
///
/// The wait begins at `first`, doubles with every failure up to `max`, and is drawn from its upper half, so
/// that events which failed together are not tried together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// At most.
    pub max: Duration,
}

impl Default for Backoff {
    /// From 200 ms to 30 s.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(200),
            max: Duration::from_secs(30),
        }
    }
}

impl Backoff {
    /// What the runtime waits before it calls a store again that failed.
    pub(super) const STORE: Self = Self {
        first: Duration::from_millis(50),
        max: Duration::from_secs(5),
    };

    /// The wait after the how many-th failure in a row, from 1.
    pub fn delay(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let whole = self.first.saturating_mul(1 << doublings).min(self.max);
        let random = (Uuid::new_v4().as_u64_pair().1 & 0xffff) as u32;
        let half = whole / 2;
        half + half.mul_f64(f64::from(random) / 65_535.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_keep_within_their_upper_half() {
        let backoff = Backoff {
            first: Duration::from_millis(100),
            max: Duration::from_secs(1),
        };
        for (failures, whole_ms) in [
            (1, 100),
            (2, 200),
            (3, 400),
            (4, 800),
            (5, 1000),
            (900, 1000),
        ] {
            for _ in 0..50 {
                let delay = backoff.delay(failures);
                let whole = Duration::from_millis(whole_ms);
                assert!(
                    delay >= whole / 2 && delay <= whole,
                    "{failures}: {delay:?}"
                );
            }
        }
    }
}
