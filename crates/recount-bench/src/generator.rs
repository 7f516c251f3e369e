//! Events like those of real agents, from a seed.
//!
//! Kinds, sizes and turns follow recorded runs of a customer-service agent: short messages of
//! users, answers of a few hundred bytes, tool calls, tool results from 100 bytes to 9 KB. Sessions
//! are longer and many are open at once: 5 to 2,000 events each (half of them under 100), 200 to
//! 2,000 open, a user for every five of them.
//!
//! Payloads come from a pool that was written and checked once, so that making an event costs a
//! small fraction of what storing one does.

mod ids;
mod payloads;
mod rng;
mod scatter;
mod text;

use std::ops::RangeInclusive;

use recount_core::{Event, EventType, Timestamp, TimestampSource};

use ids::EventIds;
pub use ids::IdOrder;
use payloads::{CALLS, Kind, Pool};
use rng::Rng;
pub use scatter::Scatter;

const SESSION_EVENTS: RangeInclusive<u64> = 5..=2_000;
const SESSIONS_OPEN: RangeInclusive<u64> = 200..=2_000;
const SESSIONS_PER_USER: u64 = 5;
/// After how many events another number of sessions is aimed at.
const DRIFT_EVENTS: u64 = 20_000;
/// 2026-01-01T00:00:00Z.
const START_MS: u64 = 1_767_225_600_000;
const EVENTS_PER_MS: u64 = 2;

/// An endless stream of events; the same one for the same seed.
pub struct Generator {
    rng: Rng,
    ids: EventIds,
    pool: Pool,
    open: Vec<OpenSession>,
    open_target: u64,
    sessions: u64,
    users: u64,
    events: u64,
    /// Sessions of a known length among the others.
    scatter: Vec<Scatter>,
}

struct OpenSession {
    id: String,
    user_id: String,
    events_left: u64,
    last: Kind,
    /// The number of its last call of a tool.
    call: u64,
}

impl Generator {
    /// Starts the stream of `seed`.
    pub fn new(seed: u64, order: IdOrder) -> Self {
        let mut rng = Rng::new(seed);
        Self {
            pool: Pool::new(&mut rng),
            ids: EventIds::new(order, rng.next()),
            open: Vec::new(),
            open_target: *SESSIONS_OPEN.start(),
            sessions: 0,
            users: 0,
            events: 0,
            scatter: Vec::new(),
            rng,
        }
    }

    /// Puts the events of further sessions among the others, evenly through the whole stream.
    pub fn scattering(mut self, scatter: Scatter) -> Self {
        self.scatter.push(scatter);
        self
    }

    /// The next `count` events.
    pub fn take(&mut self, count: usize) -> Vec<Event> {
        (0..count).map(|_| self.event()).collect()
    }

    fn event(&mut self) -> Event {
        if self.events.is_multiple_of(DRIFT_EVENTS) {
            self.open_target = self.rng.skewed(SESSIONS_OPEN);
        }
        let events = self.events;
        let due = self
            .scatter
            .iter_mut()
            .find_map(|scatter| scatter.due(events));
        if let Some(session) = due {
            let kind = session.go_on(&mut self.rng);
            let (session_id, user_id) = (session.id.clone(), session.user_id.clone());
            let call = session.call;
            return self.event_of(session_id, user_id, kind, call);
        }
        let open = self.open.len() as u64;
        let few = open < *SESSIONS_OPEN.start();
        let at = if few || (open < self.open_target && self.rng.chance(5)) {
            self.start_session()
        } else {
            self.rng.below(open) as usize
        };

        let session = &mut self.open[at];
        let kind = session.go_on(&mut self.rng);
        let (session_id, user_id) = (session.id.clone(), session.user_id.clone());
        let call = session.call;
        let event = self.event_of(session_id, user_id, kind, call);
        if kind == Kind::SessionEnded {
            self.open.swap_remove(at);
        }
        event
    }

    fn event_of(&mut self, session_id: String, user_id: String, kind: Kind, call: u64) -> Event {
        let ms = START_MS + self.events / EVENTS_PER_MS;
        let id = self.ids.id(ms, self.events);
        self.events += 1;
        Event {
            id,
            event_type: kind.event_type(),
            session_id,
            user_id: Some(user_id),
            agent_id: None,
            trace_id: None,
            causation_id: None,
            timestamp: Timestamp::saturating_from_millis(ms),
            timestamp_source: TimestampSource::Given,
            replayed: false,
            version: 1,
            data: self.pool.pick(kind, call, &mut self.rng),
        }
    }

    fn start_session(&mut self) -> usize {
        self.users += u64::from(self.sessions.is_multiple_of(SESSIONS_PER_USER));
        let user = match self.sessions % SESSIONS_PER_USER {
            0 => self.users - 1,
            _ => self.rng.below(self.users),
        };
        self.open.push(OpenSession {
            id: format!("session-{:08}", self.sessions),
            user_id: format!("user-{user:07}"),
            events_left: self.rng.skewed(SESSION_EVENTS),
            last: Kind::Nothing,
            call: 0,
        });
        self.sessions += 1;
        self.open.len() - 1
    }
}

impl OpenSession {
    /// What happens next in it.
    fn go_on(&mut self, rng: &mut Rng) -> Kind {
        self.events_left -= 1;
        self.last = match self.events_left {
            0 => Kind::SessionEnded,
            _ => self.last.next(rng),
        };
        if self.last == Kind::ToolCalled {
            self.call = rng.below(CALLS);
        }
        self.last
    }
}

impl Kind {
    /// What follows in a session's conversation.
    fn next(self, rng: &mut Rng) -> Self {
        match self {
            Self::Nothing => Self::SessionStarted,
            Self::SessionStarted if rng.chance(50) => Self::System,
            Self::User if rng.chance(43) => Self::ToolCalled,
            Self::ToolCalled if rng.chance(5) => Self::Error,
            Self::ToolCalled => Self::ToolReturned,
            Self::ToolReturned | Self::Error if rng.chance(45) => Self::ToolCalled,
            Self::User | Self::ToolReturned | Self::Error => Self::Assistant,
            Self::Assistant => match rng.below(200) {
                0..6 => Self::Search,
                6..10 => Self::Summary,
                10 => Self::Cleared,
                _ => Self::User,
            },
            _ => Self::User,
        }
    }

    fn event_type(self) -> EventType {
        match self {
            Self::Nothing | Self::SessionStarted => EventType::SessionStarted,
            Self::SessionEnded => EventType::SessionEnded,
            Self::System | Self::User | Self::Assistant => EventType::MessageAdded,
            Self::ToolCalled => EventType::ToolCalled,
            Self::ToolReturned => EventType::ToolReturned,
            Self::Error => EventType::ErrorOccurred,
            Self::Search => EventType::SearchPerformed,
            Self::Summary => EventType::SummaryCreated,
            Self::Cleared => EventType::MemoryCleared,
        }
    }
}

#[cfg(test)]
mod tests;
