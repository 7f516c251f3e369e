//! Puts what is new into the log, in batches, under its old entry ids where that is possible.

use recount::{
    Clock as _, Entry, EntryId, Event, Field, Outcome, Position, Receipt, Recount, SystemClock,
    codec,
};

use super::WARNINGS_MAX;
use super::held::{Found, Held};
use super::source::Record;
use super::summary::Summary;
use crate::cli::error::Result;
use crate::cli::settings::{Settings, warn};

/// How far ahead of this machine's clock an entry id may be and yet be kept: clocks differ, and
/// time zones were mistaken, by less than a day.
const AHEAD_MS_MAX: u64 = 24 * 60 * 60 * 1_000;

pub(super) struct Publisher<'a> {
    /// None in a dry run.
    log: Option<&'a Recount>,
    held: Held,
    new_ids: bool,
    /// The last id of the stream once everything so far is appended.
    last: Option<EntryId>,
    batch: Batch,
    bytes: usize,
    /// What a batch may have before it is appended.
    events_max: usize,
    bytes_max: usize,
}

/// What is appended next. Order is kept: one kind is appended before the other begins.
enum Batch {
    New(Vec<Event>),
    WithIds(Vec<Entry>),
}

impl<'a> Publisher<'a> {
    pub fn new(log: Option<&'a Recount>, held: Held, new_ids: bool, settings: &Settings) -> Self {
        Self {
            log,
            last: held.last_id(),
            held,
            new_ids,
            batch: Batch::New(Vec::new()),
            bytes: 0,
            events_max: settings.config().batch_size,
            bytes_max: settings.batch_bytes(),
        }
    }

    /// Takes one record; it may be appended later.
    pub async fn take(&mut self, record: Record, summary: &mut Summary) -> Result {
        let id = record.entry_id().filter(|_| self.keeps_id(&record));
        match record {
            Record::Event(event, _) => match self.held.find(&event).await? {
                Found::Same => summary.already += 1,
                Found::Other(position) => conflict(summary, event.id.as_str(), position),
                Found::Nothing => self.add_event(event, id, summary).await?,
            },
            Record::Fields(fields, position) => {
                self.add_fields(fields, position, id, summary).await?;
            }
        }
        Ok(())
    }

    /// Appends what is left.
    pub async fn finish(&mut self, summary: &mut Summary) -> Result {
        self.flush(summary).await
    }

    /// Whether the record can have the entry id it had: only above all that is there, and not far
    /// in the future, where it would hold up the clock of every later id.
    fn keeps_id(&self, record: &Record) -> bool {
        let (Record::Event(_, position) | Record::Fields(_, position)) = record;
        // Events that wait for new ids will be given later ones than any record had.
        let waiting = matches!(&self.batch, Batch::New(events) if !events.is_empty());
        !self.new_ids
            && !waiting
            && position.zip(self.last).is_some_and(|(position, last)| {
                position.partition == 0
                    && position.entry_id > last
                    && position.entry_id.ms <= SystemClock.now_ms().saturating_add(AHEAD_MS_MAX)
            })
    }

    async fn add_event(
        &mut self,
        event: Event,
        id: Option<EntryId>,
        summary: &mut Summary,
    ) -> Result {
        let bytes = event.wire_bytes();
        if let Some(id) = id {
            let fields = codec::encode(&event);
            return self.add_entry(Entry::new(id, fields), bytes, summary).await;
        }
        if let Batch::New(events) = &mut self.batch {
            events.push(event);
        } else {
            self.flush(summary).await?;
            self.batch = Batch::New(vec![event]);
        }
        self.added(bytes, summary).await
    }

    async fn add_fields(
        &mut self,
        fields: Vec<Field>,
        position: Option<Position>,
        id: Option<EntryId>,
        summary: &mut Summary,
    ) -> Result {
        let Some(position) = position else {
            summary.skip("undecodable, without an entry id");
            return Ok(());
        };
        let bytes = fields
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        if self.held.holds_fields(position.entry_id, &fields).await? {
            summary.already += 1;
        } else if let Some(id) = id {
            self.add_entry(Entry::new(id, fields), bytes, summary)
                .await?;
        } else {
            summary.skip("undecodable, and their entry ids cannot be kept");
        }
        Ok(())
    }

    async fn add_entry(&mut self, entry: Entry, bytes: usize, summary: &mut Summary) -> Result {
        self.last = Some(entry.id);
        if let Batch::WithIds(entries) = &mut self.batch {
            entries.push(entry);
        } else {
            self.flush(summary).await?;
            self.batch = Batch::WithIds(vec![entry]);
        }
        self.added(bytes, summary).await
    }

    async fn added(&mut self, bytes: usize, summary: &mut Summary) -> Result {
        self.bytes += bytes;
        let events = match &self.batch {
            Batch::New(events) => events.len(),
            Batch::WithIds(entries) => entries.len(),
        };
        if events >= self.events_max || self.bytes > self.bytes_max {
            self.flush(summary).await?;
        }
        Ok(())
    }

    async fn flush(&mut self, summary: &mut Summary) -> Result {
        self.bytes = 0;
        let batch = std::mem::replace(&mut self.batch, Batch::New(Vec::new()));
        let (events, entries) = match batch {
            Batch::New(events) => (events, Vec::new()),
            Batch::WithIds(entries) => (Vec::new(), entries),
        };
        let Some(log) = self.log else {
            summary.added += (events.len() + entries.len()) as u64;
            summary.kept_ids += entries.len() as u64;
            return Ok(());
        };
        if !entries.is_empty() {
            let receipt = log.log().append_with_ids(entries).await?;
            summary.kept_ids += receipt.appended() as u64;
            summary.added += receipt.appended() as u64;
        }
        if !events.is_empty() {
            let ids: Vec<_> = events.iter().map(|event| event.id.clone()).collect();
            let receipt = log.record_all(events).await?;
            self.count(&receipt, &ids, summary);
        }
        Ok(())
    }

    fn count(&mut self, receipt: &Receipt, ids: &[recount::EventId], summary: &mut Summary) {
        for (outcome, id) in receipt.outcomes.iter().zip(ids) {
            match outcome {
                Outcome::Appended { position, .. } => {
                    summary.added += 1;
                    self.last = self.last.max(Some(position.entry_id));
                }
                Outcome::Duplicate { .. } => summary.already += 1,
                Outcome::Conflict { position, .. } => conflict(summary, id.as_str(), *position),
            }
        }
    }
}

fn conflict(summary: &mut Summary, id: &str, first: Position) {
    if summary.conflicts() < WARNINGS_MAX {
        warn(format_args!(
            "event {id} is recorded at {first} with other content: skipped"
        ));
    }
    summary.skip(Summary::CONFLICT);
}
