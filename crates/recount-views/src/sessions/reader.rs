//! Asking for sessions, for states that they went through, and for users.

mod floors;
pub(super) mod list;
pub(super) mod users;

use self::floors::Floors;
use super::ask::{Cut, SessionList, UserList};
use super::cursor::ListError;
use super::damage::damaged;
use super::row::Head;
use super::upkeep::SNAPSHOT_EVERY;
use super::{SessionRows, SessionsView, UserRows, keys, row};
use crate::rows::{RowsError, Snapshot};
use crate::{SessionState, ViewError, Views};

/// Reads the view of sessions and users as it was committed last, by this process or another.
///
/// Where nothing is kept yet there are no sessions: [`Views::catch_up`] comes first.
#[derive(Debug, Clone)]
pub struct SessionsReader {
    views: Views,
}

impl Views {
    /// The sessions and users.
    pub fn sessions(&self) -> SessionsReader {
        SessionsReader {
            views: self.clone(),
        }
    }
}

impl SessionsReader {
    /// What the session came to, as far as the view has come.
    pub fn latest(&self, session: &str) -> Result<Option<SessionState>, ViewError> {
        self.snapshot(session, &Cut::End)
    }

    /// The last stored state at or before `cut`: from there on at most 64 entries of the session lead to
    /// the cut, or those that the view has not come to yet.
    pub fn snapshot(&self, session: &str, cut: &Cut) -> Result<Option<SessionState>, ViewError> {
        match self.open()? {
            Some(rows) => Ok(at(&rows, session, cut)?),
            None => Ok(None),
        }
    }

    /// Sessions, filtered and sorted.
    pub fn list(&self, list: &SessionList) -> Result<SessionRows, ListError> {
        match self.open()? {
            Some(rows) => Ok(list::list(&rows, list)?),
            None => Ok(SessionRows::none(list.count)),
        }
    }

    /// Users, filtered and sorted.
    pub fn users(&self, list: &UserList) -> Result<UserRows, ListError> {
        match self.open()? {
            Some(rows) => Ok(users::list(&rows, list)?),
            None => Ok(UserRows::none(list.count)),
        }
    }

    fn open(&self) -> Result<Option<Snapshot>, ViewError> {
        self.views.snapshot(SessionsView::NAME)
    }
}

/// The last stored state of a session at or before `cut`.
pub(super) fn at(
    rows: &Snapshot,
    session: &str,
    cut: &Cut,
) -> Result<Option<SessionState>, RowsError> {
    let key = keys::session(session);
    let Some(latest) = rows.get(&key)? else {
        return Ok(None);
    };
    let (head, state) = Head::read(latest).map_err(|_| damaged(&key))?;
    if Floors::read(rows)?.hide(head.position()) {
        return Ok(None);
    }
    if head.mark.is_within(cut) {
        let state = row::read_state(state).map_err(|_| damaged(&key))?;
        return Ok(Some(state));
    }
    // How many of the states before it are within: those come first.
    let (mut within, mut without) = (0, head.own_events / SNAPSHOT_EVERY);
    let mut found = None;
    while within < without {
        let k = within + (without - within) / 2;
        let key = keys::snapshot(session, k);
        let stored = rows.get(&key)?.ok_or_else(|| damaged(&key))?;
        let (mark, state) = row::read_mark(stored).map_err(|_| damaged(&key))?;
        if mark.is_within(cut) {
            found = Some(row::read_state(state).map_err(|_| damaged(&key))?);
            within = k + 1;
        } else {
            without = k;
        }
    }
    Ok(found)
}
