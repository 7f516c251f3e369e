//! A letter: what is told of an entry that a group gave up on.

use std::fmt;

use recount_core::json::{Line, LineBody};
use recount_core::{Event, Position, Recorded, Timestamp};

use super::wire::Written;

/// Why a group gave up on an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The handler failed as often as it may be called.
    MaxDeliveries,
    /// The handler panicked as often as it may be called.
    Panic,
    /// It was delivered as often as it may be, and nobody lived to tell what became of it.
    Poison,
    /// It is no event.
    Undecodable,
    /// An earlier entry of its session is a dead letter, and the group keeps the order.
    InSequence,
    /// The handler said that trying again is useless.
    Handler,
}

impl Reason {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::MaxDeliveries,
        Self::Panic,
        Self::Poison,
        Self::Undecodable,
        Self::InSequence,
        Self::Handler,
    ];

    /// Its name in letters and commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MaxDeliveries => "max_deliveries",
            Self::Panic => "panic",
            Self::Poison => "poison",
            Self::Undecodable => "undecodable",
            Self::InSequence => "in_sequence",
            Self::Handler => "handler",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.as_str() == name)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One attempt to handle an entry that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When it ended.
    pub at: Timestamp,
    /// Which consumer made it.
    pub consumer: String,
    /// The how many-th delivery it was.
    pub delivery_count: u64,
    /// What went wrong.
    pub error: String,
}

/// A letter to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLetter {
    /// Where the entry is in the group's stream.
    pub position: Position,
    /// The entry; none if it was trimmed before it could be read.
    pub entry: Option<Recorded>,
    /// Why the group gives up on it.
    pub reason: Reason,
    /// What went wrong last, in words.
    pub error: String,
    /// The attempts known to whoever gives up, oldest first. Those of earlier rounds are added.
    pub attempts: Vec<Attempt>,
    /// Which consumer gives up.
    pub consumer: String,
    /// How often it was delivered.
    pub delivery_count: u64,
    /// When it was delivered first, if that is known.
    pub first_delivered: Option<Timestamp>,
}

/// What is to become of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LetterState {
    /// Nobody has decided yet.
    Open,
    /// Its entry was handed to the group again.
    Retried,
    /// It was closed for good.
    Discarded,
}

impl LetterState {
    /// Its name in letters and commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Retried => "retried",
            Self::Discarded => "discarded",
        }
    }
}

/// A letter as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Where the entry is in the group's stream. The letter is known by it.
    pub position: Position,
    /// What became of it.
    pub state: LetterState,
    /// How often it was added.
    pub round: u32,
    /// How often it was retried.
    pub retries: u32,
    /// The entry's session, if it has one.
    pub session_id: Option<String>,
    /// Why the group gave up.
    pub reason: Reason,
    /// What went wrong last, in words.
    pub error: String,
    /// The newest attempts, oldest first, those of earlier rounds included.
    pub attempts: Vec<Attempt>,
    /// Which consumer gave up.
    pub consumer: String,
    /// How often it was delivered in this round.
    pub delivery_count: u64,
    /// When it was delivered first in this round, if that is known.
    pub first_delivered: Option<Timestamp>,
    /// When it became a dead letter.
    pub dead_at: Timestamp,
    /// The entry in the one JSON shape of a recorded event ([`recount_core::json`]); none where it was
    /// trimmed before, or was too large to keep, which the error then says.
    pub entry: Option<String>,
}

impl Letter {
    /// The most attempts that a letter keeps.
    pub const ATTEMPTS_MAX: usize = 20;

    /// The event, if the letter has the entry and the entry is one.
    pub fn event(&self) -> Option<Event> {
        match Line::parse(self.entry.as_ref()?.as_bytes()).ok()?.body {
            LineBody::Event(event) => event.into_event().ok(),
            LineBody::Fields(_) => None,
        }
    }

    /// The letter as one line of JSON.
    pub fn json(&self) -> String {
        Written::shown(self)
    }
}
