//! A moment of a session's history.

use std::fmt;
use std::str::FromStr;

use recount_core::{EntryId, Timestamp};

use crate::{InvalidMoment, Moment};

/// A moment of a session's history.
///
/// | written | means the state |
/// |---|---|
/// | `12` | after the session's twelfth entry (a revision) |
/// | `1526919030474-0` | after that entry, or the last one of the session before it |
/// | `now` | after everything that is recorded |
/// | `1h`, `2026-01-02T10:00`, ... | at that time, by when entries were recorded: as [`Moment`] reads it |
///
/// ```
/// use recount::{At, EntryId};
///
/// assert_eq!("12".parse(), Ok(At::Revision(12)));
/// assert_eq!("1526919030474-0".parse(), Ok(At::Entry(EntryId::new(1526919030474, 0))));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// After everything that is recorded.
    Now,
    /// After the session's entry of this number; 0 is before the first.
    Revision(u64),
    /// After this entry; where it is not of the session, after the last one of the session before it.
    Entry(EntryId),
    /// After everything that was recorded at this time or earlier.
    Recorded(Timestamp),
    /// Before the first entry that happened after this time, by its producer's word.
    Happened(Timestamp),
}

impl At {
    /// Reads `text`, which may be relative to `now`.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, InvalidAt> {
        let text = text.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let revision = text.parse().map(Self::Revision);
            return revision.map_err(|_| InvalidAt::Revision {
                text: text.chars().take(64).collect(),
            });
        }
        match Moment::parse(text, now) {
            Ok(Moment::Entry(id)) => Ok(Self::Entry(id)),
            Ok(Moment::Time(_)) if text == "now" => Ok(Self::Now),
            Ok(Moment::Time(at)) => Ok(Self::Recorded(at)),
            // Ids that no clock gave out are short.
            Err(error) => match text.parse() {
                Ok(id) => Ok(Self::Entry(id)),
                Err(_) => Err(error.into()),
            },
        }
    }

    /// The last entry id that there can be at this moment, if ids decide.
    pub(super) fn last_id(self) -> Option<EntryId> {
        match self {
            Self::Entry(id) => Some(id),
            Self::Recorded(at) => Some(
                u64::try_from(at.as_millis()).map_or(EntryId::MIN, |ms| EntryId::new(ms, u64::MAX)),
            ),
            Self::Now | Self::Revision(_) | Self::Happened(_) => None,
        }
    }
}

/// As [`At::parse`] with the machine's present time.
impl FromStr for At {
    type Err = InvalidAt;

    fn from_str(text: &str) -> Result<Self, InvalidAt> {
        Self::parse(text, Timestamp::now())
    }
}

/// For a sentence: `now`, `revision 12`, `entry 1526919030474-0`, `2026-01-02T10:00:00.000Z`.
impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now => f.write_str("now"),
            Self::Revision(number) => write!(f, "revision {number}"),
            Self::Entry(id) => write!(f, "entry {id}"),
            Self::Recorded(at) | Self::Happened(at) => at.fmt(f),
        }
    }
}

/// A text that names no moment of a session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidAt {
    /// It is none of what can be written.
    #[error("{0}; or write a revision, as 12")]
    Moment(#[from] InvalidMoment),
    /// The number is greater than any revision.
    #[error("{text} is greater than any revision: a number alone is a revision")]
    Revision {
        /// What was given.
        text: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<At, InvalidAt> {
        At::parse(text, "2026-01-02T10:00:00.500Z".parse().unwrap())
    }

    #[test]
    fn a_number_alone_is_a_revision_whatever_its_size() {
        assert_eq!(parse("0"), Ok(At::Revision(0)));
        assert_eq!(parse(" 12 "), Ok(At::Revision(12)));
        assert_eq!(parse("1526919030474"), Ok(At::Revision(1_526_919_030_474)));
        let error = parse("99999999999999999999").unwrap_err().to_string();
        assert!(error.contains("a number alone is a revision"), "{error}");
    }

    #[test]
    fn entries_and_times_are_told_apart() {
        assert_eq!(
            parse("1526919030474-3"),
            Ok(At::Entry(EntryId::new(1_526_919_030_474, 3)))
        );
        assert_eq!(parse("7-1"), Ok(At::Entry(EntryId::new(7, 1))));
        assert_eq!(parse("now"), Ok(At::Now));
        let hour_ago = "2026-01-02T09:00:00.500Z".parse().unwrap();
        assert_eq!(parse("1h"), Ok(At::Recorded(hour_ago)));
    }

    #[test]
    fn anything_else_is_told_what_to_write() {
        for bad in ["", "-1", "last", "12x", "7-"] {
            let error = parse(bad).expect_err(bad).to_string();
            assert!(error.contains("or write a revision"), "{error}");
        }
    }

    #[test]
    fn a_time_includes_all_of_its_millisecond() {
        let at = At::Recorded("2026-01-02".parse::<Moment>().unwrap().timestamp());
        assert_eq!(
            at.last_id(),
            Some(EntryId::new(1_767_312_000_000, u64::MAX))
        );
        let before_all = At::Recorded("1960-01-02".parse::<Moment>().unwrap().timestamp());
        assert_eq!(before_all.last_id(), Some(EntryId::MIN));
    }
}
