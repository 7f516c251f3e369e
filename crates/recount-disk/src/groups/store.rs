//! The contract of `GroupStore`.

mod call;
mod claims;
mod leases;
mod reads;
mod words;

use async_trait::async_trait;
use recount_core::{
    Claim, ClaimRequest, ConsumerInfo, Cursor, Delivery, GroupError, GroupInfo, GroupStart,
    GroupStore, LeaseAnswer, LeaseRequest, Partition, PendingEntry, PendingSummary, Position,
    ReadError,
};

use super::change::{Change, cow};
use crate::DiskLog;
use crate::log::blocking;
use call::{Call, check_name, named, position};

#[async_trait]
impl GroupStore for DiskLog {
    async fn create(&self, group: &str, start: &GroupStart) -> Result<(), GroupError> {
        check_name("group", group)?;
        let (cursor, ahead) = self.start(start)?;
        let keeper = self.keeper()?;
        let ((), ticket) = keeper.change(|state| {
            if state.group(group).is_some() {
                return Err(GroupError::Exists {
                    group: group.to_owned(),
                    stream: self.shared.stream.clone(),
                });
            }
            let created = Change::Create {
                group: state.next,
                name: cow(group),
                cursor,
                ahead,
            };
            Ok((vec![created], ()))
        })?;
        keeper.settle(ticket, true).await
    }

    async fn set_position(&self, group: &str, start: &GroupStart) -> Result<(), GroupError> {
        let (cursor, ahead) = self.start(start)?;
        let keeper = self.keeper()?;
        let ((), ticket) = keeper.change(|state| {
            let (group, _) = self.find(state, group)?;
            let moved = Change::Move {
                group,
                cursor,
                ahead,
            };
            Ok((vec![moved], ()))
        })?;
        keeper.settle(ticket, true).await
    }

    async fn destroy(&self, group: &str) -> Result<bool, GroupError> {
        let keeper = self.keeper()?;
        let (existed, ticket) = keeper.change(|state| {
            let found = state.group(group).map(|(group, _)| group);
            let gone = found.map(|group| Change::Destroy { group });
            Ok((gone.into_iter().collect(), found.is_some()))
        })?;
        keeper.settle(ticket, true).await?;
        Ok(existed)
    }

    async fn groups(&self) -> Result<Vec<GroupInfo>, GroupError> {
        let now_ms = self.shared.options.clock.now_ms();
        let mut infos: Vec<GroupInfo> = self
            .looking(move |state| {
                state
                    .by_name()
                    .map(|group| words::info(group, now_ms))
                    .collect()
            })
            .await?;
        // What was delivered until then is visible in a snapshot that is taken now.
        let snapshot = self.snapshot().await?;
        blocking(move || {
            infos
                .iter_mut()
                .try_for_each(|info| words::set_lag(info, &snapshot))
                .map(|()| infos)
        })
        .await
        .map_err(|fault| ReadError::from(fault).into())
    }

    async fn read_new(
        &self,
        group: &str,
        consumer: &str,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        self.deliver(group, consumer, None, count).await
    }

    async fn read_pending(
        &self,
        group: &str,
        consumer: &str,
        after: &Cursor,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        self.own_again(group, consumer, after.get(0), count).await
    }

    async fn ack(&self, group: &str, positions: &[Position]) -> Result<usize, GroupError> {
        let keeper = self.keeper()?;
        let (acked, ticket) = keeper.change(|state| {
            let (number, group) = self.find(state, group)?;
            let mut ids = named(positions);
            ids.retain(|id| group.pending.contains_key(id));
            let acked = ids.len();
            let ack = (acked > 0).then(|| Change::Ack {
                group: number,
                ids: ids.into(),
            });
            Ok((ack.into_iter().collect(), acked))
        })?;
        keeper.settle(ticket, false).await?;
        Ok(acked)
    }

    async fn touch(
        &self,
        group: &str,
        consumer: &str,
        positions: &[Position],
    ) -> Result<Vec<Position>, GroupError> {
        let (ids, ticket) = self.call(group, consumer, |call: &mut Call<'_>| {
            let mut ids = named(positions);
            ids.retain(|id| call.group.is_owned_by(*id, call.consumer));
            for id in &ids {
                if let Some(pending) = call.group.pending.get_mut(id) {
                    pending.delivered_ms = call.at_ms;
                }
            }
            (None, ids)
        })?;
        self.keeper()?.settle(ticket, false).await?;
        Ok(ids.into_iter().map(position).collect())
    }

    async fn nack(
        &self,
        group: &str,
        consumer: &str,
        positions: &[Position],
        delay_ms: u64,
    ) -> Result<usize, GroupError> {
        let (given_back, ticket) = self.call(group, consumer, |call: &mut Call<'_>| {
            let mut ids = named(positions);
            ids.retain(|id| call.group.is_owned_by(*id, call.consumer));
            let given_back = ids.len();
            let back = (given_back > 0).then(|| Change::GiveBack {
                group: call.number,
                consumer: call.consumer,
                at_ms: call.at_ms,
                from_ms: call.at_ms.saturating_add(delay_ms),
                ids: ids.into(),
            });
            (back, given_back)
        })?;
        self.keeper()?.settle(ticket, false).await?;
        Ok(given_back)
    }

    async fn requeue(
        &self,
        group: &str,
        positions: &[Position],
    ) -> Result<Vec<Position>, GroupError> {
        self.again(group, named(positions)).await
    }

    async fn pending(&self, group: &str) -> Result<PendingSummary, GroupError> {
        let name = group.to_owned();
        let summary =
            self.looking(move |state| state.group(&name).map(|(_, group)| words::sum(group)));
        summary.await?.ok_or_else(|| self.no_group(group))
    }

    async fn pending_entries(
        &self,
        group: &str,
        consumer: Option<&str>,
        after: &Cursor,
        count: usize,
    ) -> Result<Vec<PendingEntry>, GroupError> {
        let now_ms = self.shared.options.clock.now_ms();
        let (name, consumer) = (group.to_owned(), consumer.map(str::to_owned));
        let after = after.get(0);
        let entries = self.looking(move |state| {
            let (_, group) = state.group(&name)?;
            Some(words::entries(
                group,
                consumer.as_deref(),
                after,
                count,
                now_ms,
            ))
        });
        entries.await?.ok_or_else(|| self.no_group(group))
    }

    async fn claim(
        &self,
        group: &str,
        request: &ClaimRequest,
        positions: &[Position],
    ) -> Result<Vec<Delivery>, GroupError> {
        self.claim_named(group, request, named(positions)).await
    }

    async fn auto_claim(
        &self,
        group: &str,
        request: &ClaimRequest,
        after: &Cursor,
        count: usize,
    ) -> Result<Claim, GroupError> {
        self.claim_idle(group, request, after.get(0), count).await
    }

    async fn consumers(&self, group: &str) -> Result<Vec<ConsumerInfo>, GroupError> {
        let now_ms = self.shared.options.clock.now_ms();
        let name = group.to_owned();
        let consumers = self.looking(move |state| {
            let (_, group) = state.group(&name)?;
            Some(words::consumers(group, now_ms))
        });
        consumers.await?.ok_or_else(|| self.no_group(group))
    }

    async fn delete_consumer(
        &self,
        group: &str,
        consumer: &str,
        hand_over_to: Option<&str>,
    ) -> Result<u64, GroupError> {
        let now_ms = self.shared.options.clock.now_ms();
        let keeper = self.keeper()?;
        let (pending, ticket) = keeper.change(|state| {
            let (number, found) = self.find(state, group)?;
            let gone = found.by_name.get(consumer).copied();
            let owned = gone.and_then(|gone| found.consumer(gone));
            let pending = owned.map_or(0, |owner| owner.pending.len() as u64);
            if pending > 0 && hand_over_to.is_none() {
                return Err(GroupError::StillPending {
                    group: group.to_owned(),
                    consumer: consumer.to_owned(),
                    pending,
                });
            }
            let mut changes = Vec::new();
            let mut heir = None;
            if let Some(name) = hand_over_to {
                check_name("consumer", name)?;
                let known = found.by_name.get(name).copied();
                heir = Some(known.unwrap_or_else(|| found.next_consumer()));
                if known.is_none() {
                    changes.push(Change::Consumer {
                        group: number,
                        consumer: found.next_consumer(),
                        name: cow(name),
                        called_ms: now_ms,
                    });
                }
            }
            match gone {
                // Who inherits from itself is as new.
                Some(itself) if gone == heir => found.seen_anew(itself, now_ms),
                Some(consumer) => changes.push(Change::Remove {
                    group: number,
                    consumer,
                    heir,
                }),
                None => {}
            }
            Ok((changes, pending))
        })?;
        keeper.settle(ticket, true).await?;
        Ok(pending)
    }

    async fn lease(&self, group: &str, request: &LeaseRequest) -> Result<LeaseAnswer, GroupError> {
        self.ask_for_lease(group, request).await
    }

    async fn release(
        &self,
        group: &str,
        consumer: &str,
        partition: Partition,
        token: u64,
    ) -> Result<bool, GroupError> {
        self.release_lease(group, consumer, partition, token).await
    }

    async fn read_leased(
        &self,
        group: &str,
        consumer: &str,
        partition: Partition,
        token: u64,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        // There is but one partition.
        let count = if partition == 0 { count } else { 0 };
        self.deliver(group, consumer, Some((partition, token)), count)
            .await
    }
}
