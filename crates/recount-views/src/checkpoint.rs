//! How far a view came, and how it knows that the log is still the one it read.

use std::collections::BTreeMap;
use std::fmt;

use recount_core::{Body, Cursor, EntryId, Partition, Position, Recorded, Schema};
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use crate::projection::Finding;

/// How far a view came: in each partition the last entry it took in, with a hash of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    entries: u64,
    places: BTreeMap<Partition, Place>,
}

/// The last entry taken in of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    ms: u64,
    seq: u64,
    hash: u64,
    /// What the log said then that the partition is a history of.
    history: Option<u64>,
}

impl Place {
    pub(crate) fn entry_id(self) -> EntryId {
        EntryId::new(self.ms, self.seq)
    }

    /// Whether `history` is another one than that which the entry was of.
    pub(crate) fn is_of_another(self, history: Option<u64>) -> bool {
        self.history
            .zip(history)
            .is_some_and(|(mine, other)| mine != other)
    }

    /// Whether `entry` is what was taken in here.
    pub(crate) fn is(self, entry: &Recorded) -> bool {
        entry.position.entry_id == self.entry_id() && hash(entry) == self.hash
    }
}

impl Checkpoint {
    /// The id in each partition after which the view goes on.
    pub fn cursor(&self) -> Cursor {
        let positions = self.places.iter().map(|(&partition, place)| Position {
            partition,
            entry_id: place.entry_id(),
        });
        positions.collect()
    }

    /// How many entries the view took in since it was built.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Whether everything up to `cursor` was taken in.
    pub fn covers(&self, cursor: &Cursor) -> bool {
        let mine = self.cursor();
        cursor
            .iter()
            .all(|position| mine.get(position.partition) >= position.entry_id)
    }

    pub(crate) fn places(&self) -> impl Iterator<Item = (Partition, Place)> + '_ {
        self.places
            .iter()
            .map(|(&partition, &place)| (partition, place))
    }

    pub(crate) fn place(&self, partition: Partition) -> Option<Place> {
        self.places.get(&partition).copied()
    }

    /// Moves past `entries`, which are of one partition, whose `history` this is, and in its order.
    pub(crate) fn advance(&mut self, entries: &[Recorded], history: Option<u64>) {
        let Some(last) = entries.last() else { return };
        let EntryId { ms, seq } = last.position.entry_id;
        let place = Place {
            ms,
            seq,
            hash: hash(last),
            history,
        };
        self.places.insert(last.position.partition, place);
        self.entries += entries.len() as u64;
    }
}

/// What tells an entry from another under the same id: its event's identity and its data, unless the data
/// was lifted to a newer schema by code that may change.
fn hash(entry: &Recorded) -> u64 {
    let mut bytes = Vec::with_capacity(256);
    let mut part = |part: &[u8]| {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
    };
    match &entry.body {
        Body::Event(event) => {
            part(event.id.as_str().as_bytes());
            part(event.event_type.as_str().as_bytes());
            part(event.session_id.as_bytes());
            if !matches!(entry.schema, Schema::Upcast { .. }) {
                part(event.data.as_bytes());
            }
        }
        Body::Undecodable(raw) => {
            for (name, value) in &raw.fields {
                part(name);
                part(value);
            }
        }
    }
    XxHash3_64::oneshot(&bytes)
}

/// What is kept with a view's rows, and committed with them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The version of the view that made the rows.
    pub version: u32,
    /// The upcasters that its entries were read with.
    pub fingerprint: String,
    /// How far it came.
    pub checkpoint: Checkpoint,
    /// The entry at which it stands still, if it does.
    pub finding: Option<Finding>,
    /// Of each partition, the first entry left when the view was told last what was trimmed.
    pub(crate) floors: BTreeMap<Partition, (u64, u64)>,
    /// Why it was built anew the last time; none for the first time.
    pub rebuilt: Option<Why>,
}

impl Kept {
    /// Notes that `first` is the first entry left; false where that was noted before.
    pub(crate) fn raise_floor(&mut self, first: Position) -> bool {
        let EntryId { ms, seq } = first.entry_id;
        let floor = self.floors.entry(first.partition).or_default();
        let raised = *floor < (ms, seq);
        *floor = (*floor).max((ms, seq));
        raised
    }
}

/// Why a view was dropped and built anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Why {
    /// Somebody asked for it.
    Asked,
    /// The view's version is another.
    Version {
        /// That of the rows.
        from: u32,
        /// That of the view.
        to: u32,
    },
    /// The upcasters are others.
    Upcasters,
    /// What was kept is damaged.
    Damaged {
        /// In words.
        what: String,
    },
    /// The log ends before what the view took in.
    LogLost {
        /// The last entry that the view took in of that partition.
        position: String,
    },
    /// The log holds something else where the view read on.
    LogReplaced {
        /// The last entry that the view took in of that partition.
        position: String,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("as asked"),
            Self::Version { from, to } => write!(f, "its version is {to}, the rows were of {from}"),
            Self::Upcasters => f.write_str("the upcasters changed"),
            Self::Damaged { what } => write!(f, "what was kept is damaged: {what}"),
            Self::LogLost { position } => write!(
                f,
                "the log lost entries: it ends before {position}, which the view had taken in"
            ),
            Self::LogReplaced { position } => write!(
                f,
                "the log holds other entries than before at {position}, up to which the view had read"
            ),
        }
    }
}
