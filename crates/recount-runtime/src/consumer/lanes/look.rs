//! What is here, for those who do not come by it in its lane: rarely, so every entry is looked at.

use recount_core::{Partition, Position};

use super::{Lanes, Stage, Weight};

impl Lanes {
    pub(super) fn find(&self, position: Position) -> Option<usize> {
        self.items.iter().position(|item| {
            item.position == position && !matches!(item.stage, Stage::Vacant | Stage::Cancelled)
        })
    }

    /// Whether the entry at a position is here; `Some(true)` if it is done with.
    pub fn has(&self, position: Position) -> Option<bool> {
        self.find(position)
            .map(|at| self.items[at].stage == Stage::Finished)
    }

    /// What a consumer has to keep others from taking: what it has read, and with `untaken` also what it knows to be its own.
    pub fn kept(&self, untaken: bool) -> Vec<Position> {
        let wanted = |weight| weight == Weight::Held || untaken && weight == Weight::Untaken;
        let kept = self.items.iter().filter(|item| wanted(item.weight));
        kept.map(|item| item.position).collect()
    }

    /// What was read and is not done with, to be given back.
    pub fn unfinished(&self) -> Vec<Position> {
        let unfinished = self.items.iter().filter(|item| {
            item.weight == Weight::Held && item.stage != Stage::Finished && item.is_cleared()
        });
        unfinished.map(|item| item.position).collect()
    }

    /// Whether anything of a partition is in flight, or not acknowledged yet.
    pub fn busy(&self, partition: Partition) -> bool {
        self.items.iter().any(|item| {
            item.position.partition == partition
                && matches!(
                    item.stage,
                    Stage::InFlight | Stage::Finished | Stage::Taking
                )
        })
    }
}
