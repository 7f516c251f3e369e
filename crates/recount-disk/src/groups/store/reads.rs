//! Delivering what nobody was delivered yet.

use recount_core::{Delivery, EntryId, GroupError, Partition, Recorded};

use super::call::{Call, check_name};
use crate::DiskLog;
use crate::groups::change::Change;
use crate::groups::deliver;

/// What became of an attempt to deliver.
enum Attempt {
    Done,
    /// The group moved on while its entries were read.
    Moved,
    LeaseLost,
}

impl DiskLog {
    /// Delivers up to `count` new entries; where a lease is given, only to who holds it.
    pub(super) async fn deliver(
        &self,
        name: &str,
        consumer: &str,
        lease: Option<(Partition, u64)>,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        check_name("consumer", consumer)?;
        let keeper = self.keeper()?;
        let (turn, _) = keeper.change(|state| {
            let (_, group) = self.find(state, name)?;
            Ok((Vec::new(), group.turn.clone()))
        })?;
        let _turn = turn.lock().await;
        loop {
            let (seen, _) = keeper.change(|state| {
                let (number, group) = self.find(state, name)?;
                let held =
                    lease.is_none_or(|(partition, token)| group.holds(partition, consumer, token));
                let wanted = if held { count } else { 0 };
                Ok((Vec::new(), (number, group.cursor, wanted)))
            })?;
            let (number, cursor, wanted) = seen;
            let entries = self.after(cursor, wanted).await?;
            let (attempt, ticket) = self.call(name, consumer, |call: &mut Call<'_>| {
                let held = lease
                    .is_none_or(|(partition, token)| call.group.holds(partition, consumer, token));
                if !held {
                    return (None, Attempt::LeaseLost);
                }
                if (call.number, call.group.cursor) != (number, cursor) {
                    return (None, Attempt::Moved);
                }
                let ids: Vec<EntryId> = entries.iter().map(id_of).collect();
                let delivered = (!ids.is_empty()).then(|| Change::Deliver {
                    group: number,
                    consumer: call.consumer,
                    at_ms: call.at_ms,
                    ids: ids.into(),
                });
                (delivered, Attempt::Done)
            })?;
            keeper.settle(ticket, false).await?;
            match attempt {
                Attempt::Done => return Ok(entries.into_iter().map(first_delivery).collect()),
                Attempt::Moved => {}
                Attempt::LeaseLost => {
                    return Err(GroupError::LeaseLost {
                        group: name.to_owned(),
                        consumer: consumer.to_owned(),
                        partition: lease.map_or(0, |(partition, _)| partition),
                    });
                }
            }
        }
    }

    async fn after(&self, cursor: EntryId, count: usize) -> Result<Vec<Recorded>, GroupError> {
        if count == 0 || !self.shared.snapshots.borrow().has_after(cursor) {
            return Ok(Vec::new());
        }
        let entries = self.reading_here_if(
            |snapshot| deliver::at_hand(snapshot, cursor, count),
            move |shared, snapshot| deliver::after(shared, snapshot, cursor, count),
        );
        Ok(entries.await?)
    }
}

fn id_of(entry: &Recorded) -> EntryId {
    entry.position.entry_id
}

fn first_delivery(entry: Recorded) -> Delivery {
    Delivery {
        position: entry.position,
        entry: Some(entry),
        delivery_count: 1,
    }
}
