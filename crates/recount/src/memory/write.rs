//! What a memory records.

use std::sync::atomic::Ordering;

use recount_core::payload::Payload;
use recount_core::{
    AppendError, Batch, Event, EventBuilder, EventId, EventType, Limits, Outcome, Position,
    Timestamp,
};

use super::{Memory, MemoryError};

/// What became of something that was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The event's id.
    pub id: EventId,
    /// Whether it was appended, or had been before. Another event under the same id is an error.
    pub outcome: Outcome,
    /// Whether it began the session.
    pub began: bool,
}

impl Written {
    /// Where it is.
    pub fn position(&self) -> Position {
        self.outcome.position()
    }

    /// The session's revision with it; none where it had been recorded before.
    pub fn revision(&self) -> Option<u64> {
        match self.outcome {
            Outcome::Appended { revision, .. } => Some(revision),
            _ => None,
        }
    }
}

/// What is to be recorded.
pub(super) struct New {
    /// Its id, if its producer chose one.
    pub(super) id: Option<String>,
    /// When it happened, if not now.
    pub(super) happened: Option<Timestamp>,
    event_type: EventType,
    payload: Payload,
}

impl New {
    pub(super) fn of(event_type: EventType, payload: impl Into<Payload>) -> Self {
        Self {
            id: None,
            happened: None,
            event_type,
            payload: payload.into(),
        }
    }
}

impl Memory {
    /// Records it. The first thing in a session begins it.
    pub(super) async fn write(&self, new: New) -> Result<Written, MemoryError> {
        // Only an id that somebody chose can be another event's.
        let strict = new.id.is_some();
        let mut event = self.event(new.event_type).data(new.payload.to_data()?);
        if let Some(id) = new.id {
            event = event.id(id);
        }
        if let Some(happened) = new.happened {
            event = event.timestamp(happened);
        }
        let event = event.build()?;
        let alone = Batch {
            events: vec![event],
            strict,
            expected_revision: self.expected,
        };
        if !self.is_first().await? {
            return self.append(alone).await;
        }
        match self.append(self.with_beginning(&alone)?).await {
            // Somebody else began it.
            Err(MemoryError::Append(AppendError::RevisionMismatch { .. }))
                if self.expected.is_none() =>
            {
                self.append(alone).await
            }
            written => written,
        }
    }

    /// Whether nothing is recorded of the session, as far as is known.
    async fn is_first(&self) -> Result<bool, MemoryError> {
        if let Some(expected) = self.expected {
            return Ok(expected == 0);
        }
        if self.begun.load(Ordering::Relaxed) {
            return Ok(false);
        }
        Ok(self.session.recent(0).await?.revision == 0)
    }

    /// The same batch behind the event that begins the session.
    fn with_beginning(&self, alone: &Batch) -> Result<Batch, MemoryError> {
        let mut events = alone.events.clone();
        if let [first] = &alone.events[..] {
            let mut started = self.event(EventType::SessionStarted);
            // So that both are there once, however often this is tried.
            let id = format!("{}/began", first.id);
            if id.len() <= Limits::ID_BYTES_MAX {
                started = started.id(id);
            }
            events.insert(
                0,
                Event {
                    timestamp: first.timestamp,
                    timestamp_source: first.timestamp_source,
                    ..started.build()?
                },
            );
        }
        Ok(Batch {
            events,
            expected_revision: Some(0),
            ..alone.clone()
        })
    }

    fn event(&self, event_type: EventType) -> EventBuilder {
        let mut event = Event::builder(event_type, self.session.id());
        if let Some(user) = &self.user {
            event = event.user(user);
        }
        if let Some(agent) = &self.agent {
            event = event.agent(agent);
        }
        event
    }

    /// Appends the batch; what is told is of its last event.
    async fn append(&self, batch: Batch) -> Result<Written, MemoryError> {
        let began = batch.events.len() > 1;
        let id = batch.events.last().map(|event| event.id.clone());
        let receipt = self.recount.append(batch).await?;
        self.begun.store(true, Ordering::Relaxed);
        match (id, receipt.outcomes.last()) {
            (Some(id), Some(&outcome)) => Ok(Written { id, outcome, began }),
            _ => unreachable!("one outcome an event is the contract of append"),
        }
    }
}
