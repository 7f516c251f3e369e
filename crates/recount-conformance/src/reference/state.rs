//! What a stream in memory consists of.

use std::collections::BTreeMap;

use recount_core::{Body, EntryId, Event, EventId, HeldBack, PartitionInfo, Recorded, Schema};

use super::groups::Group;
use super::position;

/// Everything about a stream.
#[derive(Default)]
pub(super) struct State {
    pub log: Log,
    /// The groups, by name.
    pub groups: BTreeMap<String, Group>,
}

impl State {
    /// The first entry each group still needs.
    pub fn needs(&self) -> Vec<HeldBack> {
        self.groups
            .iter()
            .filter_map(|(name, group)| {
                Some(HeldBack {
                    by: format!("group {name}"),
                    from: group.first_needed(&self.log)?,
                })
            })
            .collect()
    }

    /// What the stream holds.
    pub fn partition_info(&self) -> PartitionInfo {
        PartitionInfo {
            partition: 0,
            length: self.log.entries.len() as u64,
            entries_added: self.log.entries_added,
            first: self.log.first(),
            last: self.log.last,
            held_back: self.needs(),
        }
    }
}

/// The entries of a stream and what is remembered of trimmed ones.
pub(super) struct Log {
    /// The retained entries, by id.
    pub entries: Vec<Recorded>,
    /// How many entries were ever added.
    pub entries_added: u64,
    /// The last id given out.
    pub last: EntryId,
    /// How many entries each session ever got.
    pub revisions: BTreeMap<String, u64>,
    /// Every event ever appended, under its id, oldest first. Kept when its entry is trimmed.
    pub remembered: BTreeMap<EventId, Vec<(EntryId, Event)>>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            entries_added: 0,
            last: EntryId::MIN,
            revisions: BTreeMap::new(),
            remembered: BTreeMap::new(),
        }
    }
}

impl Log {
    /// Adds an entry above all others and returns its revision: the next one of its session, or the
    /// `given` one if that is greater.
    pub fn push(&mut self, id: EntryId, body: Body, given: Option<u64>) -> u64 {
        let mut revision = 0;
        if let Body::Event(event) = &body {
            let count = self.revisions.entry(event.session_id.clone()).or_default();
            *count = given.unwrap_or(0).max(*count + 1);
            revision = *count;
            let same_id = self.remembered.entry(event.id.clone()).or_default();
            same_id.push((id, event.clone()));
        }
        self.entries.push(Recorded {
            schema: Schema::AsStored,
            position: position(id),
            revision,
            body,
        });
        self.entries_added += 1;
        self.last = id;
        revision
    }

    /// How many retained entries lie below `id`.
    pub fn count_below(&self, id: EntryId) -> usize {
        self.entries
            .partition_point(|entry| entry.position.entry_id < id)
    }

    /// How many retained entries lie at or below `id`.
    pub fn count_through(&self, id: EntryId) -> usize {
        self.entries
            .partition_point(|entry| entry.position.entry_id <= id)
    }

    /// The retained entry `id`.
    pub fn get(&self, id: EntryId) -> Option<&Recorded> {
        let entry = self.entries.get(self.count_below(id))?;
        (entry.position.entry_id == id).then_some(entry)
    }

    /// The id of the first retained entry.
    pub fn first(&self) -> Option<EntryId> {
        self.entries.first().map(|entry| entry.position.entry_id)
    }

    /// Whether an entry after `id` is retained.
    pub fn holds_after(&self, id: EntryId) -> bool {
        self.count_through(id) < self.entries.len()
    }

    /// The bytes of the retained entries' fields.
    pub fn bytes(&self) -> u64 {
        self.entries.iter().map(|entry| bytes(entry) as u64).sum()
    }
}

/// The bytes of an entry's field names and values.
pub(super) fn bytes(entry: &Recorded) -> usize {
    match &entry.body {
        Body::Event(event) => event.wire_bytes(),
        Body::Undecodable(entry) => entry.fields.iter().map(|(n, v)| n.len() + v.len()).sum(),
    }
}
