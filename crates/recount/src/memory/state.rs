//! What the session is now, without reading again what was read before.

use std::ops::Bound;
use std::sync::PoisonError;

use recount_core::{Fold as _, Query, ReadError, SessionPage};
use recount_views::SessionState;

use super::{Memory, MemoryError};

/// The state, and what the log knows of the session besides.
pub(super) struct Now {
    pub(super) state: SessionState,
    pub(super) page: SessionPage,
}

impl Memory {
    /// What the session is now: what it was when it was looked at last, and what came since.
    pub(super) async fn now(&self) -> Result<Now, MemoryError> {
        let seen = self
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let gone_on = match seen {
            Some(state) => self.go_on(state).await?,
            None => None,
        };
        let mut state = match gone_on {
            Some(state) => state,
            None => self.session.state().await?,
        };
        // A copy counts what other programs wrote too. Whoever writes is held to the log's own count, which
        // cannot have gone down meanwhile.
        let page = self.session.recent(0).await?;
        if page.revision > 0 {
            state.revision = state.revision.min(page.revision);
        }
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(state.clone());
        Ok(Now { state, page })
    }

    /// The state with what came since; none where that cannot be told from here.
    async fn go_on(&self, mut state: SessionState) -> Result<Option<SessionState>, MemoryError> {
        let Some(last) = state.position else {
            return Ok(None);
        };
        // From the last entry on, which is to be there still: a log that lost it, or was trimmed past it, is
        // read anew.
        let mut query = Query::session(self.session.id());
        query.range.ids.start = Bound::Included(last.entry_id);
        let mut events = self.recount.events(query);
        let mut first = true;
        loop {
            let page = match events.next_page().await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                Err(ReadError::Trimmed { .. }) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let mut entries = &page[..];
            if let (true, [known, rest @ ..]) = (first, entries) {
                if known.position != last {
                    return Ok(None);
                }
                entries = rest;
                first = false;
            }
            state.apply_all(entries);
        }
        Ok((!first).then_some(state))
    }
}
