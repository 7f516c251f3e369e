//! What a question finds in the order of the log.

use std::sync::Arc;

use recount_core::{Cursor, EventLog, Position, ReadError, Recorded};
use recount_views::{Question, SearchReader};

use super::index::Index;
use super::plan::Plan;
use super::{FindError, Looked};
use crate::{Events, Recount};

/// Told now and then how far a search is.
pub(super) type Watch = Arc<dyn Fn(Looked) + Send + Sync>;

/// Entries that a question finds, from one end of the log to the other, through whichever index is asked.
pub(super) struct Candidates {
    source: Source,
    /// What is checked entry by entry.
    rest: Question,
    /// Nothing up to here, the place itself included.
    after: Option<Position>,
    backward: bool,
    watch: Option<Watch>,
    looked: u64,
}

enum Source {
    Log(Events),
    Index(Index),
}

impl Candidates {
    /// Those after `after` that the log had when its end was `tail`, `fetched` at a time where nothing has to
    /// be looked at in vain.
    pub(super) fn new(
        recount: &Recount,
        question: &Question,
        search: Option<SearchReader>,
        after: Option<Position>,
        backward: bool,
        tail: &Cursor,
        fetched: usize,
    ) -> Self {
        let (source, rest) = match search {
            Some(search) => {
                let index = Index::new(recount, search, question, after, backward, tail);
                (Source::Index(index), question.clone())
            }
            None => {
                let plan = Plan::of(question);
                let log = recount.log();
                let events = events(log, &plan, after, backward, fetched).up_to(tail);
                (Source::Log(events), plan.rest)
            }
        };
        Self {
            source,
            rest,
            after,
            backward,
            watch: None,
            looked: 0,
        }
    }

    pub(super) fn watched(mut self, watch: Option<Watch>) -> Self {
        self.watch = watch;
        self
    }

    /// The next ones that are at hand, perhaps none yet; nothing at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Recorded>>, FindError> {
        let page = match &mut self.source {
            Source::Log(events) => events.next_page().await?,
            Source::Index(index) => index.next().await?,
        };
        let Some(mut page) = page else {
            return Ok(None);
        };
        if let (Some(watch), Some(last)) = (&self.watch, page.last()) {
            self.looked += page.len() as u64;
            watch(Looked {
                entries: self.looked,
                at: last.position.entry_id,
            });
        }
        if let Some(after) = self.after {
            let key = |position: Position| (position.entry_id, position.partition);
            page.retain(|recorded| {
                if self.backward {
                    key(recorded.position) < key(after)
                } else {
                    key(recorded.position) > key(after)
                }
            });
        }
        if !self.rest.is_empty() {
            page.retain(|recorded| self.rest.matches(recorded));
        }
        // Gives others their turn where no page has to be waited for.
        tokio::task::yield_now().await;
        Ok(Some(page))
    }
}

/// What the log finds of a plan, in every partition that can have it.
fn events(
    log: &Arc<dyn EventLog>,
    plan: &Plan,
    after: Option<Position>,
    backward: bool,
    fetched: usize,
) -> Events {
    let mut queries = Vec::new();
    for mut query in plan.queries(backward, after.map(|after| after.entry_id)) {
        if plan.rest.is_empty() {
            query.range.limit = fetched.saturating_add(usize::from(after.is_some()));
        }
        match &query.filter.session_id {
            Some(session_id) => {
                query.range.partition = log.partition_of(session_id);
                queries.push(query);
            }
            None => queries.extend((0..log.partitions()).map(|partition| {
                let mut query = query.clone();
                query.range.partition = partition;
                query
            })),
        }
    }
    Events::merged_of(log, queries)
}

/// The entry at `position`; none where it is not there any more.
pub(super) async fn fetch(
    log: &dyn EventLog,
    position: Position,
) -> Result<Option<Recorded>, ReadError> {
    use recount_core::{IdRange, ReadRange};
    use std::ops::Bound;

    let ids = IdRange {
        start: Bound::Included(position.entry_id),
        end: Bound::Included(position.entry_id),
    };
    let range = ReadRange {
        partition: position.partition,
        ..ReadRange::new(ids).limit(1)
    };
    Ok(log.read(&range).await?.entries.pop())
}
