//! Walking an answer that may be larger than memory.

use std::fmt;
use std::sync::Arc;
use std::vec;

use recount_core::{EntryId, EventLog, Partition, Query, ReadError, ReadRange, Recorded};

/// The entries a query finds, fetched page by page.
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
    log: Arc<dyn EventLog>,
    /// What is left to be fetched; none after the last page.
    query: Option<Query>,
    /// Where the last page said that the next one begins; none before the first.
    continues: Option<EntryId>,
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
            continues: None,
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
    /// the last await, so that a caller may drop the future and call again.
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
        let partition = page.range.partition;
        let page = self.log.query(&page).await?;
        if let Some(from) = self.continues {
            let begins = page.entries.first().map(|first| first.position.entry_id);
            if begins != Some(from) {
                check_retained(&*self.log, partition, from).await?;
            }
        }
        self.remaining = self.remaining.saturating_sub(page.entries.len());
        self.continues = page.next;
        match page.next {
            Some(next) => query.range = query.range.clone().continued(next),
            None => self.query = None,
        }
        Ok(Some(page.entries))
    }
}

/// Fails if entries from `from` on were trimmed. A page says where to go on, which need not be an
/// entry: that a page does not begin there proves nothing, the first retained entry does.
async fn check_retained(
    log: &dyn EventLog,
    partition: Partition,
    from: EntryId,
) -> Result<(), ReadError> {
    let first = first_retained(log, partition).await?;
    if first.is_none_or(|first| first > from) {
        return Err(ReadError::Trimmed { from, first });
    }
    Ok(())
}

/// The first entry that is left; none where none is.
pub(crate) async fn first_retained(
    log: &dyn EventLog,
    partition: Partition,
) -> Result<Option<EntryId>, ReadError> {
    let range = ReadRange {
        partition,
        ..ReadRange::all().limit(1)
    };
    let page = log.read(&range).await?;
    Ok(page.entries.first().map(|first| first.position.entry_id))
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("query", &self.query)
            .field("at_hand", &self.page.len())
            .finish_non_exhaustive()
    }
}
