//! Keeping to what is to be kept, while this process publishes.

use std::sync::Arc;
use std::time::Duration;

use recount_core::{TrimLimit, TrimRequest};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::shared::Shared;
use crate::trim;

/// Appends between two looks at the length, where it need not be exact.
const SLACK_MIN: u64 = 1_000;

/// What an exact limit asks for after an append; none where the limit is not exact.
pub(crate) fn exact(shared: &Shared) -> Option<TrimRequest> {
    let length = shared.options.retention.max_length?;
    length.exact.then(|| TrimRequest {
        held_up: shared.options.retention.held_up,
        ..TrimRequest::exact(TrimLimit::MaxLength(length.entries))
    })
}

/// Trims as time passes and entries come, until the log is closed.
pub(crate) async fn keep(shared: Arc<Shared>) {
    let retention = shared.options.retention;
    let by_length = retention
        .max_length
        .filter(|length| !length.exact)
        .map(|length| length.entries);
    if by_length.is_none() && retention.period.is_none() {
        return;
    }
    let every = retention.period.map_or(Duration::from_mins(1), |period| {
        (period / 20).clamp(Duration::from_secs(1), Duration::from_mins(1))
    });
    let mut ticks = interval_at(Instant::now(), every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut closed = shared.closed.subscribe();
    loop {
        let mut limits = Vec::new();
        tokio::select! {
            _ = closed.wait_for(|closed| *closed) => return,
            _ = ticks.tick() => {
                limits.extend(retention.period.map(|period| {
                    TrimLimit::MaxAgeMs(u64::try_from(period.as_millis()).unwrap_or(u64::MAX))
                }));
                limits.extend(by_length.map(TrimLimit::MaxLength));
            }
            () = shared.appended.notified(), if by_length.is_some() => {
                limits.extend(by_length.map(TrimLimit::MaxLength));
            }
        }
        for limit in limits {
            let request = TrimRequest {
                held_up: retention.held_up,
                ..TrimRequest::approximate(limit)
            };
            match trim::all(&shared, &request).await {
                Ok(report) if report.removed > 0 => {
                    tracing::debug!(removed = report.removed, "trimmed to what is to be kept");
                }
                Ok(_) => {}
                // It is tried again with the next tick.
                Err(error) => tracing::warn!(%error, "the stream could not be trimmed"),
            }
        }
    }
}

/// After so many appends the length is looked at.
pub(crate) fn slack(shared: &Shared) -> Option<u64> {
    let length = shared.options.retention.max_length?;
    Some((length.entries / 10).max(SLACK_MIN))
}
