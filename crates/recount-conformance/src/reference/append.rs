//! Appending to a stream in memory.

use std::collections::BTreeMap;

use recount_core::{
    AppendError, Batch, Body, Entry, EntryId, Event, EventId, Limits, Outcome, codec, same_content,
};

use super::position;
use super::state::Log;

impl Log {
    /// The steps of `EventLog::append`, in the order of its prose.
    pub fn append(
        &mut self,
        batch: Batch,
        limits: &Limits,
        clock_ms: u64,
        window_ms: u64,
    ) -> Result<Vec<Outcome>, AppendError> {
        batch.check(limits)?;
        let outcomes = self.resolve(&batch, clock_ms, window_ms)?;
        if batch.strict {
            refuse_conflicts(&batch, &outcomes)?;
        }
        if let Some(expected) = batch.expected_revision {
            self.expect_revision(&batch, expected, &outcomes)?;
        }
        for (event, outcome) in batch.events.into_iter().zip(&outcomes) {
            if let Outcome::Appended { position, .. } = outcome {
                self.push(position.entry_id, Body::Event(event), None);
            }
        }
        Ok(outcomes)
    }

    pub fn append_with_ids(&mut self, entries: Vec<Entry>) -> Result<Vec<Outcome>, AppendError> {
        let mut last = self.last;
        for entry in &entries {
            if entry.id <= last {
                return Err(AppendError::IdNotAbove {
                    given: entry.id,
                    last,
                });
            }
            last = entry.id;
        }
        Ok(entries
            .into_iter()
            .map(|entry| Outcome::Appended {
                position: position(entry.id),
                revision: self.push(
                    entry.id,
                    codec::decode(entry.id, entry.fields),
                    entry.revision,
                ),
            })
            .collect())
    }

    /// What is to become of each event; changes nothing.
    fn resolve(
        &self,
        batch: &Batch,
        clock_ms: u64,
        window_ms: u64,
    ) -> Result<Vec<Outcome>, AppendError> {
        let now_ms = clock_ms.max(self.last.ms);
        let mut last = self.last;
        let mut in_batch: BTreeMap<&EventId, (EntryId, &Event)> = BTreeMap::new();
        let mut added: BTreeMap<&str, u64> = BTreeMap::new();
        let mut outcomes = Vec::with_capacity(batch.events.len());
        for event in &batch.events {
            let first = self
                .recall(&event.id, now_ms, window_ms)
                .or_else(|| in_batch.get(&event.id).copied());
            outcomes.push(if let Some((id, first)) = first {
                self.compare(event, id, first)
            } else {
                last = id_after(last, clock_ms)?;
                in_batch.insert(&event.id, (last, event));
                let added = added.entry(&event.session_id).or_default();
                *added += 1;
                Outcome::Appended {
                    position: position(last),
                    revision: self.revision(&event.session_id) + *added,
                }
            });
        }
        Ok(outcomes)
    }

    /// The first event recorded under `id` within the idempotency window.
    fn recall(&self, id: &EventId, now_ms: u64, window_ms: u64) -> Option<(EntryId, &Event)> {
        let (at, event) = self
            .remembered
            .get(id)?
            .iter()
            .find(|(at, _)| now_ms - at.ms < window_ms)?;
        Some((*at, event))
    }

    fn compare(&self, event: &Event, id: EntryId, first: &Event) -> Outcome {
        let position = position(id);
        let first_trimmed = id <= self.last && self.get(id).is_none();
        let same = same_content(event, first) && (!first_trimmed || event.data == first.data);
        if same {
            Outcome::Duplicate { position }
        } else {
            Outcome::Conflict {
                position,
                first_trimmed,
            }
        }
    }

    pub fn revision(&self, session_id: &str) -> u64 {
        self.revisions.get(session_id).copied().unwrap_or(0)
    }

    fn expect_revision(
        &self,
        batch: &Batch,
        expected: u64,
        outcomes: &[Outcome],
    ) -> Result<(), AppendError> {
        let Some(first) = batch.events.first() else {
            return Ok(());
        };
        if outcomes
            .iter()
            .all(|outcome| matches!(outcome, Outcome::Duplicate { .. }))
        {
            return Ok(());
        }
        let actual = self.revision(&first.session_id);
        if actual != expected {
            return Err(AppendError::RevisionMismatch {
                session_id: first.session_id.clone(),
                expected,
                actual,
            });
        }
        Ok(())
    }
}

fn refuse_conflicts(batch: &Batch, outcomes: &[Outcome]) -> Result<(), AppendError> {
    for (index, (event, outcome)) in batch.events.iter().zip(outcomes).enumerate() {
        if let Outcome::Conflict { position, .. } = *outcome {
            let id = event.id.clone();
            let within = outcomes[..index].iter().position(|outcome| {
                matches!(outcome, Outcome::Appended { .. }) && outcome.position() == position
            });
            return Err(match within {
                Some(earlier) => AppendError::SelfConflict { index, id, earlier },
                None => AppendError::Conflict {
                    index,
                    id,
                    first: position,
                },
            });
        }
    }
    Ok(())
}

fn id_after(last: EntryId, clock_ms: u64) -> Result<EntryId, AppendError> {
    if clock_ms > last.ms {
        return Ok(EntryId::new(clock_ms, 0));
    }
    last.next().ok_or(AppendError::IdsExhausted { last })
}
