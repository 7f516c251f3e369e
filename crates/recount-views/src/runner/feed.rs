//! Reading the log for views: page by page, one page ahead, shared by those who read the same.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use recount_core::{Cursor, EntryId, EventLog, IdRange, Partition, ReadError, ReadRange, Recorded};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

/// Entries in a page: enough to make a hand-over between threads cheap.
const PAGE_ENTRIES: usize = 4096;
/// A page with fewer is the end of its partition, for now.
const SHORT_ENTRIES: usize = 1024;
/// Pages that are read of one partition before another has its turn.
const TURN_PAGES: u32 = 8;
/// Pages that are kept for views that come by later.
const SHARED_PAGES: usize = 4;

type Page = Arc<Vec<Recorded>>;

/// The pages that were read last. Views that are equally far read and decode them once.
pub(crate) struct Pages {
    log: Arc<dyn EventLog>,
    recent: Mutex<VecDeque<Shared>>,
}

struct Shared {
    partition: Partition,
    after: EntryId,
    page: Arc<OnceCell<Page>>,
}

impl Pages {
    pub(crate) fn new(log: Arc<dyn EventLog>) -> Self {
        Self {
            log,
            recent: Mutex::default(),
        }
    }

    /// Some of the entries of `partition` after `after`; none where there are none yet.
    async fn after(&self, partition: Partition, after: EntryId) -> Result<Page, ReadError> {
        let cell = self.cell(partition, after);
        let page = cell.get_or_try_init(async || {
            let range = ReadRange {
                partition,
                ..ReadRange::new(IdRange::after(after)).limit(PAGE_ENTRIES)
            };
            self.log
                .read(&range)
                .await
                .map(|page| Arc::new(page.entries))
        });
        let page = page.await.cloned();
        if !page.as_ref().is_ok_and(|page| !page.is_empty()) {
            // The next one to ask may find something.
            self.recent
                .lock()
                .retain(|shared| !Arc::ptr_eq(&shared.page, &cell));
        }
        page
    }

    fn cell(&self, partition: Partition, after: EntryId) -> Arc<OnceCell<Page>> {
        let mut recent = self.recent.lock();
        let found = recent
            .iter()
            .find(|shared| shared.partition == partition && shared.after == after);
        if let Some(shared) = found {
            return Arc::clone(&shared.page);
        }
        if recent.len() == SHARED_PAGES {
            recent.pop_front();
        }
        let page = Arc::default();
        recent.push_back(Shared {
            partition,
            after,
            page: Arc::clone(&page),
        });
        page
    }

    /// Forgets what was read: the log may hold something else there now.
    pub(crate) fn forget(&self) {
        self.recent.lock().clear();
    }
}

/// One view's way through the log.
pub(crate) struct Feed {
    pages: Arc<Pages>,
    partitions: u32,
    cursor: Cursor,
    until: Option<Cursor>,
    turn: Partition,
    /// Pages that were read in this turn.
    run: u32,
    ahead: Option<Ahead>,
}

struct Ahead {
    partition: Partition,
    read: JoinHandle<Result<Page, ReadError>>,
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.read.abort();
    }
}

impl Feed {
    /// What lies after `cursor`; with `until`, as soon as that is reached, there is nothing more.
    pub(crate) fn new(
        pages: Arc<Pages>,
        partitions: u32,
        cursor: Cursor,
        until: Option<Cursor>,
    ) -> Self {
        Self {
            pages,
            partitions,
            cursor,
            until,
            turn: 0,
            run: 0,
            ahead: None,
        }
    }

    /// Up to where pages were handed out.
    pub(crate) fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// Whether `page` is so small that the log's end was near when it was read.
    pub(crate) fn is_short(page: &[Recorded]) -> bool {
        page.len() < SHORT_ENTRIES
    }

    /// The next page, of one partition and never empty; none where there is nothing more for now.
    pub(crate) async fn next(&mut self) -> Result<Option<Page>, ReadError> {
        for _ in 0..self.partitions {
            if self.is_done(self.turn) {
                self.pass();
                continue;
            }
            let page = self.read().await?;
            let Some(last) = page.last() else {
                self.pass();
                continue;
            };
            self.cursor.advance(last.position);
            self.run += 1;
            let short = Self::is_short(&page);
            if short || self.run == TURN_PAGES {
                self.pass();
            }
            if !short && !self.is_done(self.turn) {
                self.read_ahead();
            }
            return Ok(Some(page));
        }
        Ok(None)
    }

    fn is_done(&self, partition: Partition) -> bool {
        let until = self.until.as_ref().map(|until| until.get(partition));
        until.is_some_and(|until| self.cursor.get(partition) >= until)
    }

    fn pass(&mut self) {
        self.turn = (self.turn + 1) % self.partitions;
        self.run = 0;
    }

    async fn read(&mut self) -> Result<Page, ReadError> {
        if let Some(ahead) = &mut self.ahead
            && ahead.partition == self.turn
        {
            let read = (&mut ahead.read).await;
            self.ahead = None;
            // A reader that was cut off, as a runtime that ends does, read nothing.
            if let Ok(page) = read {
                return page;
            }
        }
        self.pages
            .after(self.turn, self.cursor.get(self.turn))
            .await
    }

    fn read_ahead(&mut self) {
        let (pages, partition) = (Arc::clone(&self.pages), self.turn);
        let after = self.cursor.get(partition);
        let read = tokio::spawn(async move { pages.after(partition, after).await });
        self.ahead = Some(Ahead { partition, read });
    }
}
