//! Trimming: limits, reports, and what can go wrong.

use crate::{EntryId, HeldBack};

/// How far to trim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrimLimit {
    /// Keep at most this many entries of each partition, the newest.
    MaxLength(u64),
    /// Keep entries with this id and above, as `XTRIM MINID` does.
    MinId(EntryId),
    /// Keep entries recorded less than this many milliseconds ago by the clock, and those whose ids lie
    /// ahead of it.
    MaxAgeMs(u64),
}

/// A trim to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrimRequest {
    /// How far.
    pub limit: TrimLimit,
    /// Whether exactly so far, or at most so far and only where that is cheap.
    pub exact: bool,
    /// Whether to report what would be removed and remove nothing. A handle that only reads can do so.
    pub dry_run: bool,
    /// What to do about whoever still needs entries that the limit would remove.
    pub held_up: HeldUp,
}

/// What becomes of a limit where somebody still needs what it would remove.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HeldUp {
    /// The entries stay; the report names who needs them.
    #[default]
    Block,
    /// They are removed all the same; the report says what was lost to whom.
    Force,
    /// They stay for mirrors and for groups of which a consumer called within so many milliseconds. Other
    /// groups lose them; a group that no consumer ever called keeps them.
    ExpireGroupsAfter(u64),
}

impl TrimRequest {
    /// Trims exactly to `limit`.
    pub fn exact(limit: TrimLimit) -> Self {
        Self {
            limit,
            exact: true,
            dry_run: false,
            held_up: HeldUp::Block,
        }
    }

    /// Trims at most to `limit`, where that is cheap.
    pub fn approximate(limit: TrimLimit) -> Self {
        Self {
            exact: false,
            ..Self::exact(limit)
        }
    }
}

/// What a trim did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrimReport {
    /// How many entries it removed, or would remove.
    pub removed: u64,
    /// The first entry that is left; none where none is.
    pub first: Option<EntryId>,
    /// What kept it from going as far as it was asked to.
    pub held_back: Vec<HeldBack>,
    /// Who lost entries by it, because [`TrimRequest::held_up`] allows that.
    pub lost: Vec<Lost>,
}

/// What somebody lost by a trim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Who: `group audit`, `mirror laptop`.
    pub by: String,
    /// How many of the removed entries it had not been delivered, or not acknowledged, or not copied.
    pub entries: u64,
}

/// Why a trim failed. It removed nothing then, unless the engine had to stop over it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrimError {
    /// The engine could not read or write.
    #[error("{action} {path}: {message}")]
    Storage {
        /// What it did, as in "writing".
        action: &'static str,
        /// The file or address.
        path: String,
        /// What the system said.
        message: String,
    },
    /// The engine has stopped writing for good. How much of this trim was done is seen once the log is
    /// opened again.
    #[error("the log has stopped writing ({reason}): reopen it to go on")]
    Stopped {
        /// What happened.
        reason: String,
    },
    /// The server could not be reached, or did not answer in time.
    #[error("{address}: {message}; what was trimmed until then stays so")]
    Unavailable {
        /// The server, without secrets.
        address: String,
        /// What happened, and what to check.
        message: String,
    },
    /// This handle only reads.
    #[error("{path} is open for reading only: trim it from the process that writes it")]
    ReadOnly {
        /// What was opened.
        path: String,
    },
    /// The log was closed.
    #[error("the log was closed")]
    Closed,
}

impl TrimError {
    /// A stable name for programs to tell errors apart by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Storage { .. } => "storage",
            Self::Stopped { .. } => "stopped",
            Self::Unavailable { .. } => "unavailable",
            Self::ReadOnly { .. } => "read_only",
            Self::Closed => "closed",
        }
    }
}
