//! Times as people write them.

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use recount_core::{EntryId, InvalidTimestamp, Timestamp};

/// A moment as a person names it: a time, or the entry that was recorded then.
///
/// | written | means |
/// |---|---|
/// | `90s`, `30m`, `1h`, `1h30m`, `2d`, `1w`, also with ` ago` | so long before now |
/// | `now` | now |
/// | `2026-01-02` | midnight UTC |
/// | `2026-01-02T10:00`, `2026-01-02 10:00:05.123` | that time in UTC |
/// | `2026-01-02T10:00:00+02:00` | RFC 3339 |
/// | `1526919030474` | milliseconds since 1970 (11 digits or more) |
/// | `1526919030474-0` | an entry id |
///
/// ```
/// use recount::{EntryId, Moment};
///
/// let noon: Moment = "2026-01-02T12:00".parse()?;
/// assert_eq!(noon.entry_id(), EntryId::new(1_767_355_200_000, 0));
/// # Ok::<(), recount::InvalidMoment>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A time.
    Time(Timestamp),
    /// The place of an entry.
    Entry(EntryId),
}

impl Moment {
    /// Reads `text`, which may be relative to `now`.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, InvalidMoment> {
        let text = text.trim();
        if text == "now" {
            return Ok(Self::Time(now));
        }
        if let Some(id) = entry_id(text) {
            return Ok(Self::Entry(id));
        }
        let shown = || text.chars().take(64).collect();
        match text.parse() {
            Ok(at) => return Ok(Self::Time(at)),
            Err(InvalidTimestamp::OutOfRange { .. }) => {
                return Err(InvalidMoment::OutOfRange { text: shown() });
            }
            Err(InvalidTimestamp::NoSuchDay { .. }) => {
                return Err(InvalidMoment::NoSuchDay { text: shown() });
            }
            Err(InvalidTimestamp::NotRfc3339 { .. }) => {}
        }
        let ago = ago_ms(text).map(|ago| now.as_millis().saturating_sub(ago));
        match ago.or_else(|| utc(text)) {
            Some(ms) => Timestamp::from_millis(ms)
                .map(Self::Time)
                .map_err(|_| InvalidMoment::OutOfRange { text: shown() }),
            None if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                Err(InvalidMoment::FewDigits { text: shown() })
            }
            None => Err(InvalidMoment::NotATime { text: shown() }),
        }
    }

    /// The smallest entry id that can have been recorded at this moment.
    pub fn entry_id(self) -> EntryId {
        match self {
            Self::Time(at) => {
                u64::try_from(at.as_millis()).map_or(EntryId::MIN, |ms| EntryId::new(ms, 0))
            }
            Self::Entry(id) => id,
        }
    }

    /// The time; of an entry, when it was recorded.
    pub fn timestamp(self) -> Timestamp {
        match self {
            Self::Time(at) => at,
            Self::Entry(id) => Timestamp::saturating_from_millis(id.ms),
        }
    }
}

/// As [`Moment::parse`] with the machine's present time.
impl FromStr for Moment {
    type Err = InvalidMoment;

    fn from_str(text: &str) -> Result<Self, InvalidMoment> {
        Self::parse(text, Timestamp::now())
    }
}

/// The text, to the millisecond: RFC 3339 or the entry id.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(at) => at.fmt(f),
            Self::Entry(id) => id.fmt(f),
        }
    }
}

/// A text that names no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMoment {
    /// It is written in no way that is known.
    #[error(
        "{text:?} is not a time: write 1h, 30m or 2d (so long ago), now, 2026-01-02 or 2026-01-02T10:00 (UTC), RFC 3339, milliseconds since 1970, or an entry id"
    )]
    NotATime {
        /// What was given.
        text: String,
    },
    /// A number that is too short for milliseconds: seconds, a year or a slip.
    #[error(
        "{text:?} is not a time: milliseconds since 1970 have 11 digits or more, and seconds are not accepted; or write 1h (ago), 2026-01-02 or RFC 3339"
    )]
    FewDigits {
        /// What was given.
        text: String,
    },
    /// It lies outside what can be recorded.
    #[error("{text:?} is out of range: a time must lie between -9999-01-02 and 9999-12-30")]
    OutOfRange {
        /// What was given.
        text: String,
    },
    /// The calendar has no such day.
    #[error("{text:?} names a day that does not exist")]
    NoSuchDay {
        /// What was given.
        text: String,
    },
}

/// An entry id, or its millisecond alone. Fewer digits are taken for a year or a slip: the ids of
/// eleven digits begin in 1973.
fn entry_id(text: &str) -> Option<EntryId> {
    const DIGITS_MIN: usize = 11;
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (digits >= DIGITS_MIN).then(|| text.parse().ok())?
}

/// `1h30m` in milliseconds, as many as there can be where it is more; none for a text of another
/// form.
fn ago_ms(text: &str) -> Option<i64> {
    let mut rest = text.strip_suffix(" ago").unwrap_or(text);
    let mut sum = 0_i64;
    loop {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(letters);
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return None,
        };
        if number.is_empty() {
            return None;
        }
        let number = number.parse().unwrap_or(i64::MAX);
        sum = sum.saturating_add(number.saturating_mul(unit_ms));
        if after.is_empty() {
            return Some(sum);
        }
        rest = after;
    }
}

/// A date or a date and time without an offset, taken as UTC.
fn utc(text: &str) -> Option<i64> {
    let at: DateTime = text.parse().ok()?;
    // A time with an offset or a zone would have it ignored: that is not what was meant.
    let time = text
        .split_once(['T', 't', ' '])
        .map_or("", |(_, time)| time);
    if time.contains(['+', '-', '[']) {
        return None;
    }
    let at = Offset::UTC.to_timestamp(at).ok()?;
    Some(at.as_nanosecond().div_euclid(1_000_000) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-01-02T10:00:00.500Z";

    fn parse(text: &str) -> Result<Moment, InvalidMoment> {
        Moment::parse(text, NOW.parse().unwrap())
    }

    fn time(text: &str) -> String {
        match parse(text) {
            Ok(Moment::Time(at)) => at.to_string(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn spans_reach_back_from_now() {
        assert_eq!(time("now"), NOW);
        assert_eq!(time("500ms"), "2026-01-02T10:00:00.000Z");
        assert_eq!(time("90s"), "2026-01-02T09:58:30.500Z");
        assert_eq!(time("30m"), "2026-01-02T09:30:00.500Z");
        assert_eq!(time("1h30m"), "2026-01-02T08:30:00.500Z");
        assert_eq!(time("2d ago"), "2025-12-31T10:00:00.500Z");
        assert_eq!(time(" 1w "), "2025-12-26T10:00:00.500Z");
    }

    #[test]
    fn dates_are_utc_unless_they_say_otherwise() {
        assert_eq!(time("2026-01-02"), "2026-01-02T00:00:00.000Z");
        assert_eq!(time("2026-01-02T10:00"), "2026-01-02T10:00:00.000Z");
        assert_eq!(time("2026-01-02 10:00:05.1239"), "2026-01-02T10:00:05.123Z");
        assert_eq!(time("2026-01-02T10:00:00Z"), "2026-01-02T10:00:00.000Z");
        assert_eq!(
            time("2026-01-02T10:00:00+02:00"),
            "2026-01-02T08:00:00.000Z"
        );
        assert_eq!(time("1969-12-31"), "1969-12-31T00:00:00.000Z");
    }

    #[test]
    fn long_numbers_are_milliseconds_and_entries() {
        assert_eq!(
            parse("1526919030474"),
            Ok(Moment::Entry(EntryId::new(1_526_919_030_474, 0)))
        );
        assert_eq!(
            parse("1526919030474-55"),
            Ok(Moment::Entry(EntryId::new(1_526_919_030_474, 55)))
        );
        let entry = parse("1526919030474-55").unwrap();
        assert_eq!(entry.timestamp().to_string(), "2018-05-21T16:10:30.474Z");
        assert_eq!(parse("1969-12-31").unwrap().entry_id(), EntryId::MIN);
    }

    #[test]
    fn anything_else_is_an_error_that_says_what_to_write() {
        for bad in [
            "",
            "ago",
            "yesterday",
            "1",
            "2026",
            "2026-01",
            "1h30",
            "h",
            "-1h",
            "1y",
            " ago",
            "1526919030",
            "1526919030474-",
            "2026-01-02T10:00+99:00",
        ] {
            let error = parse(bad).expect_err(bad).to_string();
            assert!(error.contains("write 1h"), "{error}");
        }
        for (bad, words) in [
            ("0", "11 digits"),
            ("1526919030", "11 digits"),
            ("99999999999999999999d", "out of range"),
            ("999999999d", "out of range"),
            ("9999-12-31T23:59:59Z", "out of range"),
            ("9999-12-31", "out of range"),
            ("10000-01-01", "out of range"),
            ("2026-02-30", "a day that does not exist"),
            ("2026-02-30T10:00", "a day that does not exist"),
            ("2026-13-01", "a day that does not exist"),
        ] {
            let error = parse(bad).expect_err(bad).to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
