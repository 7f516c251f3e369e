//! Asking the index of texts.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use recount_core::Position;
use tantivy::query::EnableScoring;
use tantivy::{IndexReader, ReloadPolicy, Searcher};

use super::columns::Columns;
use super::error::refused;
use super::files::{meta, open};
use super::plan::Plan;
use super::schema::Fields;
use super::sieve::Sieve;
use super::top::Top;
use super::walk::walk;
use super::{Hit, Order};
use crate::Question;
use crate::views::ViewError;

/// Asks the index of texts, which this process or another one keeps. What was committed is found: each
/// answer is of one moment.
///
/// Hits may lie below the log's first retained entry, for what was trimmed leaves the index later.
#[derive(Debug, Clone)]
pub struct SearchReader {
    dir: PathBuf,
    fields: Arc<Fields>,
    opened: Arc<Mutex<Option<Opened>>>,
}

struct Opened {
    reader: IndexReader,
    /// What stood in `meta.json` when the reader was loaded.
    meta: Vec<u8>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opened")
    }
}

impl SearchReader {
    /// Asks the index in `dir`, which need not be there yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            fields: Arc::new(Fields::new()),
            opened: Arc::default(),
        }
    }

    /// The first `limit` events after `after`, in `order`, of which `question` is true.
    pub fn find(
        &self,
        question: &Question,
        order: Order,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<Hit>, ViewError> {
        let plan = Plan::of(question, "", &self.fields);
        self.ask(|searcher| in_order(searcher, &plan, order, after, limit))
    }

    /// The events of which `question` is true, `offset` of them left out, the best first by BM25, of those
    /// listed that are equal the newest. A question that looks for no word has the newest first, without scores.
    pub fn top(
        &self,
        question: &Question,
        limit: usize,
        offset: usize,
    ) -> Result<Vec<Hit>, ViewError> {
        self.ranked(&Plan::of(question, "", &self.fields), limit, offset)
    }

    /// As [`SearchReader::top`], of the events whose text also holds any of `words`: the more of them and the
    /// rarer they are, the better.
    pub fn top_any(
        &self,
        question: &Question,
        words: &str,
        limit: usize,
    ) -> Result<Vec<Hit>, ViewError> {
        if super::words::of(words).is_empty() {
            return Ok(Vec::new());
        }
        self.ranked(&Plan::of(question, words, &self.fields), limit, 0)
    }

    /// Of how many events `question` is true.
    pub fn count(&self, question: &Question) -> Result<u64, ViewError> {
        let plan = Plan::of(question, "", &self.fields);
        self.ask(|searcher| {
            let weight = plan
                .query
                .weight(EnableScoring::disabled_from_searcher(searcher))?;
            let sieve = Sieve::of(&plan, searcher)?;
            let mut count = 0;
            for segment in searcher.segment_readers() {
                if sieve.is_empty() {
                    count += u64::from(weight.count(segment)?);
                    continue;
                }
                let columns = Columns::of(segment)?;
                let mut sieve = sieve.over(segment, &columns)?;
                weight.for_each_no_score(segment, &mut |docs| {
                    count += docs.iter().filter_map(|&doc| sieve.pass(doc)).count() as u64;
                })?;
            }
            Ok(count)
        })
    }

    fn ranked(&self, plan: &Plan, limit: usize, offset: usize) -> Result<Vec<Hit>, ViewError> {
        let wanted = limit.saturating_add(offset);
        self.ask(|searcher| {
            let mut hits = if plan.ranks {
                let scoring = EnableScoring::enabled_from_searcher(searcher);
                let weight = plan.query.weight(scoring)?;
                Top::of(searcher, &*weight, &Sieve::of(plan, searcher)?, wanted)?
            } else {
                in_order(searcher, plan, Order::Newest, None, wanted)?
            };
            hits.drain(..offset.min(hits.len()));
            Ok(hits)
        })
    }

    /// Asks what is committed now; nothing where nothing is. A file that is gone was merged away since the
    /// list of files was read: then again, once.
    fn ask<T: Default>(
        &self,
        ask: impl Fn(&Searcher) -> tantivy::Result<T>,
    ) -> Result<T, ViewError> {
        let searcher = match self.searcher() {
            Err(ViewError::Damaged { .. } | ViewError::Storage { .. }) => {
                *self.opened.lock() = None;
                self.searcher()?
            }
            searcher => searcher?,
        };
        let Some(searcher) = searcher else {
            return Ok(T::default());
        };
        // The index library takes its files at their word, and may stumble over damaged ones.
        match catch_unwind(AssertUnwindSafe(|| ask(&searcher))) {
            Ok(answer) => answer.map_err(|error| refused("reading", &self.dir, &error)),
            Err(_) => Err(ViewError::Damaged {
                path: self.dir.display().to_string(),
                what: "what it holds contradicts itself".into(),
            }),
        }
    }

    fn searcher(&self) -> Result<Option<Searcher>, ViewError> {
        let refused = |error| refused("opening", &self.dir, &error);
        let mut opened = self.opened.lock();
        let Some(meta) = meta(&self.dir)? else {
            *opened = None;
            return Ok(None);
        };
        match &mut *opened {
            Some(opened) if opened.meta == meta => {}
            Some(opened) => {
                opened.reader.reload().map_err(refused)?;
                opened.meta = meta;
            }
            None => {
                let reader = open(&self.dir).and_then(|index| {
                    index
                        .reader_builder()
                        .reload_policy(ReloadPolicy::Manual)
                        .try_into()
                });
                let reader = reader.map_err(refused)?;
                *opened = Some(Opened { reader, meta });
            }
        }
        Ok(opened.as_ref().map(|opened| opened.reader.searcher()))
    }
}

/// What `plan` finds, without scores.
fn in_order(
    searcher: &Searcher,
    plan: &Plan,
    order: Order,
    after: Option<Position>,
    limit: usize,
) -> tantivy::Result<Vec<Hit>> {
    let scoring = EnableScoring::disabled_from_searcher(searcher);
    let weight = plan.query.weight(scoring)?;
    let sieve = Sieve::of(plan, searcher)?;
    let found = walk(searcher, &*weight, &sieve, order, after, limit)?;
    let hit = |position| Hit {
        position,
        score: None,
    };
    Ok(found.into_iter().map(hit).collect())
}
