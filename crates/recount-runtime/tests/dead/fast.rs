//! Groups whose consumer is faster than whoever retries.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use recount_conformance::MemoryLog;
use recount_core::{
    Claim, ClaimRequest, ConsumerInfo, Cursor, Delivery, GroupError, GroupInfo, GroupStart,
    GroupStore, LeaseAnswer, LeaseRequest, Partition, PendingEntry, PendingSummary, Position,
};
use recount_runtime::{DeadLetters, NewLetter};

/// As soon as entries are requeued, one of them has failed again and is acknowledged.
pub struct Fast {
    pub log: Arc<MemoryLog>,
    pub letters: DeadLetters,
    pub again: Mutex<Option<NewLetter>>,
}

#[async_trait]
impl GroupStore for Fast {
    async fn requeue(
        &self,
        group: &str,
        positions: &[Position],
    ) -> Result<Vec<Position>, GroupError> {
        let requeued = self.log.requeue(group, positions).await?;
        let again = self.again.lock().take();
        if let Some(again) = again {
            let position = again.position;
            self.letters.add(again).await.expect("a letter is added");
            self.log.ack(group, &[position]).await?;
        }
        Ok(requeued)
    }

    async fn groups(&self) -> Result<Vec<GroupInfo>, GroupError> {
        self.log.groups().await
    }

    async fn pending_entries(
        &self,
        group: &str,
        consumer: Option<&str>,
        after: &Cursor,
        count: usize,
    ) -> Result<Vec<PendingEntry>, GroupError> {
        let log = &self.log;
        log.pending_entries(group, consumer, after, count).await
    }

    async fn create(&self, _: &str, _: &GroupStart) -> Result<(), GroupError> {
        unreachable!("a retry creates no group")
    }

    async fn set_position(&self, _: &str, _: &GroupStart) -> Result<(), GroupError> {
        unreachable!("a retry moves no group")
    }

    async fn destroy(&self, _: &str) -> Result<bool, GroupError> {
        unreachable!("a retry destroys nothing")
    }

    async fn read_new(&self, _: &str, _: &str, _: usize) -> Result<Vec<Delivery>, GroupError> {
        unreachable!("a retry consumes nothing")
    }

    async fn read_pending(
        &self,
        _: &str,
        _: &str,
        _: &Cursor,
        _: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        unreachable!("a retry consumes nothing")
    }

    async fn ack(&self, _: &str, _: &[Position]) -> Result<usize, GroupError> {
        unreachable!("a retry acknowledges nothing")
    }

    async fn touch(&self, _: &str, _: &str, _: &[Position]) -> Result<Vec<Position>, GroupError> {
        unreachable!("a retry owns nothing")
    }

    async fn nack(&self, _: &str, _: &str, _: &[Position], _: u64) -> Result<usize, GroupError> {
        unreachable!("a retry owns nothing")
    }

    async fn pending(&self, _: &str) -> Result<PendingSummary, GroupError> {
        Ok(PendingSummary::default())
    }

    async fn claim(
        &self,
        _: &str,
        _: &ClaimRequest,
        _: &[Position],
    ) -> Result<Vec<Delivery>, GroupError> {
        unreachable!("a retry claims nothing")
    }

    async fn auto_claim(
        &self,
        _: &str,
        _: &ClaimRequest,
        _: &Cursor,
        _: usize,
    ) -> Result<Claim, GroupError> {
        unreachable!("a retry claims nothing")
    }

    async fn consumers(&self, _: &str) -> Result<Vec<ConsumerInfo>, GroupError> {
        unreachable!("a retry has nothing to do with consumers")
    }

    async fn delete_consumer(&self, _: &str, _: &str, _: Option<&str>) -> Result<u64, GroupError> {
        unreachable!("a retry has nothing to do with consumers")
    }

    async fn lease(&self, _: &str, _: &LeaseRequest) -> Result<LeaseAnswer, GroupError> {
        unreachable!("a retry takes no lease")
    }

    async fn release(&self, _: &str, _: &str, _: Partition, _: u64) -> Result<bool, GroupError> {
        unreachable!("a retry takes no lease")
    }

    async fn read_leased(
        &self,
        _: &str,
        _: &str,
        _: Partition,
        _: u64,
        _: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        unreachable!("a retry takes no lease")
    }
}
