//! Times as people write them.

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use recount_core::{EntryId, Timestamp};

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
        if let Ok(at) = text.parse() {
            return Ok(Self::Time(at));
        }
        ago_ms(text)
            .and_then(|ago| now.as_millis().checked_sub(ago))
            .or_else(|| utc(text))
            .and_then(|ms| Timestamp::from_millis(ms).ok())
            .map(Self::Time)
            .ok_or_else(|| InvalidMoment {
                text: text.chars().take(64).collect(),
            })
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
#[error(
    "{text:?} is not a time: write 1h, 30m or 2d (so long ago), now, 2026-01-02 or 2026-01-02T10:00 (UTC), RFC 3339, milliseconds since 1970, or an entry id"
)]
pub struct InvalidMoment {
    /// What was given.
    pub text: String,
}

/// An entry id, or its millisecond alone. Fewer digits are taken for a year or a slip: the ids of
/// eleven digits begin in 1973.
fn entry_id(text: &str) -> Option<EntryId> {
    const DIGITS_MIN: usize = 11;
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (digits >= DIGITS_MIN).then(|| text.parse().ok())?
}

/// `1h30m` in milliseconds; none for a text of another form and for what is too long.
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
        sum = sum.checked_add(number.parse::<i64>().ok()?.checked_mul(unit_ms)?)?;
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
            "2026-13-01",
            "1h30",
            "h",
            "-1h",
            "1y",
            " ago",
            "1526919030",
            "1526919030474-",
            "99999999999999999999d",
            "9999999d",
            "10000-01-01",
            "2026-01-02T10:00+99:00",
        ] {
            let error = parse(bad).expect_err(bad).to_string();
            assert!(error.contains("write 1h"), "{error}");
        }
    }
}
