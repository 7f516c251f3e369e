//! The messages in a session's memory: where they are is in the state, what they say is in the log.

use std::borrow::Cow;
use std::ops::Bound;

use recount_core::payload::{MessageAdded, SessionForked};
use recount_core::{
    Event, EventType, IdRange, Position, Query, ReadError, Recorded, Schema, Timestamp,
};
use recount_views::SessionState;
use serde_json::Value;

use super::{Session, SessionError};

/// Messages of a session's memory, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Messages {
    /// The newest of them, as many as were asked for.
    pub messages: Vec<StateMessage>,
    /// Whether these are all that was asked for: the newest there were, none of them missing. A part of a
    /// memory is never silent.
    pub complete: bool,
    /// How many that were asked for are known to have been there and are not any more, because the log was
    /// trimmed.
    pub missing: u64,
}

/// A message of a session's memory.
#[derive(Debug, Clone, PartialEq)]
pub struct StateMessage {
    /// The session that it is recorded in: of a fork, its parent for what both share.
    pub session_id: String,
    /// Where it is recorded.
    pub position: Position,
    /// Which entry of that session it is.
    pub revision: u64,
    /// When it happened, by its producer's word.
    pub happened: Timestamp,
    /// What was said.
    pub message: MessageAdded,
}

/// Sessions that one memory may lie in: a fork, what it was forked from, and so on.
const FORKS_MAX: usize = 64;

impl Session {
    /// The newest `last` messages in the memory at a state of this session; all of them for `usize::MAX`.
    ///
    /// They are read backwards from where the state stands, no further than they go: the cost is that of
    /// what is between them. Where the session was forked, its parent's are read on from there.
    pub async fn messages(
        &self,
        state: &SessionState,
        last: usize,
    ) -> Result<Messages, SessionError> {
        Ok(self.walked(state, last).await?.messages(state, last))
    }

    /// The newest `last` messages, and what lay between them.
    pub(super) async fn walked(
        &self,
        state: &SessionState,
        last: usize,
    ) -> Result<Wanted, SessionError> {
        let mut wanted = Wanted::of(state, last);
        if let Some(position) = state.position {
            self.walk(self.id.clone(), position, &mut wanted).await?;
        }
        Ok(wanted)
    }

    /// Takes what is wanted from a session, backwards from `position`, and from those that it was forked
    /// from.
    pub(super) async fn walk(
        &self,
        mut session: String,
        mut position: Position,
        wanted: &mut Wanted,
    ) -> Result<(), SessionError> {
        let mut walked: Vec<String> = Vec::new();
        while wanted.left > 0 && walked.len() < FORKS_MAX && !walked.contains(&session) {
            let parent = self.walk_one(&session, position, wanted).await?;
            walked.push(session);
            let Some((parent, at)) = parent else {
                break;
            };
            (session, position) = (parent, at);
        }
        Ok(())
    }

    /// The same of one session; returns which one it was forked from, and where, if that is where more is.
    async fn walk_one(
        &self,
        session: &str,
        position: Position,
        wanted: &mut Wanted,
    ) -> Result<Option<(String, Position)>, SessionError> {
        // As many again as there are messages: what lies between them.
        let page = wanted.left.saturating_mul(2).clamp(64, 1_000);
        let mut query = Query::session(session);
        query.range.ids = IdRange {
            start: Bound::Unbounded,
            end: Bound::Included(position.entry_id),
        };
        query.range = query.range.backward().limit(page);
        let mut events = self.recount.events(query);
        let mut first: Option<Recorded> = None;
        loop {
            let page = match events.next_page().await {
                Ok(Some(page)) => page,
                // What was trimmed meanwhile is gone like what was trimmed before.
                Ok(None) | Err(ReadError::Trimmed { .. }) => break,
                Err(error) => return Err(error.into()),
            };
            for recorded in page {
                if wanted.take(&recorded, first.as_ref()) == Taken::Enough {
                    return Ok(None);
                }
                first = Some(recorded);
            }
        }
        Ok(first.and_then(|first| parent_of(&first)))
    }
}

/// Messages that are still to be found, and those that were, newest first.
pub(super) struct Wanted {
    left: usize,
    found: Vec<StateMessage>,
    /// Whether entries are missing between those that were seen.
    hole: bool,
    /// The state's newest summary and its newest error, if they are come across.
    pub(super) summary: Beside,
    pub(super) last_error: Beside,
}

/// An entry that is not looked for, and taken where it is come across.
#[derive(Default)]
pub(super) struct Beside {
    at: Option<Position>,
    found: Option<Event>,
}

impl Beside {
    fn new(at: Option<Position>) -> Self {
        Self { at, found: None }
    }

    fn see(&mut self, recorded: &Recorded) {
        if self.at == Some(recorded.position) {
            self.found = understood(recorded).cloned();
        }
    }

    /// What it is; none where it has yet to be looked for.
    pub(super) fn take(&mut self) -> Option<Event> {
        self.found.take()
    }
}

#[derive(PartialEq, Eq)]
enum Taken {
    Enough,
    More,
}

impl Wanted {
    /// What is wanted of a state's messages: no more than there are.
    pub(super) fn of(state: &SessionState, last: usize) -> Self {
        let there = usize::try_from(state.message_count).unwrap_or(usize::MAX);
        Self {
            left: there.min(last),
            found: Vec::new(),
            hole: false,
            summary: Beside::new(state.summary),
            last_error: Beside::new(state.last_error),
        }
    }

    /// Takes an entry that is older than `newer`.
    fn take(&mut self, recorded: &Recorded, newer: Option<&Recorded>) -> Taken {
        if let Some(newer) = newer {
            self.hole |= is_hole(recorded.revision, newer.revision);
        }
        self.summary.see(recorded);
        self.last_error.see(recorded);
        match understood(recorded).map(|event| (event, &event.event_type)) {
            Some((event, EventType::MessageAdded)) => self.found(message(recorded, event)),
            // What came before is forgotten.
            Some((_, EventType::MemoryCleared)) => self.left = 0,
            _ => {}
        }
        if self.left == 0 {
            Taken::Enough
        } else {
            Taken::More
        }
    }

    /// One was found.
    pub(super) fn found(&mut self, message: StateMessage) {
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            self.found.push(message);
        }
    }

    /// Entries are missing between those that were seen.
    pub(super) fn with_a_hole(&mut self) {
        self.hole = true;
    }

    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// What was found, once nothing more is to be looked through.
    pub(super) fn messages(mut self, state: &SessionState, last: usize) -> Messages {
        self.found.reverse();
        let there = usize::try_from(state.message_count).unwrap_or(usize::MAX);
        let missing = there.min(last) - self.found.len();
        // Where the state lacks events, there may have been more messages than it counts.
        let all_counted = state.missing() == 0 && (state.is_complete() || state.cleared.is_some());
        Messages {
            complete: missing == 0 && !self.hole && (self.found.len() == last || all_counted),
            missing: missing as u64,
            messages: self.found,
        }
    }
}

/// Whether entries of a session are missing between two, as far as they are numbered.
pub(super) fn is_hole(older: u64, newer: u64) -> bool {
    older > 0 && newer > older + 1
}

/// The event, if its data is of a version that is known here: what a state takes in.
pub(super) fn understood(recorded: &Recorded) -> Option<&Event> {
    let unknown = matches!(
        recorded.schema,
        Schema::Future { .. } | Schema::Refused { .. }
    );
    recorded.event().filter(|_| !unknown)
}

/// The session that the one which begins with `first` was forked from, and where.
fn parent_of(first: &Recorded) -> Option<(String, Position)> {
    let event = understood(first).filter(|event| event.event_type == EventType::SessionForked)?;
    let fork: SessionForked = event.data.read().ok()?;
    let position = Position {
        partition: fork.at_partition.unwrap_or(0).try_into().ok()?,
        entry_id: fork.at_entry_id?.parse().ok()?,
    };
    Some((fork.parent_session_id?, position))
}

/// The message of an event that adds one.
pub(super) fn message(recorded: &Recorded, event: &Event) -> StateMessage {
    StateMessage {
        session_id: event.session_id.clone(),
        position: recorded.position,
        revision: recorded.revision,
        happened: event.timestamp,
        message: event.data.read().unwrap_or_else(|_| odd(event)),
    }
}

/// A message whose data is not all as documented: it stays one.
fn odd(event: &Event) -> MessageAdded {
    let mut other = event.data.to_map();
    let role = match other.remove("role") {
        Some(Value::String(role)) => Some(role),
        Some(role) => {
            other.insert("role".to_owned(), role);
            None
        }
        None => None,
    };
    MessageAdded {
        role,
        content: other.remove("content"),
        other,
        ..MessageAdded::default()
    }
}

impl StateMessage {
    /// What was said, as text: content that is structure as JSON.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self.message.content.as_ref()? {
            Value::String(text) => Some(Cow::Borrowed(text)),
            content => Some(Cow::Owned(content.to_string())),
        }
    }
}
