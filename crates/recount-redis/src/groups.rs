//! Consumer groups: the server's own, one of the same name on each partition's stream.
//!
//! New entries are read by plain `XREADGROUP` and acknowledged by plain `XACK`. What the server does not
//! have, such as entries without an owner and leases, the scripts add; KEYS.md says what stands where.

mod claim;
mod consumer;
mod consumers;
mod group;
mod lag;
mod lease;
mod list;
mod manage;
mod pending;
mod read;
mod settle;
mod spread;

use async_trait::async_trait;
use recount_core::{
    Claim, ClaimRequest, ConsumerInfo, Cursor, Delivery, GroupError, GroupInfo, GroupStart,
    GroupStore, LeaseAnswer, LeaseRequest, Partition, PendingEntry, PendingSummary, Position,
};

use crate::RedisLog;
use consumer::{Consumer, check_name};
use group::Group;
pub(crate) use lag::Anchors;
pub(crate) use list::names;
pub(crate) use read::Deliveries;

/// Who owns what was given back. No consumer may be called so.
const GIVEN_BACK: &str = "recount:given-back";

impl RedisLog {
    /// A group, to be looked at.
    fn looking(&self, group: &str) -> Result<Group, GroupError> {
        self.check_open()?;
        Ok(Group::new(&self.shared, group))
    }

    /// A group, to be changed.
    fn changing(&self, group: &str) -> Result<Group, GroupError> {
        let group = self.looking(group)?;
        if self.shared.read_only {
            return Err(GroupError::ReadOnly {
                path: self.shared.net.url().to_string(),
            });
        }
        Ok(group)
    }

    /// A consumer of a group.
    fn consuming(&self, group: &str, consumer: &str) -> Result<Consumer, GroupError> {
        check_name("consumer", consumer)?;
        Consumer::new(self.changing(group)?, consumer)
    }
}

#[async_trait]
impl GroupStore for RedisLog {
    async fn create(&self, group: &str, start: &GroupStart) -> Result<(), GroupError> {
        check_name("group", group)?;
        self.changing(group)?.create(start).await
    }

    async fn set_position(&self, group: &str, start: &GroupStart) -> Result<(), GroupError> {
        self.changing(group)?.set_position(start).await
    }

    async fn destroy(&self, group: &str) -> Result<bool, GroupError> {
        self.changing(group)?.destroy().await
    }

    async fn groups(&self) -> Result<Vec<GroupInfo>, GroupError> {
        self.check_open()?;
        list::groups(&self.shared).await
    }

    async fn read_new(
        &self,
        group: &str,
        consumer: &str,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        self.consuming(group, consumer)?.read_new(count).await
    }

    async fn read_pending(
        &self,
        group: &str,
        consumer: &str,
        after: &Cursor,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        let consumer = self.consuming(group, consumer)?;
        consumer.read_pending(after, count).await
    }

    async fn ack(&self, group: &str, positions: &[Position]) -> Result<usize, GroupError> {
        self.changing(group)?.ack(positions).await
    }

    async fn touch(
        &self,
        group: &str,
        consumer: &str,
        positions: &[Position],
    ) -> Result<Vec<Position>, GroupError> {
        self.consuming(group, consumer)?.touch(positions).await
    }

    async fn nack(
        &self,
        group: &str,
        consumer: &str,
        positions: &[Position],
        delay_ms: u64,
    ) -> Result<usize, GroupError> {
        let consumer = self.consuming(group, consumer)?;
        consumer.give_back(positions, delay_ms).await
    }

    async fn requeue(
        &self,
        group: &str,
        positions: &[Position],
    ) -> Result<Vec<Position>, GroupError> {
        self.changing(group)?.requeue(positions).await
    }

    async fn pending(&self, group: &str) -> Result<PendingSummary, GroupError> {
        self.looking(group)?.pending().await
    }

    async fn pending_entries(
        &self,
        group: &str,
        consumer: Option<&str>,
        after: &Cursor,
        count: usize,
    ) -> Result<Vec<PendingEntry>, GroupError> {
        let group = self.looking(group)?;
        group.pending_entries(consumer, after, count).await
    }

    async fn claim(
        &self,
        group: &str,
        request: &ClaimRequest,
        positions: &[Position],
    ) -> Result<Vec<Delivery>, GroupError> {
        let consumer = self.consuming(group, &request.consumer)?;
        consumer.claim(request.min_idle_ms, positions).await
    }

    async fn auto_claim(
        &self,
        group: &str,
        request: &ClaimRequest,
        after: &Cursor,
        count: usize,
    ) -> Result<Claim, GroupError> {
        let consumer = self.consuming(group, &request.consumer)?;
        consumer.auto_claim(request.min_idle_ms, after, count).await
    }

    async fn consumers(&self, group: &str) -> Result<Vec<ConsumerInfo>, GroupError> {
        self.looking(group)?.consumers().await
    }

    async fn delete_consumer(
        &self,
        group: &str,
        consumer: &str,
        hand_over_to: Option<&str>,
    ) -> Result<u64, GroupError> {
        let heir = match hand_over_to {
            None => None,
            Some(heir) => Some(self.consuming(group, heir)?),
        };
        let group = self.changing(group)?;
        Consumer::new(group, consumer)?.leave(heir.as_ref()).await
    }

    async fn lease(&self, group: &str, request: &LeaseRequest) -> Result<LeaseAnswer, GroupError> {
        let consumer = self.consuming(group, &request.consumer)?;
        self.keys_of(request.partition)?;
        consumer.lease(request).await
    }

    async fn release(
        &self,
        group: &str,
        consumer: &str,
        partition: Partition,
        token: u64,
    ) -> Result<bool, GroupError> {
        let consumer = self.consuming(group, consumer)?;
        self.keys_of(partition)?;
        consumer.release(partition, token).await
    }

    async fn read_leased(
        &self,
        group: &str,
        consumer: &str,
        partition: Partition,
        token: u64,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        let consumer = self.consuming(group, consumer)?;
        self.keys_of(partition)?;
        consumer.read_leased(partition, token, count).await
    }
}
