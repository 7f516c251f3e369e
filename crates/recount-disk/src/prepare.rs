//! What the caller's own task does of an append: checking, encoding and hashing.
//!
//! Only what must happen in order is left to the writer.

use recount_core::{AppendError, Batch, Entry, EntryId, Limits};

use crate::frame::{ALIGN, HEADER};
use crate::hash::Hashes;
use crate::record::{self, Record, Terms};
use crate::shared::Shared;
use crate::table::{FilterKey, IdBounds, id_key};

/// A batch ready to be placed.
pub(crate) struct Prepared {
    /// Room for a frame's header, then the records, still to be stamped.
    pub(crate) frame: Vec<u8>,
    pub(crate) records: Vec<PreparedRecord>,
    pub(crate) strict: bool,
    pub(crate) expected_revision: Option<u64>,
    /// The entry ids, if the caller gives them; then duplicates are no matter.
    pub(crate) given: Vec<EntryId>,
    /// The revision that comes with each such entry, 0 for none.
    pub(crate) revisions: Vec<u64>,
    /// Whether an event id stands twice.
    pub(crate) repeats: bool,
    /// Between what the event ids lie.
    pub(crate) id_bounds: IdBounds,
    /// The last segment whose table of event ids was asked.
    pub(crate) tables_asked: u64,
}

/// One record of a prepared batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PreparedRecord {
    /// Where it begins in the frame.
    pub(crate) at: u32,
    pub(crate) len: u32,
    pub(crate) terms: Terms,
    /// Checksum of all but what the writer decides.
    pub(crate) checksum: u32,
    /// Whether one of the tables asked so far may hold the event id.
    pub(crate) maybe_in_tables: bool,
}

impl Prepared {
    pub(crate) fn record(&self, index: usize) -> &[u8] {
        let PreparedRecord { at, len, .. } = self.records[index];
        &self.frame[at as usize..][..len as usize]
    }

    fn new(shared: &Shared, records: usize, bytes: usize) -> Self {
        let mut frame = shared
            .buffers
            .take(HEADER + bytes + records * record::FIXED + ALIGN);
        frame.resize(HEADER, 0);
        Self {
            frame,
            records: shared.buffers.take_records(records),
            strict: false,
            expected_revision: None,
            given: Vec::new(),
            revisions: Vec::new(),
            repeats: false,
            id_bounds: IdBounds::NONE,
            tables_asked: 0,
        }
    }

    /// Asks the filters of the id tables there are, so that the writer need only ask those that come
    /// until it is this batch's turn. Table by table: the look-ups of a batch in one table overlap.
    fn ask_tables(&mut self, shared: &Shared) {
        let tables = shared.tables.read().ids.clone();
        let keys: Vec<FilterKey> = self
            .records
            .iter()
            .map(|record| FilterKey::new(&id_key(record.terms.event_id)))
            .collect();
        for table in &tables {
            if !table.bounds().overlap(&self.id_bounds) {
                continue;
            }
            for (record, key) in self.records.iter_mut().zip(&keys) {
                // Damage is the writer's to deal with, when it looks closer.
                if table.bounds().span(record.terms.id_prefix) {
                    record.maybe_in_tables |= table.may_hold(key).unwrap_or(true);
                }
            }
        }
        self.tables_asked = tables.last().map_or(0, |table| table.last_segment);
    }

    /// Looks for an event id that stands twice. None does where each begins with a later time.
    fn find_repeats(&mut self) {
        let prefix = |record: &PreparedRecord| record.terms.id_prefix;
        if self.records.is_sorted_by(|a, b| prefix(a) < prefix(b)) {
            return;
        }
        // Half a hash is enough: the writer looks closer where two are equal.
        let half = |record: &PreparedRecord| record.terms.event_id as u64;
        let mut ids: Vec<u64> = self.records.iter().map(half).collect();
        ids.sort_unstable();
        self.repeats = ids.windows(2).any(|pair| pair[0] == pair[1]);
    }

    fn push(&mut self, at: usize, hashes: &Hashes) {
        let len = self.frame.len() - at;
        // The record was written a line above; its shape is right.
        let Ok(record) = Record::unchecked(&self.frame[at..]) else {
            unreachable!("a record just written has the right shape");
        };
        let (terms, _) = record.terms(hashes);
        let checksum = record::body_checksum(&self.frame[at..]);
        self.records.push(PreparedRecord {
            at: at as u32,
            len: len as u32,
            maybe_in_tables: false,
            terms,
            checksum,
        });
        self.id_bounds.add(0, terms.id_prefix);
    }
}

/// Checks and encodes a batch of events.
pub(crate) fn events(batch: &Batch, shared: &Shared) -> Result<Prepared, AppendError> {
    let (limits, hashes) = (&shared.options.limits, &shared.dir.hashes);
    let bytes = batch.check(limits)?;
    let mut prepared = Prepared::new(shared, batch.events.len(), bytes);
    prepared.strict = batch.strict;
    prepared.expected_revision = batch.expected_revision;
    for event in &batch.events {
        let at = prepared.frame.len();
        record::write_event(&mut prepared.frame, event);
        prepared.push(at, hashes);
    }
    prepared.find_repeats();
    prepared.ask_tables(shared);
    Ok(prepared)
}

/// Checks and encodes entries that come with their ids.
pub(crate) fn entries(entries: Vec<Entry>, shared: &Shared) -> Result<Prepared, AppendError> {
    let (limits, hashes) = (&shared.options.limits, &shared.dir.hashes);
    check_count(entries.len(), limits)?;
    let size = |entry: &Entry| {
        entry
            .fields
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum::<usize>()
    };
    let bytes = entries.iter().map(size).sum();
    check_bytes(bytes, limits)?;
    let mut prepared = Prepared::new(shared, entries.len(), bytes);
    for entry in entries {
        let at = prepared.frame.len();
        record::write_fields(&mut prepared.frame, entry.id, &entry.fields);
        // Decoding a raw record asks for the entry id, which may be the event's id.
        record::stamp(&mut prepared.frame[at..], entry.id, 0, 0);
        prepared.push(at, hashes);
        prepared.given.push(entry.id);
        prepared.revisions.push(entry.revision.unwrap_or(0));
    }
    Ok(prepared)
}

fn check_count(events: usize, limits: &Limits) -> Result<(), AppendError> {
    if events > limits.batch_events_max {
        return Err(AppendError::TooManyEvents {
            events,
            events_max: limits.batch_events_max,
        });
    }
    Ok(())
}

fn check_bytes(bytes: usize, limits: &Limits) -> Result<(), AppendError> {
    if bytes > limits.batch_bytes_max {
        return Err(AppendError::TooManyBytes {
            bytes,
            bytes_max: limits.batch_bytes_max,
        });
    }
    Ok(())
}
