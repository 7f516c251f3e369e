//! What a log must hold, whatever happened to it.

use recount_core::{
    Batch, EntryId, Event, EventLog, Filter, Outcome, Query, ReadRange, Recorded, TrimLimit,
    TrimRequest,
};
use recount_disk::DiskLog;

/// An entry that the log holds, or held until it was trimmed.
#[derive(Debug, Clone)]
struct Known {
    event: Event,
    id: EntryId,
    revision: u64,
}

/// Remembers what was asked of a log and what it answered.
#[derive(Debug, Clone, Default)]
pub struct Oracle {
    /// Everything that is in the log or was trimmed, oldest first.
    entries: Vec<Known>,
    /// The first of them that is retained.
    trimmed: usize,
    /// So many of them survive a power failure.
    durable: usize,
    /// Where batches end, in entries.
    ends: Vec<usize>,
    /// Batches without an answer, in order.
    in_flight: Vec<Vec<Event>>,
    /// The first entry retained by a trim without an answer.
    trim_in_flight: Option<usize>,
    /// Events that were never acknowledged, or not durably, and are gone.
    lost: Vec<Event>,
}

impl Oracle {
    /// Appends batches at the same time. False once the log failed.
    pub async fn append(&mut self, log: &DiskLog, batches: [Vec<Event>; 3], durable: bool) -> bool {
        let [a, b, c] = batches.clone().map(|events| log.append(Batch::new(events)));
        // Polled in this order for the first time, which is the order they reach the writer in.
        let answers: [_; 3] = tokio::join!(biased; a, b, c).into();
        let mut alive = true;
        for (events, answer) in batches.into_iter().zip(answers) {
            match answer {
                Ok(receipt) => {
                    assert!(alive || events.is_empty(), "acknowledged after a failure");
                    self.acknowledged(events, &receipt.outcomes, durable);
                }
                Err(_) => {
                    alive = false;
                    self.in_flight.push(events);
                }
            }
        }
        alive
    }

    fn acknowledged(&mut self, events: Vec<Event>, outcomes: &[Outcome], durable: bool) {
        assert_eq!(events.len(), outcomes.len());
        for (event, outcome) in events.into_iter().zip(outcomes) {
            let Outcome::Appended { position, revision } = *outcome else {
                panic!("{} is new, but the log says {outcome:?}", event.id);
            };
            assert_eq!(
                revision,
                self.revision(&event.session_id) + 1,
                "revision of {}",
                event.id
            );
            self.add(event, position.entry_id, revision);
        }
        self.ends.push(self.entries.len());
        if durable {
            self.durable = self.entries.len();
        }
    }

    fn add(&mut self, event: Event, id: EntryId, revision: u64) {
        assert!(
            self.entries.last().is_none_or(|last| last.id < id),
            "ids increase"
        );
        self.entries.push(Known {
            event,
            id,
            revision,
        });
    }

    fn revision(&self, session: &str) -> u64 {
        let of_session = |known: &&Known| known.event.session_id == session;
        self.entries.iter().filter(of_session).count() as u64
    }

    /// Trims to a length. False once the log failed.
    pub async fn trim(&mut self, log: &DiskLog, length: usize) -> bool {
        let target = self.entries.len().saturating_sub(length).max(self.trimmed);
        match log
            .trim(&TrimRequest::exact(TrimLimit::MaxLength(length as u64)))
            .await
        {
            Ok(report) => {
                assert_eq!(report.removed as usize, target - self.trimmed);
                assert_eq!(report.first, self.entries.get(target).map(|known| known.id));
                self.trimmed = target;
                true
            }
            Err(_) => {
                self.trim_in_flight = Some(target);
                false
            }
        }
    }

    /// The log was closed: everything is on stable storage.
    pub fn closed(&mut self) {
        self.durable = self.entries.len();
    }

    /// Checks what a log holds that was opened again, and takes it for the truth from now on.
    pub async fn check_reopened(&mut self, log: &DiskLog, power_failed: bool) {
        let found = read_all(log).await;
        let added = log.info().await.unwrap().partitions[0].entries_added as usize;
        let required = if power_failed {
            self.durable
        } else {
            self.entries.len()
        };
        assert!(added >= required, "{added} of {required} entries are left");

        if added < self.entries.len() {
            assert!(
                self.ends.contains(&added) || added == 0,
                "a batch is there in part"
            );
            assert!(self.trimmed <= added, "what was trimmed is counted");
            self.lost
                .extend(self.entries.drain(added..).map(|known| known.event));
            self.ends.retain(|&end| end <= added);
            self.lost.extend(self.in_flight.drain(..).flatten());
        }
        // Of what was not acknowledged, whole batches in order may be there.
        for batch in std::mem::take(&mut self.in_flight) {
            let missing = added - self.entries.len();
            if missing == 0 {
                self.lost.extend(batch);
                continue;
            }
            assert!(missing >= batch.len(), "a batch is there in part");
            let at = self.entries.len();
            for (index, event) in batch.into_iter().enumerate() {
                let back = added - at - index;
                // Its position is learnt from the log, unless it was trimmed at once.
                let id = found
                    .len()
                    .checked_sub(back)
                    .map(|at| found[at].position.entry_id);
                let revision = self.revision(&event.session_id) + 1;
                self.add(
                    event,
                    id.expect("an entry that was never acknowledged is not trimmed"),
                    revision,
                );
            }
            self.ends.push(self.entries.len());
        }
        assert_eq!(
            added,
            self.entries.len(),
            "something is there that nobody appended"
        );

        let first = added - found.len();
        let may_be_first = [Some(self.trimmed), self.trim_in_flight.take()];
        assert!(
            may_be_first.contains(&Some(first)),
            "{first} entries are trimmed, not {may_be_first:?}"
        );
        self.trimmed = first;
        self.durable = added;
        self.check(&found);
        self.check_sessions(log).await;
        self.check_duplicates(log).await;
    }

    /// Appends again what was lost. False once the log failed.
    pub async fn append_lost(&mut self, log: &DiskLog, durable: bool) -> bool {
        let lost = std::mem::take(&mut self.lost);
        for batch in lost.chunks(7) {
            if !self
                .append(log, [batch.to_vec(), vec![], vec![]], durable)
                .await
            {
                return false;
            }
        }
        true
    }

    fn check(&self, found: &[Recorded]) {
        for (recorded, known) in found.iter().zip(&self.entries[self.trimmed..]) {
            assert_eq!(recorded.event(), Some(&known.event));
            assert_eq!(
                recorded.position.entry_id, known.id,
                "position of {}",
                known.event.id
            );
            assert_eq!(
                recorded.revision, known.revision,
                "revision of {}",
                known.event.id
            );
        }
    }

    async fn check_sessions(&self, log: &DiskLog) {
        for n in 0..5 {
            let session = super::support::session(n);
            let page = log.query(&Query::session(&session)).await.unwrap();
            let found: Vec<_> = page
                .entries
                .iter()
                .map(|recorded| recorded.position.entry_id)
                .collect();
            let retained = self.entries[self.trimmed..].iter();
            let expected: Vec<_> = retained
                .filter(|known| known.event.session_id == session)
                .map(|known| known.id)
                .collect();
            assert_eq!(found, expected, "entries of {session}");
        }
        let by_user = Query {
            range: ReadRange::all(),
            filter: Filter {
                user_id: Some("u".into()),
                ..Filter::default()
            },
        };
        let all = log.query(&by_user).await.unwrap().entries.len();
        assert_eq!(
            all,
            self.entries.len() - self.trimmed,
            "entries of the user"
        );
    }

    /// Everything that was ever appended is a duplicate of itself, trimmed or not.
    async fn check_duplicates(&self, log: &DiskLog) {
        for chunk in self.entries.chunks(50) {
            let events = chunk.iter().map(|known| known.event.clone()).collect();
            let receipt = log.append(Batch::new(events)).await.unwrap();
            for (known, outcome) in chunk.iter().zip(&receipt.outcomes) {
                let Outcome::Duplicate { position } = outcome else {
                    panic!(
                        "{} was appended before, but the log says {outcome:?}",
                        known.event.id
                    );
                };
                assert_eq!(
                    position.entry_id, known.id,
                    "first position of {}",
                    known.event.id
                );
            }
        }
    }
}

use super::support::read_all;
