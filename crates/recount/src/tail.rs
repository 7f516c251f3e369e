//! Following a log.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use recount_core::{
    Cursor, Direction, EntryId, EventLog, Filter, IdRange, Partition, Position, Query, ReadError,
    ReadRange, Recorded, StartFrom,
};

use tokio::time::{Instant, timeout_at};

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
    /// Whether the log finds by an index what passes the filter; otherwise everything is read.
    by_index: bool,
    /// How far the log was searched.
    searched: Cursor,
    /// Up to where it is searched before its end is asked for again.
    round: Round,
    /// The ids after which it was asked to begin. What is trimmed there was not missed.
    asked: Cursor,
    /// Where the last page of a partition said that the next one begins.
    continues: BTreeMap<Partition, EntryId>,
    skipped: BTreeMap<Partition, Skipped>,
    /// Found and not yet handed out, of each partition.
    found: BTreeMap<Partition, VecDeque<Recorded>>,
}

/// A part of the log that is searched in all partitions, so that what is found can be handed out by
/// entry id and no partition holds up another.
#[derive(Default)]
struct Round {
    end: Cursor,
    /// Whether it began right after waiting: the tail was not behind then.
    waited: bool,
}

/// A part of a partition that was trimmed before a tail came to it: whatever was recorded there is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skipped {
    /// The partition.
    pub partition: Partition,
    /// How far the tail had come.
    pub after: EntryId,
    /// Where it went on.
    pub before: EntryId,
}

impl Tail {
    /// Entries fetched at a time at most.
    const PAGE_ENTRIES: usize = 1_000;
    /// The same where many partitions share that room.
    const PAGE_ENTRIES_SHARED: usize = 64;

    pub(crate) async fn start(
        log: Arc<dyn EventLog>,
        from: StartFrom,
        by_index: bool,
    ) -> Result<Self, ReadError> {
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
            by_index,
            searched,
            round: Round::default(),
            asked,
            continues: BTreeMap::new(),
            skipped: BTreeMap::new(),
            found: BTreeMap::new(),
        })
    }

    /// Only what passes `filter`, from here on.
    pub fn filter(mut self, filter: Filter) -> Self {
        for found in self.found.values_mut() {
            found.retain(|recorded| filter.passes(recorded));
        }
        self.filter = filter;
        self
    }

    /// The next entry, waiting for it as long as it takes. Those that are there already come in the order
    /// of their entry ids, over all partitions.
    ///
    /// Dropping the future loses nothing: the next call goes on where this one was.
    pub async fn next(&mut self) -> Result<Recorded, ReadError> {
        loop {
            if let Some(recorded) = self.advance(None).await? {
                return Ok(recorded);
            }
        }
    }

    /// The next entry, if one comes within `quiet` once everything that is there was looked through.
    ///
    /// Reading what is there takes as long as it takes.
    pub async fn next_within(&mut self, quiet: Duration) -> Result<Option<Recorded>, ReadError> {
        self.advance(Some(quiet)).await
    }

    async fn advance(&mut self, quiet: Option<Duration>) -> Result<Option<Recorded>, ReadError> {
        let mut waited = false;
        let mut ends = None;
        loop {
            if let Some(last) = self.to_be_searched() {
                self.search(last).await?;
            } else if let Some(recorded) = self.take_found() {
                return Ok(Some(recorded));
            } else {
                let end = self.log.tail().await?;
                let news = end.iter().any(|last| self.is_ahead(last));
                if news {
                    self.round = Round { end, waited };
                } else if let Some(quiet) = quiet {
                    let ends = *ends.get_or_insert_with(|| Instant::now() + quiet);
                    match timeout_at(ends, self.log.wait(&self.searched)).await {
                        Ok(came) => came?,
                        Err(_) => return Ok(None),
                    }
                } else {
                    self.log.wait(&self.searched).await?;
                }
                waited = !news;
            }
        }
    }

    /// What was trimmed before the tail came to it, since this was asked last: it lies before the
    /// entry that [`Tail::next`] gave last, or before the next one. One partition at a time.
    pub fn skipped(&mut self) -> Option<Skipped> {
        self.skipped.pop_first().map(|(_, skipped)| skipped)
    }

    fn is_ahead(&self, last: Position) -> bool {
        last.entry_id > self.searched.get(last.partition)
    }

    /// The end of a partition that is to be searched before anything can be handed out: it might have what
    /// comes first.
    fn to_be_searched(&self) -> Option<Position> {
        let nothing = |last: &Position| {
            let found = self.found.get(&last.partition);
            found.is_none_or(VecDeque::is_empty)
        };
        let mut ends = self.round.end.iter();
        ends.find(|last| self.is_ahead(*last) && nothing(last))
    }

    fn take_found(&mut self) -> Option<Recorded> {
        let heads = self.found.values_mut().filter(|found| !found.is_empty());
        let first = heads.min_by_key(|found| found.front().map(|head| head.position.entry_id));
        first.and_then(VecDeque::pop_front)
    }

    /// Looks at one more page of the partition that ends with `last`. State changes only after the last
    /// await.
    async fn search(&mut self, last: Position) -> Result<(), ReadError> {
        // The search is kept below an end that was asked for first: the cursor then moves on also where
        // nothing passes the filter, else the wait would return at once for what was searched already.
        let partition = last.partition;
        let query = Query {
            range: ReadRange {
                partition,
                ids: IdRange {
                    start: Bound::Excluded(self.searched.get(partition)),
                    end: Bound::Included(last.entry_id),
                },
                direction: Direction::Forward,
                limit: (Self::PAGE_ENTRIES / self.log.partitions().max(1) as usize)
                    .max(Self::PAGE_ENTRIES_SHARED),
            },
            filter: if self.by_index {
                self.filter.clone()
            } else {
                Filter::default()
            },
        };
        let mut page = self.log.query(&query).await?;
        let begins = page.entries.first().map(|first| first.position.entry_id);
        // Whoever comes right from waiting is not behind. Its place may well be trimmed by then, with
        // nothing missed.
        let in_time = match self.continues.get(&partition) {
            Some(next) => begins == Some(*next),
            None => self.round.waited,
        };
        if !in_time {
            self.notice_trim(last).await?;
        }
        let reached = match page.next {
            Some(next) => {
                self.continues.insert(partition, next);
                next.previous().unwrap_or(EntryId::MIN)
            }
            None => {
                self.continues.remove(&partition);
                last.entry_id
            }
        };
        page.entries.retain(|recorded| self.filter.passes(recorded));
        self.found
            .entry(partition)
            .or_default()
            .extend(page.entries);
        self.searched.advance(Position {
            partition,
            entry_id: reached,
        });
        Ok(())
    }

    /// Takes down what of the part up to `last` was trimmed before it was looked at.
    async fn notice_trim(&mut self, last: Position) -> Result<(), ReadError> {
        let partition = last.partition;
        let after = self.searched.get(partition);
        if after == self.asked.get(partition) {
            return Ok(());
        }
        let first = first_retained(&*self.log, partition).await?;
        let end = last.entry_id.next().unwrap_or(EntryId::MAX);
        let before = first.map_or(end, |first| first.min(end));
        if before > after {
            let earlier = self.skipped.get(&partition);
            let after = earlier.map_or(after, |earlier| earlier.after);
            self.skipped.insert(
                partition,
                Skipped {
                    partition,
                    after,
                    before,
                },
            );
        }
        Ok(())
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tail")
            .field("filter", &self.filter)
            .field("searched", &self.searched)
            .finish_non_exhaustive()
    }
}
