//! How a stream stores and returns what was recorded.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

use crate::{EntryId, Event, Schema};

/// The number of a partition, from 0. A stream without partitions is partition 0.
pub type Partition = u32;

/// One field of an entry: a name and a value, both plain bytes.
pub type Field = (Bytes, Bytes);

/// What a stream holds: an id and fields in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The entry's id, unique and increasing within its partition.
    pub id: EntryId,
    /// The fields in the order in which they were added.
    pub fields: Vec<Field>,
    /// Which entry of its session it is where it comes from, if that is known. A copy keeps the number,
    /// unless its session is past it already.
    pub revision: Option<u64>,
}

impl Entry {
    /// An entry of which no more is known.
    pub fn new(id: EntryId, fields: Vec<Field>) -> Self {
        Self {
            id,
            fields,
            revision: None,
        }
    }
}

/// Where an entry is: its partition and its id there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The partition.
    pub partition: Partition,
    /// The id within the partition.
    pub entry_id: EntryId,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.partition == 0 {
            self.entry_id.fmt(f)
        } else {
            write!(f, "{}/{}", self.partition, self.entry_id)
        }
    }
}

/// How far a reader has come: for each partition, the id after which it goes on.
///
/// A partition that is not named is read from its start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor(BTreeMap<Partition, EntryId>);

impl Cursor {
    /// Before everything.
    pub fn start() -> Self {
        Self::default()
    }

    /// After `id` in partition 0.
    pub fn after(id: EntryId) -> Self {
        Self(BTreeMap::from([(0, id)]))
    }

    /// The id after which `partition` goes on; [`EntryId::MIN`] is before everything.
    pub fn get(&self, partition: Partition) -> EntryId {
        self.0.get(&partition).copied().unwrap_or(EntryId::MIN)
    }

    /// Moves past `position`. A cursor never moves back.
    pub fn advance(&mut self, position: Position) {
        let at = self.0.entry(position.partition).or_insert(EntryId::MIN);
        *at = (*at).max(position.entry_id);
    }

    /// The partitions that were read from, with the id after which each goes on.
    pub fn iter(&self) -> impl Iterator<Item = Position> + '_ {
        self.0.iter().map(|(&partition, &entry_id)| Position {
            partition,
            entry_id,
        })
    }
}

impl FromIterator<Position> for Cursor {
    fn from_iter<I: IntoIterator<Item = Position>>(positions: I) -> Self {
        let mut cursor = Self::start();
        for position in positions {
            cursor.advance(position);
        }
        cursor
    }
}

/// An entry as it is read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Where it is.
    pub position: Position,
    /// Which entry of its session it is, from 1; 0 where it belongs to none or the engine does
    /// not know.
    pub revision: u64,
    /// How the event's data stands to the schemas that the reader knows.
    pub schema: Schema,
    /// What was recorded.
    pub body: Body,
}

impl Recorded {
    /// The event, unless the entry could not be decoded.
    pub fn event(&self) -> Option<&Event> {
        match &self.body {
            Body::Event(event) => Some(event),
            Body::Undecodable(_) => None,
        }
    }

    /// The entry's fields as a stream stores them.
    pub fn fields(&self) -> Vec<Field> {
        match &self.body {
            Body::Event(event) => crate::codec::encode(event),
            Body::Undecodable(entry) => entry.fields.clone(),
        }
    }
}

/// What an entry turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// An event.
    Event(Event),
    /// Something else. It is never dropped: whoever reads decides.
    Undecodable(Undecodable),
}

/// An entry that is not an event, with what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecodable {
    /// Why it is not an event.
    pub reason: String,
    /// Its fields, untouched.
    pub fields: Vec<Field>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_only_moves_forward() {
        let mut cursor = Cursor::start();
        assert_eq!(cursor.get(3), EntryId::MIN);
        for ms in [5, 9, 7] {
            cursor.advance(Position {
                partition: 3,
                entry_id: EntryId::new(ms, 0),
            });
        }
        assert_eq!(cursor.get(3), EntryId::new(9, 0));
        assert_eq!(cursor.iter().count(), 1);
    }
}
