//! What happened, in the order in which it was seen to happen.

use std::fmt;

use parking_lot::Mutex;
use recount_core::Position;
use tokio::time::Instant;

/// Which group, by number.
pub type Group = usize;
/// Which consumer: a new number for each that is started, whatever its name.
pub type Instance = usize;
/// The how many-th record something is.
pub type Moment = usize;

/// Everything that happened in a round.
pub struct History {
    begun: Instant,
    records: Mutex<Vec<Record>>,
}

#[derive(Clone)]
pub struct Record {
    /// Milliseconds since the round began.
    pub at_ms: u64,
    pub what: What,
}

#[derive(Clone, Debug)]
pub enum What {
    /// An entry that is an event, if it has a number.
    Published {
        position: Position,
        number: Option<u64>,
        session: Option<String>,
    },
    Started {
        group: Group,
        instance: Instance,
    },
    /// Stopped, or drained.
    Stopped {
        instance: Instance,
    },
    /// Dropped without a word.
    Died {
        instance: Instance,
    },
    /// The store handed an entry out, on a call made at `asked`, whether or not the answer came through.
    Delivered {
        group: Group,
        instance: Instance,
        position: Position,
        asked: Moment,
        count: u64,
    },
    /// The handler was called.
    Begun {
        group: Group,
        instance: Instance,
        position: Position,
        count: u64,
    },
    /// The handler was done, or was dropped.
    Ended {
        group: Group,
        instance: Instance,
        position: Position,
        outcome: Ended,
    },
    /// The batch in which it was handled came to nothing.
    Voided {
        group: Group,
        instance: Instance,
        position: Position,
    },
    /// The store took an acknowledgement that was sent at `asked`.
    Acked {
        group: Group,
        instance: Instance,
        position: Position,
        asked: Moment,
    },
    /// A letter was written.
    Lettered {
        group: Group,
        position: Position,
    },
    /// A dead letter is handed to the group again.
    Requeued {
        group: Group,
        position: Position,
    },
    /// But it was not, because its entry is trimmed or is pending already.
    Refused {
        group: Group,
        position: Position,
    },
    /// Everything below was trimmed from a partition.
    Trimmed {
        first: Position,
    },
    /// The group is being destroyed, or has just been.
    Destroyed {
        group: Group,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Handled,
    Failed,
    /// It panicked or was cut off.
    Dropped,
}

impl History {
    pub fn new() -> Self {
        Self {
            begun: Instant::now(),
            records: Mutex::default(),
        }
    }

    pub fn add(&self, what: What) {
        let at_ms = u64::try_from(self.begun.elapsed().as_millis()).expect("rounds are short");
        self.records.lock().push(Record { at_ms, what });
    }

    /// The moment of what is recorded next.
    pub fn now(&self) -> Moment {
        self.records.lock().len()
    }

    pub fn take(&self) -> Vec<Record> {
        std::mem::take(&mut self.records.lock())
    }
}

impl What {
    pub fn group(&self) -> Option<Group> {
        match self {
            Self::Published { .. }
            | Self::Stopped { .. }
            | Self::Died { .. }
            | Self::Trimmed { .. } => None,
            Self::Started { group, .. }
            | Self::Delivered { group, .. }
            | Self::Begun { group, .. }
            | Self::Ended { group, .. }
            | Self::Voided { group, .. }
            | Self::Acked { group, .. }
            | Self::Lettered { group, .. }
            | Self::Requeued { group, .. }
            | Self::Refused { group, .. }
            | Self::Destroyed { group } => Some(*group),
        }
    }

    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Started { .. }
            | Self::Stopped { .. }
            | Self::Died { .. }
            | Self::Trimmed { .. }
            | Self::Destroyed { .. } => None,
            Self::Published { position, .. }
            | Self::Delivered { position, .. }
            | Self::Begun { position, .. }
            | Self::Ended { position, .. }
            | Self::Voided { position, .. }
            | Self::Acked { position, .. }
            | Self::Lettered { position, .. }
            | Self::Requeued { position, .. }
            | Self::Refused { position, .. } => Some(*position),
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8} ms  ", self.at_ms)?;
        if let Some(position) = self.what.position() {
            write!(f, "{position}  ")?;
        }
        match &self.what {
            What::Published {
                number, session, ..
            } => write!(f, "published: {number:?} {session:?}"),
            What::Started { instance, .. } => write!(f, "consumer {instance} starts"),
            What::Stopped { instance } => write!(f, "consumer {instance} has stopped"),
            What::Died { instance } => write!(f, "consumer {instance} dies"),
            What::Delivered {
                instance,
                asked,
                count,
                ..
            } => write!(
                f,
                "delivered to {instance}, the {count}. time, asked at {asked}"
            ),
            What::Begun {
                instance, count, ..
            } => write!(f, "begun by {instance}, the {count}. time"),
            What::Ended {
                instance, outcome, ..
            } => write!(f, "{outcome:?} by {instance}"),
            What::Voided { instance, .. } => write!(f, "voided by {instance}"),
            What::Acked {
                instance, asked, ..
            } => write!(f, "acknowledged by {instance}, sent at {asked}"),
            What::Lettered { .. } => f.write_str("has a letter"),
            What::Requeued { .. } => f.write_str("is requeued"),
            What::Refused { .. } => f.write_str("was not requeued"),
            What::Trimmed { first } => write!(f, "trimmed below {first}"),
            What::Destroyed { .. } => f.write_str("the group is destroyed"),
        }
    }
}
