//! A view on a directory of its own, and histories to feed it.

use std::ops::Bound;

use proptest::prelude::*;
use recount_core::{
    Body, Direction, EntryId, Event, EventType, Fold as _, JsonObject, Position, Recorded, Schema,
    Timestamp,
};
use serde_json::json;

use super::super::SessionsView;
use crate::SessionState;
use crate::checkpoint::Kept;
use crate::projection::{Kind as _, Projection};
use crate::rows::{RowsKind, Snapshot};

/// A view, open for writing.
pub(super) struct Fixture {
    pub projection: Box<dyn Projection>,
    dir: tempfile::TempDir,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let projection = RowsKind::new(SessionsView::new).open(dir.path()).unwrap();
        Self { projection, dir }
    }

    /// One that took in `entries` at once.
    pub(super) fn of(entries: &[Recorded]) -> Self {
        let mut fixture = Self::new();
        fixture.take(entries);
        fixture.commit();
        fixture
    }

    pub(super) fn take(&mut self, entries: &[Recorded]) {
        self.projection.take(entries).unwrap();
    }

    pub(super) fn commit(&mut self) {
        self.projection.commit(&Kept::default()).unwrap();
    }

    pub(super) fn trim(&mut self, partition: u32, first: u64) {
        let entry_id = EntryId::new(first, 0);
        let first = Position {
            partition,
            entry_id,
        };
        self.projection.trimmed(first).unwrap();
    }

    pub(super) fn rows(&self) -> Snapshot {
        Snapshot::open(self.dir.path()).unwrap().unwrap()
    }

    /// All rows there are.
    pub(super) fn dump(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let rows = self.rows();
        let all = rows
            .range(b"", Bound::Unbounded, Direction::Forward)
            .unwrap();
        let all = all.map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())));
        all.collect::<Result<_, _>>().unwrap()
    }
}

/// An event that happens at a time of its own, in session `s<session>`, partition `session % 2`.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub session: u8,
    pub user: Option<u8>,
    pub kind: u8,
    pub happened: i64,
    pub numbered: bool,
}

pub(super) fn step(sessions: u8) -> impl Strategy<Value = Step> {
    let user = prop::option::weighted(0.3, 0..3_u8);
    let happened = prop_oneof![0..1_000_i64, 500..600_i64];
    (0..sessions, user, 0..12_u8, happened, any::<u8>()).prop_map(
        |(session, user, kind, happened, numbered)| Step {
            session,
            user,
            kind,
            happened,
            // Other programs' entries have no number.
            numbered: numbered > 10,
        },
    )
}

/// The steps as a log would give them, one entry a millisecond.
pub(super) fn history(steps: &[Step]) -> Vec<Recorded> {
    let mut revisions = [0_u64; 256];
    let each = steps.iter().enumerate().map(|(at, step)| {
        let revision = &mut revisions[usize::from(step.session)];
        *revision += u64::from(step.numbered);
        let position = Position {
            partition: u32::from(step.session % 2),
            entry_id: EntryId::new(at as u64 + 1, 0),
        };
        Recorded {
            position,
            revision: if step.numbered { *revision } else { 0 },
            schema: Schema::AsStored,
            body: Body::Event(event(step, at)),
        }
    });
    each.collect()
}

fn event(step: &Step, at: usize) -> Event {
    let (event_type, data) = match step.kind {
        0 => (EventType::SessionStarted, json!({})),
        1 => (
            EventType::SessionEnded,
            json!({"reason": if at.is_multiple_of(2) { "completed" } else { "error" }}),
        ),
        2 => (
            EventType::SessionEnded,
            json!({"reward": (at % 5) as f64 / 4.0}),
        ),
        3 => (
            EventType::ErrorOccurred,
            json!({"message": "no", "tool": "t"}),
        ),
        4 => (
            EventType::ToolCalled,
            json!({"tool": "t", "call_id": format!("c{}", at % 3)}),
        ),
        5 => (
            EventType::ToolReturned,
            json!({"call_id": format!("c{}", at % 3)}),
        ),
        6 => (EventType::MemoryCleared, json!({})),
        // What it inherits counts only where it is the first.
        7 => (
            EventType::SessionForked,
            json!({
                "parent_session_id": format!("s{}", at % 4),
                "at_entry_id": "1-0",
                "at_revision": 3,
                "state": parent(),
            }),
        ),
        _ => (
            EventType::MessageAdded,
            json!({"role": "user", "content": "x", "tokens": at % 9, "cost": 0.1 * (at % 4) as f64}),
        ),
    };
    let mut event = Event::builder(event_type, format!("s{}", step.session))
        .id(format!("e{at}"))
        .timestamp(Timestamp::from_millis(step.happened).unwrap())
        .data(JsonObject::from_serialize(&data).unwrap());
    if let Some(user) = step.user {
        event = event.user(format!("u{user}"));
    }
    if step.kind == 9 {
        event = event.agent("bot");
    }
    event.build().unwrap()
}

/// The state that forks begin with.
fn parent() -> SessionState {
    let mut state = SessionState::new("elsewhere");
    state.user_id = Some("u1".to_owned());
    state.messages_added = 7;
    state.message_count = 7;
    state.events = 9;
    state.cost = 2.5;
    state.last_happened = Timestamp::from_millis(450).ok();
    state
}

pub(super) fn session_of(entry: &Recorded) -> &str {
    &entry.event().unwrap().session_id
}

/// The entries of one session.
pub(super) fn of_session<'e>(entries: &'e [Recorded], session: &str) -> Vec<&'e Recorded> {
    let all = entries.iter();
    all.filter(|entry| session_of(entry) == session).collect()
}

pub(super) fn fold<'e>(
    session: &str,
    entries: impl IntoIterator<Item = &'e Recorded>,
) -> SessionState {
    let mut state = SessionState::new(session);
    state.apply_all(entries);
    state
}

/// The state of every session.
pub(super) fn states(entries: &[Recorded]) -> Vec<SessionState> {
    let names: std::collections::BTreeSet<_> = entries.iter().map(session_of).collect();
    let states = names.into_iter();
    states
        .map(|session| fold(session, of_session(entries, session)))
        .collect()
}
