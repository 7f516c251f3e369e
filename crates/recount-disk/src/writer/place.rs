//! Giving a batch its place in the log: entry ids, revisions, offsets.

use recount_core::{AppendError, EntryId, Outcome, Position};

use super::Writer;
use super::judge::{Verdict, Verdicts};
use crate::error::Fault;
use crate::frame::{ALIGN, FrameHeader, HEADER, add_record};
use crate::index::Placed;
use crate::prepare::Prepared;
use crate::record::{self, Record};
use crate::table::set_aside;

impl Writer {
    /// Places a batch in the active segment; it is written with the next flush.
    pub(super) fn place(&mut self, mut batch: Prepared) -> Result<Vec<Outcome>, AppendError> {
        let verdicts = if batch.given.is_empty() {
            self.judge(&batch)?
        } else {
            self.check_given_ids(&batch)?;
            Verdicts::AllNew
        };
        let new = verdicts.count_new(batch.records.len());
        if new > 0 {
            self.roll_if_full(batch.frame.len())?;
        }
        let outcomes = self.place_new(&mut batch, &verdicts, new)?;
        if new > 0 {
            self.pending.bytes += batch.frame.len() as u64;
            self.pending.frames.push(batch.frame);
        }
        self.shared.buffers.give_back_records(batch.records);
        Ok(outcomes)
    }

    fn check_given_ids(&self, batch: &Prepared) -> Result<(), AppendError> {
        let mut last = self.last_id;
        for &given in &batch.given {
            if given <= last {
                return Err(AppendError::IdNotAbove { given, last });
            }
            last = given;
        }
        Ok(())
    }

    /// Gives the new events of a batch ids and revisions and adds them to the index. What is not
    /// new is taken out of the frame.
    fn place_new(
        &mut self,
        batch: &mut Prepared,
        verdicts: &Verdicts,
        new: usize,
    ) -> Result<Vec<Outcome>, AppendError> {
        let mut id = match new {
            0 => EntryId::MAX,
            new => self.first_new_id(new)?,
        };
        let offset = self.end + self.pending.bytes;
        let before = (self.last_id, self.added);
        let shared = self.index.clone();
        let mut index = shared.write();
        let ordinal = index.len();
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(batch.records.len());
        let mut first_id = None;
        let mut last_id = self.last_id;
        let mut end = HEADER;
        let mut payload = 0;
        for (at, prepared) in batch.records.iter().enumerate() {
            match verdicts.of(at) {
                Verdict::New => {}
                Verdict::Known(outcome) => {
                    outcomes.push(outcome);
                    continue;
                }
                Verdict::Repeats { first, same } => {
                    let position = outcomes[first].position();
                    outcomes.push(repeated(position, same));
                    continue;
                }
            }
            let entry_id = batch.given.get(at).copied().unwrap_or(id);
            let places = index.places(&prepared.terms);
            // One that comes with a copy is kept, unless the session is past it: revisions increase.
            let given = batch.revisions.get(at).copied().unwrap_or(0);
            let revision = match (prepared.terms.session, places[0]) {
                (0, _) => 0,
                (_, Some(place)) => given.max(index.terms[place as usize].revision + 1),
                (session, None) => match self.revision_before(session) {
                    Ok(revision) => given.max(revision + 1),
                    Err(fault) => return Err(self.damaged(&fault)),
                },
            };
            let (from, len) = (prepared.at as usize, prepared.len as usize);
            if from != end {
                batch.frame.copy_within(from..from + len, end);
            }
            let bytes = &mut batch.frame[end..end + len];
            record::stamp(bytes, entry_id, revision, prepared.checksum);
            payload = add_record(payload, bytes);
            let placed = Placed {
                offset: (offset as usize + end) as u32,
                entry_id,
                revision,
            };
            let names = || match Record::unchecked(bytes) {
                Ok(record) => record.terms(&self.shared.dir.hashes).1.into_owned(),
                Err(_) => unreachable!("a prepared record has the right shape"),
            };
            index.push(placed, &prepared.terms, places, names);
            let position = Position {
                partition: 0,
                entry_id,
            };
            outcomes.push(Outcome::Appended { position, revision });
            first_id.get_or_insert(entry_id);
            last_id = entry_id;
            id = entry_id.next().unwrap_or(EntryId::MAX);
            end += len;
        }
        drop(index);
        if new == 0 {
            return Ok(outcomes);
        }
        self.pending.before.get_or_insert(before);
        // Not before the whole batch is placed: see `Writer::visible`.
        self.last_id = last_id;
        self.added += new as u64;

        batch.frame.resize(end.next_multiple_of(ALIGN), 0);
        batch.frame[end..].fill(0);
        let header = FrameHeader {
            payload: (batch.frame.len() - HEADER) as u32,
            count: new as u32,
            synced: self.synced.load(std::sync::atomic::Ordering::Acquire),
            ordinal,
            footer: false,
            id: first_id.unwrap_or(EntryId::MIN),
        };
        header.seal(&mut batch.frame, self.active.salt, offset, payload);
        Ok(outcomes)
    }

    /// The revision a session is at; 0 if it does not exist.
    pub(super) fn revision(&self, session: u128) -> Result<u64, Fault> {
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
                last = Some(crate::table::SessionRow::decode(row).revision);
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

    pub(super) fn next_id(&self) -> Result<EntryId, AppendError> {
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
    pub(super) fn damaged(&mut self, fault: &Fault) -> AppendError {
        let first = self.segments[0].number();
        set_aside(&*self.shared.dir.storage, fault, first);
        self.stop(fault)
    }
}

/// The outcome of an event whose id stands earlier in its batch, at `position`.
fn repeated(position: Position, same: bool) -> Outcome {
    if same {
        Outcome::Duplicate { position }
    } else {
        Outcome::Conflict {
            position,
            first_trimmed: false,
        }
    }
}
