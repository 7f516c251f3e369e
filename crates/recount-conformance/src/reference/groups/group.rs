//! One group: its cursor, its consumers and what is pending.

use std::collections::BTreeMap;
use std::ops::Bound;

use recount_core::{
    ConsumerInfo, Cursor, Delivery, EntryId, GroupInfo, Partition, PendingEntry, PendingSummary,
    Recorded,
};

use super::lease::PartitionLease;
use crate::reference::position;
use crate::reference::state::Log;

pub(in crate::reference) struct Group {
    pub last_delivered: EntryId,
    pub pending: BTreeMap<EntryId, Pending>,
    /// When each consumer called last, in milliseconds.
    pub consumers: BTreeMap<String, u64>,
    /// When one of them called last, those that are gone included.
    called_ms: Option<u64>,
    pub leases: BTreeMap<Partition, PartitionLease>,
}

pub(in crate::reference) struct Pending {
    pub owner: Owner,
    pub delivered_at_ms: u64,
    pub delivery_count: u64,
}

pub(in crate::reference) enum Owner {
    Consumer(String),
    /// Given back; to be had from this millisecond on.
    Nobody {
        from_ms: u64,
    },
}

impl Pending {
    pub fn owner(&self) -> Option<&str> {
        match &self.owner {
            Owner::Consumer(name) => Some(name),
            Owner::Nobody { .. } => None,
        }
    }

    pub fn is_owned_by(&self, consumer: &str) -> bool {
        self.owner() == Some(consumer)
    }

    pub fn can_be_claimed(&self, min_idle_ms: u64, now_ms: u64) -> bool {
        match self.owner {
            Owner::Consumer(_) => self.idle_ms(now_ms) >= min_idle_ms,
            Owner::Nobody { from_ms } => from_ms <= now_ms,
        }
    }

    fn idle_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.delivered_at_ms)
    }

    pub fn describe(&self, id: EntryId, now_ms: u64) -> PendingEntry {
        PendingEntry {
            position: position(id),
            consumer: self.owner().map(str::to_owned),
            idle_ms: self.idle_ms(now_ms),
            delivery_count: self.delivery_count,
        }
    }
}

impl Group {
    pub fn starting_after(id: EntryId) -> Self {
        Self {
            last_delivered: id,
            pending: BTreeMap::new(),
            consumers: BTreeMap::new(),
            called_ms: None,
            leases: BTreeMap::new(),
        }
    }

    /// Notes that a consumer called, which there is from then on.
    pub fn called_by(&mut self, consumer: &str, now_ms: u64) {
        self.consumers.insert(consumer.to_owned(), now_ms);
        self.called_ms = Some(now_ms);
    }

    /// How long ago a consumer called last.
    pub fn idle_ms(&self, now_ms: u64) -> Option<u64> {
        let called_ms = self.called_ms?;
        Some(now_ms.saturating_sub(called_ms))
    }

    /// The first retained entry that is pending or was not delivered yet.
    pub fn first_needed(&self, log: &Log) -> Option<EntryId> {
        log.entries
            .iter()
            .map(|entry| entry.position.entry_id)
            .find(|id| self.needs(*id))
    }

    /// How many of some retained entries are pending or were not delivered yet.
    pub fn needed_of(&self, entries: &[Recorded]) -> u64 {
        let ids = entries.iter().map(|entry| entry.position.entry_id);
        ids.filter(|id| self.needs(*id)).count() as u64
    }

    fn needs(&self, id: EntryId) -> bool {
        id > self.last_delivered || self.pending.contains_key(&id)
    }

    /// Delivers up to `count` entries for the first time.
    pub fn deliver_new(
        &mut self,
        log: &Log,
        consumer: &str,
        count: usize,
        now_ms: u64,
    ) -> Vec<Delivery> {
        let from = log.count_through(self.last_delivered);
        let entries = log.entries[from..].iter().take(count);
        entries
            .map(|entry| self.deliver(entry.clone(), consumer, now_ms))
            .collect()
    }

    /// Makes a finished entry pending again. Returns whether it was one.
    pub fn requeue(&mut self, id: EntryId, log: &Log, now_ms: u64) -> bool {
        let finished = !self.needs(id) && log.get(id).is_some();
        if finished {
            let again = Pending {
                owner: Owner::Nobody { from_ms: now_ms },
                delivered_at_ms: now_ms,
                delivery_count: 0,
            };
            self.pending.insert(id, again);
        }
        finished
    }

    /// Delivers an entry the group has not seen before, or sees anew after its cursor was moved
    /// back.
    fn deliver(&mut self, entry: Recorded, consumer: &str, now_ms: u64) -> Delivery {
        let id = entry.position.entry_id;
        self.last_delivered = id;
        self.pending.insert(
            id,
            Pending {
                owner: Owner::Consumer(consumer.to_owned()),
                delivered_at_ms: now_ms,
                delivery_count: 1,
            },
        );
        Delivery {
            position: entry.position,
            entry: Some(entry),
            delivery_count: 1,
        }
    }

    /// Delivers pending entries again, to whoever `consumer` is.
    pub fn redeliver(
        &mut self,
        ids: &[EntryId],
        log: &Log,
        consumer: &str,
        now_ms: u64,
    ) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        for id in ids {
            let Some(pending) = self.pending.get_mut(id) else {
                continue;
            };
            pending.owner = Owner::Consumer(consumer.to_owned());
            pending.delivered_at_ms = now_ms;
            pending.delivery_count += 1;
            deliveries.push(Delivery {
                position: position(*id),
                entry: log.get(*id).cloned(),
                delivery_count: pending.delivery_count,
            });
        }
        deliveries
    }

    /// What is pending after `cursor`, oldest first.
    pub fn pending_after(&self, cursor: &Cursor) -> impl Iterator<Item = (&EntryId, &Pending)> {
        self.pending
            .range((Bound::Excluded(cursor.get(0)), Bound::Unbounded))
    }

    pub fn owned_by(&self, consumer: &str) -> u64 {
        self.pending
            .values()
            .filter(|pending| pending.is_owned_by(consumer))
            .count() as u64
    }

    pub fn info(&self, name: &str, log: &Log, now_ms: u64) -> GroupInfo {
        GroupInfo {
            name: name.to_owned(),
            consumers: self.consumers.len() as u64,
            pending: self.pending.len() as u64,
            oldest_pending: self.pending.first_key_value().map(|(id, _)| *id),
            last_delivered: Cursor::after(self.last_delivered),
            lags: vec![(
                0,
                (log.entries.len() - log.count_through(self.last_delivered)) as u64,
            )],
            idle_ms: self.idle_ms(now_ms),
        }
    }

    pub fn summary(&self) -> PendingSummary {
        let first = self.pending.first_key_value();
        let last = self.pending.last_key_value();
        PendingSummary {
            count: self.pending.len() as u64,
            ranges: first
                .zip(last)
                .map(|((first, _), (last, _))| (0, *first, *last))
                .into_iter()
                .collect(),
            by_consumer: self
                .consumers
                .keys()
                .map(|name| (name.clone(), self.owned_by(name)))
                .filter(|(_, count)| *count > 0)
                .collect(),
        }
    }

    pub fn consumer_infos(&self, now_ms: u64) -> Vec<ConsumerInfo> {
        self.consumers
            .iter()
            .map(|(name, called_ms)| ConsumerInfo {
                name: name.clone(),
                pending: self.owned_by(name),
                idle_ms: now_ms.saturating_sub(*called_ms),
            })
            .collect()
    }
}
