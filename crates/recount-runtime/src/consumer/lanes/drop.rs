//! What is somebody else's by now is dropped, unless a handler has it already.

use recount_core::{Partition, Position};

use super::{Lanes, Stage, Weight};

impl Lanes {
    /// Drops an entry whose handling did not begin. Returns whether it was dropped.
    fn cancel(&mut self, at: usize) -> bool {
        match self.items[at].stage {
            Stage::Queued | Stage::Ready => {
                self.discount(at);
                if self.alone.is_some_and(|(alone, _)| alone == at) {
                    self.alone = None;
                }
                let item = &mut self.items[at];
                item.stage = Stage::Cancelled;
                item.message = None;
                true
            }
            Stage::Waiting | Stage::Resting => {
                let position = self.items[at].position;
                self.suspects.remove(&position);
                self.advance(at);
                self.vacate(at);
                true
            }
            _ => false,
        }
    }

    /// Drops what is at `position` if its handling did not begin.
    pub fn cancel_at(&mut self, position: Position) -> bool {
        match self.find(position) {
            Some(at) => self.cancel(at),
            None => false,
        }
    }

    /// Drops everything of a partition whose handling did not begin. Returns what of it is to be
    /// given back.
    pub fn cancel_partition(&mut self, partition: Partition) -> Vec<Position> {
        let mut cancelled = Vec::new();
        for at in 0..self.items.len() {
            let item = &self.items[at];
            let position = item.position;
            let held = item.weight == Weight::Held && item.is_cleared();
            if position.partition == partition && self.cancel(at) && held {
                cancelled.push(position);
            }
        }
        cancelled
    }
}
