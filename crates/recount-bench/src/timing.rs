//! How long appends took.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Time spent publishing, and how it was spread over the appends.
pub struct Timing {
    spent: Duration,
    appends: Histogram<u64>,
}

impl Timing {
    pub fn new() -> Self {
        let appends = Histogram::new_with_bounds(1, 600_000_000_000, 3);
        Self {
            spent: Duration::ZERO,
            appends: appends.expect("the bounds are legal"),
        }
    }

    /// Notes that an append that began at `start` was acknowledged now.
    pub fn append_done(&mut self, start: Instant) {
        self.append_took(start.elapsed());
    }

    /// Notes how long an append took.
    pub fn append_took(&mut self, time: Duration) {
        self.appends.saturating_record(time.as_nanos() as u64);
    }

    /// Notes that publishing, begun at `start`, pauses now.
    pub fn pause(&mut self, start: Instant) {
        self.spent += start.elapsed();
    }

    /// Adds the appends of a producer that published at the same time.
    pub fn merge_appends(&mut self, other: &Self) {
        self.appends += &other.appends;
    }

    pub fn seconds(&self) -> f64 {
        self.spent.as_secs_f64()
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.appends.len()
    }

    /// The latency that `quantile` of the appends did not exceed, in microseconds.
    pub fn append_us(&self, quantile: f64) -> f64 {
        self.appends.value_at_quantile(quantile) as f64 / 1_000.0
    }
}

/// How long one kind of thing took, in microseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Took {
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

impl From<Timing> for Took {
    fn from(timing: Timing) -> Self {
        Self {
            p50: timing.append_us(0.5),
            p99: timing.append_us(0.99),
            max: timing.append_us(1.0),
        }
    }
}
