//! What can be asked of the sessions view.

use recount_core::{EntryId, Timestamp};

use super::cursor::ListCursor;
use crate::SessionState;

/// Up to where a session is looked at: its longest beginning in which nothing lies past the cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// All of it.
    End,
    /// Up to this revision, included.
    Revision(u64),
    /// Up to this entry, included.
    Entry(EntryId),
    /// Before the first entry that happened after this time.
    Happened(Timestamp),
}

/// Which sessions to list, in what order, and how many.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionList {
    /// In which an event named this user.
    pub user: Option<String>,
    /// Whose last named agent is this one.
    pub agent: Option<String>,
    /// Whether they go on.
    pub standing: Option<SessionStanding>,
    /// Only those in which something went wrong: [`SessionState::is_failed`].
    pub failed: bool,
    /// Only those that branched off this session.
    pub forked_from: Option<String>,
    /// Whose id begins so.
    pub prefix: Option<String>,
    /// Whose last entry was recorded at this id or later.
    pub since: Option<EntryId>,
    /// Whose last entry was recorded before this id.
    pub until: Option<EntryId>,
    /// In which the last thing happened at this time or later.
    pub happened_since: Option<Timestamp>,
    /// In which the last thing happened before this time.
    pub happened_until: Option<Timestamp>,
    /// What comes first.
    pub order: SessionOrder,
    /// The other way round.
    pub reverse: bool,
    /// At most so many.
    pub limit: usize,
    /// After the last one of an earlier answer to the same question.
    pub after: Option<ListCursor>,
    /// Whether to count all that there are, which takes a look at every session.
    pub count: bool,
    /// The time at which it is asked, which idle sessions are told by.
    pub now: Timestamp,
    /// After how many milliseconds without an event a session that goes on is idle.
    pub idle_after_ms: u64,
}

/// How many milliseconds a session may pause before it counts as idle, unless somebody asks otherwise.
pub(super) const IDLE_AFTER_MS: u64 = 30 * 60 * 1_000;
/// How many rows an answer has, unless somebody asks otherwise.
const LIMIT: usize = 50;

impl Default for SessionList {
    /// The 50 in which something was recorded last.
    fn default() -> Self {
        Self {
            user: None,
            agent: None,
            standing: None,
            failed: false,
            forked_from: None,
            prefix: None,
            since: None,
            until: None,
            happened_since: None,
            happened_until: None,
            order: SessionOrder::Recent,
            reverse: false,
            limit: LIMIT,
            after: None,
            count: false,
            now: Timestamp::now(),
            idle_after_ms: IDLE_AFTER_MS,
        }
    }
}

/// How a session stands, to somebody who looks at it at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionStanding {
    /// It goes on.
    Active,
    /// It was not ended, but nothing happened for long.
    Idle,
    /// It was ended.
    Ended,
}

impl SessionStanding {
    /// How `state` stands at `now`, where `idle_after_ms` without an event are long.
    pub fn of(state: &SessionState, now: Timestamp, idle_after_ms: u64) -> Self {
        match state.status {
            crate::SessionStatus::Ended { .. } => Self::Ended,
            _ if state.is_idle(now, idle_after_ms) => Self::Idle,
            _ => Self::Active,
        }
    }

    /// `active`, `idle` or `ended`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle => "idle",
            Self::Ended => "ended",
        }
    }
}

/// What sessions are sorted by. Where a session has no such thing it comes last, either way round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum SessionOrder {
    /// Its last entry, the newest first.
    #[default]
    Recent,
    /// The first thing that happened in it, the newest first.
    Started,
    /// Its events, the most first.
    Events,
    /// The messages that were added, the most first.
    Messages,
    /// Its errors, the most first.
    Errors,
    /// Its tokens, the most first.
    Tokens,
    /// What it cost, the most first.
    Cost,
    /// From the first to the last thing that happened in it, the longest first.
    Duration,
    /// What its end was worth, the most first.
    Reward,
    /// Its id, as bytes.
    Name,
}

/// Which users to list, in what order, and how many.
#[derive(Debug, Clone, PartialEq)]
pub struct UserList {
    /// Whose id begins so.
    pub prefix: Option<String>,
    /// Whose last entry was recorded at this id or later.
    pub since: Option<EntryId>,
    /// Whose last entry was recorded before this id.
    pub until: Option<EntryId>,
    /// What comes first.
    pub order: UserOrder,
    /// The other way round.
    pub reverse: bool,
    /// At most so many.
    pub limit: usize,
    /// After the last one of an earlier answer to the same question.
    pub after: Option<ListCursor>,
    /// Whether to count all that there are.
    pub count: bool,
}

impl Default for UserList {
    /// The 50 of whom something was recorded last.
    fn default() -> Self {
        Self {
            prefix: None,
            since: None,
            until: None,
            order: UserOrder::Recent,
            reverse: false,
            limit: LIMIT,
            after: None,
            count: false,
        }
    }
}

/// What users are sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum UserOrder {
    /// Their last entry, the newest first.
    #[default]
    Recent,
    /// The first thing that happened for them, the newest first.
    Started,
    /// Their sessions, the most first.
    Sessions,
    /// Their events, the most first.
    Events,
    /// The messages of their sessions, the most first.
    Messages,
    /// Their errors, the most first.
    Errors,
    /// Their tokens, the most first.
    Tokens,
    /// What they cost, the most first.
    Cost,
    /// Their id, as bytes.
    Name,
}
