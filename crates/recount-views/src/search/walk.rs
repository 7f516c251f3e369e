//! Hits in the order of their entries: the oldest or the newest of all, without looking at all.

use std::collections::{BTreeMap, BTreeSet};

use recount_core::{EntryId, Position};
use tantivy::query::Weight;
use tantivy::{DocId, DocSet, Searcher, SegmentReader, TERMINATED};

use super::Order;
use super::columns::Columns;
use super::sieve::Sieve;

/// Documents that are looked at first, before it is seen whether more are needed.
const WINDOW: DocId = 4096;
/// Documents at the far end of a window that are searched for one of each partition.
const SAMPLE: DocId = 1024;

/// How hits of several partitions are ordered.
type Key = (EntryId, u32);

fn key(position: Position) -> Key {
    (position.entry_id, position.partition)
}

/// The first `limit` positions after `after`, in `order`, that `weight` matches and `sieve` lets pass.
pub(super) fn walk(
    searcher: &Searcher,
    weight: &dyn Weight,
    sieve: &Sieve<'_>,
    order: Order,
    after: Option<Position>,
    limit: usize,
) -> tantivy::Result<Vec<Position>> {
    let mut walk = Walk {
        sieve,
        order,
        after: after.map(key),
        limit,
        best: BTreeSet::new(),
    };
    if limit == 0 {
        return Ok(Vec::new());
    }
    let mut segments = Vec::new();
    for segment in searcher.segment_readers() {
        segments.push((Columns::of(segment)?, segment));
    }
    segments.sort_by_key(|(columns, _)| match order {
        Order::Oldest => columns.bounds().0,
        Order::Newest => columns.bounds().1,
    });
    if order == Order::Newest {
        segments.reverse();
    }
    for (columns, segment) in &segments {
        walk.segment(weight, columns, segment)?;
    }
    let position = |(entry_id, partition)| Position {
        partition,
        entry_id,
    };
    let best = walk.best.into_iter().map(position);
    Ok(match order {
        Order::Oldest => best.collect(),
        Order::Newest => best.rev().collect(),
    })
}

struct Walk<'a> {
    sieve: &'a Sieve<'a>,
    order: Order,
    after: Option<Key>,
    limit: usize,
    /// The best hits so far.
    best: BTreeSet<Key>,
}

impl Walk<'_> {
    /// Whether nothing from `key` on, in the walk's order, can be among the best.
    fn is_over(&self, key: Key) -> bool {
        let full = self.best.len() == self.limit;
        match self.order {
            Order::Oldest => {
                self.sieve.test.until.is_some_and(|until| key.0 >= until)
                    || full && self.best.last().is_some_and(|&worst| key > worst)
            }
            Order::Newest => {
                key.0 < self.sieve.test.since
                    || full && self.best.first().is_some_and(|&worst| key < worst)
            }
        }
    }

    /// Whether `key` comes after the place where the walk goes on.
    fn is_ahead(&self, key: Key) -> bool {
        self.after.is_none_or(|after| match self.order {
            Order::Oldest => key > after,
            Order::Newest => key < after,
        })
    }

    fn take(&mut self, key: Key) {
        if !self.is_ahead(key) || self.is_over(key) {
            return;
        }
        self.best.insert(key);
        if self.best.len() > self.limit {
            match self.order {
                Order::Oldest => self.best.pop_last(),
                Order::Newest => self.best.pop_first(),
            };
        }
    }

    fn segment(
        &mut self,
        weight: &dyn Weight,
        columns: &Columns,
        segment: &SegmentReader,
    ) -> tantivy::Result<()> {
        let (low, high) = columns.bounds();
        let (nearest, farthest) = match self.order {
            Order::Oldest => ((low, 0), (high, u32::MAX)),
            Order::Newest => ((high, u32::MAX), (low, 0)),
        };
        let nothing = self.sieve.test.until.is_some_and(|until| low >= until)
            || high < self.sieve.test.since
            || !self.is_ahead(farthest)
            || self.is_over(nearest);
        if nothing {
            return Ok(());
        }
        let range = self.range(columns);
        let mut ends = Ends::new(columns, nearest);
        let (mut from, mut to) = range;
        let mut window = WINDOW;
        while from < to {
            let (start, end) = match self.order {
                Order::Oldest => (from, to.min(from.saturating_add(window))),
                Order::Newest => (from.max(to.saturating_sub(window)), to),
            };
            let mut sieve = self.sieve.over(segment, columns)?;
            let mut scorer = weight.scorer(segment, 1.0)?;
            let mut doc = scorer.doc();
            if doc < start {
                doc = scorer.seek(start);
            }
            while doc != TERMINATED && doc < end {
                if let Some(position) = sieve.pass(doc) {
                    self.take(key(position));
                }
                doc = scorer.advance();
            }
            match self.order {
                Order::Oldest => from = end,
                Order::Newest => to = start,
            }
            ends.see(columns, self.order, start, end);
            if ends.all(|key| self.is_over(key)) {
                break;
            }
            window = window.saturating_mul(2);
        }
        Ok(())
    }

    /// The documents among which the hits are, as far as that is known without looking.
    fn range(&self, columns: &Columns) -> (DocId, DocId) {
        if columns.partitions_max() > 1 {
            return (0, columns.len());
        }
        let mut from = columns.first_from(self.sieve.test.since);
        let mut to = self
            .sieve
            .test
            .until
            .map_or(columns.len(), |until| columns.first_from(until));
        if let Some((id, _)) = self.after {
            match self.order {
                Order::Oldest => from = from.max(columns.first_from(id)),
                Order::Newest => to = to.min(columns.first_from(id.next().unwrap_or(id))),
            }
        }
        (from, to)
    }
}

/// How far each partition of a segment was walked: what is left of it lies beyond.
struct Ends(BTreeMap<u32, Key>);

impl Ends {
    fn new(columns: &Columns, nearest: Key) -> Self {
        let mut ends = BTreeMap::new();
        let partitions = columns.partitions_max();
        for doc in 0..columns.len() {
            ends.entry(columns.partition(doc)).or_insert(nearest);
            if ends.len() as u64 == partitions {
                break;
            }
        }
        Self(ends)
    }

    /// Takes in that the documents from `start` to `end` were looked at.
    fn see(&mut self, columns: &Columns, order: Order, start: DocId, end: DocId) {
        let mut seen = BTreeSet::new();
        let mut see = |doc| {
            let position = columns.position(doc);
            // The first one seen of a partition is the farthest.
            if seen.insert(position.partition) {
                self.0.insert(position.partition, key(position));
            }
            seen.len() < self.0.len()
        };
        match order {
            Order::Oldest => (end.saturating_sub(SAMPLE).max(start)..end)
                .rev()
                .all(&mut see),
            Order::Newest => (start..start.saturating_add(SAMPLE).min(end)).all(&mut see),
        };
    }

    fn all(&self, is_over: impl Fn(Key) -> bool) -> bool {
        self.0.values().all(|&key| is_over(key))
    }
}
