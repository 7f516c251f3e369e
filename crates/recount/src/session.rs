//! One session's part of a log.

mod state;

use recount_core::{Fold as _, Query, ReadError};

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

    /// What it came to: its events, folded.
    pub async fn state(&self) -> Result<SessionState, ReadError> {
        let mut state = SessionState::new(&self.id);
        let mut events = self.events();
        while let Some(page) = events.next_page().await? {
            state.apply_all(&page);
        }
        Ok(state)
    }
}
