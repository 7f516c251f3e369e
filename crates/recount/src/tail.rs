//! Following a log.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use recount_core::{
    Cursor, Direction, EntryId, EventLog, Filter, IdRange, Position, Query, ReadError, ReadRange,
    Recorded, StartFrom,
};

/// What comes after a place in a log, as it comes. Never ends, never polls, never misses.
///
/// ```
/// # use recount::{Event, EventType, Recount, StartFrom};
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let recount = Recount::open(&format!("disk:{}", folder.path().display())).await?;
/// let mut tail = recount.tail(StartFrom::End).await?;
/// recount.record(Event::builder(EventType::SessionStarted, "s1").build()?).await?;
/// assert_eq!(tail.next().await?.event().unwrap().session_id, "s1");
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct Tail {
    log: Arc<dyn EventLog>,
    filter: Filter,
    /// How far the log was searched.
    searched: Cursor,
    /// Found and not yet handed out.
    found: VecDeque<Recorded>,
}

impl Tail {
    /// Entries fetched at a time at most.
    const PAGE_ENTRIES: usize = 1_000;

    pub(crate) async fn start(log: Arc<dyn EventLog>, from: StartFrom) -> Result<Self, ReadError> {
        let end = log.tail().await?;
        let searched = match from {
            StartFrom::End => end,
            StartFrom::After(entry_id) => Cursor::after(entry_id)
                .iter()
                .chain(end.iter().map(|last| Position { entry_id, ..last }))
                .collect(),
        };
        Ok(Self {
            log,
            filter: Filter::default(),
            searched,
            found: VecDeque::new(),
        })
    }

    /// Only what passes `filter`, from here on.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.found.retain(|recorded| filter.passes(recorded));
        self.filter = filter;
        self
    }

    /// The next entry, waiting for it as long as it takes.
    ///
    /// Dropping the future loses nothing: the next call goes on where this one was.
    pub async fn next(&mut self) -> Result<Recorded, ReadError> {
        loop {
            if let Some(recorded) = self.found.pop_front() {
                return Ok(recorded);
            }
            if !self.search().await? {
                self.log.wait(&self.searched).await?;
            }
        }
    }

    /// Looks at one more page. False where everything that exists was looked at.
    async fn search(&mut self) -> Result<bool, ReadError> {
        // The end is asked for first and the search kept below it: the cursor then moves on also
        // where nothing passes the filter, else the wait would return at once for what was
        // searched already.
        let end = self.log.tail().await?;
        let Some(last) = end
            .iter()
            .find(|last| last.entry_id > self.searched.get(last.partition))
        else {
            return Ok(false);
        };
        let query = Query {
            range: ReadRange {
                partition: last.partition,
                ids: IdRange {
                    start: Bound::Excluded(self.searched.get(last.partition)),
                    end: Bound::Included(last.entry_id),
                },
                direction: Direction::Forward,
                limit: Self::PAGE_ENTRIES,
            },
            filter: self.filter.clone(),
        };
        let page = self.log.query(&query).await?;
        self.found.extend(page.entries);
        self.searched.advance(match page.next {
            Some(next) => Position {
                entry_id: next.previous().unwrap_or(EntryId::MIN),
                ..last
            },
            None => last,
        });
        Ok(true)
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tail")
            .field("filter", &self.filter)
            .field("searched", &self.searched)
            .field("found", &self.found.len())
            .finish_non_exhaustive()
    }
}
