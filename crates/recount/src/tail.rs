//! Following a log.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use recount_core::{
    Cursor, Direction, EntryId, EventLog, Filter, IdRange, Position, Query, ReadError, ReadRange,
    Recorded, StartFrom,
};

use crate::events::first_retained;

/// What comes after a place in a log, as it comes. Never ends, never polls, and misses only what is
/// trimmed before it comes to it: [`Tail::skipped`] tells.
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
    /// The ids after which it was asked to begin. What is trimmed there was not missed.
    asked: Cursor,
    /// Where the last page said that the next one begins.
    continues: Option<Position>,
    skipped: Option<Skipped>,
    /// Found and not yet handed out.
    found: VecDeque<Recorded>,
}

/// A part of a log that was trimmed before a tail came to it: whatever was recorded there is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skipped {
    /// How far the tail had come.
    pub after: EntryId,
    /// Where it went on.
    pub before: EntryId,
}

impl Tail {
    /// Entries fetched at a time at most.
    const PAGE_ENTRIES: usize = 1_000;

    pub(crate) async fn start(log: Arc<dyn EventLog>, from: StartFrom) -> Result<Self, ReadError> {
        let end = log.tail().await?;
        let (searched, asked) = match from {
            StartFrom::End => (end, Cursor::start()),
            StartFrom::After(entry_id) => {
                let asked: Cursor = Cursor::after(entry_id)
                    .iter()
                    .chain(end.iter().map(|last| Position { entry_id, ..last }))
                    .collect();
                (asked.clone(), asked)
            }
        };
        Ok(Self {
            log,
            filter: Filter::default(),
            searched,
            asked,
            continues: None,
            skipped: None,
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
        let mut waited = false;
        loop {
            if let Some(recorded) = self.found.pop_front() {
                return Ok(recorded);
            }
            let searched = self.search(waited).await?;
            if !searched {
                self.log.wait(&self.searched).await?;
            }
            waited = !searched;
        }
    }

    /// What was trimmed before the tail came to it, since this was asked last: it lies before the
    /// entry that [`Tail::next`] gave last, or before the next one.
    pub fn skipped(&mut self) -> Option<Skipped> {
        self.skipped.take()
    }

    /// Looks at one more page. False where everything that exists was looked at. State changes only
    /// after the last await.
    async fn search(&mut self, waited: bool) -> Result<bool, ReadError> {
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
        let begins = page.entries.first().map(|first| first.position);
        // Whoever comes right from waiting is not behind. Its place may well be trimmed by then, with
        // nothing missed.
        let in_time = waited || (begins.is_some() && begins == self.continues);
        if !in_time {
            self.notice_trim(last).await?;
        }
        self.continues = page.next.map(|entry_id| Position { entry_id, ..last });
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

    /// Takes down what of the part up to `last` was trimmed before it was looked at.
    async fn notice_trim(&mut self, last: Position) -> Result<(), ReadError> {
        let after = self.searched.get(last.partition);
        if after == self.asked.get(last.partition) {
            return Ok(());
        }
        let first = first_retained(&*self.log, last.partition).await?;
        let end = last.entry_id.next().unwrap_or(EntryId::MAX);
        let before = first.map_or(end, |first| first.min(end));
        if before > after {
            let after = self.skipped.map_or(after, |earlier| earlier.after);
            self.skipped = Some(Skipped { after, before });
        }
        Ok(())
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
