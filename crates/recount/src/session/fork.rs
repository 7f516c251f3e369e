//! Branching a session off another.

use std::hash::Hasher as _;

use recount_core::payload::{Payload, SessionForked};
use recount_core::{AppendError, Batch, Event, EventType, Outcome, Position, Recorded};
use recount_views::{Lineage, SessionState};
use serde_json::Value;
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use super::messages::understood;
use super::{At, ForkError, Session, SessionError};

/// A session that was branched off another.
#[derive(Debug, Clone, PartialEq)]
pub struct Forked {
    /// The new session.
    pub session_id: String,
    /// Where its first event is.
    pub position: Position,
    /// What it shares with its parent.
    pub from: Lineage,
    /// Whether that had been done before.
    pub again: bool,
}

impl Session {
    /// Begins the session `child` with what this one was at a moment.
    ///
    /// The child's first event, `session.forked`, carries the state and names the parent's last entry that
    /// both share; nothing else is copied. The child's messages before the fork are read from the parent:
    /// where they are trimmed there, they are missing in the child, which says so. Its counts stay.
    ///
    /// Doing it again changes nothing. A session of that name that is not this fork is left alone.
    pub async fn fork(&self, at: At, child: &str) -> Result<Forked, ForkError> {
        let state = self.state_at(at).await?;
        let Some(position) = state.position else {
            return Err(ForkError::Nothing {
                parent: self.id.clone(),
                at,
            });
        };
        let from = Lineage {
            session_id: self.id.clone(),
            position: Some(position),
            revision: state.revision,
            complete: state.is_complete(),
        };
        let forked = |position, again| Forked {
            session_id: child.to_owned(),
            position,
            from: from.clone(),
            again,
        };
        let batch = Batch::from(self.first_event(child, position, &state)?);
        let appended = self.recount.append(batch.expecting(0)).await;
        let revision = match appended.map(|receipt| receipt.outcomes.first().copied()) {
            Ok(Some(Outcome::Appended { position, .. })) => return Ok(forked(position, false)),
            Ok(Some(Outcome::Duplicate { position })) => return Ok(forked(position, true)),
            // The same place may be told in other words by now: what is trimmed is not counted any more.
            Ok(_) => 1,
            Err(AppendError::RevisionMismatch { actual, .. }) => actual,
            Err(error) => return Err(error.into()),
        };
        let first = self.recount.session(child).events().limit(1);
        let first = first.collect().await.map_err(SessionError::Read)?.pop();
        match first.filter(|first| shares(first, &self.id, position)) {
            Some(first) => Ok(forked(first.position, true)),
            None => Err(ForkError::Exists {
                child: child.to_owned(),
                revision,
            }),
        }
    }

    fn first_event(
        &self,
        child: &str,
        position: Position,
        state: &SessionState,
    ) -> Result<Event, AppendError> {
        let state_told = match serde_json::to_value(state) {
            Ok(Value::Object(told)) => told,
            other => unreachable!("a state is a JSON object, not {other:?}"),
        };
        let payload = Payload::from(SessionForked {
            parent_session_id: Some(self.id.clone()),
            at_entry_id: Some(position.entry_id.to_string()),
            at_partition: Some(position.partition.into()),
            at_revision: Some(state.revision),
            state: Some(state_told),
            ..SessionForked::default()
        });
        let data = payload.to_data();
        let mut event = Event::builder(EventType::SessionForked, child)
            .id(fork_id(&self.id, position, child))
            .data(data.unwrap_or_else(|error| unreachable!("a payload is JSON: {error}")));
        // So that the child is found where its parent is.
        if let Some(user) = &state.user_id {
            event = event.user(user);
        }
        if let Some(agent) = &state.agent_id {
            event = event.agent(agent);
        }
        event.build().map_err(|reason| AppendError::InvalidEvent {
            index: 0,
            id: recount_core::EventId::generate(),
            reason,
        })
    }
}

/// The id of the event that begins a fork: the same for the same fork.
fn fork_id(parent: &str, position: Position, child: &str) -> String {
    let mut hasher = SipHasher13::new();
    for part in [parent, &position.to_string(), child] {
        hasher.write(part.as_bytes());
        // No text has this byte.
        hasher.write_u8(0xff);
    }
    format!("fork-{:032x}", hasher.finish128().as_u128())
}

/// Whether an entry begins a fork of `parent` at `position`.
fn shares(first: &Recorded, parent: &str, position: Position) -> bool {
    let Some(Ok(Payload::SessionForked(fork))) = understood(first).map(Payload::of) else {
        return false;
    };
    fork.parent_session_id.as_deref() == Some(parent)
        && fork.at_entry_id == Some(position.entry_id.to_string())
        && fork.at_partition.unwrap_or(0) == u64::from(position.partition)
}
