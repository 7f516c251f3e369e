//! The index of texts, asked for what the log's own index has not.

use recount_core::{Cursor, EntryId, Position, Recorded};
use recount_views::{Hit, Order as Direction, Question, SearchReader, Term, ViewError};

use super::FindError;
use super::candidates::fetch;
use crate::{Recount, ViewsError};

/// Hits that are asked for at a time.
const HITS: usize = 256;

/// The index, up to date.
pub(super) async fn current(
    recount: &Recount,
    progress: &(dyn Fn(recount_views::Progress) + Sync),
) -> Result<SearchReader, FindError> {
    let views = recount.views()?;
    if let Some(mirror) = recount.mirror().await? {
        let end = recount.log().tail().await?;
        mirror.caught_up(&end).await?;
    }
    let caught_up = views.catch_up(&["search"], progress).await?;
    match caught_up.into_iter().find_map(|view| view.finding) {
        Some(finding) => Err(ViewError::Stopped(finding).into()),
        None => Ok(views.search()),
    }
}

/// Whether `error` only says that there is no index that could answer: the log itself can.
pub(super) fn is_absence(error: &FindError) -> bool {
    matches!(
        error,
        FindError::Views(ViewsError::NeedMirror | ViewsError::NoDirectory)
            | FindError::View(ViewError::Stopped(_) | ViewError::Denied { .. })
    )
}

/// What the index finds, in the order of the log.
pub(super) struct Index {
    recount: Recount,
    search: SearchReader,
    question: Question,
    after: Option<Position>,
    direction: Direction,
    tail: Cursor,
    ended: bool,
}

impl Index {
    pub(super) fn new(
        recount: &Recount,
        search: SearchReader,
        question: &Question,
        after: Option<Position>,
        backward: bool,
        tail: &Cursor,
    ) -> Self {
        Self {
            recount: recount.clone(),
            search,
            question: question.clone(),
            after,
            direction: if backward {
                Direction::Newest
            } else {
                Direction::Oldest
            },
            tail: tail.clone(),
            ended: false,
        }
    }

    pub(super) async fn next(&mut self) -> Result<Option<Vec<Recorded>>, FindError> {
        if self.ended {
            return Ok(None);
        }
        let (search, question) = (self.search.clone(), self.question.clone());
        let (direction, after) = (self.direction, self.after);
        let hits = blocking(move || search.find(&question, direction, after, HITS)).await?;
        self.ended = hits.len() < HITS;
        self.after = hits.last().map(|hit| hit.position);
        let entries = entries(&self.recount, hits, &self.tail).await?;
        Ok(Some(entries.into_iter().map(|(entry, _)| entry).collect()))
    }
}

/// Positions that are counted at a time.
const POSITIONS_MAX: usize = 10_000;

/// How many entries between `floor` and `tail` a question finds. The floor is the first entry of each
/// partition that is left: what was trimmed leaves the index later.
pub(super) async fn count(
    search: SearchReader,
    question: Question,
    floor: Cursor,
    tail: &Cursor,
) -> Result<u64, FindError> {
    let question = question.and(Term::Until(above(tail)));
    if let [
        Position {
            partition: 0,
            entry_id,
        },
    ] = floor.iter().collect::<Vec<_>>()[..]
    {
        let question = question.and(Term::Since(entry_id));
        return blocking(move || search.count(&question)).await;
    }
    // Each partition has a floor of its own.
    let (mut count, mut after) = (0, None);
    loop {
        let (search, question) = (search.clone(), question.clone());
        let hits =
            blocking(move || search.find(&question, Direction::Oldest, after, POSITIONS_MAX))
                .await?;
        let kept = |hit: &&Hit| hit.position.entry_id >= floor.get(hit.position.partition);
        count += hits.iter().filter(kept).count() as u64;
        match hits.last() {
            Some(last) if hits.len() == POSITIONS_MAX => after = Some(last.position),
            _ => return Ok(count),
        }
    }
}

/// The id that comes after all that `tail` has.
pub(super) fn above(tail: &Cursor) -> EntryId {
    let last = tail.iter().map(|position| position.entry_id).max();
    last.and_then(EntryId::next).unwrap_or(EntryId::MIN)
}

/// The entries of hits that are still there, but for what was recorded after `tail`.
pub(super) async fn entries(
    recount: &Recount,
    hits: Vec<Hit>,
    tail: &Cursor,
) -> Result<Vec<(Recorded, Option<f32>)>, FindError> {
    let mut entries = Vec::with_capacity(hits.len());
    for Hit { position, score } in hits {
        if position.entry_id <= tail.get(position.partition)
            && let Some(entry) = fetch(&**recount.log(), position).await?
        {
            entries.push((entry, score));
        }
    }
    Ok(entries)
}

/// Asks the index, which reads files, without holding up others.
pub(super) async fn blocking<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, ViewError> + Send + 'static,
) -> Result<T, FindError> {
    match tokio::task::spawn_blocking(ask).await {
        Ok(answer) => Ok(answer?),
        Err(ended) => std::panic::resume_unwind(ended.into_panic()),
    }
}
