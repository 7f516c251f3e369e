//! Reading: ranges, filters, pages, and what can go wrong.

use std::ops::Bound;

use crate::{EntryId, Event, EventType, IdRange, Limits, Partition, Recorded};

/// Which way a range is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Direction {
    /// From the smallest id up, as `XRANGE` does.
    #[default]
    Forward,
    /// From the greatest id down, as `XREVRANGE` does.
    Backward,
}

/// A range of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRange {
    /// The partition.
    pub partition: Partition,
    /// The ids.
    pub ids: IdRange,
    /// Which end to begin at.
    pub direction: Direction,
    /// How many entries to return at most; more than [`Limits::PAGE_ENTRIES_MAX`] means that many.
    pub limit: usize,
}

impl ReadRange {
    /// Partition 0 within `ids`, forward, as many as a page holds.
    pub fn new(ids: IdRange) -> Self {
        Self {
            partition: 0,
            ids,
            direction: Direction::Forward,
            limit: Limits::PAGE_ENTRIES_MAX,
        }
    }

    /// The whole of partition 0.
    pub fn all() -> Self {
        Self::new(IdRange::ALL)
    }

    /// At most `limit` entries.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// From the greatest id down.
    #[must_use]
    pub fn backward(mut self) -> Self {
        self.direction = Direction::Backward;
        self
    }

    /// The rest of this range once a page ended with [`Page::next`] = `next`.
    #[must_use]
    pub fn continued(mut self, next: EntryId) -> Self {
        match self.direction {
            Direction::Forward => self.ids.start = Bound::Included(next),
            Direction::Backward => self.ids.end = Bound::Included(next),
        }
        self
    }
}

/// Which entries a query wants. Everything that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Entries of this session.
    pub session_id: Option<String>,
    /// Entries of this user.
    pub user_id: Option<String>,
    /// Entries of any of these types; empty for all.
    pub types: Vec<EventType>,
}

impl Filter {
    /// Whether the filter lets everything pass, undecodable entries too.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether `event` passes.
    pub fn matches(&self, event: &Event) -> bool {
        self.session_id
            .as_ref()
            .is_none_or(|session| *session == event.session_id)
            && (self.user_id.is_none() || self.user_id == event.user_id)
            && (self.types.is_empty() || self.types.contains(&event.event_type))
    }

    /// Whether `recorded` passes.
    pub fn passes(&self, recorded: &Recorded) -> bool {
        self.is_empty() || recorded.event().is_some_and(|event| self.matches(event))
    }
}

/// A range and a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Where to look.
    pub range: ReadRange,
    /// What for.
    pub filter: Filter,
}

impl Query {
    /// Everything recorded of one session.
    pub fn session(session_id: impl Into<String>) -> Self {
        Self {
            range: ReadRange::all(),
            filter: Filter {
                session_id: Some(session_id.into()),
                ..Filter::default()
            },
        }
    }
}

/// A part of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The entries, in the direction of the request.
    pub entries: Vec<Recorded>,
    /// Where to go on ([`ReadRange::continued`]); none where nothing was left.
    pub next: Option<EntryId>,
}

/// Why a read failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// What was read back is not what was written.
    #[error(
        "{path} is damaged at byte {offset}: {what}; the other files are unharmed: restore this one from a backup, or run `recount doctor`"
    )]
    Corrupt {
        /// The file.
        path: String,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// The engine could not read.
    #[error("{action} {path}: {message}")]
    Storage {
        /// What it did, as in "reading".
        action: &'static str,
        /// The file or address.
        path: String,
        /// What the system said.
        message: String,
    },
    /// Entries that a walk had still to read were trimmed meanwhile: what it would go on with does
    /// not follow what it gave.
    #[error(
        "entries from {from} on were trimmed while they were being read ({}): begin again, from what is left",
        left(*.first)
    )]
    Trimmed {
        /// Where the walk would have gone on.
        from: EntryId,
        /// The first entry that is left; none where none is.
        first: Option<EntryId>,
    },
    /// The server could not be reached, or did not answer in time.
    #[error("{address}: {message}")]
    Unavailable {
        /// The server, without secrets.
        address: String,
        /// What happened, and what to check.
        message: String,
    },
    /// The log was closed.
    #[error("the log was closed")]
    Closed,
}

fn left(first: Option<EntryId>) -> String {
    first.map_or_else(
        || "nothing is left".into(),
        |first| format!("the first one left is {first}"),
    )
}

impl ReadError {
    /// A stable name for programs to tell errors apart by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Corrupt { .. } => "corrupt",
            Self::Storage { .. } => "storage",
            Self::Trimmed { .. } => "trimmed",
            Self::Unavailable { .. } => "unavailable",
            Self::Closed => "closed",
        }
    }
}
