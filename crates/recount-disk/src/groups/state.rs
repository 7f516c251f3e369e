//! The state of a stream's groups.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use recount_core::{EntryId, Partition};
use tokio::sync::Mutex as Turn;

/// All groups of a stream.
#[derive(Default)]
pub(crate) struct State {
    pub(super) groups: BTreeMap<u32, Group>,
    pub(super) names: BTreeMap<Arc<str>, u32>,
    /// The number of the next group. Within a process no number is given out twice.
    pub(super) next: u32,
    /// Whether the last life ended in order, and no other has begun since.
    pub(super) ended: bool,
}

/// One group.
pub(crate) struct Group {
    pub(super) name: Arc<str>,
    pub(super) cursor: EntryId,
    /// Whether the cursor was set to an id ahead of the log.
    pub(super) ahead: bool,
    pub(super) pending: BTreeMap<EntryId, Pending>,
    /// By number; none where the number is free.
    pub(super) consumers: Vec<Option<Consumer>>,
    pub(super) by_name: BTreeMap<Arc<str>, u32>,
    /// Numbers of consumers that are free.
    pub(super) free: Vec<u32>,
    /// When one of its consumers called last, those that are gone included.
    pub(super) called_ms: Option<u64>,
    pub(super) leases: BTreeMap<Partition, PartitionLease>,
    /// Whether a time changed that the journal does not tell of.
    pub(super) untold: bool,
    /// Held by whoever reads new entries: two at once would read the same.
    pub(super) turn: Arc<Turn<()>>,
}

/// A consumer and what it owns.
pub(super) struct Consumer {
    pub(super) name: Arc<str>,
    pub(super) pending: BTreeSet<EntryId>,
    pub(super) called_ms: u64,
    /// The last call that the journal tells of.
    pub(super) noted_ms: u64,
}

/// A pending entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pending {
    /// None once it was given back.
    pub(super) owner: Option<u32>,
    pub(super) delivered_ms: u64,
    /// From when on it may be claimed, once it was given back.
    pub(super) from_ms: u64,
    pub(super) count: u64,
    /// Whether its owner ended with a process that did not end in order.
    pub(super) orphaned: bool,
}

/// The lease of a partition.
#[derive(Default)]
pub(super) struct PartitionLease {
    /// Who holds it, until when. By name: a consumer that is removed and comes back is the same.
    pub(super) holder: Option<(Arc<str>, u64)>,
    /// That of the last lease there was.
    pub(super) token: u64,
    /// Who asked and did not get it, by name: when, and how many partitions it holds.
    pub(super) waiting: BTreeMap<Arc<str>, (u64, u64)>,
}

impl State {
    pub(crate) fn group(&self, name: &str) -> Option<(u32, &Group)> {
        let number = *self.names.get(name)?;
        Some((number, self.groups.get(&number)?))
    }

    pub(super) fn group_mut(&mut self, name: &str) -> Option<(u32, &mut Group)> {
        let number = *self.names.get(name)?;
        Some((number, self.groups.get_mut(&number)?))
    }

    /// The groups that know of entries behind `tail`, the log's last id, by name.
    pub(super) fn ahead_of(&self, tail: EntryId) -> Vec<Arc<str>> {
        let knows_more = |group: &&Group| {
            let last = group.pending.last_key_value();
            group.cursor > tail && !group.ahead || last.is_some_and(|(last, _)| *last > tail)
        };
        let ahead = self.by_name().filter(knows_more);
        ahead.map(|group| Arc::clone(&group.name)).collect()
    }

    /// The groups, by name.
    pub(crate) fn by_name(&self) -> impl Iterator<Item = &Group> {
        self.names
            .values()
            .filter_map(|number| self.groups.get(number))
    }
}

impl Group {
    pub(super) fn new(name: &str, cursor: EntryId, ahead: bool) -> Self {
        Self {
            name: name.into(),
            cursor,
            ahead,
            pending: BTreeMap::new(),
            consumers: Vec::new(),
            by_name: BTreeMap::new(),
            free: Vec::new(),
            called_ms: None,
            leases: BTreeMap::new(),
            untold: false,
            turn: Arc::default(),
        }
    }

    pub(super) fn consumer(&self, number: u32) -> Option<&Consumer> {
        self.consumers.get(number as usize)?.as_ref()
    }

    pub(super) fn consumer_mut(&mut self, number: u32) -> Option<&mut Consumer> {
        self.consumers.get_mut(number as usize)?.as_mut()
    }

    /// The number that a new consumer gets.
    pub(super) fn next_consumer(&self) -> u32 {
        let behind = self.consumers.len() as u32;
        self.free.last().copied().unwrap_or(behind)
    }

    /// What is pending after an id, oldest first.
    pub(super) fn pending_after(&self, id: EntryId) -> impl Iterator<Item = (EntryId, &Pending)> {
        let after = (Bound::Excluded(id), Bound::Unbounded);
        self.pending
            .range(after)
            .map(|(id, pending)| (*id, pending))
    }

    /// What is pending for a consumer after an id, oldest first.
    pub(super) fn owned_after(
        &self,
        consumer: u32,
        id: EntryId,
    ) -> impl Iterator<Item = EntryId> + '_ {
        let after = (Bound::Excluded(id), Bound::Unbounded);
        let owned = self.consumer(consumer).map(|owner| &owner.pending);
        owned
            .into_iter()
            .flat_map(move |ids| ids.range(after).copied())
    }

    pub(super) fn is_owned_by(&self, id: EntryId, consumer: u32) -> bool {
        let pending = self.pending.get(&id);
        pending.is_some_and(|pending| pending.owner == Some(consumer))
    }

    /// The name of an entry's owner.
    pub(super) fn owner_of(&self, pending: &Pending) -> Option<&Arc<str>> {
        let owner = self.consumer(pending.owner?)?;
        Some(&owner.name)
    }

    /// Whether a consumer holds the lease of a partition under this token.
    pub(super) fn holds(&self, partition: Partition, consumer: &str, token: u64) -> bool {
        let lease = self.leases.get(&partition);
        lease.is_some_and(|lease| {
            let holder = lease.holder.as_ref();
            lease.token == token && holder.is_some_and(|(holder, _)| **holder == *consumer)
        })
    }

    /// How long ago a consumer called last.
    pub(crate) fn idle_ms(&self, now_ms: u64) -> Option<u64> {
        self.called_ms.map(|called| now_ms.saturating_sub(called))
    }
}

impl Pending {
    pub(super) fn idle_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.delivered_ms)
    }

    pub(super) fn can_be_claimed(&self, min_idle_ms: u64, now_ms: u64) -> bool {
        match self.owner {
            Some(_) => self.orphaned || self.idle_ms(now_ms) >= min_idle_ms,
            None => self.from_ms <= now_ms,
        }
    }
}
