//! What lists answer.

use super::cursor::ListCursor;
use super::sums::UserRow;
use crate::SessionState;

/// A page of sessions.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRows {
    /// The sessions, in the order asked for.
    pub sessions: Vec<SessionState>,
    /// Where the next page begins, if there is more.
    pub next: Option<ListCursor>,
    /// How many there are on all pages, if that was asked for.
    pub total: Option<u64>,
}

impl SessionRows {
    pub(super) fn none(counted: bool) -> Self {
        Self {
            sessions: Vec::new(),
            next: None,
            total: counted.then_some(0),
        }
    }
}

/// A page of users.
#[derive(Debug, Clone, PartialEq)]
pub struct UserRows {
    /// The users, in the order asked for.
    pub users: Vec<UserRow>,
    /// Where the next page begins, if there is more.
    pub next: Option<ListCursor>,
    /// How many there are on all pages, if that was asked for.
    pub total: Option<u64>,
}

impl UserRows {
    pub(super) fn none(counted: bool) -> Self {
        Self {
            users: Vec::new(),
            next: None,
            total: counted.then_some(0),
        }
    }
}
