//! Suspects: what owners left behind that may have died of it. They are begun one at a time, each counted by the store
//! before it is handed out, so that one that kills becomes a dead letter and its neighbours do not.

use std::sync::Arc;
use std::time::Duration;

use recount_core::{Cursor, Position};
use tokio::time::Instant;

use super::intake::Origin;
use super::lanes::Turn;
use super::pending::only_after;
use super::shared::{Halt, Shared};
use super::workers;

/// How long to wait before asking again for an entry that is not to be had yet.
const NOT_YET: Duration = Duration::from_millis(500);

impl Shared {
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
                    workers::spawn(&self, &mut state);
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
            let mut state = self.state.lock();
            state.lanes.gone(at);
            workers::spawn(self, &mut state);
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
                workers::spawn(self, &mut state);
            }
            self.signals.room.notify_one();
            return Ok(());
        };
        self.counters.delivered.add(1);
        self.counters.claimed.add(1);
        self.learn_blocked(Origin::Suspect).await?;
        let mut state = self.state.lock();
        state.delivered.advance(position);
        let origin = if state.lanes.item(at).given_back {
            Origin::Trusted
        } else {
            Origin::Suspect
        };
        let Ok(token) = self.token(&mut state, position) else {
            state.lanes.gone(at);
            workers::spawn(self, &mut state);
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
        workers::spawn(self, &mut state);
        drop(state);
        self.signals.room.notify_one();
        Ok(())
    }

    /// Takes over one entry that its owner left behind, unless there are suspects enough. Returns whether it
    /// found any.
    pub async fn hunt(self: &Arc<Self>) -> Result<bool, Halt> {
        // One hunter at a time: two would take two.
        let _hunting = self.hunting.lock().await;
        if self.state.lock().lanes.has_suspects() {
            return Ok(true);
        }
        let request = self.claim_request(self.claim_after_ms());
        let mut after = Cursor::start();
        loop {
            let claim = || self.groups.auto_claim(&self.group, &request, &after, 1);
            let _claiming = self.claiming.lock().await;
            let (claim, failures) = self.call(claim).await?;
            if failures > 0 {
                self.state.lock().claim_lost = true;
                self.signals.room.notify_one();
            }
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
