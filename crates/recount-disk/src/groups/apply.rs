//! What a change makes of the state, live and when `groups.log` is read.

use std::collections::BTreeSet;
use std::sync::Arc;

use recount_core::EntryId;

use super::change::Change;
use super::state::{Consumer, Group, Pending, State};

/// More free numbers in a row than there ever are.
const FREE_MAX: usize = 1 << 24;

impl State {
    /// Applies a change. None where it speaks of what there is not: no frame of ours does.
    pub(super) fn apply(&mut self, change: &Change<'_>) -> Option<()> {
        match change {
            Change::Begin { tail } => self.begin(*tail),
            Change::End => self.ended = true,
            Change::Create {
                group,
                name,
                cursor,
                ahead,
            } => {
                let created = Group::new(name, *cursor, *ahead);
                self.names.insert(created.name.clone(), *group);
                self.groups.insert(*group, created);
                self.next = self.next.max(group.checked_add(1)?);
            }
            Change::Destroy { group } => {
                let gone = self.groups.remove(group)?;
                self.names.remove(&gone.name);
            }
            other => self.groups.get_mut(&other.group()?)?.apply(other)?,
        }
        Some(())
    }

    /// A life begins in a log that ends at `tail`.
    fn begin(&mut self, tail: EntryId) {
        let orphaned = !self.ended;
        self.ended = false;
        for group in self.groups.values_mut() {
            group.rewind(tail);
            if orphaned {
                group.orphan();
            }
        }
    }
}

impl Group {
    fn apply(&mut self, change: &Change<'_>) -> Option<()> {
        match change {
            Change::Move { cursor, ahead, .. } => {
                self.cursor = *cursor;
                self.ahead = *ahead;
            }
            Change::Consumer {
                consumer,
                name,
                called_ms,
                ..
            } => self.add_consumer(*consumer, name, *called_ms)?,
            Change::Called {
                consumer, at_ms, ..
            } => self.noted(*consumer, *at_ms),
            Change::Remove { consumer, heir, .. } => self.remove_consumer(*consumer, *heir)?,
            Change::Deliver {
                consumer,
                at_ms,
                ids,
                ..
            } => self.deliver(ids, *consumer, *at_ms)?,
            Change::Redeliver {
                consumer,
                at_ms,
                ids,
                ..
            } => self.redeliver(ids, *consumer, *at_ms)?,
            Change::Ack { ids, .. } => {
                for id in ids.iter() {
                    let owner = self.pending.remove(id).and_then(|gone| gone.owner);
                    self.disown(owner, *id);
                }
            }
            Change::GiveBack {
                consumer,
                at_ms,
                from_ms,
                ids,
                ..
            } => {
                self.give_back(ids, *from_ms);
                self.noted(Some(*consumer), *at_ms);
            }
            Change::Requeue { at_ms, ids, .. } => {
                let again = Pending {
                    owner: None,
                    delivered_ms: *at_ms,
                    from_ms: 0,
                    count: 0,
                    orphaned: false,
                };
                self.put(ids, again)?;
            }
            Change::Pending {
                owner,
                delivered_ms,
                from_ms,
                count,
                orphaned,
                ids,
                ..
            } => {
                let pending = Pending {
                    owner: *owner,
                    delivered_ms: *delivered_ms,
                    from_ms: *from_ms,
                    count: *count,
                    orphaned: *orphaned,
                };
                self.put(ids, pending)?;
            }
            Change::Lease {
                partition,
                token,
                holder,
                until_ms,
                ..
            } => {
                let lease = self.leases.entry(*partition).or_default();
                lease.token = *token;
                let holder = holder.as_deref();
                lease.holder = holder.map(|holder| (holder.into(), *until_ms));
            }
            // The state's own.
            Change::Begin { .. } | Change::End | Change::Create { .. } | Change::Destroy { .. } => {
            }
        }
        Some(())
    }

    fn add_consumer(&mut self, number: u32, name: &str, called_ms: u64) -> Option<()> {
        let place = number as usize;
        // A snapshot leaves out the numbers that are free.
        if place > self.consumers.len() + FREE_MAX {
            return None;
        }
        while place >= self.consumers.len() {
            self.free.push(self.consumers.len() as u32);
            self.consumers.push(None);
        }
        if self.free.last() == Some(&number) {
            self.free.pop();
        } else {
            self.free.retain(|&free| free != number);
        }
        let name: Arc<str> = name.into();
        self.by_name.insert(name.clone(), number);
        self.consumers[place] = Some(Consumer {
            name,
            pending: BTreeSet::new(),
            called_ms,
            noted_ms: called_ms,
        });
        Some(())
    }

    fn remove_consumer(&mut self, number: u32, heir: Option<u32>) -> Option<()> {
        let gone = self.consumers.get_mut(number as usize)?.take()?;
        self.by_name.remove(&gone.name);
        self.free.push(number);
        for id in &gone.pending {
            if let Some(pending) = self.pending.get_mut(id) {
                pending.owner = heir;
            }
        }
        if let Some(heir) = heir {
            self.consumer_mut(heir)?.pending.extend(gone.pending);
        }
        Some(())
    }

    /// Makes entries pending, or others than they were.
    fn put(&mut self, ids: &[EntryId], pending: Pending) -> Option<()> {
        for id in ids {
            let before = self.pending.insert(*id, pending);
            if let Some(before) = before
                && before.owner != pending.owner
            {
                self.disown(before.owner, *id);
            }
        }
        if let Some(owner) = pending.owner {
            self.consumer_mut(owner)?.pending.extend(ids);
        }
        Some(())
    }

    fn deliver(&mut self, ids: &[EntryId], consumer: u32, at_ms: u64) -> Option<()> {
        let fresh = Pending {
            owner: Some(consumer),
            delivered_ms: at_ms,
            from_ms: 0,
            count: 1,
            orphaned: false,
        };
        self.put(ids, fresh)?;
        self.cursor = ids.last().copied().unwrap_or(self.cursor);
        self.ahead = false;
        self.noted(Some(consumer), at_ms);
        Some(())
    }

    fn give_back(&mut self, ids: &[EntryId], from_ms: u64) {
        for id in ids {
            if let Some(pending) = self.pending.get_mut(id) {
                pending.from_ms = from_ms;
                let owner = pending.owner.take();
                self.disown(owner, *id);
            }
        }
    }

    fn redeliver(&mut self, ids: &[EntryId], consumer: u32, at_ms: u64) -> Option<()> {
        for id in ids {
            let Some(pending) = self.pending.get_mut(id) else {
                continue;
            };
            pending.delivered_ms = at_ms;
            pending.count = pending.count.saturating_add(1);
            pending.orphaned = false;
            let before = pending.owner.replace(consumer);
            if before != Some(consumer) {
                self.disown(before, *id);
                self.consumer_mut(consumer)?.pending.insert(*id);
            }
        }
        self.noted(Some(consumer), at_ms);
        Some(())
    }

    fn disown(&mut self, owner: Option<u32>, id: EntryId) {
        if let Some(owner) = owner.and_then(|owner| self.consumer_mut(owner)) {
            owner.pending.remove(&id);
        }
    }

    /// Takes in a call that the journal tells of.
    fn noted(&mut self, consumer: Option<u32>, at_ms: u64) {
        self.called(consumer, at_ms);
        if let Some(consumer) = consumer.and_then(|consumer| self.consumer_mut(consumer)) {
            consumer.noted_ms = at_ms;
        }
    }

    /// Takes in that a consumer is there, without a call of its own.
    pub(super) fn seen_anew(&mut self, consumer: u32, at_ms: u64) {
        if let Some(consumer) = self.consumer_mut(consumer) {
            consumer.called_ms = at_ms;
            self.untold = true;
        }
    }

    /// Takes in a call that the journal does not tell of.
    pub(super) fn called_untold(&mut self, consumer: u32, at_ms: u64) {
        self.called(Some(consumer), at_ms);
        self.untold = true;
    }

    fn called(&mut self, consumer: Option<u32>, at_ms: u64) {
        self.called_ms = Some(at_ms);
        if let Some(consumer) = consumer.and_then(|consumer| self.consumer_mut(consumer)) {
            consumer.called_ms = at_ms;
        }
    }

    /// Undoes what lies behind `tail`, the log's last id.
    fn rewind(&mut self, tail: EntryId) {
        if self.cursor > tail && !self.ahead {
            self.cursor = tail;
        }
        if let Some(behind) = tail.next() {
            for (id, gone) in self.pending.split_off(&behind) {
                self.disown(gone.owner, id);
            }
        }
    }

    /// Its consumers are gone: what they own may be claimed, what they hold is nobody's.
    fn orphan(&mut self) {
        for pending in self.pending.values_mut() {
            pending.orphaned = pending.owner.is_some();
        }
        for lease in self.leases.values_mut() {
            lease.holder = None;
        }
    }
}
