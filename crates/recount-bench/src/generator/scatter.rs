//! Sessions of a known length, spread through a stream of a known one.

use super::{Kind, OpenSession};

/// Sessions whose events lie evenly among those of a whole stream, one of each session in turn.
pub struct Scatter {
    sessions: Vec<OpenSession>,
    /// How many events the stream has.
    among: u64,
    events: u64,
    placed: u64,
}

impl Scatter {
    /// `sessions` sessions of `session_events` each in a stream of `among` events.
    pub fn new(sessions: u64, session_events: u64, among: u64) -> Self {
        let open = |number| OpenSession {
            id: Self::session(number),
            user_id: format!("user-scattered-{number:03}"),
            events_left: session_events,
            last: Kind::Nothing,
            call: 0,
        };
        Self {
            sessions: (0..sessions).map(open).collect(),
            among,
            events: sessions * session_events,
            placed: 0,
        }
    }

    /// One session of `events` events in a stream of `among` events.
    pub fn long(events: u64, among: u64) -> Self {
        let mut scatter = Self::new(1, events, among);
        for session in &mut scatter.sessions {
            Self::LONG.clone_into(&mut session.id);
        }
        scatter
    }

    /// The id of the session of [`Scatter::long`].
    pub const LONG: &str = "scattered-long";

    /// The id of the session with this number, from 0.
    pub fn session(number: u64) -> String {
        format!("scattered-{number:03}")
    }

    /// The session that the stream's event number `event` belongs to, if it is one of these.
    pub(super) fn due(&mut self, event: u64) -> Option<&mut OpenSession> {
        let due = self.placed < self.events && event >= self.placed * self.among / self.events;
        due.then(|| {
            let session = self.placed % self.sessions.len() as u64;
            self.placed += 1;
            &mut self.sessions[session as usize]
        })
    }
}
