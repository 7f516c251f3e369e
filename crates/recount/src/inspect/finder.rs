//! Handing out what a question finds, page by page.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use recount_core::{Cursor, EntryId, Position, Query, Recorded};
use recount_views::{Progress, Question, SearchReader};

use super::candidates::{Candidates, Watch};
use super::cursor::{PageCursor, Place, about};
use super::index;
use super::keys::{Keys, key};
use super::plan::Plan;
use super::ranking::Ranking;
use super::{FindError, Found, Looked, Order};
use crate::events::first_retained;
use crate::{Recount, ViewsError};

/// What a question finds, page by page; see [`Recount::find`].
///
/// What is recorded after the first page was asked for is left out.
#[must_use]
pub struct Finder {
    recount: Recount,
    question: Question,
    order: Order,
    reverse: bool,
    limit: usize,
    after: Option<PageCursor>,
    watch: Option<Watch>,
    /// The index of texts, if it answers. That is found out once.
    search: Search,
    walk: Option<Walk>,
}

/// How far it is.
struct Walk {
    source: Source,
    /// Where the log ended at the beginning.
    tail: Cursor,
    /// Found, and not handed out yet.
    pending: VecDeque<Recorded>,
}

/// The index of texts.
enum Search {
    Unknown,
    /// It has nothing that would help.
    Unwanted,
    /// There is none.
    Absent(FindError),
    Current(SearchReader),
}

enum Source {
    /// In the order of the log.
    Recorded(Box<Candidates>),
    /// By when it happened.
    Happened(Keys),
    /// The best first.
    Ranked(Box<Ranking>),
}

/// Entries and, where they are ranked, how well each fits.
type Hits = (Vec<Recorded>, Vec<f32>);

impl Finder {
    /// Entries of a page unless more or fewer are asked for.
    const LIMIT: usize = 100;
    /// Entries that are fetched at a time at most.
    const FETCHED_MAX: usize = 1_000;

    pub(super) fn new(recount: Recount, question: Question) -> Self {
        Self {
            recount,
            question,
            order: Order::default(),
            reverse: false,
            limit: Self::LIMIT,
            after: None,
            watch: None,
            search: Search::Unknown,
            walk: None,
        }
    }

    /// Sorts by `order`.
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// The last ones first.
    pub fn reverse(mut self) -> Self {
        self.reverse = true;
        self
    }

    /// At most so many entries a page, and one at least.
    pub fn limit(mut self, entries: usize) -> Self {
        self.limit = entries.max(1);
        self
    }

    /// Goes on where a page of the same question, sorted likewise, ended.
    pub fn after(mut self, cursor: PageCursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// Tells `watch` again and again how far a search is that looks at entries one after another.
    pub fn watch(mut self, watch: impl Fn(Looked) + Send + Sync + 'static) -> Self {
        self.watch = Some(Arc::new(watch));
        self
    }

    /// What the log's own index is asked, for who has to see to it that a mirror has that
    /// ([`Recount::needs_mirror`]). The index of texts is made of the mirror too.
    pub fn queries(&self) -> Vec<Query> {
        Plan::of(&self.question).queries(self.backward(), None)
    }

    /// Brings the index of texts up to date if it is to answer, and says whether it is. The first page would
    /// do that too, without telling how far that is.
    pub async fn prepare(
        &mut self,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<bool, FindError> {
        if matches!(self.search, Search::Unknown) {
            self.search = if Plan::wants_index(&self.question) || self.ranks() {
                match index::current(&self.recount, progress).await {
                    Ok(search) => Search::Current(search),
                    Err(error) if index::is_absence(&error) => Search::Absent(error),
                    Err(error) => return Err(error),
                }
            } else {
                Search::Unwanted
            };
        }
        Ok(self.reader().is_some())
    }

    /// The next page: as many entries as a page has, unless no more are left.
    pub async fn next_page(&mut self) -> Result<Found, FindError> {
        let mut found = Found::default();
        while found.entries.len() < self.limit {
            let wanted = self.limit - found.entries.len();
            let Some((mut entries, mut scores)) = self.some(wanted).await? else {
                return Ok(found);
            };
            found.entries.append(&mut entries);
            found.scores.append(&mut scores);
        }
        found.next = self.cursor(&found);
        Ok(found)
    }

    /// The next entries that are at hand, at most as many as a page has; nothing at the end.
    pub async fn next_some(&mut self) -> Result<Option<Vec<Recorded>>, FindError> {
        loop {
            match self.some(self.limit).await? {
                Some((entries, _)) if entries.is_empty() => {}
                some => return Ok(some.map(|(entries, _)| entries)),
            }
        }
    }

    /// How many entries the question finds in all, whatever page this is at.
    pub async fn count(&mut self) -> Result<u64, FindError> {
        let search = self.search().await?;
        let tail = self.recount.log().tail().await?;
        if let Some(search) = search {
            let floor = self.floor().await?;
            return index::count(search, self.question.clone(), floor, &tail).await;
        }
        let mut all = self.everything().await?;
        let mut count = 0;
        while let Some(page) = all.next().await? {
            count += page.len() as u64;
        }
        Ok(count)
    }

    /// The next ones, `wanted` at most, perhaps none yet; nothing at the end.
    async fn some(&mut self, wanted: usize) -> Result<Option<Hits>, FindError> {
        let mut walk = match self.walk.take() {
            Some(walk) => walk,
            None => self.begin().await?,
        };
        let some = self.advance(&mut walk, wanted).await;
        self.walk = Some(walk);
        some
    }

    async fn advance(&self, walk: &mut Walk, wanted: usize) -> Result<Option<Hits>, FindError> {
        let page = match &mut walk.source {
            Source::Ranked(ranking) => {
                return ranking.next(wanted.min(Self::FETCHED_MAX)).await;
            }
            _ if !walk.pending.is_empty() => Some(Vec::new()),
            Source::Recorded(all) => all.next().await?,
            Source::Happened(keys) => {
                if keys.is_hungry() {
                    let search = self.reader();
                    let fetched = Self::FETCHED_MAX;
                    let all = self.candidates(search, None, false, &walk.tail, fetched);
                    keys.feed(all).await?;
                }
                keys.next(&self.recount, wanted.min(Self::FETCHED_MAX))
                    .await?
            }
        };
        let Some(mut page) = page else {
            return Ok(None);
        };
        if walk.pending.is_empty() && page.len() <= wanted {
            return Ok(Some((page, Vec::new())));
        }
        walk.pending.extend(page.drain(..));
        let at_hand = wanted.min(walk.pending.len());
        page.extend(walk.pending.drain(..at_hand));
        Ok(Some((page, Vec::new())))
    }

    async fn begin(&mut self) -> Result<Walk, FindError> {
        let place = match self.after {
            Some(cursor) => Some(cursor.place(
                about(&self.question),
                self.order,
                self.backward(),
                self.ranks(),
            )?),
            None => None,
        };
        let search = self.search().await?;
        let tail = self.recount.log().tail().await?;
        let source = if self.ranks() {
            // Without an index nothing is known of how rare a word is.
            let Some(search) = search else {
                let absent = std::mem::replace(&mut self.search, Search::Unknown);
                return Err(match absent {
                    Search::Absent(error) => error,
                    _ => ViewsError::NoDirectory.into(),
                });
            };
            Source::Ranked(Box::new(Ranking::new(
                &self.recount,
                search,
                &self.question,
                &tail,
                place,
            )))
        } else if self.order == Order::Happened {
            let after = match place {
                Some(Place::Happened(key)) => Some(key),
                _ => None,
            };
            Source::Happened(Keys::new(after, self.reverse))
        } else {
            let after = match place {
                Some(Place::Recorded(position)) => Some(position),
                _ => None,
            };
            let fetched = self.limit.min(Self::FETCHED_MAX);
            let all = self.candidates(search, after, self.backward(), &tail, fetched);
            Source::Recorded(Box::new(all))
        };
        Ok(Walk {
            source,
            tail,
            pending: VecDeque::new(),
        })
    }

    pub(super) fn question(&self) -> &Question {
        &self.question
    }

    /// All that the question finds, in the order of the log, whatever page this is at.
    pub(super) async fn everything(&mut self) -> Result<Candidates, FindError> {
        let search = self.search().await?;
        let tail = self.recount.log().tail().await?;
        Ok(self.candidates(search, None, false, &tail, Self::FETCHED_MAX))
    }

    async fn search(&mut self) -> Result<Option<SearchReader>, FindError> {
        self.prepare(&|_| ()).await?;
        Ok(self.reader())
    }

    fn reader(&self) -> Option<SearchReader> {
        match &self.search {
            Search::Current(search) => Some(search.clone()),
            _ => None,
        }
    }

    fn candidates(
        &self,
        search: Option<SearchReader>,
        after: Option<Position>,
        backward: bool,
        tail: &Cursor,
        fetched: usize,
    ) -> Candidates {
        let watch = self.watch.clone();
        Candidates::new(
            &self.recount,
            &self.question,
            search,
            after,
            backward,
            tail,
            fetched,
        )
        .watched(watch)
    }

    /// Whether the best come first.
    fn ranks(&self) -> bool {
        self.order == Order::Relevance && Plan::ranks(&self.question)
    }

    /// Whether the last ones come first.
    fn backward(&self) -> bool {
        self.reverse || self.order == Order::Relevance
    }

    /// Where to go on after `found`.
    fn cursor(&self, found: &Found) -> Option<PageCursor> {
        let last = found.entries.last()?;
        let place = match &self.walk.as_ref()?.source {
            Source::Ranked(ranking) => ranking.place(),
            Source::Recorded(_) => Place::Recorded(last.position),
            Source::Happened(_) => Place::Happened(key(last)),
        };
        Some(PageCursor {
            place,
            reverse: self.backward(),
            about: about(&self.question),
        })
    }

    /// The first entry that is left in each partition; above all where none is.
    async fn floor(&self) -> Result<Cursor, FindError> {
        let log = self.recount.log();
        let mut floor = Cursor::start();
        for partition in 0..log.partitions() {
            let first = first_retained(&**log, partition).await?;
            floor.advance(Position {
                partition,
                entry_id: first.unwrap_or(EntryId::MAX),
            });
        }
        Ok(floor)
    }
}

impl fmt::Debug for Finder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finder")
            .field("question", &self.question.to_string())
            .field("order", &self.order)
            .field("reverse", &self.reverse)
            .finish_non_exhaustive()
    }
}
