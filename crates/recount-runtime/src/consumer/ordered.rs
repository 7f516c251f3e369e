//! Ordered consumers: they read the partitions whose leases they hold, and nothing else.

use std::sync::Arc;

use recount_core::{Cursor, EntryId, GroupError, Partition, Position};
use tokio::time::Instant;

use super::feed::advance;
use super::intake::Origin;
use super::pending::{LISTED, only_after, past};
use super::shared::{Halt, Shared};

/// Which pending entries of a partition are of interest.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// Whoever has them: this consumer took the partition over.
    All,
    /// Those that nobody has.
    ByNobody,
    /// Those that nobody is at work on.
    Idle,
}

impl Shared {
    /// As [`Shared::feed`], for ordered consumers.
    pub async fn feed_ordered(self: Arc<Self>) -> Result<(), Halt> {
        let mut seen = Cursor::start();
        let mut look_at = Instant::now() + self.look_every();
        let mut tail = None;
        loop {
            if self.is_stopping() {
                return Err(Halt::Stopping);
            }
            if Instant::now() >= look_at {
                look_at = Instant::now() + self.look_every();
                self.relearn_blocked(|| self.mark_and_adopt()).await?;
            }
            for partition in self.held(true) {
                self.relearn_blocked(|| self.adopt(partition, Left::All))
                    .await?;
                self.signals.leases.notify_one();
            }
            let mut read = 0;
            let mut full = false;
            for partition in self.held(false) {
                let Some(count) = self.page() else {
                    full = true;
                    break;
                };
                read += self.read_held(partition, count, &mut seen).await?;
            }
            if full {
                self.quiet(look_at).await?;
                continue;
            }
            if read > 0 {
                tail = None;
                continue;
            }
            if let Some(tail) = tail.take() {
                advance(&mut seen, &tail);
                if self.settings.drain && self.is_drained_ordered().await? {
                    return Ok(());
                }
            } else {
                tail = Some(self.read(|| self.log.tail()).await?);
                continue;
            }
            let held = self.held(false);
            let mut cursor = seen.clone();
            for partition in 0..self.log.partitions() {
                if !held.contains(&partition) {
                    cursor.advance(Position {
                        partition,
                        entry_id: EntryId::MAX,
                    });
                }
            }
            tokio::select! {
                news = self.read(|| self.tail.wait(&cursor)) => news?,
                ended = self.quiet(look_at) => {
                    ended?;
                    tail = Some(self.read(|| self.log.tail()).await?);
                }
            }
        }
    }

    /// Waits until something here has changed, or it is time to look around.
    async fn quiet(&self, look_at: Instant) -> Result<(), Halt> {
        tokio::select! {
            () = self.signals.room.notified() => Ok(()),
            ended = self.until(look_at) => ended,
        }
    }

    /// The partitions that may be handled now: those whose pending entries are still to be looked through, or the
    /// others.
    fn held(&self, fresh: bool) -> Vec<Partition> {
        let now = Instant::now();
        let state = self.state.lock();
        let holds = state.holds.iter();
        holds
            .filter(|(_, hold)| hold.is_good(now) && hold.fresh == fresh)
            .map(|(partition, _)| *partition)
            .collect()
    }

    /// Reads what is new in a partition. Returns how much that was.
    async fn read_held(
        self: &Arc<Self>,
        partition: Partition,
        count: usize,
        seen: &mut Cursor,
    ) -> Result<usize, Halt> {
        let token = match self.state.lock().holds.get(&partition) {
            Some(hold) => hold.token,
            None => return Ok(0),
        };
        let group = &*self.group;
        let read = || async {
            let read = self
                .groups
                .read_leased(group, &self.name, partition, token, count);
            match read.await {
                Err(GroupError::LeaseLost { .. }) => Ok(None),
                read => read.map(Some),
            }
        };
        let (read, failures) = self.call(read).await?;
        let Some(deliveries) = read else {
            self.lose_partition(partition, token);
            return Ok(0);
        };
        for delivery in &deliveries {
            seen.advance(delivery.position);
        }
        if failures > 0 {
            // What the calls brought whose answers were lost comes first, and is among what is pending.
            if let Some(hold) = self.state.lock().holds.get_mut(&partition) {
                hold.fresh = true;
            }
            return Ok(1);
        }
        let read = deliveries.len();
        if self.any_blocked(&deliveries) {
            let in_hand = deliveries.iter().map(|delivery| delivery.position);
            self.state.lock().in_hand = in_hand.collect();
            self.relearn_blocked(|| self.adopt(partition, Left::ByNobody))
                .await?;
        }
        self.take_in(deliveries, Origin::New);
        self.state.lock().in_hand.clear();
        Ok(read)
    }

    /// Somebody else holds the partition: what was not begun with is dropped, and is found there by its new
    /// holder.
    pub fn lose_partition(self: &Arc<Self>, partition: Partition, token: u64) {
        let mut state = self.state.lock();
        if state
            .holds
            .get(&partition)
            .is_none_or(|hold| hold.token != token)
        {
            return;
        }
        state.holds.remove(&partition);
        let dropped = state.lanes.cancel_partition(partition).len();
        super::workers::spawn(self, &mut state);
        drop(state);
        self.counters.lost.add(dropped);
        tracing::warn!(
            group = &*self.group,
            consumer = &*self.name,
            partition,
            dropped,
            "the lease of the partition was lost"
        );
        self.signals.room.notify_one();
        self.signals.turns.notify_one();
    }

    /// Puts what is pending in a partition into its lanes, in order: after a take-over all of it, later what nobody is at
    /// work on.
    async fn adopt(self: &Arc<Self>, partition: Partition, which: Left) -> Result<(), Halt> {
        let mut after = only_after(partition, EntryId::MIN, self.log.partitions());
        loop {
            let list = || {
                self.groups
                    .pending_entries(&self.group, None, &after, LISTED)
            };
            let (mut listed, _) = self.call(list).await?;
            if listed.is_empty() {
                break;
            }
            let next = past(&after, &listed);
            let idle_ms = self.claim_after_ms();
            listed.retain(|entry| {
                let left = match (which, &entry.consumer) {
                    (Left::All, _) | (_, None) => true,
                    (Left::ByNobody, _) => false,
                    (Left::Idle, Some(owner)) => **owner == *self.name || entry.idle_ms >= idle_ms,
                };
                entry.position.partition == partition && left
            });
            self.expect(&listed).await?;
            after = next;
        }
        let now = Instant::now();
        if which == Left::All
            && let Some(hold) = self.state.lock().holds.get_mut(&partition)
        {
            // A lease that was lost meanwhile leaves the next one to look through everything again.
            hold.fresh = !hold.is_good(now);
        }
        Ok(())
    }

    /// Looks for what nobody is at work on in the partitions held.
    async fn mark_and_adopt(self: &Arc<Self>) -> Result<(), Halt> {
        let summary = self.summary().await?;
        for partition in self.held(false) {
            if summary.ranges.iter().any(|range| range.0 == partition) {
                self.adopt(partition, Left::Idle).await?;
            }
        }
        Ok(())
    }

    /// Whether nothing is left in any partition that nobody else holds.
    async fn is_drained_ordered(self: &Arc<Self>) -> Result<bool, Halt> {
        let settled = {
            let state = self.state.lock();
            state.asked && state.lanes.is_empty()
        };
        if !settled || !self.held(true).is_empty() {
            return Ok(false);
        }
        self.mark_and_adopt().await?;
        Ok(self.state.lock().lanes.is_empty())
    }
}
