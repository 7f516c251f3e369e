//! What is tested of each document that a query matches.

use recount_core::Position;
use tantivy::query::{EnableScoring, Scorer, Weight};
use tantivy::{DocId, DocSet, Searcher, SegmentReader};

use super::columns::Columns;
use super::plan::{Plan, Test};

/// A plan's conditions besides its query.
pub(super) struct Sieve<'p> {
    pub test: &'p Test,
    without: Vec<Box<dyn Weight>>,
}

impl<'p> Sieve<'p> {
    pub(super) fn of(plan: &'p Plan, searcher: &Searcher) -> tantivy::Result<Self> {
        let scoring = EnableScoring::disabled_from_searcher(searcher);
        let weights = plan.without.iter().map(|query| query.weight(scoring));
        Ok(Self {
            test: &plan.test,
            without: weights.collect::<Result<_, _>>()?,
        })
    }

    /// Whether everything that was not deleted passes.
    pub(super) fn is_empty(&self) -> bool {
        self.without.is_empty() && self.test.is_empty()
    }

    /// The sieve for documents of one segment, which must come in their order.
    pub(super) fn over<'s>(
        &'s self,
        segment: &'s SegmentReader,
        columns: &'s Columns,
    ) -> tantivy::Result<SegmentSieve<'s>> {
        let scorers = self
            .without
            .iter()
            .map(|weight| weight.scorer(segment, 1.0));
        Ok(SegmentSieve {
            segment,
            columns,
            test: self.test,
            without: scorers.collect::<Result<_, _>>()?,
        })
    }
}

pub(super) struct SegmentSieve<'s> {
    segment: &'s SegmentReader,
    columns: &'s Columns,
    test: &'s Test,
    without: Vec<Box<dyn Scorer>>,
}

impl SegmentSieve<'_> {
    /// Where the event of `doc` is, if it passes.
    pub(super) fn pass(&mut self, doc: DocId) -> Option<Position> {
        let is_alive = self
            .segment
            .alive_bitset()
            .is_none_or(|alive| alive.is_alive(doc));
        let position = self.columns.position(doc);
        let passes = is_alive
            && self.test.passes(self.columns, doc, position)
            && !self.without.iter_mut().any(|without| {
                if without.doc() < doc {
                    without.seek(doc);
                }
                without.doc() == doc
            });
        passes.then_some(position)
    }
}
