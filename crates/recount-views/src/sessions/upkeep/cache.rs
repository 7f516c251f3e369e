//! The sessions that are kept in memory.

use std::collections::HashMap;

use recount_core::EntryId;

use super::super::damage::damaged;
use super::super::row::Head;
use super::super::sums::Sums;
use super::super::{keys, row};
use crate::SessionState;
use crate::rows::{Rows, RowsError};

/// How many sessions stay in memory at least when something happened in them; at most twice as many, and
/// those in which something happened since the last commit.
const KEPT: usize = 16_384;

/// A session in memory.
#[derive(Debug)]
pub(super) struct Kept {
    pub state: SessionState,
    /// The id that it stands under in the rows, if it has one.
    pub recent: Option<EntryId>,
    /// The user that its events count for.
    pub user: Option<String>,
    /// What it counted for that user.
    pub share: Sums,
    /// What it did not count for that user yet.
    pub unsent: Sums,
    /// Whether its events counted for others before.
    pub shared: bool,
    changed: bool,
}

/// Sessions in memory, those touched longest ago the first to go.
#[derive(Debug, Default)]
pub(super) struct Cache {
    young: HashMap<Box<str>, Box<Kept>>,
    /// What was touched earlier: nothing in here is changed.
    old: HashMap<Box<str>, Box<Kept>>,
}

impl Cache {
    /// The session, to be changed.
    pub(super) fn touch(&mut self, session: &str, rows: &Rows<'_>) -> Result<&mut Kept, RowsError> {
        // Looked up twice: a reference that is returned cannot be given up again.
        if !self.young.contains_key(session) {
            let kept = match self.old.remove(session) {
                Some(kept) => kept,
                None => Box::new(Kept::load(session, rows)?),
            };
            self.young.insert(session.into(), kept);
        }
        let Some(kept) = self.young.get_mut(session) else {
            unreachable!("it was put in above")
        };
        kept.changed = true;
        Ok(kept)
    }

    /// What changed since [`Cache::settle`].
    pub(super) fn changed(&mut self) -> Vec<&mut Kept> {
        let all = self.young.values_mut().map(|kept| &mut **kept);
        all.filter(|kept| kept.changed).collect()
    }

    /// All that changed was written.
    pub(super) fn settle(&mut self) {
        for kept in self.young.values_mut() {
            kept.changed = false;
        }
        if self.young.len() > KEPT {
            self.old = std::mem::take(&mut self.young);
            let over = self.old.len().saturating_sub(2 * KEPT);
            if over > 0 {
                let names: Vec<_> = self.old.keys().take(over).cloned().collect();
                for name in names {
                    self.old.remove(&name);
                }
            }
        }
    }
}

impl Kept {
    fn load(session: &str, rows: &Rows<'_>) -> Result<Self, RowsError> {
        let key = keys::session(session);
        let Some(bytes) = rows.get(&key)? else {
            return Ok(Self {
                state: SessionState::new(session),
                recent: None,
                user: None,
                share: Sums::default(),
                unsent: Sums::default(),
                shared: false,
                changed: false,
            });
        };
        let (head, state) = Head::read(bytes).map_err(|_| damaged(&key))?;
        let state = row::read_state(state).map_err(|_| damaged(&key))?;
        Ok(Self {
            recent: Some(head.position().entry_id),
            user: state.user_id.clone(),
            share: head.share,
            unsent: Sums::default(),
            shared: head.shared,
            changed: false,
            state,
        })
    }
}
