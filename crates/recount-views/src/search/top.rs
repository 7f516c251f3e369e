//! The best hits of all segments, by score.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use recount_core::{EntryId, Position};
use tantivy::query::Weight;
use tantivy::{Score, Searcher};

use super::Hit;
use super::columns::Columns;
use super::sieve::Sieve;

/// A hit that is among the best so far: the worst of them is the greatest.
struct Scored {
    score: Score,
    key: (EntryId, u32),
}

impl Ord for Scored {
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .score
            .total_cmp(&self.score)
            .then_with(|| other.key.cmp(&self.key))
    }
}

impl PartialOrd for Scored {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scored {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scored {}

/// Collects the best hits.
pub(super) struct Top {
    limit: usize,
    best: BinaryHeap<Scored>,
}

impl Top {
    /// The `limit` best that `weight` matches and `sieve` lets pass, the best first, of equal ones of these
    /// the newest.
    pub(super) fn of(
        searcher: &Searcher,
        weight: &dyn Weight,
        sieve: &Sieve<'_>,
        limit: usize,
    ) -> tantivy::Result<Vec<Hit>> {
        let mut top = Self {
            limit,
            best: BinaryHeap::new(),
        };
        if limit == 0 {
            return Ok(Vec::new());
        }
        for segment in searcher.segment_readers() {
            let columns = Columns::of(segment)?;
            let mut sieve = sieve.over(segment, &columns)?;
            weight.for_each_pruning(top.threshold(), segment, &mut |doc, score| {
                if let Some(position) = sieve.pass(doc) {
                    top.take(score, position);
                }
                top.threshold()
            })?;
        }
        let hit = |scored: Scored| Hit {
            position: Position {
                partition: scored.key.1,
                entry_id: scored.key.0,
            },
            score: Some(scored.score),
        };
        Ok(top.best.into_sorted_vec().into_iter().map(hit).collect())
    }

    /// What a score must be above to be looked at. Where many are equal, those first looked at stay:
    /// looking at every one of them would be looking at all events.
    fn threshold(&self) -> Score {
        if self.best.len() < self.limit {
            return Score::MIN;
        }
        self.best.peek().map_or(Score::MIN, |worst| worst.score)
    }

    fn take(&mut self, score: Score, position: Position) {
        self.best.push(Scored {
            score,
            key: (position.entry_id, position.partition),
        });
        if self.best.len() > self.limit {
            self.best.pop();
        }
    }
}
