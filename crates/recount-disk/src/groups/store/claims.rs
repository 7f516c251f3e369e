//! Delivering again what is pending.

use recount_core::{
    Claim, ClaimRequest, Cursor, Delivery, EntryId, GroupError, Position, Recorded,
};

use super::call::{Call, check_name, position};
use crate::DiskLog;
use crate::groups::change::Change;
use crate::groups::deliver;
use crate::groups::state::Group;

/// One look for idle entries passes over so many at most, and ten times as many as are wanted: then it says
/// where to look next, and others have their turn.
const LOOKED_AT_MIN: usize = 1_000;

impl DiskLog {
    pub(super) async fn own_again(
        &self,
        group: &str,
        consumer: &str,
        after: EntryId,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        let choose = |group: &Group, _: u64| {
            let owner = group.by_name.get(consumer).copied();
            let owned = owner.map(|owner| group.owned_after(owner, after).take(count).collect());
            (owned.unwrap_or_default(), ())
        };
        let still = |call: &Call<'_>, id: EntryId| call.group.is_owned_by(id, call.consumer);
        let (deliveries, ()) = self.redeliver(group, consumer, choose, still).await?;
        Ok(deliveries)
    }

    pub(super) async fn claim_named(
        &self,
        group: &str,
        request: &ClaimRequest,
        ids: Vec<EntryId>,
    ) -> Result<Vec<Delivery>, GroupError> {
        let choose = |group: &Group, now_ms: u64| {
            let idle = |id: &EntryId| can_be_claimed(group, *id, request, now_ms);
            (ids.iter().copied().filter(idle).collect(), ())
        };
        let (deliveries, ()) = self
            .redeliver(group, &request.consumer, choose, still_idle(request))
            .await?;
        Ok(deliveries)
    }

    pub(super) async fn claim_idle(
        &self,
        group: &str,
        request: &ClaimRequest,
        after: EntryId,
        count: usize,
    ) -> Result<Claim, GroupError> {
        let choose = |group: &Group, now_ms: u64| {
            let mut idle = Vec::new();
            if count == 0 {
                return (idle, None);
            }
            let mut last = after;
            let most = count.saturating_mul(10).max(LOOKED_AT_MIN);
            for (looked_at, (id, pending)) in group.pending_after(after).enumerate() {
                let wanted = pending.can_be_claimed(request.min_idle_ms, now_ms);
                if looked_at >= most || (wanted && idle.len() == count) {
                    return (idle, Some(Cursor::after(last)));
                }
                if wanted {
                    idle.push(id);
                }
                last = id;
            }
            (idle, None)
        };
        let (deliveries, next) = self
            .redeliver(group, &request.consumer, choose, still_idle(request))
            .await?;
        Ok(Claim { deliveries, next })
    }

    /// Delivers again what `choose` names, so far as it is `still` so once the entries are read. On
    /// stable storage before it returns: what may have ended a process is counted.
    async fn redeliver<T>(
        &self,
        name: &str,
        consumer: &str,
        choose: impl FnOnce(&Group, u64) -> (Vec<EntryId>, T),
        still: impl Fn(&Call<'_>, EntryId) -> bool,
    ) -> Result<(Vec<Delivery>, T), GroupError> {
        check_name("consumer", consumer)?;
        let keeper = self.keeper()?;
        let now_ms = self.shared.options.clock.now_ms();
        let ((ids, more), _) = keeper.change(|state| {
            let (_, group) = self.find(state, name)?;
            Ok((Vec::new(), choose(group, now_ms)))
        })?;
        let entries = self.entries_of(&ids).await?;
        let (deliveries, ticket) = self.call(name, consumer, |call: &mut Call<'_>| {
            let mut deliveries = Vec::with_capacity(ids.len());
            for (id, entry) in ids.into_iter().zip(entries) {
                if still(call, id)
                    && let Some(pending) = call.group.pending.get(&id)
                {
                    deliveries.push(Delivery {
                        position: position(id),
                        entry,
                        delivery_count: pending.count.saturating_add(1),
                    });
                }
            }
            let ids: Vec<EntryId> = deliveries.iter().map(|d| d.position.entry_id).collect();
            let change = (!ids.is_empty()).then(|| Change::Redeliver {
                group: call.number,
                consumer: call.consumer,
                at_ms: call.at_ms,
                ids: ids.into(),
            });
            (change, deliveries)
        })?;
        keeper.settle(ticket, true).await?;
        Ok((deliveries, more))
    }

    /// Makes finished entries pending again.
    pub(super) async fn again(
        &self,
        name: &str,
        ids: Vec<EntryId>,
    ) -> Result<Vec<Position>, GroupError> {
        let keeper = self.keeper()?;
        let entries = self.entries_of(&ids).await?;
        let there = ids.into_iter().zip(entries);
        let mut ids: Vec<EntryId> = there.filter_map(|(id, entry)| entry.map(|_| id)).collect();
        let at_ms = self.shared.options.clock.now_ms();
        let (ids, ticket) = keeper.change(|state| {
            let (number, group) = self.find(state, name)?;
            ids.retain(|id| *id <= group.cursor && !group.pending.contains_key(id));
            let change = (!ids.is_empty()).then(|| Change::Requeue {
                group: number,
                at_ms,
                ids: ids.clone().into(),
            });
            Ok((change.into_iter().collect(), ids))
        })?;
        keeper.settle(ticket, true).await?;
        Ok(ids.into_iter().map(position).collect())
    }

    async fn entries_of(&self, ids: &[EntryId]) -> Result<Vec<Option<Recorded>>, GroupError> {
        let Some(&first) = ids.first() else {
            return Ok(Vec::new());
        };
        let (count, ids) = (ids.len(), ids.to_vec());
        let entries = self.reading_here_if(
            |snapshot| deliver::at_hand(snapshot, first, count),
            move |_, snapshot| deliver::named(snapshot, &ids),
        );
        Ok(entries.await?)
    }
}

fn can_be_claimed(group: &Group, id: EntryId, request: &ClaimRequest, now_ms: u64) -> bool {
    let pending = group.pending.get(&id);
    pending.is_some_and(|pending| pending.can_be_claimed(request.min_idle_ms, now_ms))
}

fn still_idle(request: &ClaimRequest) -> impl Fn(&Call<'_>, EntryId) -> bool {
    move |call, id| can_be_claimed(call.group, id, request, call.at_ms)
}
