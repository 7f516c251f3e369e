//! What the rows hold: before each state, what is needed without reading it.

use recount_core::{EntryId, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::ask::{Cut, SessionOrder};
use super::order::Key;
use super::sums::Sums;
use crate::{SessionState, SessionStatus};

/// Where a stored state stands in its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    revision: u64,
    id: (u64, u64),
    last_happened: Option<i64>,
}

impl Mark {
    fn of(state: &SessionState) -> Self {
        let id = state.position.map_or(EntryId::MIN, |at| at.entry_id);
        Self {
            revision: state.revision,
            id: (id.ms, id.seq),
            last_happened: state.last_happened.map(Timestamp::as_millis),
        }
    }

    pub(super) fn id(&self) -> EntryId {
        EntryId::new(self.id.0, self.id.1)
    }

    /// Whether the state is one at or before `cut`.
    ///
    /// Revisions, ids and the latest time at which something happened only grow in a session, so of its
    /// states in order those before a cut come first.
    pub(super) fn is_within(&self, cut: &Cut) -> bool {
        match *cut {
            Cut::End => true,
            Cut::Revision(revision) => self.revision <= revision,
            Cut::Entry(id) => self.id() <= id,
            Cut::Happened(time) => self
                .last_happened
                .is_none_or(|last| last <= time.as_millis()),
        }
    }
}

/// What lists and the upkeep want of a session without reading its state.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
// Each is a fact of its own.
#[expect(clippy::struct_excessive_bools)]
pub(super) struct Head<'r> {
    pub mark: Mark,
    pub partition: u32,
    pub own_events: u64,
    pub agent: Option<&'r str>,
    pub forked_from: Option<&'r str>,
    pub ended: bool,
    pub active: bool,
    pub failed: bool,
    pub first_happened: Option<i64>,
    pub events: u64,
    pub messages: u64,
    pub errors: u64,
    pub tokens: u64,
    pub cost: f64,
    pub reward: Option<f64>,
    /// What counts for the user that it named last.
    pub share: Sums,
    /// Whether it named others before.
    pub shared: bool,
}

/// A row that cannot be read: only damage makes one.
#[derive(Debug)]
pub(super) struct Unreadable;

impl<'r> Head<'r> {
    pub(super) fn of(state: &'r SessionState, share: Sums, shared: bool) -> Self {
        Self {
            mark: Mark::of(state),
            partition: state.position.map_or(0, |at| at.partition),
            own_events: state.own_events,
            agent: state.agent_id.as_deref(),
            forked_from: state.forked_from.as_ref().map(|from| &*from.session_id),
            ended: matches!(state.status, SessionStatus::Ended { .. }),
            active: state.status == SessionStatus::Active,
            failed: state.is_failed(),
            first_happened: state.first_happened.map(Timestamp::as_millis),
            events: state.events,
            messages: state.messages_added,
            errors: state.errors,
            tokens: state.tokens.total,
            cost: state.cost,
            reward: state.reward,
            share,
            shared,
        }
    }

    /// The head and, unread, the state of a session's row.
    pub(super) fn read(row: &'r [u8]) -> Result<(Self, &'r [u8]), Unreadable> {
        postcard::take_from_bytes(row).map_err(|_| Unreadable)
    }

    pub(super) fn position(&self) -> Position {
        Position {
            partition: self.partition,
            entry_id: self.mark.id(),
        }
    }

    pub(super) fn last_happened(&self) -> Option<i64> {
        self.mark.last_happened
    }

    pub(super) fn key(&self, order: SessionOrder) -> Key {
        let time = |ms: Option<i64>| ms.map_or(Key::NONE, |ms| Key::signed(ms.into()));
        match order {
            SessionOrder::Recent => Key::id(self.mark.id()),
            SessionOrder::Started => time(self.first_happened),
            SessionOrder::Events => Key::count(self.events),
            SessionOrder::Messages => Key::count(self.messages),
            SessionOrder::Errors => Key::count(self.errors),
            SessionOrder::Tokens => Key::count(self.tokens),
            SessionOrder::Cost => Key::real(self.cost),
            SessionOrder::Duration => match (self.first_happened, self.last_happened()) {
                (Some(first), Some(last)) => Key::signed(i128::from(last) - i128::from(first)),
                _ => Key::NONE,
            },
            SessionOrder::Reward => self.reward.map_or(Key::NONE, Key::real),
            SessionOrder::Name => Key::count(0),
        }
    }
}

/// Appends the row of a session.
pub(super) fn write_session(row: &mut Vec<u8>, state: &SessionState, share: Sums, shared: bool) {
    write(row, &Head::of(state, share, shared));
    write(row, state);
}

/// Appends the row of a state that a session went through.
pub(super) fn write_snapshot(row: &mut Vec<u8>, state: &SessionState) {
    write(row, &Mark::of(state));
    write(row, state);
}

pub(super) fn write_sums(row: &mut Vec<u8>, sums: &Sums) {
    write(row, sums);
}

/// The mark and, unread, the state of a snapshot's row, or of a session's.
pub(super) fn read_mark(row: &[u8]) -> Result<(Mark, &[u8]), Unreadable> {
    postcard::take_from_bytes(row).map_err(|_| Unreadable)
}

pub(super) fn read_state(bytes: &[u8]) -> Result<SessionState, Unreadable> {
    postcard::from_bytes(bytes).map_err(|_| Unreadable)
}

pub(super) fn read_sums(row: &[u8]) -> Result<Sums, Unreadable> {
    postcard::from_bytes(row).map_err(|_| Unreadable)
}

fn write(row: &mut Vec<u8>, value: &impl Serialize) {
    // Writing to memory does not fail, and every value has a form of its own.
    let written = postcard::to_extend(value, std::mem::take(row));
    *row = written.unwrap_or_default();
}
