//! Which sessions have open letters, for groups that keep the order.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use recount_core::Position;

/// The sessions of open letters as they stood at one moment. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub struct BlockedSessions(Arc<HashMap<Arc<str>, Blocking>>);

impl BlockedSessions {
    /// Whether the entry of a session at `position` has to follow earlier ones into the dead letters.
    ///
    /// The entry of the first open letter itself has not, so that it can be retried, nor have those that
    /// are being retried together with all that come before them.
    pub fn blocks(&self, session_id: &str, position: Position) -> bool {
        self.0
            .get(session_id)
            .is_some_and(|blocking| blocking.blocks(position))
    }

    /// The sessions, each with the position of its first open letter.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Position)> {
        self.0
            .iter()
            .map(|(session, blocking)| (&**session, blocking.first))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Arc<str>, Blocking)> for BlockedSessions {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Blocking)>>(sessions: I) -> Self {
        Self(Arc::new(sessions.into_iter().collect()))
    }
}

/// What blocks one session.
#[derive(Debug)]
pub(super) struct Blocking {
    first: Position,
    /// The first letter that nobody is retrying.
    first_kept: Option<Position>,
    retrying: HashSet<Position>,
}

impl Blocking {
    /// Of the open letters of a session, in order. There is one at least.
    pub(super) fn new(
        letters: impl Iterator<Item = Position>,
        is_retrying: impl Fn(Position) -> bool,
    ) -> Self {
        let mut blocking = Self {
            first: NOWHERE,
            first_kept: None,
            retrying: HashSet::new(),
        };
        for letter in letters {
            blocking.first = blocking.first.min(letter);
            if is_retrying(letter) {
                blocking.retrying.insert(letter);
            } else {
                blocking.first_kept.get_or_insert(letter);
            }
        }
        blocking
    }

    fn blocks(&self, position: Position) -> bool {
        let first = if self.retrying.contains(&position) {
            self.first_kept
        } else {
            Some(self.first)
        };
        first.is_some_and(|first| first < position)
    }
}

const NOWHERE: Position = Position {
    partition: u32::MAX,
    entry_id: recount_core::EntryId::MAX,
};
