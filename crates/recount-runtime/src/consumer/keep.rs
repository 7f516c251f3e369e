//! Keeping what a consumer has: from others, while its handlers are at work, and from being forgotten while it rests.

use std::sync::Arc;

use tokio::time::Instant;

use super::shared::{Halt, Shared};
use super::workers;

/// How many entries one call tells of.
const TOUCHED: usize = 1000;

impl Shared {
    /// Tells the group that this consumer lives, also while it stops.
    pub async fn heartbeat(self: Arc<Self>) -> Result<(), Halt> {
        let every = self.settings.claim_after / 3;
        loop {
            tokio::time::sleep(every).await;
            // What is pending in an ordered consumer's partitions may be somebody else's until it is claimed.
            let kept = self.state.lock().lanes.kept(!self.settings.ordered);
            for positions in kept.chunks(TOUCHED) {
                let touch = || self.groups.touch(&self.group, &self.name, positions);
                let ours = self.insist(touch).await?;
                if ours.len() < positions.len() {
                    self.lose(positions, &ours);
                }
            }
        }
    }

    /// Others have taken some over: those that were not begun are theirs.
    fn lose(
        self: &Arc<Self>,
        positions: &[recount_core::Position],
        ours: &[recount_core::Position],
    ) {
        let ours: std::collections::HashSet<_> = ours.iter().collect();
        let mut state = self.state.lock();
        let mut lost = 0;
        for position in positions.iter().filter(|position| !ours.contains(position)) {
            if state.lanes.cancel_at(*position) {
                lost += 1;
            }
        }
        workers::spawn(self, &mut state);
        drop(state);
        if lost > 0 {
            self.counters.lost.add(lost);
            tracing::warn!(
                group = &*self.group,
                consumer = &*self.name,
                lost,
                "other consumers have taken entries over that this one had not begun with"
            );
            self.signals.room.notify_one();
            self.signals.turns.notify_one();
        }
    }

    /// Wakes what rests when its time has come.
    pub async fn wake(self: Arc<Self>) -> Result<(), Halt> {
        loop {
            let next = {
                let mut state = self.state.lock();
                let next = state.lanes.rested(Instant::now());
                workers::spawn(&self, &mut state);
                next
            };
            self.signals.turns.notify_one();
            match next {
                Some(until) => tokio::select! {
                    () = self.signals.rests.notified() => {}
                    ended = self.until(until) => ended?,
                },
                None => tokio::select! {
                    () = self.signals.rests.notified() => {}
                    () = self.stopped() => return Err(Halt::Stopping),
                },
            }
        }
    }
}
