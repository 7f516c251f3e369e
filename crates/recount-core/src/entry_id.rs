//! Entry ids and the forms in which Redis Streams writes them.
//!
//! | form | where | means |
//! |---|---|---|
//! | `1526919030474-55` | everywhere | exactly that id |
//! | `1526919030474` | everywhere | `-0`; as the end of a range, the last id of that millisecond |
//! | `(1526919030474-55` | either end of a range | that id itself excluded |
//! | `-`, `+` | either end of a range | the smallest and the greatest id |
//! | `$` | where to start reading | after the last entry there is |
//! | `*`, `1526919030474-*` | a new id | chosen by the stream; only its sequence chosen |
//!
//! Source: the Redis documentation of `XADD`, `XRANGE` and `XREAD`.

use std::fmt;
use std::ops::Bound;
use std::str::FromStr;

/// The id of an entry: the millisecond it was recorded in, and a sequence within it.
///
/// Ids strictly increase within a partition, also when the clock steps back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// Milliseconds since the Unix epoch.
    pub ms: u64,
    /// The sequence within the millisecond.
    pub seq: u64,
}

impl EntryId {
    /// `0-0`, which no entry has: the place before everything.
    pub const MIN: Self = Self { ms: 0, seq: 0 };
    /// The greatest id.
    pub const MAX: Self = Self {
        ms: u64::MAX,
        seq: u64::MAX,
    };

    /// The id `ms-seq`.
    pub const fn new(ms: u64, seq: u64) -> Self {
        Self { ms, seq }
    }

    /// The smallest id above this one; none above [`EntryId::MAX`].
    pub fn next(self) -> Option<Self> {
        match (self.seq.checked_add(1), self.ms.checked_add(1)) {
            (Some(seq), _) => Some(Self { ms: self.ms, seq }),
            (None, Some(ms)) => Some(Self { ms, seq: 0 }),
            (None, None) => None,
        }
    }

    /// The greatest id below this one; none below [`EntryId::MIN`].
    pub fn previous(self) -> Option<Self> {
        match (self.seq.checked_sub(1), self.ms.checked_sub(1)) {
            (Some(seq), _) => Some(Self { ms: self.ms, seq }),
            (None, Some(ms)) => Some(Self { ms, seq: u64::MAX }),
            (None, None) => None,
        }
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `pad` honours a width, so that ids line up in a table.
        if f.width().is_some() {
            f.pad(&format!("{}-{}", self.ms, self.seq))
        } else {
            write!(f, "{}-{}", self.ms, self.seq)
        }
    }
}

impl FromStr for EntryId {
    type Err = InvalidEntryId;

    /// Reads `ms-seq` or `ms`, which means `ms-0`.
    fn from_str(text: &str) -> Result<Self, InvalidEntryId> {
        parse(text, 0)
    }
}

/// A text that is none of the id forms allowed where it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct InvalidEntryId {
    /// What was given.
    pub text: String,
    /// The forms allowed there.
    pub expected: &'static str,
}

const AN_ID: &str = "an entry id: write it like 1526919030474-0 or 1526919030474";

fn parse(text: &str, seq_if_missing: u64) -> Result<EntryId, InvalidEntryId> {
    let (ms, seq) = match text.split_once('-') {
        Some((ms, seq)) => (digits(ms), digits(seq)),
        None => (digits(text), Some(seq_if_missing)),
    };
    match (ms, seq) {
        (Some(ms), Some(seq)) => Ok(EntryId { ms, seq }),
        _ => Err(invalid(text, AN_ID)),
    }
}

/// Digits alone: the standard parser would also take a sign.
fn digits(text: &str) -> Option<u64> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())?
}

fn invalid(text: &str, expected: &'static str) -> InvalidEntryId {
    InvalidEntryId {
        text: text.chars().take(64).collect(),
        expected,
    }
}

const A_RANGE_END: &str =
    "an end of a range: write an entry id like 1526919030474-0, (1526919030474-0, - or +";

fn bound(text: &str, seq_if_missing: u64) -> Result<Bound<EntryId>, InvalidEntryId> {
    let id = |text, seq| parse(text, seq).map_err(|_| invalid(text, A_RANGE_END));
    match text {
        "-" => Ok(Bound::Included(EntryId::MIN)),
        "+" => Ok(Bound::Included(EntryId::MAX)),
        _ => match text.strip_prefix('(') {
            Some(rest) => id(rest, seq_if_missing).map(Bound::Excluded),
            None => id(text, seq_if_missing).map(Bound::Included),
        },
    }
}

/// Where a range starts: `ms-seq`, `ms`, `(` exclusive, `-` or `+`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeStart(pub Bound<EntryId>);

impl FromStr for RangeStart {
    type Err = InvalidEntryId;

    fn from_str(text: &str) -> Result<Self, InvalidEntryId> {
        bound(text, 0).map(Self)
    }
}

/// Where a range ends: as its start, but `ms` alone includes that whole millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeEnd(pub Bound<EntryId>);

impl FromStr for RangeEnd {
    type Err = InvalidEntryId;

    fn from_str(text: &str) -> Result<Self, InvalidEntryId> {
        bound(text, u64::MAX).map(Self)
    }
}

/// A range of entry ids; each end included, excluded or open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRange {
    /// The lower end.
    pub start: Bound<EntryId>,
    /// The upper end.
    pub end: Bound<EntryId>,
}

impl IdRange {
    /// Everything.
    pub const ALL: Self = Self {
        start: Bound::Unbounded,
        end: Bound::Unbounded,
    };

    /// Everything above `id`.
    pub fn after(id: EntryId) -> Self {
        Self {
            start: Bound::Excluded(id),
            end: Bound::Unbounded,
        }
    }

    /// The part of the range that does not lie above `last`.
    #[must_use]
    pub fn up_to(self, last: EntryId) -> Self {
        let end = match self.end {
            Bound::Included(id) | Bound::Excluded(id) if id <= last => self.end,
            _ => Bound::Included(last),
        };
        Self { end, ..self }
    }

    /// The first and the last id the range holds; none where it is empty.
    pub fn inclusive(self) -> Option<(EntryId, EntryId)> {
        let first = match self.start {
            Bound::Unbounded => EntryId::MIN,
            Bound::Included(id) => id,
            Bound::Excluded(id) => id.next()?,
        };
        let last = match self.end {
            Bound::Unbounded => EntryId::MAX,
            Bound::Included(id) => id,
            Bound::Excluded(id) => id.previous()?,
        };
        (first <= last).then_some((first, last))
    }

    /// Whether `id` lies within.
    pub fn contains(self, id: EntryId) -> bool {
        self.inclusive()
            .is_some_and(|(first, last)| first <= id && id <= last)
    }
}

impl From<(RangeStart, RangeEnd)> for IdRange {
    fn from((start, end): (RangeStart, RangeEnd)) -> Self {
        Self {
            start: start.0,
            end: end.0,
        }
    }
}

/// Where a reader starts: `$` for what comes from now on, `-` or an id to go on after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartFrom {
    /// After the last entry there is.
    End,
    /// After this id; `0-0` is the beginning.
    After(EntryId),
}

impl FromStr for StartFrom {
    type Err = InvalidEntryId;

    fn from_str(text: &str) -> Result<Self, InvalidEntryId> {
        const EXPECTED: &str = "a place to start: write $ (from now on), - (the beginning) or an entry id to go on after";
        match text {
            "$" => Ok(Self::End),
            "-" => Ok(Self::After(EntryId::MIN)),
            _ => parse(text, 0)
                .map(Self::After)
                .map_err(|_| invalid(text, EXPECTED)),
        }
    }
}

/// The id an entry is added with: `*`, `ms-*`, or given whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewId {
    /// `*`: chosen by the stream.
    Auto,
    /// `ms-*`: the sequence chosen by the stream.
    AutoSequence {
        /// The millisecond.
        ms: u64,
    },
    /// Given whole.
    Given(EntryId),
}

impl FromStr for NewId {
    type Err = InvalidEntryId;

    fn from_str(text: &str) -> Result<Self, InvalidEntryId> {
        const EXPECTED: &str = "a new entry id: write *, 1526919030474-* or 1526919030474-0";
        if text == "*" {
            return Ok(Self::Auto);
        }
        if let Some(ms) = text.strip_suffix("-*") {
            return digits(ms)
                .map(|ms| Self::AutoSequence { ms })
                .ok_or_else(|| invalid(text, EXPECTED));
        }
        parse(text, 0)
            .map(Self::Given)
            .map_err(|_| invalid(text, EXPECTED))
    }
}

impl fmt::Display for NewId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("*"),
            Self::AutoSequence { ms } => write!(f, "{ms}-*"),
            Self::Given(id) => id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(ms: u64, seq: u64) -> EntryId {
        EntryId::new(ms, seq)
    }

    #[test]
    fn a_range_is_cut_at_the_last_id() {
        let id = |ms| EntryId::new(ms, 0);
        let up_to = |end| {
            IdRange {
                start: Bound::Unbounded,
                end,
            }
            .up_to(id(5))
            .inclusive()
        };
        let to = |last| Some((EntryId::MIN, last));
        assert_eq!(up_to(Bound::Unbounded), to(id(5)));
        assert_eq!(up_to(Bound::Included(id(9))), to(id(5)));
        assert_eq!(up_to(Bound::Excluded(id(9))), to(id(5)));
        assert_eq!(up_to(Bound::Included(id(3))), to(id(3)));
        assert_eq!(up_to(Bound::Excluded(id(5))), to(id(5).previous().unwrap()));
    }

    #[test]
    fn ids_parse_and_print() {
        assert_eq!("7-3".parse(), Ok(id(7, 3)));
        assert_eq!("7".parse(), Ok(id(7, 0)));
        assert_eq!(id(7, 3).to_string(), "7-3");
        assert_eq!(format!("{:>5}|", id(7, 3)), "  7-3|");
        let max = format!("{0}-{0}", u64::MAX);
        assert_eq!(max.parse(), Ok(EntryId::MAX));
        for bad in [
            "",
            "-",
            "7-",
            "-7",
            "+7",
            "7-+3",
            "7-3-1",
            "a",
            " 7",
            "18446744073709551616",
        ] {
            assert!(bad.parse::<EntryId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn range_ends_complete_a_bare_millisecond() {
        assert_eq!("7".parse(), Ok(RangeStart(Bound::Included(id(7, 0)))));
        assert_eq!("7".parse(), Ok(RangeEnd(Bound::Included(id(7, u64::MAX)))));
        assert_eq!("(7-3".parse(), Ok(RangeStart(Bound::Excluded(id(7, 3)))));
        assert_eq!("-".parse(), Ok(RangeStart(Bound::Included(EntryId::MIN))));
        assert_eq!("+".parse(), Ok(RangeEnd(Bound::Included(EntryId::MAX))));
        assert!("$".parse::<RangeStart>().is_err());
        assert!("(-".parse::<RangeEnd>().is_err());
    }

    #[test]
    fn a_range_knows_what_it_holds() {
        let range = IdRange {
            start: Bound::Excluded(id(5, u64::MAX)),
            end: Bound::Excluded(id(7, 0)),
        };
        assert_eq!(range.inclusive(), Some((id(6, 0), id(6, u64::MAX))));
        assert!(range.contains(id(6, 4)));
        assert!(!range.contains(id(7, 0)));
        assert_eq!(IdRange::after(EntryId::MAX).inclusive(), None);
    }

    #[test]
    fn starting_places_and_new_ids() {
        assert_eq!("$".parse(), Ok(StartFrom::End));
        assert_eq!("0".parse(), Ok(StartFrom::After(EntryId::MIN)));
        assert_eq!("*".parse(), Ok(NewId::Auto));
        assert_eq!("7-*".parse(), Ok(NewId::AutoSequence { ms: 7 }));
        assert_eq!("7-1".parse(), Ok(NewId::Given(id(7, 1))));
        assert!("-*".parse::<NewId>().is_err());
        for new in ["*", "7-*", "7-1"] {
            assert_eq!(new.parse::<NewId>().unwrap().to_string(), new);
        }
    }

    #[test]
    fn neighbours_carry_over_the_millisecond() {
        assert_eq!(id(1, u64::MAX).next(), Some(id(2, 0)));
        assert_eq!(id(2, 0).previous(), Some(id(1, u64::MAX)));
        assert_eq!(EntryId::MAX.next(), None);
        assert_eq!(EntryId::MIN.previous(), None);
    }
}
