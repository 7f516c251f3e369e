//! The fold over a stream of letters: which are open, where each stands, and what blocks a session.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use recount_core::{Cursor, EventLog, Partition, Position, ReadError, ReadRange, Recorded};

use super::letter::{LetterState, Reason};
use super::sessions::{BlockedSessions, Blocking};
use super::wire::Fact;

/// What is kept in memory of the letters: not what they hold.
#[derive(Default)]
pub(super) struct Index {
    read: Cursor,
    letters: BTreeMap<Position, Known>,
    open: BTreeSet<Position>,
    /// The open letters of each session.
    sessions: HashMap<Arc<str>, BTreeSet<Position>>,
    /// What was told of the sessions last, until something changes.
    told: Option<BlockedSessions>,
}

/// What is known of the letters of one entry.
///
/// Whatever the order in which its events are read, it comes out the same: a letter is open if its last
/// round is greater than the last one that was closed.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// How often it was added.
    pub(super) round: u32,
    /// Where the last round is in the stream of letters, and in which session there.
    pub(super) at: Option<Position>,
    pub(super) home: Arc<str>,
    /// The session of the entry.
    pub(super) session: Option<Arc<str>>,
    pub(super) reason: Reason,
    /// The last round that somebody began to retry.
    retrying: u32,
    /// The last round that was closed, and how.
    closed: u32,
    closed_as: LetterState,
    pub(super) retries: u32,
}

impl Known {
    fn new(home: Arc<str>) -> Self {
        Self {
            round: 0,
            at: None,
            home,
            session: None,
            reason: Reason::Handler,
            retrying: 0,
            closed: 0,
            closed_as: LetterState::Retried,
            retries: 0,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.round > self.closed
    }

    /// Whether it is on its way back to the group.
    fn is_retrying(&self) -> bool {
        self.is_open() && self.retrying >= self.round
    }

    pub(super) fn state(&self) -> LetterState {
        if self.is_open() {
            LetterState::Open
        } else {
            self.closed_as
        }
    }

    fn take(&mut self, fact: Fact, at: Position, home: &str) {
        match fact {
            Fact::Added {
                round,
                session,
                reason,
            } if round > self.round => {
                self.round = round;
                self.at = Some(at);
                self.home = home.into();
                self.session = session.map(Into::into);
                self.reason = reason;
            }
            Fact::Retrying { round } => self.retrying = self.retrying.max(round),
            Fact::Closed { round, state } if round > self.closed => {
                self.closed = round;
                self.closed_as = state;
                self.retries += u32::from(state == LetterState::Retried);
            }
            // The same twice: its id was no longer remembered.
            Fact::Added { .. } | Fact::Closed { .. } => {}
        }
    }
}

impl Index {
    /// Reads what was written since.
    pub(super) async fn catch_up(&mut self, log: &dyn EventLog) -> Result<(), ReadError> {
        for partition in 0..log.partitions() {
            self.catch_up_in(log, partition).await?;
        }
        Ok(())
    }

    async fn catch_up_in(
        &mut self,
        log: &dyn EventLog,
        partition: Partition,
    ) -> Result<(), ReadError> {
        loop {
            let range = ReadRange {
                partition,
                ..ReadRange::new(recount_core::IdRange::after(self.read.get(partition)))
            };
            let page = log.read(&range).await?;
            for recorded in &page.entries {
                self.take(recorded);
                self.read.advance(recorded.position);
            }
            if page.next.is_none() || page.entries.is_empty() {
                return Ok(());
            }
        }
    }

    fn take(&mut self, recorded: &Recorded) {
        let read = recorded
            .event()
            .and_then(|event| Some((event, super::wire::fact(event)?)));
        let Some((event, (position, fact))) = read else {
            tracing::warn!(
                entry = %recorded.position,
                "an entry in a stream of dead letters is no letter, and was passed over"
            );
            return;
        };
        let known = self
            .letters
            .entry(position)
            .or_insert_with(|| Known::new(event.session_id.as_str().into()));
        let before = known.session.clone();
        known.take(fact, recorded.position, &event.session_id);
        let (open, session) = (known.is_open(), known.session.clone());
        if before != session {
            self.file(position, false, before);
        }
        self.file(position, open, session);
    }

    fn file(&mut self, position: Position, open: bool, session: Option<Arc<str>>) {
        self.told = None;
        if open {
            self.open.insert(position);
        } else {
            self.open.remove(&position);
        }
        let Some(session) = session else { return };
        if open {
            self.sessions.entry(session).or_default().insert(position);
        } else if let Some(letters) = self.sessions.get_mut(&session) {
            letters.remove(&position);
            if letters.is_empty() {
                self.sessions.remove(&session);
            }
        }
    }

    pub(super) fn get(&self, position: Position) -> Option<&Known> {
        self.letters.get(&position)
    }

    /// Forgets a letter whose event was trimmed from the stream of letters. Its rounds go on.
    pub(super) fn lost(&mut self, position: Position) {
        if let Some(known) = self.letters.get_mut(&position) {
            known.at = None;
            let session = known.session.clone();
            self.file(position, false, session);
        }
    }

    pub(super) fn open_after(&self, after: Option<Position>) -> impl Iterator<Item = Position> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.open.range((from, Bound::Unbounded)).copied()
    }

    pub(super) fn open_count(&self) -> u64 {
        self.open.len() as u64
    }

    pub(super) fn is_blocked(&self, session_id: &str, position: Position) -> bool {
        let Some(letters) = self.sessions.get(session_id) else {
            return false;
        };
        let mut earlier = letters.range(..position);
        if self.is_retrying(position) {
            earlier.any(|letter| !self.is_retrying(*letter))
        } else {
            earlier.next().is_some()
        }
    }

    fn is_retrying(&self, position: Position) -> bool {
        let known = self.letters.get(&position);
        known.is_some_and(Known::is_retrying)
    }

    fn blocking(&self, letters: &BTreeSet<Position>) -> Blocking {
        Blocking::new(letters.iter().copied(), |letter| self.is_retrying(letter))
    }

    pub(super) fn blocked_sessions(&mut self) -> BlockedSessions {
        if let Some(told) = &self.told {
            return told.clone();
        }
        let sessions = self.sessions.iter();
        let told: BlockedSessions = sessions
            .map(|(session, letters)| (Arc::clone(session), self.blocking(letters)))
            .collect();
        self.told = Some(told.clone());
        told
    }

    /// The open letters of the same session that come before.
    pub(super) fn earlier(&self, known: &Known, position: Position) -> Vec<Position> {
        let letters = known.session.as_ref().and_then(|s| self.sessions.get(s));
        letters
            .map(|letters| letters.range(..position).copied().collect())
            .unwrap_or_default()
    }
}
