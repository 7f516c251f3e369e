//! Groups whose deliveries hold events in their newest version.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    Claim, ClaimRequest, ConsumerInfo, Cursor, Delivery, GroupError, GroupInfo, GroupStart,
    GroupStore, LeaseAnswer, LeaseRequest, Partition, PendingEntry, PendingSummary, Position,
    Upcasters,
};

/// Groups behind [`Upcasters`]: what is delivered is in the newest version that they know, or marked
/// ([`crate::Schema`]), as with [`crate::UpcastLog`].
#[derive(Clone)]
pub struct UpcastGroups {
    stored: Arc<dyn GroupStore>,
    upcasters: Upcasters,
}

impl UpcastGroups {
    /// Puts `upcasters` before `stored`.
    pub fn new(stored: Arc<dyn GroupStore>, upcasters: Upcasters) -> Self {
        Self { stored, upcasters }
    }

    fn lifted(&self, mut deliveries: Vec<Delivery>) -> Vec<Delivery> {
        let entries = deliveries.iter_mut().filter_map(|d| d.entry.as_mut());
        for recorded in entries {
            self.upcasters.apply(recorded);
        }
        deliveries
    }
}

#[async_trait]
impl GroupStore for UpcastGroups {
    async fn create(&self, group: &str, start: &GroupStart) -> Result<(), GroupError> {
        self.stored.create(group, start).await
    }

    async fn set_position(&self, group: &str, start: &GroupStart) -> Result<(), GroupError> {
        self.stored.set_position(group, start).await
    }

    async fn destroy(&self, group: &str) -> Result<bool, GroupError> {
        self.stored.destroy(group).await
    }

    async fn groups(&self) -> Result<Vec<GroupInfo>, GroupError> {
        self.stored.groups().await
    }

    async fn read_new(
        &self,
        group: &str,
        consumer: &str,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        let deliveries = self.stored.read_new(group, consumer, count).await?;
        Ok(self.lifted(deliveries))
    }

    async fn read_pending(
        &self,
        group: &str,
        consumer: &str,
        after: &Cursor,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        let deliveries = self
            .stored
            .read_pending(group, consumer, after, count)
            .await?;
        Ok(self.lifted(deliveries))
    }

    async fn ack(&self, group: &str, positions: &[Position]) -> Result<usize, GroupError> {
        self.stored.ack(group, positions).await
    }

    async fn touch(
        &self,
        group: &str,
        consumer: &str,
        positions: &[Position],
    ) -> Result<Vec<Position>, GroupError> {
        self.stored.touch(group, consumer, positions).await
    }

    async fn nack(
        &self,
        group: &str,
        consumer: &str,
        positions: &[Position],
        delay_ms: u64,
    ) -> Result<usize, GroupError> {
        self.stored.nack(group, consumer, positions, delay_ms).await
    }

    async fn requeue(
        &self,
        group: &str,
        positions: &[Position],
    ) -> Result<Vec<Position>, GroupError> {
        self.stored.requeue(group, positions).await
    }

    async fn pending(&self, group: &str) -> Result<PendingSummary, GroupError> {
        self.stored.pending(group).await
    }

    async fn pending_entries(
        &self,
        group: &str,
        consumer: Option<&str>,
        after: &Cursor,
        count: usize,
    ) -> Result<Vec<PendingEntry>, GroupError> {
        self.stored
            .pending_entries(group, consumer, after, count)
            .await
    }

    async fn claim(
        &self,
        group: &str,
        request: &ClaimRequest,
        positions: &[Position],
    ) -> Result<Vec<Delivery>, GroupError> {
        let deliveries = self.stored.claim(group, request, positions).await?;
        Ok(self.lifted(deliveries))
    }

    async fn auto_claim(
        &self,
        group: &str,
        request: &ClaimRequest,
        after: &Cursor,
        count: usize,
    ) -> Result<Claim, GroupError> {
        let mut claim = self.stored.auto_claim(group, request, after, count).await?;
        claim.deliveries = self.lifted(claim.deliveries);
        Ok(claim)
    }

    async fn consumers(&self, group: &str) -> Result<Vec<ConsumerInfo>, GroupError> {
        self.stored.consumers(group).await
    }

    async fn delete_consumer(
        &self,
        group: &str,
        consumer: &str,
        hand_over_to: Option<&str>,
    ) -> Result<u64, GroupError> {
        self.stored
            .delete_consumer(group, consumer, hand_over_to)
            .await
    }

    async fn lease(&self, group: &str, request: &LeaseRequest) -> Result<LeaseAnswer, GroupError> {
        self.stored.lease(group, request).await
    }

    async fn release(
        &self,
        group: &str,
        consumer: &str,
        partition: Partition,
        token: u64,
    ) -> Result<bool, GroupError> {
        self.stored.release(group, consumer, partition, token).await
    }

    async fn read_leased(
        &self,
        group: &str,
        consumer: &str,
        partition: Partition,
        token: u64,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        let deliveries = self
            .stored
            .read_leased(group, consumer, partition, token, count)
            .await?;
        Ok(self.lifted(deliveries))
    }
}
