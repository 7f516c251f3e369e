//! One session's part of a log.

mod state;

use recount_core::{Fold as _, Query, ReadError, SessionPage, SessionRead};

use crate::{Events, Recount};
pub use state::{MESSAGES_MAX, OpenCall, SessionState, SessionStatus, StateMessage};

/// A session of a log, whether or not anything is recorded of it yet.
#[derive(Debug, Clone)]
pub struct Session {
    recount: Recount,
    id: String,
}

impl Session {
    pub(crate) fn new(recount: Recount, id: String) -> Self {
        Self { recount, id }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Everything recorded of it, in order.
    pub fn events(&self) -> Events {
        self.recount.events(Query::session(&self.id))
    }

    /// The newest `last` events, in order, and whether they and what is kept before them are the whole
    /// session: see [`SessionPage::is_complete`]. The cost is that of the events asked for, or of the
    /// session, never that of the log.
    pub async fn recent(&self, last: usize) -> Result<SessionPage, ReadError> {
        let read = SessionRead::last(&self.id, last);
        self.recount.log().session(&read).await
    }

    /// What it came to: its events, folded.
    pub async fn state(&self) -> Result<SessionState, ReadError> {
        let mut state = SessionState::new(&self.id);
        let mut events = self.events();
        while let Some(page) = events.next_page().await? {
            state.apply_all(&page);
        }
        // A copy counts what other programs wrote too. Whoever publishes is held to the log's own count,
        // which cannot have gone down meanwhile.
        let counted = self.recent(0).await?.revision;
        if counted > 0 {
            state.revision = state.revision.min(counted);
        }
        Ok(state)
    }
}
