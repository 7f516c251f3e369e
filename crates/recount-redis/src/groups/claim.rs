//! What was delivered before: a consumer's own, and what it takes over.

use recount_core::{Claim, Cursor, Delivery, EntryId, GroupError, Partition, Position};
use redis::Value;

use super::consumer::Consumer;
use super::group::Beside;
use super::spread::{Part, Place, at_once, gather, places};
use crate::net::Repeat;
use crate::scripts::{AGAIN, AUTO_CLAIM, CLAIM};
use crate::wire;

/// Entries a script hands out with one call at most: it blocks the server meanwhile.
const PAGE_MAX: usize = 500;
/// How often each partition is looked through by one automatic claim, a thousand entries at a time.
const LOOKS_MAX: usize = 10;

impl Consumer {
    pub(super) async fn read_pending(
        &self,
        after: &Cursor,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        let places = self.places(after);
        if count == 0 || places.is_empty() {
            self.called().await?;
            return Ok(Vec::new());
        }
        let found = gather(places, count, usize::MAX, |place, share| {
            let consumer = self.clone();
            async move { consumer.again_in(place, share).await }
        });
        Ok(oldest_first(found.await?.items))
    }

    async fn again_in(&self, place: Place, share: usize) -> Result<Part<Delivery>, GroupError> {
        let asked = self.page(share);
        let mut command = self.script(place.partition, &AGAIN, Beside::Both);
        command.arg(first(place)).arg(asked);
        let running = self
            .group
            .run(place.partition, &AGAIN, &command, Repeat::Always);
        let (items, bytes) = self.deliveries(place.partition, running.await?)?;
        let last = items.last().filter(|_| items.len() == asked);
        Ok(Part {
            more: last.map(|delivery| delivery.position.entry_id),
            items,
            bytes,
        })
    }

    pub(super) async fn claim(
        &self,
        min_idle_ms: u64,
        positions: &[Position],
    ) -> Result<Vec<Delivery>, GroupError> {
        let parts = self.group.by_partition(positions);
        if parts.is_empty() {
            self.called().await?;
        }
        let works = parts.into_iter().map(|(partition, ids)| {
            let consumer = self.clone();
            async move { consumer.claim_in(partition, &ids, min_idle_ms).await }
        });
        let (mut claimed, mut failed) = (Vec::new(), None);
        for part in at_once(works.collect()).await {
            match part {
                Ok(part) => claimed.extend(part),
                Err(error) => failed = Some(error),
            }
        }
        // What was handed out is handed on.
        match failed {
            Some(error) if claimed.is_empty() => Err(error),
            _ => Ok(oldest_first(claimed)),
        }
    }

    async fn claim_in(
        &self,
        partition: Partition,
        ids: &[EntryId],
        min_idle_ms: u64,
    ) -> Result<Vec<Delivery>, GroupError> {
        let mut claimed = Vec::new();
        for page in ids.chunks(self.page(PAGE_MAX)) {
            let mut command = self.script(partition, &CLAIM, Beside::Both);
            command.arg(min_idle_ms);
            for id in page {
                command.arg(id.to_string());
            }
            let running = self
                .group
                .run(partition, &CLAIM, &command, Repeat::UnlessUnknown);
            match running.await {
                Ok(reply) => claimed.extend(self.deliveries(partition, reply)?.0),
                Err(error) if claimed.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(claimed)
    }

    pub(super) async fn auto_claim(
        &self,
        min_idle_ms: u64,
        after: &Cursor,
        count: usize,
    ) -> Result<Claim, GroupError> {
        let places = self.places(after);
        if count == 0 || places.is_empty() {
            self.called().await?;
            return Ok(Claim::default());
        }
        let found = gather(places, count, LOOKS_MAX, |place, share| {
            let consumer = self.clone();
            async move { consumer.auto_claim_in(place, share, min_idle_ms).await }
        });
        let found = found.await?;
        Ok(Claim {
            deliveries: oldest_first(found.items),
            next: self.next(&found.left),
        })
    }

    async fn auto_claim_in(
        &self,
        place: Place,
        share: usize,
        min_idle_ms: u64,
    ) -> Result<Part<Delivery>, GroupError> {
        let partition = place.partition;
        let mut command = self.script(partition, &AUTO_CLAIM, Beside::Both);
        command
            .arg(min_idle_ms)
            .arg(first(place))
            .arg(self.page(share));
        let running = self
            .group
            .run(partition, &AUTO_CLAIM, &command, Repeat::UnlessUnknown);
        let reply = self.group.shaped(partition, wire::list(running.await?))?;
        let mut parts = reply.into_iter();
        let (items, bytes) = self.deliveries(partition, parts.next().unwrap_or(Value::Nil))?;
        let more = parts.next().as_ref().map(wire::entry_id).transpose();
        Ok(Part {
            items,
            bytes,
            more: self.group.shaped(partition, more)?,
        })
    }

    fn places(&self, after: &Cursor) -> Vec<Place> {
        places(after, self.group.shared.partitions.len() as u32, 0)
    }

    fn page(&self, share: usize) -> usize {
        share.min(self.group.shared.deliveries.page()).min(PAGE_MAX)
    }

    /// Where to look next: of a partition that was looked through, after everything.
    fn next(&self, left: &[Place]) -> Option<Cursor> {
        if left.is_empty() {
            return None;
        }
        let place = |partition| left.iter().find(|place| place.partition == partition);
        let next = self.group.partitions().map(|partition| Position {
            partition,
            entry_id: place(partition).map_or(EntryId::MAX, |place| place.after),
        });
        Some(next.collect())
    }
}

/// The first id that a script looks at.
fn first(place: Place) -> String {
    place.after.next().unwrap_or(EntryId::MAX).to_string()
}

fn oldest_first(mut deliveries: Vec<Delivery>) -> Vec<Delivery> {
    deliveries.sort_by_key(|delivery| delivery.position.entry_id);
    deliveries
}
