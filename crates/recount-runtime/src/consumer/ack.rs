//! Acknowledging: what is done with when the last call came back goes into the next one.

use std::sync::Arc;

use recount_core::Position;

use super::backoff::Backoff;
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
            if let Err(error) = self.groups.ack(&self.group, &positions).await {
                self.overcome(error).await?;
                self.acknowledge_again(&positions).await?;
            }
            self.counters.acked.add(items.len());
            if self.state.lock().acknowledged(&items) {
                self.signals.turns.notify_one();
            }
            items.clear();
            positions.clear();
            self.signals.room.notify_one();
            self.signals.end.notify_one();
            if self.settings.ordered {
                self.signals.leases.notify_one();
            }
        }
    }

    /// Acknowledges what may have been acknowledged already, until that works.
    ///
    /// Such an entry may have been handed to the group again since, by a retry of its dead letter, and is not to be
    /// acknowledged unseen. So only what is still this consumer's is: that cannot be handed out again meanwhile.
    async fn acknowledge_again(&self, positions: &[Position]) -> Result<(), Halt> {
        for failures in 1.. {
            tokio::time::sleep(Backoff::STORE.delay(failures)).await;
            let _claiming = self.claiming.lock().await;
            let tried = async {
                let ours = self.groups.touch(&self.group, &self.name, positions);
                let ours = ours.await?;
                let ours = self.not_requeued(&ours);
                self.groups.ack(&self.group, &ours).await
            };
            match tried.await {
                Ok(_) => break,
                Err(error) => self.overcome(error).await?,
            }
        }
        Ok(())
    }

    fn not_requeued(&self, positions: &[Position]) -> Vec<Position> {
        let state = self.state.lock();
        let ours = positions
            .iter()
            .filter(|position| !state.requeued.contains(position));
        ours.copied().collect()
    }
}
