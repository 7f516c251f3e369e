//! The groups of several logs, as one.

use std::collections::BTreeMap;

use async_trait::async_trait;
use recount_core::{
    Claim, ClaimRequest, ConsumerInfo, Cursor, Delivery, EntryId, EventLog, GroupError, GroupInfo,
    GroupStart, GroupStore, LeaseAnswer, LeaseRequest, Partition, PendingEntry, PendingSummary,
    Position,
};

use super::{Partitioned, cursor_of};

impl<L: EventLog + GroupStore> Partitioned<L> {
    /// The positions of each partition, as its log knows them.
    fn split<'a>(
        &'a self,
        positions: &[Position],
    ) -> impl Iterator<Item = (Partition, &'a L, Vec<Position>)> {
        let mut by_part: BTreeMap<Partition, Vec<Position>> = BTreeMap::new();
        for position in positions {
            by_part
                .entry(position.partition)
                .or_default()
                .push(Position {
                    partition: 0,
                    entry_id: position.entry_id,
                });
        }
        by_part
            .into_iter()
            .map(|(partition, positions)| (partition, self.part(partition), positions))
    }
}

fn placed(partition: Partition, mut deliveries: Vec<Delivery>) -> Vec<Delivery> {
    for delivery in &mut deliveries {
        delivery.position.partition = partition;
        if let Some(entry) = &mut delivery.entry {
            entry.position.partition = partition;
        }
    }
    deliveries
}

fn all_placed(partition: Partition, positions: Vec<Position>) -> impl Iterator<Item = Position> {
    positions.into_iter().map(move |position| Position {
        partition,
        ..position
    })
}

fn start_of(partition: Partition, start: &GroupStart) -> GroupStart {
    match start {
        GroupStart::After(cursor) => GroupStart::After(cursor_of(partition, cursor)),
        other => other.clone(),
    }
}

#[async_trait]
impl<L: EventLog + GroupStore> GroupStore for Partitioned<L> {
    async fn create(&self, group: &str, start: &GroupStart) -> Result<(), GroupError> {
        for (partition, part) in self.parts() {
            part.create(group, &start_of(partition, start)).await?;
        }
        Ok(())
    }

    async fn set_position(&self, group: &str, start: &GroupStart) -> Result<(), GroupError> {
        for (partition, part) in self.parts() {
            part.set_position(group, &start_of(partition, start))
                .await?;
        }
        Ok(())
    }

    async fn destroy(&self, group: &str) -> Result<bool, GroupError> {
        let mut there = false;
        for (_, part) in self.parts() {
            there |= part.destroy(group).await?;
        }
        Ok(there)
    }

    async fn groups(&self) -> Result<Vec<GroupInfo>, GroupError> {
        let mut all: BTreeMap<String, GroupInfo> = BTreeMap::new();
        for (partition, part) in self.parts() {
            for info in part.groups().await? {
                let sum = all.entry(info.name.clone()).or_insert_with(|| GroupInfo {
                    name: info.name.clone(),
                    ..GroupInfo::default()
                });
                sum.consumers = sum.consumers.max(info.consumers);
                sum.pending += info.pending;
                let oldest = [sum.oldest_pending, info.oldest_pending];
                sum.oldest_pending = oldest.into_iter().flatten().min();
                sum.last_delivered.advance(Position {
                    partition,
                    entry_id: info.last_delivered.get(0),
                });
                sum.lags.push((partition, info.lag()));
                let idle = [sum.idle_ms, info.idle_ms];
                sum.idle_ms = idle.into_iter().flatten().min();
            }
        }
        Ok(all.into_values().collect())
    }

    async fn read_new(
        &self,
        group: &str,
        consumer: &str,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        let mut deliveries = Vec::new();
        for (partition, part) in self.parts() {
            let left = count - deliveries.len();
            let more = part.read_new(group, consumer, left).await?;
            deliveries.extend(placed(partition, more));
        }
        Ok(deliveries)
    }

    async fn read_pending(
        &self,
        group: &str,
        consumer: &str,
        after: &Cursor,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        let mut deliveries = Vec::new();
        for (partition, part) in self.parts() {
            let (after, left) = (cursor_of(partition, after), count - deliveries.len());
            let more = part.read_pending(group, consumer, &after, left).await?;
            deliveries.extend(placed(partition, more));
        }
        Ok(deliveries)
    }

    async fn ack(&self, group: &str, positions: &[Position]) -> Result<usize, GroupError> {
        let mut acked = 0;
        for (_, part, positions) in self.split(positions) {
            acked += part.ack(group, &positions).await?;
        }
        Ok(acked)
    }

    async fn touch(
        &self,
        group: &str,
        consumer: &str,
        positions: &[Position],
    ) -> Result<Vec<Position>, GroupError> {
        let mut touched = Vec::new();
        for (partition, part, positions) in self.split(positions) {
            let more = part.touch(group, consumer, &positions).await?;
            touched.extend(all_placed(partition, more));
        }
        Ok(touched)
    }

    async fn nack(
        &self,
        group: &str,
        consumer: &str,
        positions: &[Position],
        delay_ms: u64,
    ) -> Result<usize, GroupError> {
        let mut given_back = 0;
        for (_, part, positions) in self.split(positions) {
            given_back += part.nack(group, consumer, &positions, delay_ms).await?;
        }
        Ok(given_back)
    }

    async fn requeue(
        &self,
        group: &str,
        positions: &[Position],
    ) -> Result<Vec<Position>, GroupError> {
        let mut requeued = Vec::new();
        for (partition, part, positions) in self.split(positions) {
            let more = part.requeue(group, &positions).await?;
            requeued.extend(all_placed(partition, more));
        }
        Ok(requeued)
    }

    async fn pending(&self, group: &str) -> Result<PendingSummary, GroupError> {
        let mut sum = PendingSummary::default();
        let mut by_consumer: BTreeMap<String, u64> = BTreeMap::new();
        for (partition, part) in self.parts() {
            let one = part.pending(group).await?;
            sum.count += one.count;
            let ranges = one.ranges.into_iter();
            sum.ranges
                .extend(ranges.map(|(_, first, last)| (partition, first, last)));
            for (name, count) in one.by_consumer {
                *by_consumer.entry(name).or_default() += count;
            }
        }
        sum.by_consumer = by_consumer.into_iter().collect();
        Ok(sum)
    }

    async fn pending_entries(
        &self,
        group: &str,
        consumer: Option<&str>,
        after: &Cursor,
        count: usize,
    ) -> Result<Vec<PendingEntry>, GroupError> {
        let mut entries = Vec::new();
        for (partition, part) in self.parts() {
            let (after, left) = (cursor_of(partition, after), count - entries.len());
            for mut entry in part.pending_entries(group, consumer, &after, left).await? {
                entry.position.partition = partition;
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    async fn claim(
        &self,
        group: &str,
        request: &ClaimRequest,
        positions: &[Position],
    ) -> Result<Vec<Delivery>, GroupError> {
        let mut deliveries = Vec::new();
        for (partition, part, positions) in self.split(positions) {
            let more = part.claim(group, request, &positions).await?;
            deliveries.extend(placed(partition, more));
        }
        Ok(deliveries)
    }

    async fn auto_claim(
        &self,
        group: &str,
        request: &ClaimRequest,
        after: &Cursor,
        count: usize,
    ) -> Result<Claim, GroupError> {
        let mut deliveries = Vec::new();
        let mut next = Cursor::start();
        let mut more = false;
        for (partition, part) in self.parts() {
            let from = cursor_of(partition, after);
            let left = count - deliveries.len();
            let entry_id = if left == 0 {
                more = true;
                from.get(0)
            } else {
                let claim = part.auto_claim(group, request, &from, left).await?;
                deliveries.extend(placed(partition, claim.deliveries));
                more |= claim.next.is_some();
                claim.next.map_or(EntryId::MAX, |next| next.get(0))
            };
            next.advance(Position {
                partition,
                entry_id,
            });
        }
        Ok(Claim {
            deliveries,
            next: more.then_some(next),
        })
    }

    async fn consumers(&self, group: &str) -> Result<Vec<ConsumerInfo>, GroupError> {
        let mut all: BTreeMap<String, ConsumerInfo> = BTreeMap::new();
        for (_, part) in self.parts() {
            for info in part.consumers(group).await? {
                let known = all.entry(info.name.clone());
                known
                    .and_modify(|sum| {
                        sum.pending += info.pending;
                        sum.idle_ms = sum.idle_ms.min(info.idle_ms);
                    })
                    .or_insert(info);
            }
        }
        Ok(all.into_values().collect())
    }

    async fn delete_consumer(
        &self,
        group: &str,
        consumer: &str,
        hand_over_to: Option<&str>,
    ) -> Result<u64, GroupError> {
        let owned = self.pending(group).await?.by_consumer;
        let owned = owned.into_iter().find(|(name, _)| name == consumer);
        if let (Some((_, pending)), None) = (owned, hand_over_to) {
            return Err(GroupError::StillPending {
                group: group.to_owned(),
                consumer: consumer.to_owned(),
                pending,
            });
        }
        let mut handed_over = 0;
        for (_, part) in self.parts() {
            handed_over += part.delete_consumer(group, consumer, hand_over_to).await?;
        }
        Ok(handed_over)
    }

    async fn lease(&self, group: &str, request: &LeaseRequest) -> Result<LeaseAnswer, GroupError> {
        let partition = request.partition;
        let within = LeaseRequest {
            partition: 0,
            ..request.clone()
        };
        let mut answer = self.part(partition).lease(group, &within).await?;
        if let LeaseAnswer::Held(lease) = &mut answer {
            lease.partition = partition;
        }
        Ok(answer)
    }

    async fn release(
        &self,
        group: &str,
        consumer: &str,
        partition: Partition,
        token: u64,
    ) -> Result<bool, GroupError> {
        let part = self.part(partition);
        part.release(group, consumer, 0, token).await
    }

    async fn read_leased(
        &self,
        group: &str,
        consumer: &str,
        partition: Partition,
        token: u64,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        let part = self.part(partition);
        let read = part.read_leased(group, consumer, 0, token, count).await;
        match read {
            Ok(deliveries) => Ok(placed(partition, deliveries)),
            Err(GroupError::LeaseLost {
                group, consumer, ..
            }) => Err(GroupError::LeaseLost {
                group,
                consumer,
                partition,
            }),
            Err(other) => Err(other),
        }
    }
}
