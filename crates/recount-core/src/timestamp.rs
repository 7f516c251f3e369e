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
        let ms = i64::try_from(ms).unwrap_or(i64::MAX).min(LATEST_MS);
        // In range: the smallest is 0.
        Self(jiff::Timestamp::from_millisecond(ms).unwrap_or_default())
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

/// 9999-12-30T22:00:00Z: what is later does not fit the printed form.
const LATEST_MS: i64 = 253_402_207_200_000;

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    /// Reads RFC 3339, with any offset; finer digits than milliseconds are cut.
    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let parsed: jiff::Timestamp = text.parse().map_err(|_| refused(text))?;
        Self::from_millis(parsed.as_nanosecond().div_euclid(1_000_000) as i64)
    }
}

/// Why `text` is no time: one that does not exist is told from one that was written otherwise.
fn refused(text: &str) -> InvalidTimestamp {
    let shown: String = text.chars().take(64).collect();
    let date = text.split(['T', 't', ' ']).next().and_then(date);
    let Some((year, month, day)) = date else {
        return InvalidTimestamp::NotRfc3339 { text: shown };
    };
    let date = i16::try_from(year)
        .ok()
        .filter(|year| (-9999..=9999).contains(year))
        .map(|year| jiff::civil::Date::new(year, month, day));
    match date {
        None => InvalidTimestamp::OutOfRange { text: shown },
        Some(Err(_)) => InvalidTimestamp::NoSuchDay { text: shown },
        // The days that offsets make uncertain.
        Some(Ok(date))
            if date >= jiff::civil::date(9999, 12, 30)
                || date <= jiff::civil::date(-9999, 1, 2) =>
        {
            InvalidTimestamp::OutOfRange { text: shown }
        }
        Some(Ok(_)) => InvalidTimestamp::NotRfc3339 { text: shown },
    }
}

/// Year, month and day of `2026-01-02`, whether there is such a day or not.
fn date(text: &str) -> Option<(i64, i8, i8)> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let mut parts = digits.split('-');
    let mut part = |lengths: std::ops::RangeInclusive<usize>| {
        let part = parts.next()?;
        let fits = lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| part.parse::<i64>().ok())?
    };
    let (year, month, day) = (part(4..=9)?, part(2..=2)?, part(2..=2)?);
    parts
        .next()
        .is_none()
        .then_some((sign * year, month as i8, day as i8))
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
    /// The moment lies outside what can be recorded.
    #[error("the timestamp {text} is out of range: it must lie between -9999-01-02 and 9999-12-30")]
    OutOfRange {
        /// What was given.
        text: String,
    },
    /// The calendar has no such day.
    #[error("the timestamp {text:?} names a day that does not exist")]
    NoSuchDay {
        /// What was given.
        text: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beyond_the_latest_moment_is_read_back_as_it_is_printed() {
        for ms in [u64::MAX, LATEST_MS as u64, LATEST_MS as u64 + 1, 0] {
            let at = Timestamp::saturating_from_millis(ms);
            assert_eq!(at.to_string().parse(), Ok(at), "{ms}");
            assert_eq!(Timestamp::from_millis(at.as_millis()), Ok(at), "{ms}");
        }
    }

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
        for late in [
            "9999-12-31T23:59:59Z",
            "+010000-01-01T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "-9999-01-01T00:00:00Z",
        ] {
            let error = late.parse::<Timestamp>().unwrap_err();
            assert!(
                matches!(error, InvalidTimestamp::OutOfRange { .. }),
                "{late}"
            );
        }
        for never in ["2026-02-30T10:00:00Z", "2026-13-01T10:00:00Z", "2026-00-00"] {
            let error = never.parse::<Timestamp>().unwrap_err();
            assert!(
                matches!(error, InvalidTimestamp::NoSuchDay { .. }),
                "{never}"
            );
        }
        for other in [
            "2026-01-02",
            "2026-01-02T99:00:00Z",
            "1-2-3",
            "2026-01-02-03",
        ] {
            let error = other.parse::<Timestamp>().unwrap_err();
            assert!(
                matches!(error, InvalidTimestamp::NotRfc3339 { .. }),
                "{other}"
            );
        }
        let last = Timestamp::saturating_from_millis(u64::MAX);
        assert!(last.to_string().starts_with("9999-12-"));
    }
}
