//! The groups as one consumer sees them.

use async_trait::async_trait;
use recount_core::{
    Claim, ClaimRequest, ConsumerInfo, Cursor, Delivery, EventLog, GroupError, GroupInfo,
    GroupStart, GroupStore, LeaseAnswer, LeaseRequest, Partition, PendingEntry, PendingSummary,
    Position,
};

use super::{ADDRESS, Fault, Faulty};
use crate::history::{Moment, What};

fn unavailable() -> GroupError {
    GroupError::Unavailable {
        address: ADDRESS.into(),
        message: "made to fail".into(),
    }
}

impl<S: ?Sized> Faulty<S> {
    /// Makes a call, faults or not. What it did is noted even where nobody is told.
    async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, GroupError>>,
        note: impl FnOnce(&T, Moment),
    ) -> Result<T, GroupError> {
        let fault = self.fault().await;
        if matches!(fault, Some(Fault::Refused)) {
            return Err(unavailable());
        }
        let asked = self.history.now();
        let answer = call.await?;
        note(&answer, asked);
        self.delay().await;
        if fault.is_some() || self.is_cut() {
            return Err(unavailable());
        }
        Ok(answer)
    }

    fn note_deliveries(&self, deliveries: &[Delivery], asked: Moment) {
        for delivery in deliveries {
            self.history.add(What::Delivered {
                group: self.group,
                instance: self.instance,
                position: delivery.position,
                asked,
                count: delivery.delivery_count,
            });
        }
    }
}

#[async_trait]
impl<S: EventLog + GroupStore + ?Sized> GroupStore for Faulty<S> {
    async fn create(&self, group: &str, start: &GroupStart) -> Result<(), GroupError> {
        self.call(self.store.create(group, start), |(), _| ()).await
    }

    async fn set_position(&self, group: &str, start: &GroupStart) -> Result<(), GroupError> {
        self.call(self.store.set_position(group, start), |(), _| ())
            .await
    }

    async fn destroy(&self, group: &str) -> Result<bool, GroupError> {
        let group_number = self.group;
        let destroyed = || What::Destroyed {
            group: group_number,
        };
        self.history.add(destroyed());
        let answer = self.store.destroy(group).await;
        self.history.add(destroyed());
        answer
    }

    async fn groups(&self) -> Result<Vec<GroupInfo>, GroupError> {
        self.call(self.store.groups(), |_, _| ()).await
    }

    async fn read_new(
        &self,
        group: &str,
        consumer: &str,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        self.call(self.store.read_new(group, consumer, count), |new, asked| {
            self.note_deliveries(new, asked);
        })
        .await
    }

    async fn read_pending(
        &self,
        group: &str,
        consumer: &str,
        after: &Cursor,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        let read = self.store.read_pending(group, consumer, after, count);
        self.call(read, |again, asked| self.note_deliveries(again, asked))
            .await
    }

    async fn ack(&self, group: &str, positions: &[Position]) -> Result<usize, GroupError> {
        if self.draw(self.sky.now().full) {
            return Err(GroupError::Full {
                path: "groups.log".into(),
            });
        }
        self.call(self.store.ack(group, positions), |_, asked| {
            for position in positions {
                self.history.add(What::Acked {
                    group: self.group,
                    instance: self.instance,
                    position: *position,
                    asked,
                });
            }
        })
        .await
    }

    async fn touch(
        &self,
        group: &str,
        consumer: &str,
        positions: &[Position],
    ) -> Result<Vec<Position>, GroupError> {
        self.call(self.store.touch(group, consumer, positions), |_, _| ())
            .await
    }

    async fn nack(
        &self,
        group: &str,
        consumer: &str,
        positions: &[Position],
        delay_ms: u64,
    ) -> Result<usize, GroupError> {
        let given_back = self.store.nack(group, consumer, positions, delay_ms);
        self.call(given_back, |_, _| ()).await
    }

    async fn requeue(
        &self,
        group: &str,
        positions: &[Position],
    ) -> Result<Vec<Position>, GroupError> {
        // Before it is done: somebody may handle it at once.
        for position in positions {
            self.history.add(What::Requeued {
                group: self.group,
                position: *position,
            });
        }
        self.call(self.store.requeue(group, positions), |requeued, _| {
            for position in positions {
                if !requeued.contains(position) {
                    self.history.add(What::Refused {
                        group: self.group,
                        position: *position,
                    });
                }
            }
        })
        .await
    }

    async fn pending(&self, group: &str) -> Result<PendingSummary, GroupError> {
        self.call(self.store.pending(group), |_, _| ()).await
    }

    async fn pending_entries(
        &self,
        group: &str,
        consumer: Option<&str>,
        after: &Cursor,
        count: usize,
    ) -> Result<Vec<PendingEntry>, GroupError> {
        let entries = self.store.pending_entries(group, consumer, after, count);
        self.call(entries, |_, _| ()).await
    }

    async fn claim(
        &self,
        group: &str,
        request: &ClaimRequest,
        positions: &[Position],
    ) -> Result<Vec<Delivery>, GroupError> {
        let claim = self.store.claim(group, request, positions);
        self.call(claim, |claimed, asked| self.note_deliveries(claimed, asked))
            .await
    }

    async fn auto_claim(
        &self,
        group: &str,
        request: &ClaimRequest,
        after: &Cursor,
        count: usize,
    ) -> Result<Claim, GroupError> {
        let claim = self.store.auto_claim(group, request, after, count);
        self.call(claim, |claim, asked| {
            self.note_deliveries(&claim.deliveries, asked);
        })
        .await
    }

    async fn consumers(&self, group: &str) -> Result<Vec<ConsumerInfo>, GroupError> {
        self.call(self.store.consumers(group), |_, _| ()).await
    }

    async fn delete_consumer(
        &self,
        group: &str,
        consumer: &str,
        hand_over_to: Option<&str>,
    ) -> Result<u64, GroupError> {
        let deleted = self.store.delete_consumer(group, consumer, hand_over_to);
        self.call(deleted, |_, _| ()).await
    }

    async fn lease(&self, group: &str, request: &LeaseRequest) -> Result<LeaseAnswer, GroupError> {
        self.call(self.store.lease(group, request), |_, _| ()).await
    }

    async fn release(
        &self,
        group: &str,
        consumer: &str,
        partition: Partition,
        token: u64,
    ) -> Result<bool, GroupError> {
        let released = self.store.release(group, consumer, partition, token);
        self.call(released, |_, _| ()).await
    }

    async fn read_leased(
        &self,
        group: &str,
        consumer: &str,
        partition: Partition,
        token: u64,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        let read = self
            .store
            .read_leased(group, consumer, partition, token, count);
        self.call(read, |new, asked| self.note_deliveries(new, asked))
            .await
    }
}
