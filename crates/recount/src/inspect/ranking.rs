//! The best hits first, in pages.

use std::collections::{HashSet, VecDeque};

use recount_core::{Cursor, EntryId, Position, Recorded};
use recount_views::{Hit, Question, SearchReader, Term};

use super::FindError;
use super::cursor::Place;
use super::index::{above, blocking, entries};
use crate::Recount;

/// How many of the best are asked for first, how many times as many by then, and how many at most. Of hits that
/// fit equally well the index tells some, and others when more are asked for: pages of any size are cut
/// from the same few answers, each without what those before it had.
const FIRST: usize = if cfg!(test) { 3 } else { 100 };
const FACTOR: usize = if cfg!(test) { 2 } else { 10 };
const MOST: usize = 100_000;

/// What the index finds, the best first; [`MOST`] hits at most, for people never see as many.
pub(super) struct Ranking {
    recount: Recount,
    search: SearchReader,
    question: Question,
    tail: Cursor,
    until: EntryId,
    /// How many were handed out, here and on earlier pages.
    before: usize,
    /// How many of these are still to be passed over.
    skip: usize,
    /// How many of the best are asked for next; none where there are no more.
    ask: Option<usize>,
    told: HashSet<Position>,
    queue: VecDeque<Hit>,
}

impl Ranking {
    pub(super) fn new(
        recount: &Recount,
        search: SearchReader,
        question: &Question,
        tail: &Cursor,
        place: Option<Place>,
    ) -> Self {
        let (before, until) = match place {
            Some(Place::Ranked { before, until }) => (before, until),
            _ => (0, above(tail)),
        };
        Self {
            recount: recount.clone(),
            search,
            question: question.clone().and(Term::Until(until)),
            tail: tail.clone(),
            until,
            before,
            skip: before,
            ask: Some(FIRST),
            told: HashSet::new(),
            queue: VecDeque::new(),
        }
    }

    /// The next ones, `wanted` at most, and how well each fits; nothing at the end.
    pub(super) async fn next(
        &mut self,
        wanted: usize,
    ) -> Result<Option<(Vec<Recorded>, Vec<f32>)>, FindError> {
        while self.queue.is_empty() {
            let Some(asked) = self.ask else {
                return Ok(None);
            };
            let (search, question) = (self.search.clone(), self.question.clone());
            let hits = blocking(move || search.top(&question, asked, 0)).await?;
            let more = hits.len() == asked && asked < MOST;
            self.ask = more.then(|| asked.saturating_mul(FACTOR).min(MOST));
            let fresh = hits
                .into_iter()
                .filter(|hit| self.told.insert(hit.position));
            self.queue.extend(fresh);
            let passed = self.skip.min(self.queue.len());
            self.queue.drain(..passed);
            self.skip -= passed;
        }
        let hits: Vec<_> = self.queue.drain(..wanted.min(self.queue.len())).collect();
        self.before += hits.len();
        let mut found = entries(&self.recount, hits, &self.tail).await?;
        found.retain(|(entry, _)| self.question.matches(entry));
        let scored = found.into_iter();
        let scored = scored.map(|(entry, score)| (entry, score.unwrap_or(0.0)));
        Ok(Some(scored.unzip()))
    }

    /// Where the next page begins.
    pub(super) fn place(&self) -> Place {
        Place::Ranked {
            before: self.before,
            until: self.until,
        }
    }
}
