//! Giving a batch its place: duplicates, conditions, ids and revisions.

use std::collections::HashMap;
use std::sync::Arc;

use recount_core::{AppendError, Body, EntryId, Event, Outcome, Position, same_content};

use super::Writer;
use crate::error::Fault;
use crate::frame::{ALIGN, FrameHeader, HEADER, add_record};
use crate::hash::ByHash;
use crate::index::Placed;
use crate::prepare::Prepared;
use crate::record::{self, Record, Terms};
use crate::table::{IdRow, Table, id_key};

/// What is to become of an event of the batch.
enum Verdict {
    New,
    /// Its id stands earlier in the batch already.
    Repeats {
        first: usize,
        same: bool,
    },
    /// Its id was appended before.
    Known(Outcome),
}

/// An event id that was appended before.
#[derive(Clone, Copy)]
struct First {
    entry_id: EntryId,
    content: u64,
    timestamp: u32,
}

impl Writer {
    /// Places a batch in the active segment; it is written with the next flush.
    pub(super) fn place(&mut self, mut batch: Prepared) -> Result<Vec<Outcome>, AppendError> {
        let verdicts = if batch.with_ids {
            self.check_given_ids(&batch)?;
            batch.records.iter().map(|_| Verdict::New).collect()
        } else {
            let verdicts = self.judge(&batch)?;
            self.check_conditions(&batch, &verdicts)?;
            verdicts
        };
        if !verdicts
            .iter()
            .any(|verdict| matches!(verdict, Verdict::New))
        {
            return Ok(outcomes(&verdicts, &[]));
        }
        self.roll_if_full(batch.frame.len())?;
        let placed = self.place_new(&mut batch, &verdicts)?;
        self.pending.bytes += batch.frame.len() as u64;
        self.pending.frames.push(batch.frame);
        Ok(outcomes(&verdicts, &placed))
    }

    fn check_given_ids(&self, batch: &Prepared) -> Result<(), AppendError> {
        let mut last = self.last_id;
        for given in batch.records.iter().filter_map(|record| record.given) {
            if given <= last {
                return Err(AppendError::IdNotAbove { given, last });
            }
            last = given;
        }
        Ok(())
    }

    /// Looks up every id, first in memory, then in the tables.
    fn judge(&mut self, batch: &Prepared) -> Result<Vec<Verdict>, AppendError> {
        let expired_before = self.expired_before_ms();
        let mut firsts = self.firsts_in_memory(batch, expired_before);
        self.firsts_in_tables(batch, expired_before, &mut firsts)
            .map_err(|fault| self.damaged(&fault))?;

        let mut seen: HashMap<u128, usize, ByHash> = HashMap::default();
        if batch.records.len() > 1 {
            seen.reserve(batch.records.len());
        }
        let mut verdicts = Vec::with_capacity(batch.records.len());
        for (index, prepared) in batch.records.iter().enumerate() {
            let verdict = if let Some(first) = firsts[index] {
                Verdict::Known(self.compare(batch, index, first)?)
            } else if batch.records.len() == 1 {
                Verdict::New
            } else {
                match seen.entry(prepared.terms.event_id) {
                    std::collections::hash_map::Entry::Vacant(free) => {
                        free.insert(index);
                        Verdict::New
                    }
                    std::collections::hash_map::Entry::Occupied(first) => {
                        let first = *first.get();
                        let same = same_events(batch.record(first), batch.record(index));
                        Verdict::Repeats { first, same }
                    }
                }
            };
            verdicts.push(verdict);
        }
        Ok(verdicts)
    }

    fn firsts_in_memory(&self, batch: &Prepared, expired_before: u64) -> Vec<Option<First>> {
        let frozen = self.background.frozen();
        let mut firsts = vec![None; batch.records.len()];
        for index in frozen.iter().chain([&self.index]) {
            let index = index.read();
            for (first, prepared) in firsts.iter_mut().zip(&batch.records) {
                let found = index.event_id(prepared.terms.event_id, expired_before);
                *first = first.or(found.map(|(slot, entry_id)| First {
                    entry_id,
                    content: slot.content,
                    timestamp: slot.timestamp,
                }));
            }
        }
        firsts
    }

    /// Looks closer where a filter let an id pass when the batch was prepared, and asks the tables
    /// that came since.
    fn firsts_in_tables(
        &self,
        batch: &Prepared,
        expired_before: u64,
        firsts: &mut [Option<First>],
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
            for (first, record) in firsts.iter_mut().zip(&batch.records) {
                let asked = is_new || record.maybe_in_tables;
                if !asked || !table.may_span(record.terms.id_prefix) {
                    continue;
                }
                table.find(&id_key(record.terms.event_id), |row| {
                    let IdRow {
                        entry_id,
                        content,
                        timestamp,
                        ..
                    } = table.id(row);
                    let earlier = first.is_none_or(|first| entry_id < first.entry_id);
                    if entry_id.ms >= expired_before && earlier {
                        *first = Some(First {
                            entry_id,
                            content,
                            timestamp,
                        });
                    }
                })?;
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
        self.flush_pending();
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
        verdicts: &[Verdict],
    ) -> Result<(), AppendError> {
        if batch.strict
            && let Some((index, first)) = first_conflict(verdicts)
        {
            let id = event_of(batch.record(index)).map(|event| event.id);
            let first = first.unwrap_or(Position {
                partition: 0,
                entry_id: self.next_id()?,
            });
            return Err(AppendError::Conflict {
                index,
                id: id.unwrap_or_else(recount_core::EventId::generate),
                first,
            });
        }
        let Some((expected, first)) = batch.expected_revision.zip(batch.records.first()) else {
            return Ok(());
        };
        let all_duplicates = verdicts.iter().all(|verdict| match verdict {
            Verdict::Known(outcome) => matches!(outcome, Outcome::Duplicate { .. }),
            Verdict::New | Verdict::Repeats { .. } => false,
        });
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

    /// Gives the new events ids and revisions and adds them to the index. What is not new is
    /// taken out of the frame.
    fn place_new(
        &mut self,
        batch: &mut Prepared,
        verdicts: &[Verdict],
    ) -> Result<Vec<(Position, u64)>, AppendError> {
        let offset = self.end + self.pending.bytes;
        let mut placed = vec![
            (
                Position {
                    partition: 0,
                    entry_id: EntryId::MIN
                },
                0
            );
            verdicts.len()
        ];
        let count = verdicts
            .iter()
            .filter(|verdict| matches!(verdict, Verdict::New))
            .count();
        let mut id = self.first_new_id(count)?;
        self.pending
            .before
            .get_or_insert((self.last_id, self.added));
        let shared = self.index.clone();
        let mut index = shared.write();
        let ordinal = index.len();
        let mut first_id = None;
        let mut end = HEADER;
        let mut payload = 0;
        for (at, prepared) in batch.records.iter().enumerate() {
            if !matches!(verdicts[at], Verdict::New) {
                continue;
            }
            let entry_id = prepared.given.unwrap_or(id);
            let session = prepared.terms.session;
            let revision = match index.revision(session) {
                _ if session == 0 => 0,
                Some(revision) => revision + 1,
                None => {
                    1 + match self.revision_before(session) {
                        Ok(revision) => revision,
                        Err(fault) => return Err(self.damaged(&fault)),
                    }
                }
            };
            if prepared.at != end {
                batch
                    .frame
                    .copy_within(prepared.at..prepared.at + prepared.len, end);
            }
            let bytes = &mut batch.frame[end..end + prepared.len];
            record::stamp(bytes, entry_id, revision, prepared.checksum);
            payload = add_record(payload, bytes);
            let place = Placed {
                offset: (offset as usize + end) as u32,
                entry_id,
                revision,
            };
            let names = || match Record::unchecked(bytes) {
                Ok(record) => record.terms(&self.shared.dir.hashes).1.into_owned(),
                Err(_) => unreachable!("a prepared record has the right shape"),
            };
            index.push(place, &prepared.terms, names);
            placed[at] = (
                Position {
                    partition: 0,
                    entry_id,
                },
                revision,
            );
            first_id.get_or_insert(entry_id);
            self.last_id = entry_id;
            if let Some(next) = entry_id.next() {
                id = next;
            }
            end += prepared.len;
        }
        drop(index);
        self.added += count as u64;

        batch.frame.resize(end.next_multiple_of(ALIGN), 0);
        batch.frame[end..].fill(0);
        let header = FrameHeader {
            payload: (batch.frame.len() - HEADER) as u32,
            count: count as u32,
            synced: self.synced.load(std::sync::atomic::Ordering::Acquire),
            ordinal,
            footer: false,
            id: first_id.unwrap_or(EntryId::MIN),
        };
        header.seal(&mut batch.frame, self.active.salt, offset, payload);
        Ok(placed)
    }

    /// The revision a session is at; 0 if it does not exist.
    fn revision(&self, session: u128) -> Result<u64, Fault> {
        match self.index.read().revision(session) {
            Some(revision) => Ok(revision),
            None => self.revision_before(session),
        }
    }

    /// The revision a session was at when the active segment began.
    fn revision_before(&self, session: u128) -> Result<u64, Fault> {
        for index in self.background.frozen().iter().rev() {
            if let Some(revision) = index.read().revision(session) {
                return Ok(revision);
            }
        }
        // Taken after the indexes in memory: what left memory meanwhile is in a table by now.
        let tables = self.shared.tables.read().sessions.clone();
        let key = crate::table::session_key(session);
        for table in tables.iter().rev() {
            let mut last = None;
            // Rows are sorted by segment, so the last one is the latest.
            table.find(&key, |row| {
                last = Some(crate::table::SessionRow::decode(row).revision)
            })?;
            if let Some(revision) = last {
                return Ok(revision);
            }
        }
        Ok(0)
    }

    /// The first of `count` new ids, if that many are left.
    fn first_new_id(&self, count: usize) -> Result<EntryId, AppendError> {
        let first = self.next_id()?;
        let left = first.ms < u64::MAX || u64::MAX - first.seq >= count as u64 - 1;
        if left {
            Ok(first)
        } else {
            Err(AppendError::IdsExhausted { last: self.last_id })
        }
    }

    fn next_id(&self) -> Result<EntryId, AppendError> {
        let now = self.shared.options.clock.now_ms();
        if now > self.last_id.ms {
            return Ok(EntryId::new(now, 0));
        }
        self.last_id
            .next()
            .ok_or(AppendError::IdsExhausted { last: self.last_id })
    }

    /// Ids recorded before this are outside the idempotency window.
    pub(super) fn expired_before_ms(&self) -> u64 {
        let now = self.shared.options.clock.now_ms().max(self.last_id.ms);
        let window = self.shared.options.idempotency_window.as_millis() as u64;
        // Recorded exactly one window ago is outside.
        now.saturating_sub(window)
            .saturating_add(u64::from(now >= window))
    }

    /// Damage met while appending: writing stops, and a damaged table is rebuilt at the next opening.
    fn damaged(&mut self, fault: &Fault) -> AppendError {
        if let Fault::Corrupt { path, .. } = fault {
            let path = std::path::Path::new(path);
            if path.extension().is_some_and(|ending| ending == "tbl") {
                let aside = path.with_extension("bad");
                if let Err(error) = self.shared.dir.storage.rename(path, &aside) {
                    tracing::error!(%error, path = %path.display(), "setting a damaged table aside");
                }
            }
        }
        self.stop(fault)
    }
}

/// The first conflicting event of a batch, and where its id was first unless in the batch itself.
fn first_conflict(verdicts: &[Verdict]) -> Option<(usize, Option<Position>)> {
    verdicts
        .iter()
        .enumerate()
        .find_map(|(index, verdict)| match verdict {
            Verdict::Known(Outcome::Conflict { position, .. }) => Some((index, Some(*position))),
            Verdict::Repeats { first, same: false } => match &verdicts[*first] {
                Verdict::Known(outcome) => Some((index, Some(outcome.position()))),
                _ => Some((index, None)),
            },
            _ => None,
        })
}

fn outcomes(verdicts: &[Verdict], placed: &[(Position, u64)]) -> Vec<Outcome> {
    verdicts
        .iter()
        .enumerate()
        .map(|(index, verdict)| match verdict {
            Verdict::New => {
                let (position, revision) = placed[index];
                Outcome::Appended { position, revision }
            }
            Verdict::Repeats { first, same } => {
                let (position, _) = placed[*first];
                if *same {
                    Outcome::Duplicate { position }
                } else {
                    Outcome::Conflict {
                        position,
                        first_trimmed: false,
                    }
                }
            }
            Verdict::Known(outcome) => *outcome,
        })
        .collect()
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
