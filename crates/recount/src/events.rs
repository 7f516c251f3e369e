//! Walking an answer that may be larger than memory.

mod walk;

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::vec;

use recount_core::{Cursor, Direction, EventLog, Partition, Query, ReadError, Recorded};

use walk::Walk;
pub(crate) use walk::first_retained;

/// The entries a query finds, fetched page by page.
///
/// Those of several partitions are merged by entry id, which is an order for people: the one that binds
/// is that within a partition, and so within a session.
///
/// Never with a hole: where a trim overtakes the walk, it ends with [`ReadError::Trimmed`].
///
/// ```
/// # use recount::{Event, EventType, Filter, Query, ReadRange, Recount};
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let recount = Recount::open(&format!("disk:{}", folder.path().display())).await?;
/// # for session in ["a", "b", "a"] {
/// #     recount.record(Event::builder(EventType::MessageAdded, session).build()?).await?;
/// # }
/// let newest_first = Query {
///     range: ReadRange::all().backward(),
///     filter: Filter { session_id: Some("a".into()), ..Filter::default() },
/// };
/// let mut events = recount.events(newest_first).limit(1);
/// assert_eq!(events.next().await?.map(|last| last.revision), Some(2));
/// assert_eq!(events.next().await?, None);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct Events {
    lanes: Vec<Lane>,
    direction: Direction,
    page: vec::IntoIter<Recorded>,
    /// How many entries may still be fetched.
    remaining: usize,
}

/// One partition's part.
struct Lane {
    walk: Walk,
    /// Fetched and not yet merged.
    page: VecDeque<Recorded>,
    /// Whether the page is the last one.
    ended: bool,
}

impl Lane {
    /// Sees to it that there is an entry, unless none is left.
    async fn fill(&mut self, entries: usize) -> Result<(), ReadError> {
        while self.page.is_empty() && !self.ended {
            match self.walk.fetch(entries).await? {
                Some(page) => self.page = page.into(),
                None => self.ended = true,
            }
        }
        Ok(())
    }
}

impl Events {
    /// Entries fetched at a time at most: enough to make a page cheap, few enough to start soon.
    const PAGE_ENTRIES: usize = 1_000;
    /// The same where many partitions share that room.
    const PAGE_ENTRIES_SHARED: usize = 64;

    /// What `query` finds in each of `partitions`.
    pub(crate) fn new(log: &Arc<dyn EventLog>, query: Query, partitions: Range<Partition>) -> Self {
        let queries = std::iter::repeat_n(query, partitions.len());
        let queries = partitions.zip(queries).map(|(partition, mut query)| {
            query.range.partition = partition;
            query
        });
        Self::merged_of(log, queries.collect())
    }

    /// What several queries find, each in its range's partition, all in one direction. What one finds no
    /// other does.
    pub(crate) fn merged_of(log: &Arc<dyn EventLog>, queries: Vec<Query>) -> Self {
        let direction = queries
            .first()
            .map_or_else(Direction::default, |query| query.range.direction);
        let lanes = queries.into_iter().map(|query| Lane {
            walk: Walk::new(Arc::clone(log), query),
            page: VecDeque::new(),
            ended: false,
        });
        Self {
            lanes: lanes.collect(),
            direction,
            page: Vec::new().into_iter(),
            remaining: usize::MAX,
        }
    }

    /// At most `entries` in all.
    pub fn limit(mut self, entries: usize) -> Self {
        self.remaining = entries;
        self
    }

    /// Nothing that lies after `cursor` in its partition; in a partition that the cursor does not name,
    /// nothing at all. With [`EventLog::tail`], what is recorded meanwhile is left out, else a walk beside
    /// a busy writer would never end.
    pub fn up_to(mut self, cursor: &Cursor) -> Self {
        for lane in &mut self.lanes {
            lane.walk.up_to(cursor);
        }
        self
    }

    /// The next entry; none after the last one.
    pub async fn next(&mut self) -> Result<Option<Recorded>, ReadError> {
        loop {
            if let Some(recorded) = self.page.next() {
                return Ok(Some(recorded));
            }
            match self.fetch().await? {
                Some(page) => self.page = page.into_iter(),
                None => return Ok(None),
            }
        }
    }

    /// The next entries, as many as are at hand; none after the last one. A page that is given is
    /// never empty.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Recorded>>, ReadError> {
        let at_hand: Vec<_> = std::mem::take(&mut self.page).collect();
        if !at_hand.is_empty() {
            return Ok(Some(at_hand));
        }
        self.fetch().await
    }

    /// How many entries are fetched and not yet handed out.
    pub(crate) fn at_hand(&self) -> usize {
        self.page.len()
    }

    /// All of them at once. The caller knows that they fit in memory.
    pub async fn collect(mut self) -> Result<Vec<Recorded>, ReadError> {
        let mut all = Vec::new();
        while let Some(mut page) = self.next_page().await? {
            all.append(&mut page);
        }
        Ok(all)
    }

    /// A page from the log; none where nothing is left. What was fetched is kept at once, so that a
    /// caller may drop the future and call again.
    async fn fetch(&mut self) -> Result<Option<Vec<Recorded>>, ReadError> {
        if self.remaining == 0 {
            return Ok(None);
        }
        let shared = Self::PAGE_ENTRIES / self.lanes.len().max(1);
        let entries = shared.max(Self::PAGE_ENTRIES_SHARED).min(self.remaining);
        for lane in &mut self.lanes {
            lane.fill(entries).await?;
        }
        self.lanes
            .retain(|lane| !(lane.ended && lane.page.is_empty()));
        let mut page: Vec<_> = match &mut self.lanes[..] {
            [] => return Ok(None),
            // Nothing to be merged with.
            [lane] => std::mem::take(&mut lane.page).into(),
            _ => self.merged(),
        };
        page.truncate(self.remaining);
        self.remaining -= page.len();
        Ok(Some(page))
    }

    /// What is known to come next: up to where a lane has to be fetched again.
    fn merged(&mut self) -> Vec<Recorded> {
        let mut merged = Vec::new();
        loop {
            let mut next = None;
            for (at, lane) in self.lanes.iter().enumerate() {
                // A lane without a head may yet have the next entry.
                let Some(head) = lane.page.front() else {
                    return merged;
                };
                let key = (head.position.entry_id, head.position.partition);
                let sooner = next.is_none_or(|(first, _)| match self.direction {
                    Direction::Forward => key < first,
                    Direction::Backward => key > first,
                });
                if sooner {
                    next = Some((key, at));
                }
            }
            merged.extend(next.and_then(|(_, at)| self.lanes[at].page.pop_front()));
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("partitions", &self.lanes.len())
            .field("at_hand", &self.page.len())
            .finish_non_exhaustive()
    }
}
