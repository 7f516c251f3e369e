//! Acknowledging: what is done with when the last call came back goes into the next one.

use std::sync::Arc;

use super::shared::{Halt, Shared};

impl Shared {
    /// Acknowledges what is done with, also while the consumer stops.
    pub async fn acknowledge(self: Arc<Self>) -> Result<(), Halt> {
        let (mut items, mut positions) = (Vec::new(), Vec::new());
        loop {
            {
                let mut state = self.state.lock();
                state.lanes.take_finished(&mut items, &mut positions);
                state.unacked_since = None;
            }
            if items.is_empty() {
                self.signals.acks.notified().await;
                continue;
            }
            self.insist(|| self.groups.ack(&self.group, &positions))
                .await?;
            self.counters.acked.add(items.len());
            self.state.lock().acknowledged(&items);
            items.clear();
            positions.clear();
            self.signals.room.notify_one();
            self.signals.end.notify_one();
            if self.settings.ordered {
                self.signals.leases.notify_one();
            }
        }
    }
}
