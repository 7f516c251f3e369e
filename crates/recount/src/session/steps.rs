//! A session, event by event.

use recount_core::{Fold as _, ReadError, Recorded};
use recount_views::SessionState;

use super::Session;
use crate::Events;

/// Walks a session event by event, with the state after each.
#[must_use]
pub struct Steps {
    events: Events,
    state: SessionState,
}

impl Session {
    /// Walks it event by event from its first one on, with the state after each.
    pub fn steps(&self) -> Steps {
        Steps {
            events: self.events(),
            state: SessionState::new(&self.id),
        }
    }
}

impl Steps {
    /// The next event and the state that it led to; none after the last.
    pub async fn next(&mut self) -> Result<Option<(Recorded, SessionState)>, ReadError> {
        let Some(recorded) = self.events.next().await? else {
            return Ok(None);
        };
        self.state.apply(&recorded);
        Ok(Some((recorded, self.state.clone())))
    }
}
