//! Walking an answer that may be larger than memory.

use std::fmt;
use std::sync::Arc;
use std::vec;

use recount_core::{EventLog, Query, ReadError, Recorded};

/// The entries a query finds, fetched page by page.
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
    log: Arc<dyn EventLog>,
    /// What is left to be fetched; none after the last page.
    query: Option<Query>,
    page: vec::IntoIter<Recorded>,
    /// How many entries may still be fetched.
    remaining: usize,
}

impl Events {
    /// Entries fetched at a time at most: enough to make a page cheap, few enough to start soon.
    const PAGE_ENTRIES: usize = 1_000;

    pub(crate) fn new(log: Arc<dyn EventLog>, query: Query) -> Self {
        Self {
            log,
            query: Some(query),
            page: Vec::new().into_iter(),
            remaining: usize::MAX,
        }
    }

    /// At most `entries` in all.
    pub fn limit(mut self, entries: usize) -> Self {
        self.remaining = entries;
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
        while let Some(page) = self.fetch().await? {
            if !page.is_empty() {
                return Ok(Some(page));
            }
        }
        Ok(None)
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

    /// A page from the log, perhaps empty; none where nothing is left. State changes only after
    /// the one await, so that a caller may drop the future and call again.
    async fn fetch(&mut self) -> Result<Option<Vec<Recorded>>, ReadError> {
        let Some(query) = self.query.as_mut().filter(|_| self.remaining > 0) else {
            return Ok(None);
        };
        let mut page = query.clone();
        page.range.limit = page
            .range
            .limit
            .clamp(1, Self::PAGE_ENTRIES)
            .min(self.remaining);
        let page = self.log.query(&page).await?;
        self.remaining = self.remaining.saturating_sub(page.entries.len());
        match page.next {
            Some(next) => query.range = query.range.clone().continued(next),
            None => self.query = None,
        }
        Ok(Some(page.entries))
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("query", &self.query)
            .field("at_hand", &self.page.len())
            .finish_non_exhaustive()
    }
}
