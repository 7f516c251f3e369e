//! What a session came to.

use std::collections::{BTreeMap, VecDeque};

use recount_core::payload::{MessageAdded, Payload};
use recount_core::{Body, Event, EventType, Fold, Position, Recorded, Schema, Timestamp};

/// The messages that a state keeps, the newest.
pub const MESSAGES_MAX: usize = 1_000;
/// Open tool calls that a state keeps, and names of custom types that it counts one by one.
const OPEN_CALLS_MAX: usize = 1_000;
const TYPES_MAX: usize = 1_000;

/// What a session came to: the fold of its events, from nothing but the log.
///
/// Times are those at which things happened, by their producers' word. Events of other sessions
/// change nothing. Its size is bounded, whatever the session's.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionState {
    /// The session.
    pub session_id: String,
    /// The last user that an event named.
    pub user_id: Option<String>,
    /// The last agent that an event named.
    pub agent_id: Option<String>,
    /// Whether it goes on.
    pub status: SessionStatus,
    /// The earliest time at which one of its events happened.
    pub first_happened: Option<Timestamp>,
    /// The latest.
    pub last_happened: Option<Timestamp>,
    /// The revision of the first entry that was seen: above 1, what came before was trimmed or left
    /// out.
    pub first_revision: u64,
    /// The revision of the last entry that was seen: where the session was.
    pub revision: u64,
    /// How many events were seen.
    pub events: u64,
    /// How many of these were of a version newer than is known here, or refused by an upcaster. They
    /// are counted like others, but what their data changes is not known: it is left out of the rest.
    pub future: u64,
    /// How many of each type; of further custom types all together, under an empty name.
    pub types: BTreeMap<String, u64>,
    /// How many messages are in the memory: added, and not cleared since.
    pub message_count: u64,
    /// The newest of them, [`MESSAGES_MAX`] at most, oldest first.
    pub messages: VecDeque<StateMessage>,
    /// Tokens that messages counted, cleared ones included.
    pub tokens: u64,
    /// The newest summary.
    pub summary: Option<String>,
    /// The newest error's message.
    pub last_error: Option<String>,
    /// Tool calls without an answer, by call id.
    pub open_calls: BTreeMap<String, OpenCall>,
}

/// Whether a session goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SessionStatus {
    /// Nothing was seen of it.
    #[default]
    Unknown,
    /// It was not ended since it was begun.
    Active,
    /// It was ended.
    Ended {
        /// Why, if the event said so.
        reason: Option<String>,
    },
}

/// A message in a session's memory.
#[derive(Debug, Clone, PartialEq)]
pub struct StateMessage {
    /// Where it is recorded.
    pub position: Position,
    /// When it was said.
    pub happened: Timestamp,
    /// What it holds.
    pub message: MessageAdded,
}

/// A tool call that nobody answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenCall {
    /// The tool.
    pub tool: Option<String>,
    /// Where the call is recorded.
    pub position: Position,
}

impl SessionState {
    /// The state of a session of which nothing was seen.
    pub fn new(session_id: impl Into<String>) -> Self {
        Self {
            session_id: session_id.into(),
            user_id: None,
            agent_id: None,
            status: SessionStatus::Unknown,
            first_happened: None,
            last_happened: None,
            first_revision: 0,
            revision: 0,
            events: 0,
            future: 0,
            types: BTreeMap::new(),
            message_count: 0,
            messages: VecDeque::new(),
            tokens: 0,
            summary: None,
            last_error: None,
            open_calls: BTreeMap::new(),
        }
    }

    /// Whether the session was seen from its first event on, without a hole. A part of a memory is never
    /// silent.
    pub fn is_complete(&self) -> bool {
        self.first_revision <= 1 && self.missing() == 0
    }

    /// How many of its entries between the first and the last that were seen were not: a copy of a log
    /// may have gaps.
    pub fn missing(&self) -> u64 {
        let span = self.revision.saturating_sub(self.first_revision);
        (span + u64::from(self.revision > 0)).saturating_sub(self.events)
    }

    /// How many events of a type were seen.
    pub fn count(&self, event_type: &EventType) -> u64 {
        self.types.get(event_type.as_str()).copied().unwrap_or(0)
    }

    fn see(&mut self, event: &Event, recorded: &Recorded) {
        self.events += 1;
        self.revision = self.revision.max(recorded.revision);
        // What other programs wrote may have no number.
        let number = recorded.revision;
        if number > 0 && (self.first_revision == 0 || number < self.first_revision) {
            self.first_revision = number;
        }
        let at = event.timestamp;
        self.first_happened = Some(self.first_happened.map_or(at, |first| first.min(at)));
        self.last_happened = Some(self.last_happened.map_or(at, |last| last.max(at)));
        for (known, named) in [
            (&mut self.user_id, &event.user_id),
            (&mut self.agent_id, &event.agent_id),
        ] {
            if named.is_some() {
                known.clone_from(named);
            }
        }
        let name = event.event_type.as_str();
        let counted = self.types.len() < TYPES_MAX || self.types.contains_key(name);
        let name = if counted { name } else { "" };
        *self.types.entry(name.to_owned()).or_default() += 1;
        if self.status == SessionStatus::Unknown || event.event_type == EventType::SessionStarted {
            self.status = SessionStatus::Active;
        }
    }

    fn add_message(&mut self, message: MessageAdded, event: &Event, position: Position) {
        self.message_count += 1;
        self.tokens = self.tokens.saturating_add(message.tokens.unwrap_or(0));
        if self.messages.len() == MESSAGES_MAX {
            self.messages.pop_front();
        }
        self.messages.push_back(StateMessage {
            position,
            happened: event.timestamp,
            message,
        });
    }

    /// What the payload changes. One whose fields are of other types than documented was counted, and
    /// changes nothing else; a message stays a message.
    fn take_in(&mut self, event: &Event, position: Position) {
        match Payload::of(event) {
            Ok(Payload::MessageAdded(message)) => self.add_message(message, event, position),
            Err(_) if event.event_type == EventType::MessageAdded => {
                let message = MessageAdded {
                    other: event.data.to_map(),
                    ..MessageAdded::default()
                };
                self.add_message(message, event, position);
            }
            Ok(Payload::SessionEnded(end)) => {
                self.status = SessionStatus::Ended { reason: end.reason };
            }
            Err(_) if event.event_type == EventType::SessionEnded => {
                self.status = SessionStatus::Ended { reason: None };
            }
            Ok(Payload::SummaryCreated(summary)) => self.summary = summary.summary,
            Ok(Payload::MemoryCleared(_)) => self.clear(),
            Err(_) if event.event_type == EventType::MemoryCleared => self.clear(),
            Ok(Payload::ErrorOccurred(error)) => {
                self.last_error = error.message.or(error.code);
                self.close_call(error.call_id.as_deref());
            }
            Ok(Payload::ToolCalled(call)) => {
                if let Some(id) = call.call_id
                    && (self.open_calls.len() < OPEN_CALLS_MAX)
                {
                    let tool = call.tool;
                    self.open_calls.insert(id, OpenCall { tool, position });
                }
            }
            Ok(Payload::ToolReturned(answer)) => self.close_call(answer.call_id.as_deref()),
            _ => {}
        }
    }

    fn clear(&mut self) {
        self.message_count = 0;
        self.messages.clear();
        self.summary = None;
    }

    fn close_call(&mut self, call_id: Option<&str>) {
        if let Some(id) = call_id {
            self.open_calls.remove(id);
        }
    }
}

impl Fold for SessionState {
    fn apply(&mut self, recorded: &Recorded) {
        if let Body::Event(event) = &recorded.body
            && event.session_id == self.session_id
        {
            self.see(event, recorded);
            match recorded.schema {
                Schema::Future { .. } | Schema::Refused { .. } => self.future += 1,
                _ => self.take_in(event, recorded.position),
            }
        }
    }
}

#[cfg(test)]
mod tests;
