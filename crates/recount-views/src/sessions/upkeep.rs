//! Keeping the rows of sessions and users up to date.

mod cache;
mod trim;

use std::collections::HashMap;

use recount_core::{Fold as _, Position, Recorded};

use self::cache::{Cache, Kept};
use super::damage::damaged;
use super::sums::{Before, Sums};
use super::{keys, row};
use crate::rows::{Rows, RowsError};
use crate::view::{Fault, View};

/// Entries of a session from one kept state to the next: what is read from the log, at most, to come to a
/// state in between.
pub(super) const SNAPSHOT_EVERY: u64 = 64;

/// The view of all sessions and users.
///
/// Sessions in which something happens stay in memory, so that an event costs its fold; rows are written
/// when they are committed.
#[derive(Debug, Default)]
pub struct SessionsView {
    cache: Cache,
    /// What was recorded for users since the last commit.
    users: HashMap<String, Sums>,
    /// A row while it is made.
    row: Vec<u8>,
}

impl SessionsView {
    /// Its name.
    pub const NAME: &'static str = "sessions";

    /// A view with nothing in memory.
    pub fn new() -> Self {
        Self::default()
    }
}

impl View for SessionsView {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn apply(&mut self, entry: &Recorded, rows: &mut Rows<'_>) -> Result<(), Fault> {
        let Some(event) = entry.event() else {
            // It belongs to no session.
            return Ok(());
        };
        let kept = self.cache.touch(&event.session_id, rows)?;
        let before = Before::of(&kept.state);
        kept.state.apply(entry);
        let added = Sums::of_event(entry, before, &kept.state);
        if kept.state.user_id != kept.user {
            kept.change_user(&mut self.users, &mut self.row, rows)?;
        }
        kept.unsent.add(&added);
        if kept.state.own_events.is_multiple_of(SNAPSHOT_EVERY) {
            let key = keys::snapshot(
                &event.session_id,
                kept.state.own_events / SNAPSHOT_EVERY - 1,
            );
            self.row.clear();
            row::write_snapshot(&mut self.row, &kept.state);
            rows.put(&key, &self.row)?;
        }
        Ok(())
    }

    fn flush(&mut self, rows: &mut Rows<'_>) -> Result<(), Fault> {
        let mut changed = self.cache.changed();
        for kept in &mut changed {
            kept.settle_user(&mut self.users, rows)?;
        }
        // Rows are written the faster the nearer they are to the one before.
        changed.sort_unstable_by_key(|kept| kept.recent);
        for kept in &changed {
            kept.leave_recent(rows)?;
        }
        changed.sort_unstable_by_key(|kept| kept.state.position);
        for kept in &mut changed {
            kept.enter_recent(rows)?;
        }
        changed.sort_unstable_by(|a, b| a.state.session_id.cmp(&b.state.session_id));
        for kept in &changed {
            kept.write(&mut self.row, rows)?;
        }
        self.cache.settle();
        for (user, added) in self.users.drain() {
            change_user(&user, &mut self.row, rows, |sums| sums.add(&added))?;
        }
        Ok(())
    }

    fn trimmed(&mut self, first: Position, rows: &mut Rows<'_>) -> Result<(), Fault> {
        if trim::is_any_below(first, rows)? {
            // Else what is kept in memory would come back.
            self.flush(rows)?;
            self.cache = Cache::default();
            trim::below(first, &mut self.row, rows)?;
        }
        Ok(())
    }
}

impl Kept {
    /// Takes the session out of the order of last entries, where it stood at the last commit.
    fn leave_recent(&self, rows: &mut Rows<'_>) -> Result<(), RowsError> {
        match self.recent {
            Some(id) => rows.delete(&keys::recent(id, &self.state.session_id)),
            None => Ok(()),
        }
    }

    /// Puts it where it stands now.
    fn enter_recent(&mut self, rows: &mut Rows<'_>) -> Result<(), RowsError> {
        let Some(position) = self.state.position else {
            return Ok(());
        };
        self.recent = Some(position.entry_id);
        let key = keys::recent(position.entry_id, &self.state.session_id);
        rows.put(&key, &position.partition.to_be_bytes())
    }

    /// Writes what the session came to.
    fn write(&self, bytes: &mut Vec<u8>, rows: &mut Rows<'_>) -> Result<(), RowsError> {
        bytes.clear();
        row::write_session(bytes, &self.state, self.share, self.shared);
        rows.put(&keys::session(&self.state.session_id), bytes)
    }

    /// The session goes on for another user: what it counted for the last one is set down.
    fn change_user(
        &mut self,
        users: &mut HashMap<String, Sums>,
        bytes: &mut Vec<u8>,
        rows: &mut Rows<'_>,
    ) -> Result<(), RowsError> {
        self.settle_user(users, rows)?;
        let session = &*self.state.session_id;
        if let Some(user) = &self.user {
            bytes.clear();
            row::write_sums(bytes, &self.share);
            rows.put(&keys::former_user(session, user), bytes)?;
            self.shared = true;
        }
        self.user.clone_from(&self.state.user_id);
        self.share = Sums::default();
        if let Some(user) = self.user.as_ref().filter(|_| self.shared) {
            let key = keys::former_user(session, user);
            if let Some(share) = rows.get(&key)? {
                self.share = row::read_sums(share).map_err(|_| damaged(&key))?;
            }
            rows.delete(&key)?;
        }
        Ok(())
    }

    /// Counts for the user what was not counted yet.
    fn settle_user(
        &mut self,
        users: &mut HashMap<String, Sums>,
        rows: &mut Rows<'_>,
    ) -> Result<(), RowsError> {
        let mut added = std::mem::take(&mut self.unsent);
        let Some(user) = self.user.as_ref().filter(|_| added.events > 0) else {
            return Ok(());
        };
        if self.share.sessions == 0 {
            added.sessions = 1;
            let session = &*self.state.session_id;
            rows.put(&keys::session_of(user, session), &[])?;
        }
        self.share.add(&added);
        match users.get_mut(user) {
            Some(sums) => sums.add(&added),
            None => {
                users.insert(user.clone(), added);
            }
        }
        Ok(())
    }
}

/// Changes the row of a user; one without sessions goes.
fn change_user(
    user: &str,
    bytes: &mut Vec<u8>,
    rows: &mut Rows<'_>,
    change: impl FnOnce(&mut Sums),
) -> Result<(), RowsError> {
    let key = keys::user(user);
    let mut sums = match rows.get(&key)? {
        Some(row) => row::read_sums(row).map_err(|_| damaged(&key))?,
        None => Sums::default(),
    };
    change(&mut sums);
    if sums.sessions == 0 {
        rows.delete(&key)?;
        return Ok(());
    }
    bytes.clear();
    row::write_sums(bytes, &sums);
    rows.put(&key, bytes)
}
