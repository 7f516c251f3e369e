//! What is to become of the events of a batch: which are new, which were appended before, and whether
//! the batch's conditions hold.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use recount_core::{AppendError, Body, EntryId, Event, Outcome, Position, same_content};

use super::Writer;
use crate::error::Fault;
use crate::hash::ByHash;
use crate::prepare::Prepared;
use crate::record::{Record, Terms};
use crate::table::{Table, id_key};

/// What is to become of an event of the batch.
#[derive(Clone, Copy)]
pub(super) enum Verdict {
    New,
    /// Its id stands earlier in the batch already.
    Repeats {
        first: usize,
        same: bool,
    },
    /// Its id was appended before.
    Known(Outcome),
}

/// What is to become of the events of a batch.
pub(super) enum Verdicts {
    /// Nearly always.
    AllNew,
    /// One for each event.
    Mixed(Vec<Verdict>),
}

impl Verdicts {
    pub(super) fn of(&self, index: usize) -> Verdict {
        match self {
            Self::AllNew => Verdict::New,
            Self::Mixed(verdicts) => verdicts[index],
        }
    }

    /// How many of the `len` events are new.
    pub(super) fn count_new(&self, len: usize) -> usize {
        match self {
            Self::AllNew => len,
            Self::Mixed(verdicts) => {
                let new = |verdict: &&Verdict| matches!(verdict, Verdict::New);
                verdicts.iter().filter(new).count()
            }
        }
    }
}

/// An event id that was appended before.
#[derive(Clone, Copy)]
struct First {
    entry_id: EntryId,
    content: u64,
    timestamp: u32,
}

impl Writer {
    /// Looks up every id, first in memory, then in the tables, and checks the batch's conditions.
    pub(super) fn judge(&mut self, batch: &Prepared) -> Result<Verdicts, AppendError> {
        let expired_before = self.expired_before_ms();
        let mut firsts = Vec::new();
        self.firsts_in_memory(batch, expired_before, &mut firsts);
        self.firsts_in_tables(batch, expired_before, &mut firsts)
            .map_err(|fault| self.damaged(&fault))?;
        let verdicts = if firsts.is_empty() && !batch.repeats {
            Verdicts::AllNew
        } else {
            firsts.resize(batch.records.len(), None);
            Verdicts::Mixed(self.judge_each(batch, &firsts)?)
        };
        self.check_conditions(batch, &verdicts)?;
        Ok(verdicts)
    }

    fn judge_each(
        &mut self,
        batch: &Prepared,
        firsts: &[Option<First>],
    ) -> Result<Vec<Verdict>, AppendError> {
        let mut seen: HashMap<u128, usize, ByHash> = HashMap::default();
        let mut verdicts = Vec::with_capacity(batch.records.len());
        for (index, (prepared, first)) in batch.records.iter().zip(firsts).enumerate() {
            let verdict = match first {
                Some(first) => Verdict::Known(self.compare(batch, index, *first)?),
                None => match seen.entry(prepared.terms.event_id) {
                    Entry::Vacant(free) => {
                        free.insert(index);
                        Verdict::New
                    }
                    Entry::Occupied(first) => {
                        let first = *first.get();
                        let same = same_events(batch.record(first), batch.record(index));
                        Verdict::Repeats { first, same }
                    }
                },
            };
            verdicts.push(verdict);
        }
        Ok(verdicts)
    }

    /// `firsts` stays empty as long as nothing is found.
    fn firsts_in_memory(
        &self,
        batch: &Prepared,
        expired_before: u64,
        firsts: &mut Vec<Option<First>>,
    ) {
        let frozen = self.background.frozen();
        for index in frozen.iter().chain([&self.index]) {
            let index = index.read();
            if !index.id_bounds.overlap(&batch.id_bounds) {
                continue;
            }
            for (at, prepared) in batch.records.iter().enumerate() {
                if let Some((slot, entry_id)) = index.event_id(&prepared.terms, expired_before) {
                    firsts.resize(batch.records.len(), None);
                    firsts[at].get_or_insert(First {
                        entry_id,
                        content: slot.content,
                        timestamp: slot.timestamp,
                    });
                }
            }
        }
    }

    /// Looks closer where a filter let an id pass when the batch was prepared, and asks the tables
    /// that came since.
    fn firsts_in_tables(
        &self,
        batch: &Prepared,
        expired_before: u64,
        firsts: &mut Vec<Option<First>>,
    ) -> Result<(), Fault> {
        // Taken after the indexes in memory: what left memory meanwhile is in a table by now.
        let tables = self.shared.tables.read().ids.clone();
        let any_maybe = batch.records.iter().any(|record| record.maybe_in_tables);
        let to_ask = |table: &&Arc<Table>| {
            !table.recorded_before(expired_before)
                && (any_maybe || table.last_segment > batch.tables_asked)
        };
        for table in tables.iter().filter(to_ask) {
            let is_new = table.last_segment > batch.tables_asked;
            for (at, record) in batch.records.iter().enumerate() {
                let asked = is_new || record.maybe_in_tables;
                if !asked || !table.bounds().span(record.terms.id_prefix) {
                    continue;
                }
                let mut found = firsts.get(at).copied().flatten();
                table.find(&id_key(record.terms.event_id), |row| {
                    let row = table.id(row);
                    let earlier = found.is_none_or(|found| row.entry_id < found.entry_id);
                    if row.entry_id.ms >= expired_before && earlier {
                        found = Some(First {
                            entry_id: row.entry_id,
                            content: row.content,
                            timestamp: row.timestamp,
                        });
                    }
                })?;
                if found.is_some() {
                    firsts.resize(batch.records.len(), None);
                    firsts[at] = found;
                }
            }
        }
        Ok(())
    }

    /// Whether an event is the same as the one that had its id first.
    fn compare(
        &mut self,
        batch: &Prepared,
        index: usize,
        first: First,
    ) -> Result<Outcome, AppendError> {
        let position = Position {
            partition: 0,
            entry_id: first.entry_id,
        };
        let Terms {
            content, timestamp, ..
        } = batch.records[index].terms;
        let times_agree = timestamp == 0 || first.timestamp == 0 || timestamp == first.timestamp;
        if content == first.content && times_agree {
            return Ok(Outcome::Duplicate { position });
        }
        let retained = self.find_event(first.entry_id)?;
        let first_trimmed = retained.is_none();
        let same = retained.is_some_and(|first| {
            event_of(batch.record(index)).is_some_and(|event| same_content(&first, &event))
        });
        Ok(if same {
            Outcome::Duplicate { position }
        } else {
            Outcome::Conflict {
                position,
                first_trimmed,
            }
        })
    }

    /// The event of a retained entry.
    fn find_event(&mut self, id: EntryId) -> Result<Option<Event>, AppendError> {
        // It may be in a frame that is still to be written.
        self.flush_pending()?;
        self.check_running()?;
        let found = self.read_event(id);
        found.map_err(|fault| self.damaged(&fault))
    }

    fn read_event(&self, id: EntryId) -> Result<Option<Event>, Fault> {
        let place = self
            .segments
            .partition_point(|segment| segment.header.base_id < id);
        let Some(segment) = place.checked_sub(1).map(|place| &self.segments[place]) else {
            return Ok(None);
        };
        let count = match segment.footer() {
            Some(footer) => footer.count,
            None => self.index.read().len(),
        };
        let mut reader = segment.reader(false)?;
        let ordinal = reader.lower_bound(id, count)?;
        if ordinal == count || segment.header.base_entries + u64::from(ordinal) < self.trimmed {
            return Ok(None);
        }
        let record = reader.record(ordinal)?;
        let recorded = (record.entry_id() == id).then(|| record.decode(0));
        Ok(recorded.and_then(|recorded| match recorded.body {
            Body::Event(event) => Some(event),
            Body::Undecodable(_) => None,
        }))
    }

    fn check_conditions(
        &mut self,
        batch: &Prepared,
        verdicts: &Verdicts,
    ) -> Result<(), AppendError> {
        if batch.strict
            && let Some((index, first)) = first_conflict(verdicts)
        {
            let id = event_of(batch.record(index)).map(|event| event.id);
            let id = id.unwrap_or_else(recount_core::EventId::generate);
            return Err(match first {
                Taken::At(first) => AppendError::Conflict { index, id, first },
                Taken::Earlier(earlier) => AppendError::SelfConflict { index, id, earlier },
            });
        }
        let Some((expected, first)) = batch.expected_revision.zip(batch.records.first()) else {
            return Ok(());
        };
        let is_duplicate = |index| {
            matches!(
                verdicts.of(index),
                Verdict::Known(Outcome::Duplicate { .. })
            )
        };
        let all_duplicates = (0..batch.records.len()).all(is_duplicate);
        let actual = self
            .revision(first.terms.session)
            .map_err(|fault| self.damaged(&fault))?;
        if all_duplicates || actual == expected {
            return Ok(());
        }
        Err(AppendError::RevisionMismatch {
            session_id: event_of(batch.record(0))
                .map(|event| event.session_id)
                .unwrap_or_default(),
            expected,
            actual,
        })
    }
}

/// Who has an event's id.
enum Taken {
    At(Position),
    /// An event of the same batch, at this place.
    Earlier(usize),
}

/// The first conflicting event of a batch, and who has its id.
fn first_conflict(verdicts: &Verdicts) -> Option<(usize, Taken)> {
    let Verdicts::Mixed(verdicts) = verdicts else {
        return None;
    };
    let conflict = |(index, verdict): (usize, &Verdict)| match verdict {
        Verdict::Known(Outcome::Conflict { position, .. }) => Some((index, Taken::At(*position))),
        // The one that is repeated is new: else its id would be known.
        Verdict::Repeats { first, same: false } => Some((index, Taken::Earlier(*first))),
        _ => None,
    };
    verdicts.iter().enumerate().find_map(conflict)
}

fn same_events(a: &[u8], b: &[u8]) -> bool {
    match (event_of(a), event_of(b)) {
        (Some(a), Some(b)) => same_content(&a, &b),
        _ => false,
    }
}

fn event_of(record: &[u8]) -> Option<Event> {
    match Record::unchecked(record).ok()?.decode(0).body {
        Body::Event(event) => Some(event),
        Body::Undecodable(_) => None,
    }
}
