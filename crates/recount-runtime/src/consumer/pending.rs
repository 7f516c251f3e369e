//! What is pending already: left by an earlier life of this consumer, or by others.

use std::sync::Arc;

use recount_core::{
    ClaimRequest, Cursor, EntryId, IdRange, Partition, PendingEntry, PendingSummary, Position,
    ReadRange,
};

use super::intake::{Origin, lane, own_lane};
use super::lanes::New;
use super::shared::{Halt, Shared};

/// How many pending entries are listed in one call.
pub(super) const LISTED: usize = 500;
/// How many of its own pending entries a consumer keeps in mind before it has handled them.
const UNTAKEN_MAX: usize = 10_000;
/// How many pages of pending entries one look goes through.
const PAGES: usize = 10;

/// Where entries come from that are pending for this consumer, and that it does not have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// An earlier life, which may have ended because of one of them.
    TheDead,
    /// Given back by others.
    Nobody,
    /// Some call or other, whose answer was lost.
    LostAnswers,
}

impl From {
    /// Whether an entry killed nobody.
    fn is_trusted(self, delivery_count: u64) -> bool {
        match self {
            Self::TheDead => false,
            Self::Nobody => true,
            // What was delivered once was new.
            Self::LostAnswers => delivery_count == 1,
        }
    }
}

impl Shared {
    /// Finds what is pending for this consumer and not in its hands. Suspects are taken one by one later; what no
    /// handler ever saw is taken now.
    pub async fn own_pending(self: &Arc<Self>, from: From) -> Result<(), Halt> {
        let mut after = Cursor::start();
        loop {
            let name = Some(&*self.name);
            let list = || {
                self.groups
                    .pending_entries(&self.group, name, &after, LISTED)
            };
            let (listed, _) = self.call(list).await?;
            if listed.is_empty() {
                return Ok(());
            }
            let next = past(&after, &listed);
            let (trusted, suspects): (Vec<_>, Vec<_>) = listed
                .into_iter()
                .partition(|entry| from.is_trusted(entry.delivery_count));
            let positions = self.not_here(&trusted);
            // Claiming its own again is harmless, whatever became of the answer.
            self.take_over(&positions, 0).await?;
            self.expect(&suspects).await?;
            self.until_untaken(UNTAKEN_MAX).await?;
            after = next;
        }
    }

    /// Those that are not here already.
    fn not_here(&self, listed: &[PendingEntry]) -> Vec<Position> {
        let state = self.state.lock();
        let positions = listed.iter().map(|entry| entry.position);
        positions
            .filter(|position| {
                state.lanes.has(*position).is_none() && !state.in_hand.contains(position)
            })
            .collect()
    }

    /// Puts pending entries into their lanes, to be claimed when it is their turn. Their sessions are looked up
    /// in the log: to read them on behalf of the group would count as a delivery.
    pub async fn expect(self: &Arc<Self>, listed: &[PendingEntry]) -> Result<(), Halt> {
        for position in self.not_here(listed) {
            let id = position.entry_id;
            let mut range = ReadRange::new(IdRange::ALL.up_to(id)).limit(1);
            range.partition = position.partition;
            range.ids.start = std::ops::Bound::Included(id);
            let page = self.read(|| self.log.read(&range)).await?;
            let lane = page
                .entries
                .first()
                .map_or_else(|| own_lane(position), lane);
            let owner = listed.iter().find(|entry| entry.position == position);
            let mut state = self.state.lock();
            state.lanes.add(New {
                position,
                lane,
                message: None,
                suspect: true,
                given_back: owner.is_some_and(|entry| entry.consumer.is_none()),
                first_delivered: None,
                grave: None,
            });
        }
        self.signals.turns.notify_one();
        Ok(())
    }

    async fn until_untaken(&self, most: usize) -> Result<(), Halt> {
        while self.state.lock().lanes.counts().untaken > most {
            tokio::select! {
                () = self.signals.room.notified() => {}
                () = self.stopped() => return Err(Halt::Stopping),
            }
        }
        Ok(())
    }

    /// Claims entries that killed nobody, as many at a time as there is room for. Returns how many
    /// calls failed.
    async fn take_over(
        self: &Arc<Self>,
        mut positions: &[Position],
        min_idle_ms: u64,
    ) -> Result<u32, Halt> {
        let mut failed = 0;
        while !positions.is_empty() {
            let room = {
                let held = self.state.lock().lanes.counts().held;
                self.settings.buffer.saturating_sub(held)
            };
            if room == 0 {
                tokio::select! {
                    () = self.signals.room.notified() => continue,
                    () = self.stopped() => return Err(Halt::Stopping),
                }
            }
            let (now, later) = positions.split_at(room.min(positions.len()));
            let request = self.claim_request(min_idle_ms);
            let claim = || self.groups.claim(&self.group, &request, now);
            let _claiming = self.claiming.lock().await;
            let (deliveries, failures) = self.call(claim).await?;
            failed += failures;
            self.counters.claimed.add(deliveries.len());
            self.learn_blocked(Origin::Trusted).await?;
            self.take_in(deliveries, Origin::Trusted);
            positions = later;
        }
        Ok(failed)
    }

    pub fn claim_request(&self, min_idle_ms: u64) -> ClaimRequest {
        ClaimRequest {
            consumer: self.name.to_string(),
            min_idle_ms,
        }
    }

    pub fn claim_after_ms(&self) -> u64 {
        u64::try_from(self.settings.claim_after.as_millis()).unwrap_or(u64::MAX)
    }

    /// What is pending, in sum. Notes up to where everything is acknowledged.
    pub async fn summary(&self) -> Result<PendingSummary, Halt> {
        let before = self.state.lock().delivered.clone();
        let pending = || self.groups.pending(&self.group);
        let (summary, failures) = self.call(pending).await?;
        if failures > 0 {
            // The group may be another one than before.
            return Ok(summary);
        }
        let mark = (0..self.log.partitions()).filter_map(|partition| {
            let first = summary.ranges.iter().find(|range| range.0 == partition);
            let entry_id = match first {
                Some((_, first, _)) => first.previous()?,
                None => before.get(partition),
            };
            Some(Position {
                partition,
                entry_id,
            })
        });
        self.state.lock().move_mark(mark);
        Ok(summary)
    }

    /// Looks for what nobody is at work on. Returns whether there is nothing.
    pub async fn look(self: &Arc<Self>) -> Result<bool, Halt> {
        let counts = self.state.lock().lanes.counts();
        let summary = self.summary().await?;
        let owned: u64 = summary.by_consumer.iter().map(|(_, count)| count).sum();
        let own = summary
            .by_consumer
            .iter()
            .find(|(name, _)| **name == *self.name);
        let own = own.map_or(0, |(_, count)| *count);
        let mut nothing = true;
        if own > (counts.held + counts.untaken) as u64 {
            nothing = false;
            self.own_pending(From::LostAnswers).await?;
        }
        if summary.count > owned {
            nothing = false;
            self.given_back().await?;
        }
        Ok(!self.hunt().await? && nothing)
    }

    /// Takes over what was given back.
    pub async fn given_back(self: &Arc<Self>) -> Result<(), Halt> {
        let mut after = Cursor::start();
        for _ in 0..PAGES {
            let list = || {
                self.groups
                    .pending_entries(&self.group, None, &after, LISTED)
            };
            let (listed, _) = self.call(list).await?;
            if listed.is_empty() {
                return Ok(());
            }
            let next = past(&after, &listed);
            let nobodys: Vec<_> = listed
                .into_iter()
                .filter(|entry| entry.consumer.is_none())
                .collect();
            let positions = self.not_here(&nobodys);
            if self.take_over(&positions, u64::MAX).await? > 0 {
                // What a call brought whose answer was lost is this consumer's by now.
                self.own_pending(From::Nobody).await?;
            }
            after = next;
        }
        Ok(())
    }

    /// Gives entries back to the group, for others to claim at once.
    pub async fn give_back(&self, positions: &[Position]) -> Result<(), Halt> {
        for positions in positions.chunks(LISTED) {
            let nack = || self.groups.nack(&self.group, &self.name, positions, 0);
            let given_back = self.insist(nack).await?;
            self.counters.given_back.add(given_back);
        }
        Ok(())
    }
}

/// Where a list of pending entries goes on.
pub(super) fn past(after: &Cursor, listed: &[PendingEntry]) -> Cursor {
    let mut next = after.clone();
    for entry in listed {
        next.advance(entry.position);
    }
    next
}

/// After `id` in one partition, and after everything in the others.
pub(super) fn only_after(partition: Partition, id: EntryId, partitions: u32) -> Cursor {
    (0..partitions)
        .map(|other| Position {
            partition: other,
            entry_id: if other == partition { id } else { EntryId::MAX },
        })
        .collect()
}
