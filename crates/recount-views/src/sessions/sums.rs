//! What a session counts for a user, and a user's sessions together.

use recount_core::{EntryId, Recorded, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{SessionState, Tokens};

/// A user, and what was recorded for them: every event counts for the last user that its session named.
/// What a forked session took over counts for the session that it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct UserRow {
    /// The user.
    pub user_id: String,
    /// The sessions with events of theirs.
    pub sessions: u64,
    /// Their events.
    pub events: u64,
    /// The messages among them.
    pub messages: u64,
    /// The errors among them.
    pub errors: u64,
    /// Their tokens.
    pub tokens: Tokens,
    /// What their events cost, in the producer's currency, to a billionth.
    pub cost: f64,
    /// The earliest time at which one of their events happened, trimmed ones included.
    pub first_happened: Option<Timestamp>,
    /// The latest.
    pub last_happened: Option<Timestamp>,
    /// The last entry of theirs.
    pub last_recorded: EntryId,
}

/// Sums that come out the same in whatever order they are made: the cost is in billionths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sums {
    pub sessions: u64,
    pub events: u64,
    pub messages: u64,
    pub errors: u64,
    pub tokens: Tokens,
    pub cost: i128,
    pub first_happened: Option<i64>,
    pub last_happened: Option<i64>,
    pub last_recorded: (u64, u64),
}

/// What of a state sums are made of, as it was before an event.
#[derive(Clone, Copy)]
pub(super) struct Before {
    messages: u64,
    errors: u64,
    tokens: Tokens,
    cost: f64,
}

impl Before {
    pub(super) fn of(state: &SessionState) -> Self {
        Self {
            messages: state.messages_added,
            errors: state.errors,
            tokens: state.tokens,
            cost: state.cost,
        }
    }
}

const BILLION: f64 = 1e9;

impl Sums {
    /// What one event added: the state is the one after it.
    pub(super) fn of_event(entry: &Recorded, before: Before, state: &SessionState) -> Self {
        // What a fork begins with is its parent's.
        let inherits = state.own_events == 1 && state.forked_from.is_some();
        let before = if inherits { Before::of(state) } else { before };
        let (new, old) = (&state.tokens, &before.tokens);
        let happened = entry.event().map(|event| event.timestamp.as_millis());
        let id = entry.position.entry_id;
        Self {
            sessions: 0,
            events: 1,
            messages: state.messages_added.saturating_sub(before.messages),
            errors: state.errors.saturating_sub(before.errors),
            tokens: Tokens {
                input: new.input.saturating_sub(old.input),
                output: new.output.saturating_sub(old.output),
                total: new.total.saturating_sub(old.total),
            },
            cost: ((state.cost - before.cost) * BILLION).round() as i128,
            first_happened: happened,
            last_happened: happened,
            last_recorded: (id.ms, id.seq),
        }
    }

    pub(super) fn add(&mut self, more: &Self) {
        let tokens = &mut self.tokens;
        for (sum, more) in [
            (&mut self.sessions, more.sessions),
            (&mut self.events, more.events),
            (&mut self.messages, more.messages),
            (&mut self.errors, more.errors),
            (&mut tokens.input, more.tokens.input),
            (&mut tokens.output, more.tokens.output),
            (&mut tokens.total, more.tokens.total),
        ] {
            *sum = sum.saturating_add(more);
        }
        self.cost = self.cost.saturating_add(more.cost);
        let firsts = self.first_happened.into_iter().chain(more.first_happened);
        self.first_happened = firsts.min();
        self.last_happened = self.last_happened.max(more.last_happened);
        self.last_recorded = self.last_recorded.max(more.last_recorded);
    }

    /// Takes a session away that was trimmed. The times stay: it happened.
    pub(super) fn subtract(&mut self, less: &Self) {
        let tokens = &mut self.tokens;
        for (sum, less) in [
            (&mut self.sessions, less.sessions),
            (&mut self.events, less.events),
            (&mut self.messages, less.messages),
            (&mut self.errors, less.errors),
            (&mut tokens.input, less.tokens.input),
            (&mut tokens.output, less.tokens.output),
            (&mut tokens.total, less.tokens.total),
        ] {
            *sum = sum.saturating_sub(less);
        }
        self.cost = self.cost.saturating_sub(less.cost);
    }

    pub(super) fn last_recorded(&self) -> EntryId {
        EntryId::new(self.last_recorded.0, self.last_recorded.1)
    }

    pub(super) fn cost(&self) -> f64 {
        self.cost as f64 / BILLION
    }

    /// The row of a user.
    pub(super) fn row(&self, user_id: &str) -> UserRow {
        let time = |ms: Option<i64>| ms.and_then(|ms| Timestamp::from_millis(ms).ok());
        UserRow {
            user_id: user_id.to_owned(),
            sessions: self.sessions,
            events: self.events,
            messages: self.messages,
            errors: self.errors,
            tokens: self.tokens,
            cost: self.cost(),
            first_happened: time(self.first_happened),
            last_happened: time(self.last_happened),
            last_recorded: self.last_recorded(),
        }
    }
}
