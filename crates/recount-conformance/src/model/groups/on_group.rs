//! The calls on one group.

use std::sync::Arc;

use recount_core::{
    Claim, ClaimRequest, Cursor, Delivery, GroupError, GroupStore, LeaseAnswer, LeaseRequest,
};

use super::calls::{OnGroup, TICK_MS};
use super::pair::{Pair, Token, consumer_name, group_name, same};
use crate::{GroupEngine, kit};

impl<E: GroupEngine> Pair<E> {
    /// Makes a call on a group there may be.
    pub async fn make_on(&mut self, group: usize, call: OnGroup) {
        let name = group_name(group);
        let (engine, reference) = (Arc::clone(self.groups()), &self.reference);
        match call {
            OnGroup::ReadNew(consumer, count) => {
                let consumer = consumer_name(consumer);
                let got = engine.read_new(name, consumer, count).await;
                let expected = reference.read_new(name, consumer, count).await;
                same(comparable(got), comparable(expected));
            }
            OnGroup::ReadPending {
                consumer,
                after,
                count,
            } => {
                let (consumer, after) = (consumer_name(consumer), self.cursor(after));
                let got = engine.read_pending(name, consumer, &after, count).await;
                let expected = reference.read_pending(name, consumer, &after, count).await;
                same(comparable(got), comparable(expected));
            }
            OnGroup::Ack(entries) => {
                let entries = self.positions(&entries);
                let got = engine.ack(name, &entries).await;
                same(got, reference.ack(name, &entries).await);
            }
            OnGroup::Touch(consumer, entries) => {
                let (consumer, entries) = (consumer_name(consumer), self.positions(&entries));
                let got = engine.touch(name, consumer, &entries).await;
                same(got, reference.touch(name, consumer, &entries).await);
            }
            OnGroup::Nack {
                consumer,
                entries,
                ticks,
            } => {
                let (consumer, entries) = (consumer_name(consumer), self.positions(&entries));
                let delay_ms = ticks * TICK_MS;
                let got = engine.nack(name, consumer, &entries, delay_ms).await;
                let expected = reference.nack(name, consumer, &entries, delay_ms).await;
                same(got, expected);
            }
            OnGroup::Requeue(entries) => {
                let entries = self.positions(&entries);
                let got = engine.requeue(name, &entries).await;
                same(got, reference.requeue(name, &entries).await);
            }
            OnGroup::Claim {
                consumer,
                entries,
                idle_ticks,
            } => {
                let (request, entries) = (claiming(consumer, idle_ticks), self.positions(&entries));
                let got = engine.claim(name, &request, &entries).await;
                let expected = reference.claim(name, &request, &entries).await;
                same(comparable(got), comparable(expected));
            }
            OnGroup::AutoClaim {
                consumer,
                idle_ticks,
                after,
                count,
            } => {
                let (request, after) = (claiming(consumer, idle_ticks), self.cursor(after));
                let got = auto_claim(&*engine, name, &request, &after, count).await;
                let expected = auto_claim(reference, name, &request, &after, count).await;
                same(comparable(got), comparable(expected));
            }
            OnGroup::Delete { consumer, heir } => {
                let (consumer, heir) = (consumer_name(consumer), heir.map(consumer_name));
                let got = engine.delete_consumer(name, consumer, heir).await;
                same(got, reference.delete_consumer(name, consumer, heir).await);
            }
            OnGroup::Lease {
                consumer,
                ticks,
                holds,
            } => self.lease(group, consumer, ticks, holds).await,
            OnGroup::Release(consumer, lease) => {
                let (consumer, (one, other)) = (consumer_name(consumer), self.token(group, lease));
                let got = engine.release(name, consumer, 0, one).await;
                same(got, reference.release(name, consumer, 0, other).await);
            }
            OnGroup::ReadLeased {
                consumer,
                lease,
                count,
            } => {
                let (consumer, (one, other)) = (consumer_name(consumer), self.token(group, lease));
                let got = engine.read_leased(name, consumer, 0, one, count).await;
                let expected = reference.read_leased(name, consumer, 0, other, count).await;
                same(comparable(got), comparable(expected));
            }
        }
    }

    async fn lease(&mut self, group: usize, consumer: usize, ticks: u64, holds: u64) {
        let name = group_name(group);
        let request = LeaseRequest {
            partition: 0,
            consumer: consumer_name(consumer).to_owned(),
            ttl_ms: ticks * TICK_MS + TICK_MS / 2,
            holds,
        };
        let mut got = self.groups().lease(name, &request).await;
        let expected = self.reference.lease(name, &request).await;
        if let (Ok(LeaseAnswer::Held(one)), Ok(LeaseAnswer::Held(other))) = (&mut got, &expected) {
            let token = Token {
                consumer,
                engine: one.token,
                reference: other.token,
            };
            if let Some(last) = self.leases[group].last() {
                let orders = (
                    one.token.cmp(&last.engine),
                    other.token.cmp(&last.reference),
                );
                assert_eq!(orders.0, orders.1, "a token is greater if it is another");
            }
            self.leases[group].push(token);
            // Where tokens begin and what they skip is the engine's choice.
            one.token = other.token;
        }
        same(got, expected);
    }
}

/// Claims until there are `count` or the end is reached: how far one call looks is the engine's choice.
async fn auto_claim(
    groups: &impl GroupStore,
    group: &str,
    request: &ClaimRequest,
    after: &Cursor,
    count: usize,
) -> Result<Vec<Delivery>, GroupError> {
    let mut claimed = Vec::new();
    let mut from = after.clone();
    loop {
        let left = count - claimed.len();
        let Claim { deliveries, next } = groups.auto_claim(group, request, &from, left).await?;
        assert!(deliveries.len() <= left, "{deliveries:?}");
        claimed.extend(deliveries);
        match next {
            Some(next) if claimed.len() < count => from = next,
            _ => return Ok(claimed),
        }
    }
}

fn claiming(consumer: usize, idle_ticks: u64) -> ClaimRequest {
    ClaimRequest {
        consumer: consumer_name(consumer).to_owned(),
        min_idle_ms: idle_ticks * TICK_MS,
    }
}

fn comparable(deliveries: Result<Vec<Delivery>, GroupError>) -> Result<Vec<Delivery>, GroupError> {
    deliveries.map(|mut deliveries| {
        deliveries.sort_by_key(|delivery| delivery.position);
        for delivery in &mut deliveries {
            delivery.entry = delivery.entry.take().map(kit::comparable);
        }
        deliveries
    })
}
