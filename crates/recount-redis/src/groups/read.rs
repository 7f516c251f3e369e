//! New entries.

use std::sync::atomic::{AtomicUsize, Ordering};

use recount_core::{Cursor, Delivery, Entry, EntryId, GroupError, Limits, Partition};
use redis::Value;

use super::consumer::Consumer;
use super::group::Beside;
use super::spread::{Part, Place, gather, places};
use crate::net::Repeat;
use crate::scripts::READ_LEASED;
use crate::wire::{self, Unexpected};

/// Entries asked for at a time while it is not known how large they are.
const PAGE_FIRST: usize = 128;
/// Entries asked for at a time at most.
const PAGE_MAX: usize = 1_000;

/// What a log remembers of what it handed out.
#[derive(Default)]
pub(crate) struct Deliveries {
    /// Counts reads: each begins with another partition, so that none starves.
    reads: AtomicUsize,
    /// How large an entry of the last read was in the mean; 0 before the first.
    bytes: AtomicUsize,
}

impl Deliveries {
    fn turn(&self) -> usize {
        self.reads.fetch_add(1, Ordering::Relaxed)
    }

    /// How many entries are asked for, so that an answer stays about as large as a page.
    pub(super) fn page(&self) -> usize {
        match self.bytes.load(Ordering::Relaxed) {
            0 => PAGE_FIRST,
            bytes => (Limits::PAGE_BYTES_MAX / bytes).clamp(1, PAGE_MAX),
        }
    }

    fn handed_out(&self, entries: usize, bytes: usize) {
        if let Some(mean) = bytes.checked_div(entries) {
            self.bytes.store(mean.max(1), Ordering::Relaxed);
        }
    }
}

impl Consumer {
    pub(super) async fn read_new(&self, count: usize) -> Result<Vec<Delivery>, GroupError> {
        if count == 0 {
            self.called().await?;
            return Ok(Vec::new());
        }
        let shared = &self.group.shared;
        let partitions = shared.partitions.len() as u32;
        let places = places(&Cursor::start(), partitions, shared.deliveries.turn());
        let found = gather(places, count, usize::MAX, |place, share| {
            let consumer = self.clone();
            async move { consumer.new_in(place.partition, share).await }
        });
        let found = found.await?.items;
        if found.is_empty() && !shared.facts.notes_empty_reads() {
            self.called().await?;
        }
        Ok(found)
    }

    async fn new_in(
        &self,
        partition: Partition,
        share: usize,
    ) -> Result<Part<Delivery>, GroupError> {
        let asked = share.min(self.group.shared.deliveries.page());
        let command = self.read_command(partition, asked, ">");
        let asking = self.group.ask(partition, &command, Repeat::UnlessUnknown);
        let entries = self
            .group
            .shaped(partition, wire::read_reply(asking.await?))?;
        self.handed_out(partition, asked, entries).await
    }

    pub(super) async fn read_leased(
        &self,
        partition: Partition,
        token: u64,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        let place = Place {
            partition,
            after: EntryId::MIN,
        };
        if count == 0 {
            // It tells all the same whether the lease is held.
            let none = self.leased_in(partition, token, 0).await?;
            return Ok(none.items);
        }
        let found = gather(vec![place], count, usize::MAX, |_, share| {
            let consumer = self.clone();
            async move { consumer.leased_in(partition, token, share).await }
        });
        Ok(found.await?.items)
    }

    async fn leased_in(
        &self,
        partition: Partition,
        token: u64,
        share: usize,
    ) -> Result<Part<Delivery>, GroupError> {
        let asked = share.min(self.group.shared.deliveries.page());
        let mut command = self.script(partition, &READ_LEASED, Beside::State);
        command.arg(token).arg(asked);
        let running = self
            .group
            .run(partition, &READ_LEASED, &command, Repeat::UnlessUnknown);
        let read = read_leased(running.await?);
        match self.group.shaped(partition, read)? {
            Some(entries) => self.handed_out(partition, asked, entries).await,
            None => Err(GroupError::LeaseLost {
                group: self.group.name.to_string(),
                consumer: self.name.to_string(),
                partition,
            }),
        }
    }

    async fn handed_out(
        &self,
        partition: Partition,
        asked: usize,
        entries: Vec<Entry>,
    ) -> Result<Part<Delivery>, GroupError> {
        let bytes = entries.iter().map(wire::bytes_of).sum();
        let deliveries = &self.group.shared.deliveries;
        deliveries.handed_out(entries.len(), bytes);
        if self.group.shared.options.clock.is_some() {
            let ids: Vec<EntryId> = entries.iter().map(|entry| entry.id).collect();
            self.stamp(partition, &ids).await?;
        }
        let more = (asked > 0 && entries.len() == asked).then_some(EntryId::MIN);
        let first_time = |entry| {
            let recorded = wire::recorded(partition, entry);
            Delivery {
                position: recorded.position,
                entry: Some(recorded),
                delivery_count: 1,
            }
        };
        Ok(Part {
            items: entries.into_iter().map(first_time).collect(),
            bytes,
            more,
        })
    }
}

/// The entries; none where the lease is not held.
fn read_leased(reply: Value) -> Result<Option<Vec<Entry>>, Unexpected> {
    let mut parts = wire::list(reply)?.into_iter();
    let said = parts.next().ok_or(Unexpected("what became of a lease"))?;
    match wire::text(&said)?.as_str() {
        "new" => wire::read_reply(parts.next().unwrap_or(Value::Nil)).map(Some),
        _ => Ok(None),
    }
}
