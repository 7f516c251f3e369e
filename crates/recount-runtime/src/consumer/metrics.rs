//! What a consumer counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use recount_core::Partition;

/// What a consumer did since it started, and what it has at this moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsumerMetrics {
    /// Entries received, again ones included.
    pub delivered: u64,
    /// Entries taken over from other consumers, or from nobody, among those received.
    pub claimed: u64,
    /// Entries that the handler handled.
    pub handled: u64,
    /// Entries acknowledged, dead letters included.
    pub acked: u64,
    /// Attempts that failed and are made again.
    pub retried: u64,
    /// Attempts that panicked.
    pub panicked: u64,
    /// Entries that became dead letters.
    pub dead: u64,
    /// Entries that are no events.
    pub undecodable: u64,
    /// Entries trimmed before they could be handled.
    pub trimmed: u64,
    /// Entries that others took over while this consumer had them.
    pub lost: u64,
    /// Entries given back unhandled.
    pub given_back: u64,
    /// Calls on the store or the dead letters that failed and were made again.
    pub failed_calls: u64,
    /// What the last of them said.
    pub last_failure: Option<String>,
    /// How often the group was gone and was created again.
    pub recreated: u64,
    /// Entries with the handler now.
    pub in_flight: u64,
    /// Entries read and not yet acknowledged now, those in flight included.
    pub buffered: u64,
    /// Partitions held now; always empty unless the consumer is ordered.
    pub partitions: Vec<Partition>,
    /// How long handler calls took.
    pub latency: Latency,
}

/// How long calls took, to about a tenth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latency {
    /// How many calls.
    pub count: u64,
    /// Half of them took this long at most.
    pub p50: Duration,
    /// 99 of 100 took this long at most.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

/// The counters behind [`ConsumerMetrics`].
#[derive(Default)]
pub(super) struct Counters {
    pub delivered: Counter,
    pub claimed: Counter,
    pub handled: Counter,
    pub acked: Counter,
    pub retried: Counter,
    pub panicked: Counter,
    pub dead: Counter,
    pub undecodable: Counter,
    pub trimmed: Counter,
    pub lost: Counter,
    pub given_back: Counter,
    failed_calls: Counter,
    last_failure: Mutex<Option<String>>,
    pub recreated: Counter,
    pub latency: Histogram,
}

impl Counters {
    /// A call failed, and is made again.
    pub fn failed(&self, error: &impl ToString) {
        *self.last_failure.lock() = Some(error.to_string());
        self.failed_calls.add(1);
    }

    pub fn snapshot(&self) -> ConsumerMetrics {
        ConsumerMetrics {
            delivered: self.delivered.get(),
            claimed: self.claimed.get(),
            handled: self.handled.get(),
            acked: self.acked.get(),
            retried: self.retried.get(),
            panicked: self.panicked.get(),
            dead: self.dead.get(),
            undecodable: self.undecodable.get(),
            trimmed: self.trimmed.get(),
            lost: self.lost.get(),
            given_back: self.given_back.get(),
            failed_calls: self.failed_calls.get(),
            last_failure: self.last_failure.lock().clone(),
            recreated: self.recreated.get(),
            latency: self.latency.snapshot(),
            ..ConsumerMetrics::default()
        }
    }
}

#[derive(Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, n: usize) {
        self.0.fetch_add(n as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Eight buckets for each doubling of nanoseconds: fixed size, no lock.
pub(super) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    max_ns: AtomicU64,
}

const PER_DOUBLING: u32 = 8;
const BUCKETS: usize = 64 * PER_DOUBLING as usize;

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
            max_ns: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    /// Counts `calls` calls that took `each`.
    pub fn record(&self, each: Duration, calls: usize) {
        let ns = u64::try_from(each.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(ns)].fetch_add(calls as u64, Ordering::Relaxed);
        if ns > self.max_ns.load(Ordering::Relaxed) {
            self.max_ns.fetch_max(ns, Ordering::Relaxed);
        }
    }

    fn snapshot(&self) -> Latency {
        let counts: Vec<u64> = self
            .buckets
            .iter()
            .map(|bucket| bucket.load(Ordering::Relaxed))
            .collect();
        let count: u64 = counts.iter().sum();
        let max_ns = self.max_ns.load(Ordering::Relaxed);
        let quantile = |percent: u64| {
            let wanted = (count * percent).div_ceil(100).max(1);
            let mut seen = 0;
            let found = counts.iter().position(|n| {
                seen += n;
                seen >= wanted
            });
            Duration::from_nanos(found.map_or(0, upper_end).min(max_ns))
        };
        Latency {
            count,
            p50: quantile(50),
            p99: quantile(99),
            max: Duration::from_nanos(max_ns),
        }
    }
}

fn bucket(ns: u64) -> usize {
    let ns = ns.max(1);
    let doubling = ns.ilog2();
    // The three bits below the highest one say which eighth of the doubling.
    let eighth = (ns << (63 - doubling) >> 60) & 7;
    (doubling * PER_DOUBLING) as usize + eighth as usize
}

/// The greatest number of nanoseconds that a bucket counts.
fn upper_end(bucket: usize) -> u64 {
    let (doubling, eighth) = (bucket as u32 / PER_DOUBLING, bucket as u64 % 8);
    let end = (8 + eighth + 1) as f64 / 8.0 * f64::from(doubling).exp2();
    (end.ceil() as u64).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_an_eighth() {
        let histogram = Histogram::default();
        for us in 1..=1000 {
            histogram.record(Duration::from_micros(us), 1);
        }
        let latency = histogram.snapshot();
        assert_eq!(
            (latency.count, latency.max),
            (1000, Duration::from_millis(1))
        );
        let near = |got: Duration, us: u64| {
            assert!(got >= Duration::from_micros(us), "{got:?}");
            assert!(got <= Duration::from_micros(us + us / 8), "{got:?}");
        };
        near(latency.p50, 500);
        near(latency.p99, 990);
    }

    #[test]
    fn every_duration_has_a_bucket_that_reaches_it() {
        for ns in [0, 1, 2, 3, 7, 8, 9, 1000, 123_456_789, 1 << 52] {
            assert!(upper_end(bucket(ns)) >= ns.max(1), "{ns}");
            assert!(bucket(ns) < BUCKETS);
        }
        assert!(bucket(u64::MAX) < BUCKETS);
        assert_eq!(Histogram::default().snapshot(), Latency::default());
    }
}
