//! Keeping to [`Retention`](crate::Retention): what it does not keep is trimmed as the log goes on.

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use recount_core::{Lost, TrimLimit, TrimRequest};
use tokio::sync::mpsc::WeakSender;

use super::{Request, Writer};
use crate::error::{Doing, Fault};
use crate::shared::Shared;
use recount_core::{MaxLength, Retention};

/// An approximate length is cut back once it is exceeded by this part of it, or by so many entries.
const SLACK_PART: u64 = 10;
const SLACK_ENTRIES: u64 = 1_000;

/// How often ages are looked at: so many times a period, within these bounds.
const CHECKS_A_PERIOD: u32 = 20;
const CHECK_MIN: Duration = Duration::from_secs(1);
const CHECK_MAX: Duration = Duration::from_mins(1);

/// When the next look at the ages is due, by the log's clock.
#[derive(Default)]
pub(crate) struct Due {
    checked_ms: Option<u64>,
}

impl Due {
    /// Whether `every` has passed since the last time this was so. A clock that stepped back counts.
    fn take(&mut self, now_ms: u64, every: Duration) -> bool {
        let every_ms = every.as_millis() as u64;
        let due = self.checked_ms.is_none_or(|checked| {
            now_ms
                .checked_sub(checked)
                .is_none_or(|passed| passed >= every_ms)
        });
        if due {
            self.checked_ms = Some(now_ms);
        }
        due
    }
}

impl Writer {
    /// Trims what is not to be kept. Everything placed is written and answered.
    ///
    /// A trim that fails is tried again with the next occasion: it is nobody's request.
    pub(super) fn retain(&mut self) {
        let Retention {
            max_length, period, ..
        } = self.shared.options.retention;
        if let Some(length) = max_length
            && self.added - self.trimmed > longest(length)
        {
            self.retain_within(by_length(length));
        }
        if let Some(period) = period {
            let now_ms = self.shared.options.clock.now_ms();
            if self.due.take(now_ms, check_every(period)) && self.added > self.trimmed {
                self.retain_within(by_age(period));
            }
        }
    }

    fn retain_within(&mut self, limit: TrimLimit) {
        let request = TrimRequest {
            held_up: self.shared.options.retention.held_up,
            ..TrimRequest::exact(limit)
        };
        match self.trim(&request) {
            Ok(report) => {
                for Lost { by, entries } in report.lost {
                    tracing::warn!(%by, entries, "entries were trimmed that were still needed");
                }
            }
            Err(error) => tracing::warn!(%error, "what is beyond the retention stays for now"),
        }
    }
}

/// The limits that a log of so many entries is beyond, or may be.
pub(crate) fn retention_limits(
    retention: &Retention,
    entries: u64,
) -> impl Iterator<Item = TrimLimit> {
    let length = retention.max_length;
    let length = length.filter(|length| entries > longest(*length));
    let length = length.map(by_length);
    length.into_iter().chain(retention.period.map(by_age))
}

fn by_length(length: MaxLength) -> TrimLimit {
    TrimLimit::MaxLength(length.entries)
}

fn by_age(period: Duration) -> TrimLimit {
    TrimLimit::MaxAgeMs(period.as_millis() as u64)
}

/// How many entries there may be before the log is cut back.
fn longest(length: MaxLength) -> u64 {
    let slack = if length.exact {
        0
    } else {
        (length.entries / SLACK_PART).max(SLACK_ENTRIES)
    };
    length.entries.saturating_add(slack)
}

fn check_every(period: Duration) -> Duration {
    (period / CHECKS_A_PERIOD).clamp(CHECK_MIN, CHECK_MAX)
}

/// Reminds the writer of the clock: entries grow old also where nothing is appended.
pub(crate) struct Reminder {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Reminder {
    /// None where nothing is to be dropped for its age. The writer is not kept waiting for requests
    /// by this one: it holds the channel weakly.
    pub(crate) fn start(
        shared: &Shared,
        requests: WeakSender<Request>,
    ) -> Result<Option<Self>, Fault> {
        let Some(period) = shared.options.retention.period else {
            return Ok(None);
        };
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let stopped = Arc::clone(&stop);
        let every = check_every(period);
        let thread = Builder::new()
            .name("recount-retain".into())
            .spawn(move || remind(every, &stopped, &requests))
            .doing("starting a thread for", &shared.dir.path)?;
        Ok(Some(Self {
            stop,
            thread: Some(thread),
        }))
    }
}

impl Drop for Reminder {
    fn drop(&mut self) {
        *self.stop.0.lock() = true;
        self.stop.1.notify_all();
        if let Some(thread) = self.thread.take() {
            // It does nothing that can fail.
            let _ = thread.join();
        }
    }
}

fn remind(every: Duration, stop: &(Mutex<bool>, Condvar), requests: &WeakSender<Request>) {
    let mut stopped = stop.0.lock();
    while !*stopped {
        stop.1.wait_for(&mut stopped, every);
        let Some(requests) = requests.upgrade() else {
            return;
        };
        // A writer with a full queue appends, and looks at the clock by itself.
        drop(requests.try_send(Request::Retain));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approximate_length_has_slack_and_an_exact_one_none() {
        let length = |entries, exact| longest(MaxLength { entries, exact });
        assert_eq!(length(100_000, true), 100_000);
        assert_eq!(length(100_000, false), 110_000);
        assert_eq!(length(10, false), 1_010);
        assert_eq!(length(u64::MAX, false), u64::MAX);
    }

    #[test]
    fn ages_are_looked_at_when_time_has_passed_either_way() {
        let mut due = Due::default();
        let every = Duration::from_secs(1);
        let answers = [5_000, 5_999, 6_000, 6_001, 3_000, 3_500, 4_000];
        assert_eq!(
            answers.map(|now| due.take(now, every)),
            [true, false, true, false, true, false, true]
        );
        assert_eq!(check_every(Duration::from_secs(5)), CHECK_MIN);
        assert_eq!(
            check_every(Duration::from_secs(200)),
            Duration::from_secs(10)
        );
        assert_eq!(check_every(Duration::from_hours(24)), CHECK_MAX);
    }
}
