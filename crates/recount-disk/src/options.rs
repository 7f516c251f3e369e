//! How a log is opened.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use recount_core::{Clock, Durability, Limits, Retention, SystemClock};

use crate::storage::{FileSystem, Storage};

/// How a log is opened. `DiskOptions::default()` is right for nearly everybody.
#[derive(Clone)]
pub struct DiskOptions {
    /// What an acknowledgement promises. Default: [`SyncMode::Always`].
    pub sync: SyncMode,
    /// When calls on consumer groups are put on stable storage. What is lost is at worst delivered again,
    /// so the default is [`SyncMode::Interval`] of 100 ms.
    pub groups_sync: SyncMode,
    /// What an append may hold at most.
    pub limits: Limits,
    /// How long an event id is remembered. Default: 24 hours.
    pub idempotency_window: Duration,
    /// What the writer keeps; the rest it trims as it goes. Default: everything.
    pub retention: Retention,
    /// The size at which a segment is closed. Default: 64 MiB.
    pub segment_bytes: u64,
    /// How long to wait for another process that has the stream open for writing. Default: 5 s.
    pub lock_wait: Duration,
    /// Where entry ids get their time from.
    pub clock: Arc<dyn Clock>,
    /// The file system.
    pub storage: Arc<dyn Storage>,
}

impl Default for DiskOptions {
    fn default() -> Self {
        Self {
            sync: SyncMode::Always,
            groups_sync: SyncMode::Interval(Duration::from_millis(100)),
            limits: Limits::default(),
            idempotency_window: Duration::from_hours(24),
            retention: Retention::default(),
            segment_bytes: 64 << 20,
            lock_wait: Duration::from_secs(5),
            clock: Arc::new(SystemClock),
            storage: Arc::new(FileSystem),
        }
    }
}

impl fmt::Debug for DiskOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskOptions")
            .field("sync", &self.sync)
            .field("groups_sync", &self.groups_sync)
            .field("limits", &self.limits)
            .field("idempotency_window", &self.idempotency_window)
            .field("retention", &self.retention)
            .field("segment_bytes", &self.segment_bytes)
            .field("lock_wait", &self.lock_wait)
            .finish_non_exhaustive()
    }
}

/// When the log puts what it wrote on stable storage, and so what an acknowledgement promises.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SyncMode {
    /// Before every acknowledgement; appends that meet share one `fdatasync`. What was acknowledged
    /// survives a power failure.
    #[default]
    Always,
    /// This often. What was acknowledged survives the process; a power failure takes at most what
    /// was written within the interval and the sync that follows it.
    Interval(Duration),
    /// When the operating system sees fit, and when the log is closed. What was acknowledged
    /// survives the process, not a power failure.
    Os,
}

impl SyncMode {
    /// What an acknowledgement promises.
    pub fn durability(self) -> Durability {
        match self {
            Self::Always => Durability::Synced,
            Self::Interval(_) | Self::Os => Durability::Written,
        }
    }

    /// What an acknowledgement promises, in a sentence.
    pub fn promise(self) -> String {
        match self {
            Self::Always => "An acknowledged event is on stable storage (fdatasync): it survives a power failure.".into(),
            Self::Interval(every) => format!(
                "An acknowledged event is with the operating system and synced every {} ms: it survives the process; a power failure may take the last {} ms.",
                every.as_millis(), every.as_millis()
            ),
            Self::Os => "An acknowledged event is with the operating system: it survives the process, not a power failure.".into(),
        }
    }
}

impl fmt::Display for SyncMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::Interval(every) => write!(f, "interval:{}ms", every.as_millis()),
            Self::Os => f.write_str("os"),
        }
    }
}

/// A text that names no sync mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a sync mode: write always, interval:100ms (1 ms to 1 hour) or os")]
pub struct InvalidSyncMode(String);

impl FromStr for SyncMode {
    type Err = InvalidSyncMode;

    fn from_str(text: &str) -> Result<Self, InvalidSyncMode> {
        match text {
            "always" => return Ok(Self::Always),
            "os" => return Ok(Self::Os),
            _ => {}
        }
        text.strip_prefix("interval:")
            .and_then(|every| match every.strip_suffix("ms") {
                Some(ms) => ms.parse::<u64>().ok(),
                None => every
                    .strip_suffix('s')?
                    .parse::<u64>()
                    .ok()?
                    .checked_mul(1000),
            })
            .filter(|ms| (1..=3_600_000).contains(ms))
            .map(|ms| Self::Interval(Duration::from_millis(ms)))
            .ok_or_else(|| InvalidSyncMode(text.chars().take(64).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sync_modes_parse_and_print() {
        for text in ["always", "interval:100ms", "os"] {
            assert_eq!(text.parse::<SyncMode>().unwrap().to_string(), text);
        }
        assert_eq!(
            "interval:2s".parse(),
            Ok(SyncMode::Interval(Duration::from_secs(2)))
        );
        for bad in [
            "",
            "never",
            "interval",
            "interval:",
            "interval:0ms",
            "interval:5h",
            "interval:-1s",
        ] {
            assert!(bad.parse::<SyncMode>().is_err(), "{bad}");
        }
    }
}
