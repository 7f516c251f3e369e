//! Appending: what goes in, what comes back, what can go wrong.

use std::fmt;

use crate::{EntryId, Event, EventId, InvalidEvent, Limits, Position};

/// Events to be appended together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// The events, in order.
    pub events: Vec<Event>,
    /// Whether a single conflict refuses the whole batch. Off by default: the other events are
    /// appended and the conflict is reported.
    pub strict: bool,
    /// The revision the batch's one session must have for the batch to be appended; 0 for a session
    /// that must not exist yet.
    pub expected_revision: Option<u64>,
}

impl Batch {
    /// A batch of `events` without conditions.
    pub fn new(events: Vec<Event>) -> Self {
        Self {
            events,
            ..Self::default()
        }
    }

    /// Refuses the whole batch if any event conflicts.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// The first step of [`crate::EventLog::append`]: whether everything about the batch is legal that can be
    /// told without the log. Returns its bytes: the sum of its events' bytes on the wire.
    pub fn check(&self, limits: &Limits) -> Result<usize, AppendError> {
        let events = self.events.len();
        if events > limits.batch_events_max {
            return Err(AppendError::TooManyEvents {
                events,
                events_max: limits.batch_events_max,
            });
        }
        let mut bytes = 0;
        for (index, event) in self.events.iter().enumerate() {
            event
                .validate(limits)
                .map_err(|reason| AppendError::InvalidEvent {
                    index,
                    id: event.id.clone(),
                    reason,
                })?;
            bytes += event.wire_bytes();
        }
        if bytes > limits.batch_bytes_max {
            return Err(AppendError::TooManyBytes {
                bytes,
                bytes_max: limits.batch_bytes_max,
            });
        }
        let Some((first, rest)) = self.events.split_first() else {
            return Ok(bytes);
        };
        let other = rest
            .iter()
            .find(|event| event.session_id != first.session_id);
        match other {
            Some(other) if self.expected_revision.is_some() => Err(AppendError::SeveralSessions {
                first: first.session_id.clone(),
                second: other.session_id.clone(),
            }),
            _ => Ok(bytes),
        }
    }

    /// Refuses the batch unless its session is at `revision`.
    #[must_use]
    pub fn expecting(mut self, revision: u64) -> Self {
        self.expected_revision = Some(revision);
        self
    }
}

impl From<Event> for Batch {
    fn from(event: Event) -> Self {
        Self::new(vec![event])
    }
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// What became of each event, in the order of the batch.
    pub outcomes: Vec<Outcome>,
    /// How durable the appended events are now.
    pub durability: Durability,
}

impl Receipt {
    /// How many events were appended.
    pub fn appended(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Appended { .. }))
    }

    /// How many events were there already.
    pub fn duplicates(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Duplicate { .. }))
    }

    /// How many events were refused because another event has their id.
    pub fn conflicts(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Conflict { .. }))
    }

    fn count(&self, of: impl Fn(&Outcome) -> bool) -> usize {
        self.outcomes.iter().filter(|outcome| of(outcome)).count()
    }
}

/// What became of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was appended.
    Appended {
        /// Where.
        position: Position,
        /// Which entry of its session it is, from 1; 0 for an entry without a session.
        revision: u64,
    },
    /// It had been appended before.
    Duplicate {
        /// Where it was first.
        position: Position,
    },
    /// Another event was appended under its id before, and stays.
    Conflict {
        /// Where that one is.
        position: Position,
        /// Whether that one was trimmed, so that only hashes of the contents could be compared:
        /// the same content written in another way is then a conflict too.
        first_trimmed: bool,
    },
}

impl Outcome {
    /// Where the event, or the one that took its id, is.
    pub fn position(&self) -> Position {
        match *self {
            Self::Appended { position, .. }
            | Self::Duplicate { position }
            | Self::Conflict { position, .. } => position,
        }
    }
}

/// What an acknowledgement promises. Later ones promise more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// In the memory of the process or server that took it. A crash of that process loses it.
    Accepted,
    /// Handed to the operating system. Survives the process, not a power failure.
    Written,
    /// On stable storage (`fdatasync` returned). Survives a power failure.
    Synced,
    /// Held by this many further machines.
    Replicated {
        /// How many, besides the one that took it.
        replicas: u32,
    },
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("accepted"),
            Self::Written => f.write_str("written"),
            Self::Synced => f.write_str("synced"),
            Self::Replicated { replicas } => write!(f, "replicated to {replicas}"),
        }
    }
}

/// Why a batch was not appended.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// An event is not legal.
    #[error("event {index} of the batch (id {id}) was refused, and the batch with it: {reason}")]
    InvalidEvent {
        /// Its place in the batch, from 0.
        index: usize,
        /// Its id.
        id: EventId,
        /// What is wrong with it.
        #[source]
        reason: InvalidEvent,
    },
    /// The batch has too many events.
    #[error("the batch has {events} events, at most {events_max} are allowed: split it")]
    TooManyEvents {
        /// How many it has.
        events: usize,
        /// The limit in force.
        events_max: usize,
    },
    /// The batch has too many bytes.
    #[error("the batch has {bytes} bytes, at most {bytes_max} are allowed: split it")]
    TooManyBytes {
        /// How many it has.
        bytes: usize,
        /// The limit in force.
        bytes_max: usize,
    },
    /// A strict batch holds an event whose id another event has.
    #[error(
        "event {index} of the batch (id {id}) conflicts with the one at {first}: same id, other content; the strict batch was refused whole"
    )]
    Conflict {
        /// Its place in the batch, from 0.
        index: usize,
        /// Its id.
        id: EventId,
        /// Where the event is that took the id.
        first: Position,
    },
    /// A strict batch holds two events with one id and different contents.
    #[error(
        "event {index} of the batch (id {id}) conflicts with event {earlier} of the same batch: same id, other content; the strict batch was refused whole"
    )]
    SelfConflict {
        /// Its place in the batch, from 0.
        index: usize,
        /// Its id.
        id: EventId,
        /// The place of the event that has the id first.
        earlier: usize,
    },
    /// The session is not at the expected revision.
    #[error(
        "session {session_id} is at revision {actual}, not {expected}: read what was added and decide again"
    )]
    RevisionMismatch {
        /// The session.
        session_id: String,
        /// The revision the batch expected.
        expected: u64,
        /// The revision the session has.
        actual: u64,
    },
    /// A conditional batch has events of several sessions.
    #[error(
        "a batch with an expected revision must be of one session, but has events of {first} and {second}"
    )]
    SeveralSessions {
        /// The session of the first event.
        first: String,
        /// Another one.
        second: String,
    },
    /// An id given by the caller is not above the last one.
    #[error("entry id {given} is not above {last}: ids must strictly increase within a stream")]
    IdNotAbove {
        /// The id that was given.
        given: EntryId,
        /// The greatest id before it.
        last: EntryId,
    },
    /// The ids of the stream are used up.
    #[error("the stream's last entry id is {last}: no greater one is left, start a new stream")]
    IdsExhausted {
        /// The last id.
        last: EntryId,
    },
    /// The disk is full. Nothing of the batch was kept; the log goes on once there is space.
    #[error("no space left to append to {path}: free some and append again; nothing was lost")]
    Full {
        /// The file that could not grow.
        path: String,
    },
    /// The engine could not write or read.
    #[error("{action} {path}: {message}")]
    Storage {
        /// What it did, as in "writing".
        action: &'static str,
        /// The file or address.
        path: String,
        /// What the system said.
        message: String,
    },
    /// The engine has stopped writing for good, because it no longer knows what is on stable
    /// storage. Whether this batch will be there after a restart is not known; publishing it again
    /// is safe.
    #[error(
        "the log has stopped writing ({reason}): what was acknowledged is safe; reopen it to go on, publishing again is safe"
    )]
    Stopped {
        /// What happened.
        reason: String,
    },
    /// The server could not be reached, or did not answer in time.
    #[error(
        "{address}: {message}; whether the batch was appended is not known: publishing it again is safe"
    )]
    Unavailable {
        /// The server, without secrets.
        address: String,
        /// What happened, and what to check.
        message: String,
    },
    /// The batch was appended, but is not as durable as was asked for.
    #[error(
        "the batch was appended, but {missing}: what is not confirmed may be lost with its server; publishing it again is safe and asks again"
    )]
    Unconfirmed {
        /// What is missing: how many confirmed, of how many, within what time.
        missing: String,
    },
    /// This handle only reads.
    #[error(
        "{path} is open for reading only: open it for writing, or publish through the process that does"
    )]
    ReadOnly {
        /// What was opened.
        path: String,
    },
    /// The log was closed.
    #[error("the log was closed")]
    Closed,
}

impl AppendError {
    /// A stable name for programs to tell errors apart by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidEvent { .. } => "invalid_event",
            Self::TooManyEvents { .. } => "too_many_events",
            Self::TooManyBytes { .. } => "too_many_bytes",
            Self::Conflict { .. } | Self::SelfConflict { .. } => "conflict",
            Self::RevisionMismatch { .. } => "revision_mismatch",
            Self::SeveralSessions { .. } => "several_sessions",
            Self::IdNotAbove { .. } => "id_not_above",
            Self::IdsExhausted { .. } => "ids_exhausted",
            Self::Full { .. } => "full",
            Self::Storage { .. } => "storage",
            Self::Stopped { .. } => "stopped",
            Self::Unavailable { .. } => "unavailable",
            Self::Unconfirmed { .. } => "unconfirmed",
            Self::ReadOnly { .. } => "read_only",
            Self::Closed => "closed",
        }
    }
}
