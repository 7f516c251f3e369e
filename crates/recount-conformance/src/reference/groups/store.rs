//! The calls on groups.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use parking_lot::MutexGuard;
use recount_core::{
    Claim, ClaimRequest, ConsumerInfo, Cursor, Delivery, EntryId, GroupError, GroupInfo,
    GroupStart, GroupStore, InvalidId, LeaseAnswer, LeaseRequest, Limits, Partition, PendingEntry,
    PendingSummary, Position,
};

use super::group::{Group, Owner};
use crate::reference::state::{Log, State};
use crate::reference::{LOCATION, MemoryLog, STREAM, position};

#[async_trait]
impl GroupStore for MemoryLog {
    async fn create(&self, group: &str, start: &GroupStart) -> Result<(), GroupError> {
        check_name("group", group)?;
        let mut state = self.changing()?;
        if state.groups.contains_key(group) {
            return Err(GroupError::Exists {
                group: group.to_owned(),
                stream: STREAM.to_owned(),
            });
        }
        let created = Group::starting_after(start_id(&state.log, start));
        state.groups.insert(group.to_owned(), created);
        Ok(())
    }

    async fn set_position(&self, group: &str, start: &GroupStart) -> Result<(), GroupError> {
        let mut state = self.changing()?;
        let id = start_id(&state.log, start);
        find(&mut state.groups, group)?.last_delivered = id;
        Ok(())
    }

    async fn destroy(&self, group: &str) -> Result<bool, GroupError> {
        Ok(self.changing()?.groups.remove(group).is_some())
    }

    async fn groups(&self) -> Result<Vec<GroupInfo>, GroupError> {
        let now_ms = self.options.clock.now_ms();
        let state = self.reading()?;
        let groups = state.groups.iter();
        Ok(groups
            .map(|(name, group)| group.info(name, &state.log, now_ms))
            .collect())
    }

    async fn read_new(
        &self,
        group: &str,
        consumer: &str,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        self.call(group, consumer, |log, group, now_ms| {
            group.deliver_new(log, consumer, count, now_ms)
        })
    }

    async fn read_pending(
        &self,
        group: &str,
        consumer: &str,
        after: &Cursor,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        self.call(group, consumer, |log, group, now_ms| {
            let ids: Vec<EntryId> = group
                .pending_after(after)
                .filter(|(_, pending)| pending.is_owned_by(consumer))
                .map(|(id, _)| *id)
                .take(count)
                .collect();
            group.redeliver(&ids, log, consumer, now_ms)
        })
    }

    async fn ack(&self, group: &str, positions: &[Position]) -> Result<usize, GroupError> {
        let mut state = self.changing()?;
        let group = find(&mut state.groups, group)?;
        Ok(ids(positions)
            .filter(|id| group.pending.remove(id).is_some())
            .count())
    }

    async fn touch(
        &self,
        group: &str,
        consumer: &str,
        positions: &[Position],
    ) -> Result<Vec<Position>, GroupError> {
        self.call(group, consumer, |_, group, now_ms| {
            let mut touched = Vec::new();
            for id in named(positions) {
                if let Some(pending) = group.pending.get_mut(&id)
                    && pending.is_owned_by(consumer)
                {
                    pending.delivered_at_ms = now_ms;
                    touched.push(position(id));
                }
            }
            touched
        })
    }

    async fn nack(
        &self,
        group: &str,
        consumer: &str,
        positions: &[Position],
        delay_ms: u64,
    ) -> Result<usize, GroupError> {
        self.call(group, consumer, |_, group, now_ms| {
            let from_ms = now_ms.saturating_add(delay_ms);
            let mut given_back = 0;
            for id in ids(positions) {
                if let Some(pending) = group.pending.get_mut(&id)
                    && pending.is_owned_by(consumer)
                {
                    pending.owner = Owner::Nobody { from_ms };
                    given_back += 1;
                }
            }
            given_back
        })
    }

    async fn requeue(
        &self,
        group: &str,
        positions: &[Position],
    ) -> Result<Vec<Position>, GroupError> {
        let now_ms = self.options.clock.now_ms();
        let mut state = self.changing()?;
        let State { log, groups } = &mut *state;
        let group = find(groups, group)?;
        Ok(named(positions)
            .into_iter()
            .filter(|id| group.requeue(*id, log, now_ms))
            .map(position)
            .collect())
    }

    async fn pending(&self, group: &str) -> Result<PendingSummary, GroupError> {
        Ok(find(&mut self.reading()?.groups, group)?.summary())
    }

    async fn pending_entries(
        &self,
        group: &str,
        consumer: Option<&str>,
        after: &Cursor,
        count: usize,
    ) -> Result<Vec<PendingEntry>, GroupError> {
        let now_ms = self.options.clock.now_ms();
        let mut state = self.reading()?;
        let group = find(&mut state.groups, group)?;
        Ok(group
            .pending_after(after)
            .filter(|(_, pending)| consumer.is_none_or(|name| pending.is_owned_by(name)))
            .map(|(id, pending)| pending.describe(*id, now_ms))
            .take(count)
            .collect())
    }

    async fn claim(
        &self,
        group: &str,
        request: &ClaimRequest,
        positions: &[Position],
    ) -> Result<Vec<Delivery>, GroupError> {
        self.call(group, &request.consumer, |log, group, now_ms| {
            let ids: Vec<EntryId> = named(positions)
                .into_iter()
                .filter(|id| {
                    let pending = group.pending.get(id);
                    pending.is_some_and(|entry| entry.can_be_claimed(request.min_idle_ms, now_ms))
                })
                .collect();
            group.redeliver(&ids, log, &request.consumer, now_ms)
        })
    }

    async fn auto_claim(
        &self,
        group: &str,
        request: &ClaimRequest,
        after: &Cursor,
        count: usize,
    ) -> Result<Claim, GroupError> {
        self.call(group, &request.consumer, |log, group, now_ms| {
            let mut idle: Vec<EntryId> = group
                .pending_after(after)
                .filter(|(_, pending)| pending.can_be_claimed(request.min_idle_ms, now_ms))
                .map(|(id, _)| *id)
                .collect();
            let more = idle.len() > count;
            idle.truncate(count);
            Claim {
                deliveries: group.redeliver(&idle, log, &request.consumer, now_ms),
                next: idle
                    .last()
                    .filter(|_| more)
                    .map(|last| Cursor::after(*last)),
            }
        })
    }

    async fn consumers(&self, group: &str) -> Result<Vec<ConsumerInfo>, GroupError> {
        let now_ms = self.options.clock.now_ms();
        Ok(find(&mut self.reading()?.groups, group)?.consumer_infos(now_ms))
    }

    async fn delete_consumer(
        &self,
        group: &str,
        consumer: &str,
        hand_over_to: Option<&str>,
    ) -> Result<u64, GroupError> {
        let now_ms = self.options.clock.now_ms();
        let mut state = self.changing()?;
        let found = find(&mut state.groups, group)?;
        let pending = found.owned_by(consumer);
        match hand_over_to {
            None if pending > 0 => {
                return Err(GroupError::StillPending {
                    group: group.to_owned(),
                    consumer: consumer.to_owned(),
                    pending,
                });
            }
            None => {
                found.consumers.remove(consumer);
            }
            Some(heir) => {
                check_name("consumer", heir)?;
                found.consumers.remove(consumer);
                found.consumers.entry(heir.to_owned()).or_insert(now_ms);
                for entry in found.pending.values_mut() {
                    if entry.is_owned_by(consumer) {
                        entry.owner = Owner::Consumer(heir.to_owned());
                    }
                }
            }
        }
        Ok(pending)
    }

    async fn lease(&self, group: &str, request: &LeaseRequest) -> Result<LeaseAnswer, GroupError> {
        self.call(group, &request.consumer, |_, group, now_ms| {
            let lease = group.leases.entry(request.partition).or_default();
            lease.ask(request, now_ms)
        })
    }

    async fn release(
        &self,
        group: &str,
        consumer: &str,
        partition: Partition,
        token: u64,
    ) -> Result<bool, GroupError> {
        self.call(group, consumer, |_, group, _| {
            let lease = group.leases.get_mut(&partition);
            lease.is_some_and(|lease| lease.release(consumer, token))
        })
    }

    async fn read_leased(
        &self,
        name: &str,
        consumer: &str,
        partition: Partition,
        token: u64,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        self.call(name, consumer, |log, group, now_ms| {
            let lease = group.leases.get(&partition);
            if !lease.is_some_and(|lease| lease.is_held(consumer, token)) {
                return Err(GroupError::LeaseLost {
                    group: name.to_owned(),
                    consumer: consumer.to_owned(),
                    partition,
                });
            }
            // There is but one partition.
            let count = if partition == 0 { count } else { 0 };
            Ok(group.deliver_new(log, consumer, count, now_ms))
        })?
    }
}

impl MemoryLog {
    /// Does what a consumer calls for, and notes that it called.
    fn call<T>(
        &self,
        group: &str,
        consumer: &str,
        work: impl FnOnce(&Log, &mut Group, u64) -> T,
    ) -> Result<T, GroupError> {
        check_name("consumer", consumer)?;
        let now_ms = self.options.clock.now_ms();
        let mut state = self.changing()?;
        let State { log, groups } = &mut *state;
        let group = find(groups, group)?;
        group.called_by(consumer, now_ms);
        Ok(work(log, group, now_ms))
    }

    fn changing(&self) -> Result<MutexGuard<'_, State>, GroupError> {
        let state = self.reading()?;
        if self.read_only {
            return Err(GroupError::ReadOnly {
                path: LOCATION.to_owned(),
            });
        }
        Ok(state)
    }
}

fn find<'a>(
    groups: &'a mut BTreeMap<String, Group>,
    name: &str,
) -> Result<&'a mut Group, GroupError> {
    groups.get_mut(name).ok_or_else(|| GroupError::NoGroup {
        group: name.to_owned(),
        stream: STREAM.to_owned(),
    })
}

fn start_id(log: &Log, start: &GroupStart) -> EntryId {
    match start {
        GroupStart::Start => EntryId::MIN,
        GroupStart::End => log.last,
        GroupStart::After(cursor) => cursor.get(0),
    }
}

/// The ids of those positions that this stream's one partition can hold.
fn ids(positions: &[Position]) -> impl Iterator<Item = EntryId> {
    positions
        .iter()
        .filter(|position| position.partition == 0)
        .map(|position| position.entry_id)
}

/// The same, each once and in order.
fn named(positions: &[Position]) -> BTreeSet<EntryId> {
    ids(positions).collect()
}

fn check_name(field: &'static str, name: &str) -> Result<(), InvalidId> {
    match name.len() {
        0 => Err(InvalidId::Empty { field }),
        bytes if bytes > Limits::ID_BYTES_MAX => Err(InvalidId::TooLong { field, bytes }),
        _ => Ok(()),
    }
}
