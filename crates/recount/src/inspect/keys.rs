//! Sorting by when events happened, which no index has: everything is looked at, what comes first is kept.

use std::cmp::Ordering;
use std::collections::VecDeque;

use recount_core::{Recorded, Timestamp};

use super::FindError;
use super::candidates::{Candidates, fetch};
use super::cursor::Key;
use crate::Recount;

/// Places that are kept in memory; where there are more, everything is looked at again for the next ones.
const KEPT_MAX: usize = if cfg!(test) { 7 } else { 200_000 };

/// What comes next, sorted by when it happened.
pub(super) struct Keys {
    reverse: bool,
    after: Option<Key>,
    kept: VecDeque<Key>,
    /// Whether nothing comes after what is kept.
    complete: bool,
}

impl Keys {
    pub(super) fn new(after: Option<Key>, reverse: bool) -> Self {
        Self {
            reverse,
            after,
            kept: VecDeque::new(),
            complete: false,
        }
    }

    /// Whether the log has to be looked through before there is a next one.
    pub(super) fn is_hungry(&self) -> bool {
        self.kept.is_empty() && !self.complete
    }

    /// Looks through everything.
    pub(super) async fn feed(&mut self, mut all: Candidates) -> Result<(), FindError> {
        let mut kept = Vec::new();
        self.complete = true;
        while let Some(page) = all.next().await? {
            let keys = page.iter().map(key);
            kept.extend(keys.filter(|key| {
                self.after
                    .is_none_or(|after| self.order(*key, after).is_gt())
            }));
            if kept.len() >= 2 * KEPT_MAX {
                self.cut(&mut kept);
            }
        }
        if kept.len() > KEPT_MAX {
            self.cut(&mut kept);
        }
        kept.sort_unstable_by(|one, other| self.order(*one, *other));
        self.kept = kept.into();
        Ok(())
    }

    /// Leaves what comes first.
    fn cut(&mut self, kept: &mut Vec<Key>) {
        kept.select_nth_unstable_by(KEPT_MAX, |one, other| self.order(*one, *other));
        kept.truncate(KEPT_MAX);
        self.complete = false;
    }

    fn order(&self, one: Key, other: Key) -> Ordering {
        if self.reverse {
            other.cmp(&one)
        } else {
            one.cmp(&other)
        }
    }

    /// The next entries, at most `wanted`; nothing at the end, or where it is hungry.
    pub(super) async fn next(
        &mut self,
        recount: &Recount,
        wanted: usize,
    ) -> Result<Option<Vec<Recorded>>, FindError> {
        if self.kept.is_empty() {
            return Ok(None);
        }
        let mut entries = Vec::new();
        while entries.len() < wanted
            && let Some(key) = self.kept.pop_front()
        {
            self.after = Some(key);
            entries.extend(fetch(&**recount.log(), key.position()).await?);
        }
        Ok(Some(entries))
    }
}

/// What an entry is sorted by.
pub(super) fn key(recorded: &Recorded) -> Key {
    let recorded_at = || Timestamp::saturating_from_millis(recorded.position.entry_id.ms);
    let happened = recorded
        .event()
        .map_or_else(recorded_at, |event| event.timestamp);
    Key {
        happened_ms: happened.as_millis(),
        entry_id: recorded.position.entry_id,
        partition: recorded.position.partition,
    }
}
