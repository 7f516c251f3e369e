//! What is pending already: left by an earlier life of this consumer, or by others.

use std::sync::Arc;
use std::time::Duration;

use recount_core::{
    ClaimRequest, Cursor, IdRange, PendingEntry, PendingSummary, Position, ReadRange,
};
use tokio::time::Instant;

use super::intake::{Origin, lane, own_lane};
use super::lanes::{New, Turn};
use super::shared::{Halt, Shared};

/// How many pending entries are listed in one call.
pub(super) const LISTED: usize = 500;
/// How many of its own pending entries a consumer keeps in mind before it has handled them.
const UNTAKEN_MAX: usize = 10_000;
/// How many pages of pending entries one look goes through.
const PAGES: usize = 10;
/// How long to wait before asking again for an entry that is not to be had yet.
const NOT_YET: Duration = Duration::from_millis(500);

impl Shared {
    /// Finds what is pending for this consumer and not in its hands. As `suspects`, it is taken one by one later;
    /// otherwise no handler ever saw it, and all of it is taken now.
    pub async fn own_pending(self: &Arc<Self>, suspects: bool) -> Result<(), Halt> {
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
            if suspects {
                self.expect(&listed).await?;
                self.until_untaken(UNTAKEN_MAX).await?;
            } else {
                let positions = self.not_here(&listed);
                self.take_over(&positions, 0, Origin::Trusted).await?;
            }
            after = next;
        }
    }

    /// Those that are not here already.
    fn not_here(&self, listed: &[PendingEntry]) -> Vec<Position> {
        let state = self.state.lock();
        let positions = listed.iter().map(|entry| entry.position);
        positions
            .filter(|position| state.lanes.has(*position).is_none())
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

    /// Claims entries that killed nobody, as many at a time as there is room for.
    async fn take_over(
        self: &Arc<Self>,
        mut positions: &[Position],
        min_idle_ms: u64,
        origin: Origin,
    ) -> Result<(), Halt> {
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
            let (deliveries, _) = self.call(claim).await?;
            self.counters.claimed.add(deliveries.len());
            self.learn_blocked(origin).await?;
            self.take_in(deliveries, origin);
            positions = later;
        }
        Ok(())
    }

    fn claim_request(&self, min_idle_ms: u64) -> ClaimRequest {
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
            self.own_pending(false).await?;
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
            self.take_over(&positions, u64::MAX, Origin::Trusted)
                .await?;
            after = next;
        }
        Ok(())
    }

    /// Takes over one entry that its owner left behind, unless there are suspects enough. Returns whether it
    /// found any.
    async fn hunt(self: &Arc<Self>) -> Result<bool, Halt> {
        // One hunter at a time: two would take two.
        let _hunting = self.hunting.lock().await;
        if self.state.lock().lanes.has_suspects() {
            return Ok(true);
        }
        let request = self.claim_request(self.claim_after_ms());
        let mut after = Cursor::start();
        loop {
            let claim = || self.groups.auto_claim(&self.group, &request, &after, 1);
            let (claim, _) = self.call(claim).await?;
            let found = !claim.deliveries.is_empty();
            self.counters.claimed.add(claim.deliveries.len());
            if found {
                self.learn_blocked(Origin::Suspect).await?;
            }
            self.take_in(claim.deliveries, Origin::Suspect);
            match claim.next {
                Some(next) if !found => after = next,
                _ => return Ok(found),
            }
        }
    }

    /// Begins with suspects, one at a time.
    pub async fn suspects(self: Arc<Self>) -> Result<(), Halt> {
        let mut hunts = false;
        loop {
            let turn = {
                let mut state = self.state.lock();
                if state.stopping {
                    return Err(Halt::Stopping);
                }
                let turn = state.lanes.turn(Instant::now(), self.settings.claim_after);
                if turn == Turn::Ready {
                    super::workers::spawn(&self, &mut state);
                }
                turn
            };
            match turn {
                Turn::Ready => hunts = true,
                Turn::Take(at, position) => {
                    hunts = true;
                    self.take_suspect(at, position).await?;
                }
                Turn::Wait(until) => tokio::select! {
                    () = self.signals.turns.notified() => {}
                    ended = self.until(until) => ended?,
                },
                // Whoever left one may have left more.
                Turn::None if hunts && !self.settings.ordered => {
                    hunts = false;
                    self.hunt().await?;
                }
                Turn::None => tokio::select! {
                    () = self.signals.turns.notified() => {}
                    () = self.stopped() => return Err(Halt::Stopping),
                },
            }
        }
    }

    /// Claims a suspect, which counts before it is handed out.
    async fn take_suspect(self: &Arc<Self>, at: usize, position: Position) -> Result<(), Halt> {
        let held = self.token(&mut self.state.lock(), position).is_ok();
        if !held {
            self.state.lock().lanes.gone(at);
            return Ok(());
        }
        let request = self.claim_request(0);
        let positions = [position];
        let claim = || self.groups.claim(&self.group, &request, &positions);
        let claimed = match self.call(claim).await {
            Ok((claimed, _)) => claimed,
            Err(halt) => {
                self.state.lock().lanes.gone(at);
                return Err(halt);
            }
        };
        let Some(delivery) = claimed.into_iter().next() else {
            let waits = self.is_pending(position).await?;
            let mut state = self.state.lock();
            if waits {
                state.lanes.not_yet(at, Instant::now() + NOT_YET);
                drop(state);
                self.signals.rests.notify_one();
            } else {
                state.lanes.gone(at);
                super::workers::spawn(self, &mut state);
            }
            self.signals.room.notify_one();
            return Ok(());
        };
        self.counters.delivered.add(1);
        self.counters.claimed.add(1);
        self.learn_blocked(Origin::Suspect).await?;
        let mut state = self.state.lock();
        state.delivered.advance(position);
        let origin = match state.lanes.item(at).given_back {
            true => Origin::Trusted,
            false => Origin::Suspect,
        };
        let Ok(token) = self.token(&mut state, position) else {
            state.lanes.gone(at);
            return Ok(());
        };
        match self.received(delivery, token, origin, &state.sequence) {
            Some(received) => state.lanes.taken(at, received.message, received.grave),
            None => {
                state.lanes.gone(at);
                state.lanes.add_finished(position);
                self.signals.acks.notify_one();
            }
        }
        super::workers::spawn(self, &mut state);
        drop(state);
        self.signals.room.notify_one();
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

    /// Whether an entry is still pending, whoever has it.
    async fn is_pending(&self, position: Position) -> Result<bool, Halt> {
        let Some(before) = position.entry_id.previous() else {
            return Ok(false);
        };
        let after = only_after(position.partition, before, self.log.partitions());
        let list = || self.groups.pending_entries(&self.group, None, &after, 1);
        let (listed, _) = self.call(list).await?;
        Ok(listed
            .first()
            .is_some_and(|entry| entry.position == position))
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
pub(super) fn only_after(
    partition: recount_core::Partition,
    id: recount_core::EntryId,
    partitions: u32,
) -> Cursor {
    (0..partitions)
        .map(|other| Position {
            partition: other,
            entry_id: match other == partition {
                true => id,
                false => recount_core::EntryId::MAX,
            },
        })
        .collect()
}
