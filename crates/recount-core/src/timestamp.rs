//! When something happened.

use std::fmt;
use std::str::FromStr;

/// A moment in UTC with millisecond precision, between the years -9999 and 9999.
///
/// Prints as RFC 3339 with three digits of milliseconds: `2026-01-02T03:04:05.678Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// The moment `ms` milliseconds after the Unix epoch.
    pub fn from_millis(ms: i64) -> Result<Self, InvalidTimestamp> {
        jiff::Timestamp::from_millisecond(ms)
            .map(Self)
            .map_err(|_| InvalidTimestamp::OutOfRange {
                text: format!("{ms} ms since 1970"),
            })
    }

    /// The latest moment that the printed form holds, for times that lie beyond it.
    pub fn saturating_from_millis(ms: u64) -> Self {
        let ms = i64::try_from(ms).unwrap_or(i64::MAX);
        Self(jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX))
    }

    /// The present moment.
    pub fn now() -> Self {
        use crate::Clock;
        Self::saturating_from_millis(crate::SystemClock.now_ms())
    }

    /// Milliseconds since the Unix epoch, negative before it.
    pub fn as_millis(self) -> i64 {
        self.0.as_millisecond()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    /// Reads RFC 3339, with any offset; finer digits than milliseconds are cut.
    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let parsed: jiff::Timestamp = text.parse().map_err(|_| InvalidTimestamp::NotRfc3339 {
            text: text.chars().take(64).collect(),
        })?;
        Self::from_millis(parsed.as_nanosecond().div_euclid(1_000_000) as i64)
    }
}

/// Why a time was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTimestamp {
    /// The text is not RFC 3339.
    #[error("the timestamp {text:?} is not RFC 3339: write it like 2026-01-02T03:04:05.678Z")]
    NotRfc3339 {
        /// What was given.
        text: String,
    },
    /// The moment lies outside the years -9999 to 9999.
    #[error("the timestamp {text} is out of range: years -9999 to 9999 can be recorded")]
    OutOfRange {
        /// What was given.
        text: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_milliseconds_in_utc_and_reads_any_offset() {
        let at: Timestamp = "2026-01-02T03:04:05.678999+01:00".parse().unwrap();
        assert_eq!(at.to_string(), "2026-01-02T02:04:05.678Z");
        assert_eq!(
            Timestamp::from_millis(0).unwrap().to_string(),
            "1970-01-01T00:00:00.000Z"
        );
        let before: Timestamp = "1969-12-31T23:59:59.9995Z".parse().unwrap();
        assert_eq!(before.as_millis(), -1);
    }

    #[test]
    fn out_of_range_and_nonsense_are_told_apart() {
        assert!(matches!(
            Timestamp::from_millis(i64::MAX),
            Err(InvalidTimestamp::OutOfRange { .. })
        ));
        assert!(matches!(
            "yesterday".parse::<Timestamp>(),
            Err(InvalidTimestamp::NotRfc3339 { .. })
        ));
        let last = Timestamp::saturating_from_millis(u64::MAX);
        assert!(last.to_string().starts_with("9999-12-"));
    }
}
