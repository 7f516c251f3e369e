//! Leases of partitions.

use recount_core::{GroupError, Lease, LeaseAnswer, LeaseRequest, Partition};

use super::call::Call;
use crate::DiskLog;
use crate::groups::change::{Change, cow};

impl DiskLog {
    /// Gives the lease to whoever asks, if it is theirs or free.
    pub(super) async fn ask_for_lease(
        &self,
        group: &str,
        request: &LeaseRequest,
    ) -> Result<LeaseAnswer, GroupError> {
        let ((answer, is_new), ticket) = self.call(group, &request.consumer, |call| {
            let at_ms = call.at_ms;
            let lease = call.group.leases.entry(request.partition).or_default();
            let holder = lease.holder.as_ref();
            let is_theirs = holder.is_some_and(|(holder, _)| **holder == *request.consumer);
            if let Some((holder, until_ms)) = holder
                && !is_theirs
                && at_ms < *until_ms
            {
                let taken = LeaseAnswer::Taken {
                    by: holder.to_string(),
                    for_ms: until_ms - at_ms,
                };
                let asked = (at_ms, request.holds);
                lease
                    .waiting
                    .insert(request.consumer.as_str().into(), asked);
                return (None, (taken, false));
            }
            let token = lease.token + u64::from(!is_theirs);
            lease.waiting.remove(request.consumer.as_str());
            lease
                .waiting
                .retain(|_, (asked_ms, _)| at_ms.saturating_sub(*asked_ms) < request.ttl_ms);
            let waiting = lease.waiting.iter();
            let answer = LeaseAnswer::Held(Lease {
                partition: request.partition,
                token,
                waiting: waiting
                    .map(|(name, (_, holds))| (name.to_string(), *holds))
                    .collect(),
            });
            let change = Change::Lease {
                group: call.number,
                partition: request.partition,
                token,
                holder: Some(cow(&request.consumer)),
                until_ms: at_ms.saturating_add(request.ttl_ms),
            };
            (Some(change), (answer, !is_theirs))
        })?;
        // A token is never given out twice, whatever a power failure takes.
        self.keeper()?.settle(ticket, is_new).await?;
        Ok(answer)
    }

    pub(super) async fn release_lease(
        &self,
        group: &str,
        consumer: &str,
        partition: Partition,
        token: u64,
    ) -> Result<bool, GroupError> {
        let (held, ticket) = self.call(group, consumer, |call: &mut Call<'_>| {
            let held = call.group.holds(partition, consumer, token);
            let change = held.then_some(Change::Lease {
                group: call.number,
                partition,
                token,
                holder: None,
                until_ms: 0,
            });
            (change, held)
        })?;
        self.keeper()?.settle(ticket, false).await?;
        Ok(held)
    }
}
