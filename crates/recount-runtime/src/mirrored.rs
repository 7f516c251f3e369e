//! A server's log with its mirror beside it.

mod combine;
mod history;

use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use recount_core::{
    AppendError, Batch, Cursor, Direction, Entry, EntryId, EventLog, Filter, IdRange, LogInfo,
    Origin, Page, Partition, Query, ReadError, ReadRange, Receipt, Registration, SessionPage,
    SessionRead, TrimError, TrimReport, TrimRequest,
};
use recount_disk::DiskLog;
use tokio::sync::Mutex;

pub use history::MirrorHistory;

use crate::mirror::{self, Incident, Mirror, MirrorError, MirrorOptions, UpToDate};

/// The log of a stream on a server, whose history and queries come from a [`Mirror`] on this machine.
///
/// * What is appended, waited for and trimmed is the server's.
/// * A session comes from the server's own index where that has all of it. Any other query comes from
///   the mirror, which is opened the first time and waited for until it holds everything that was
///   published before: whoever published reads what they wrote.
/// * A range comes from the server, except for what the server no longer has and an existing mirror has.
pub struct MirroredLog {
    server: Arc<dyn EventLog>,
    origin: Arc<dyn Origin>,
    options: MirrorOptions,
    opened: Mutex<Opened>,
}

/// The mirror, as far as it is needed.
enum Opened {
    NotYet,
    Open(Arc<Mirror>),
    Closed,
}

impl MirroredLog {
    /// Puts a mirror beside `log`. Nothing is opened yet.
    pub fn new<L: EventLog + Origin>(log: Arc<L>, options: MirrorOptions) -> Self {
        Self::of(Arc::clone(&log) as _, log, options)
    }

    /// As [`MirroredLog::new`], for a log that is read and mirrored by way of different handles.
    pub fn of(server: Arc<dyn EventLog>, origin: Arc<dyn Origin>, options: MirrorOptions) -> Self {
        Self {
            server,
            origin,
            options,
            opened: Mutex::new(Opened::NotYet),
        }
    }

    /// The mirror; opened, and from then on kept, by the first call.
    pub async fn mirror(&self) -> Result<Arc<Mirror>, MirrorError> {
        let mut opened = self.opened.lock().await;
        match &*opened {
            Opened::Open(mirror) => return Ok(Arc::clone(mirror)),
            Opened::Closed => return Err(MirrorError::Closed),
            Opened::NotYet => {}
        }
        let mirror = Mirror::open(Arc::clone(&self.origin), self.options.clone()).await?;
        let mirror = Arc::new(mirror);
        *opened = Opened::Open(Arc::clone(&mirror));
        Ok(mirror)
    }

    /// Where the mirror is, or would be.
    pub fn mirror_dir(&self) -> PathBuf {
        self.options.dir_of(&*self.origin)
    }

    /// The mirrors that are registered with the server, this one too.
    pub async fn list_mirrors(&self) -> Result<Vec<Registration>, ReadError> {
        self.origin.registrations().await
    }

    /// Makes the server forget a mirror; whether there was one of that name.
    pub async fn forget_mirror(&self, name: &str) -> Result<bool, ReadError> {
        self.origin.forget(name).await
    }

    /// Everything that befell the mirror so far, oldest first; nothing where there is none.
    pub async fn incidents(&self) -> Vec<Incident> {
        match &*self.opened.lock().await {
            Opened::Open(mirror) => mirror.incidents(),
            Opened::NotYet | Opened::Closed => mirror::recorded(&self.options, &*self.origin)
                .map_or_else(Vec::new, |recorded| recorded.incidents),
        }
    }

    /// Takes note of everything that befell the mirror, so that nobody is warned of it any more; returns of
    /// how many incidents nobody had.
    pub fn settle(&self) -> Result<usize, MirrorError> {
        mirror::settle(&self.options, &*self.origin)
    }

    /// Whether what `range` names is looked for in the mirror too: there is one, and the server no longer
    /// has all of it.
    pub async fn reads_mirror(&self, range: &ReadRange) -> Result<bool, ReadError> {
        let Some((start, _)) = range.ids.inclusive() else {
            return Ok(false);
        };
        if !self.has_mirror().await {
            return Ok(false);
        }
        let first = self.origin.standing(range.partition).await?.first;
        Ok(first.is_none_or(|first| first > start))
    }

    /// Whether the mirror is open, or there is one to be opened.
    async fn has_mirror(&self) -> bool {
        let open = matches!(&*self.opened.lock().await, Opened::Open(_));
        open || mirror::is_there(&self.options, &*self.origin)
    }

    /// Waits until the mirror holds what the server held of a partition when this was called; returns
    /// where that stood.
    async fn up_to_date(&self, partition: Partition) -> Result<(Arc<Mirror>, UpToDate), ReadError> {
        let mirror = self.mirror().await?;
        let up_to_date = mirror.up_to_date(partition).await?;
        Ok((mirror, up_to_date))
    }

    /// A page from the mirror once that is up to date.
    async fn ask_mirror(&self, query: &Query) -> Result<Page, ReadError> {
        loop {
            let (mirror, now) = self.up_to_date(query.range.partition).await?;
            let page = self.mirrored(&mirror, query).await?;
            if mirror.replaced() == now.replaced {
                return Ok(page);
            }
            // The server turned out to have lost entries, and what was read may be half rebuilt.
        }
    }

    /// A page from the mirror.
    async fn mirrored(&self, mirror: &Mirror, query: &Query) -> Result<Page, ReadError> {
        let partition = query.range.partition;
        let mut local = query.clone();
        local.range.partition = 0;
        let read = |log: Arc<DiskLog>| {
            let local = &local;
            async move { log.query(local).await }
        };
        let mut page = mirror.reading(partition, read).await?.unwrap_or_default();
        for entry in &mut page.entries {
            entry.position.partition = partition;
        }
        Ok(page)
    }

    /// The newest entry that the mirror has of a range below the server's first entry, if anything.
    async fn older(
        &self,
        range: &ReadRange,
        first: Option<EntryId>,
    ) -> Result<Option<EntryId>, ReadError> {
        let partition = range.partition;
        let end = first.map_or(Bound::Unbounded, Bound::Excluded);
        let below = IdRange {
            start: range.ids.start,
            end,
        };
        let Some((_, last)) = below.inclusive() else {
            return Ok(None);
        };
        let ids = range.ids.up_to(last);
        if ids.inclusive().is_none() {
            return Ok(None);
        }
        if !self.has_mirror().await {
            return Ok(None);
        }
        // What is trimmed by now may have been published a moment ago.
        let range = ReadRange::new(ids).backward().limit(1);
        let query = Query {
            range: ReadRange { partition, ..range },
            filter: Filter::default(),
        };
        let page = self.ask_mirror(&query).await?;
        Ok(page.entries.first().map(|entry| entry.position.entry_id))
    }
}

#[async_trait]
impl EventLog for MirroredLog {
    async fn append(&self, batch: Batch) -> Result<Receipt, AppendError> {
        self.server.append(batch).await
    }

    async fn append_with_ids(&self, entries: Vec<Entry>) -> Result<Receipt, AppendError> {
        self.server.append_with_ids(entries).await
    }

    async fn read(&self, range: &ReadRange) -> Result<Page, ReadError> {
        let mut page = self.server.read(range).await?;
        let Some((start, _)) = range.ids.inclusive() else {
            return Ok(page);
        };
        if range.partition >= self.partitions() {
            return Ok(page);
        }
        // Backward the server's part comes first: where it goes on, nothing older is due yet.
        let due = match range.direction {
            Direction::Forward => range.limit > 0,
            Direction::Backward => range.limit > 0 && page.next.is_none(),
        };
        if !due {
            return Ok(page);
        }
        // Looked at after the read: what a trim took before it is found missing, and nothing else.
        let first = self.origin.standing(range.partition).await?.first;
        if first.is_some_and(|first| first <= start) {
            return Ok(page);
        }
        let Some(newest) = self.older(range, first).await? else {
            return Ok(page);
        };
        if range.direction == Direction::Backward && !page.entries.is_empty() {
            page.next = Some(newest);
            return Ok(page);
        }
        let query = Query {
            range: range.clone(),
            filter: Filter::default(),
        };
        self.ask_mirror(&query).await
    }

    async fn query(&self, query: &Query) -> Result<Page, ReadError> {
        if query.filter.is_empty() {
            return self.read(&query.range).await;
        }
        if query.range.partition >= self.partitions() {
            return Ok(Page::default());
        }
        let Filter {
            session_id,
            user_id,
            types,
        } = &query.filter;
        if let Some(session_id) = session_id
            && user_id.is_none()
            && types.is_empty()
        {
            // Asked before, for else the whole stream is looked through, and afterwards: what is complete
            // by then was so when it was read.
            let read = SessionRead::last(session_id, 0);
            if self.server.session(&read).await?.is_complete() {
                let page = self.server.query(query).await?;
                if self.server.session(&read).await?.is_complete() {
                    return Ok(page);
                }
            }
        }
        self.ask_mirror(query).await
    }

    async fn session(&self, read: &SessionRead) -> Result<SessionPage, ReadError> {
        let server = self.server.session(read).await?;
        if server.is_complete() {
            return Ok(server);
        }
        let partition = self.partition_of(&read.session_id);
        loop {
            let (mirror, now) = self.up_to_date(partition).await?;
            let behind = combine::Behind {
                page: &server,
                standing: now.standing,
            };
            let page = combine::session(&mirror, partition, read, behind).await?;
            if mirror.replaced() == now.replaced {
                return Ok(page);
            }
        }
    }

    fn partitions(&self) -> u32 {
        self.server.partitions()
    }

    fn partition_of(&self, session_id: &str) -> Partition {
        self.server.partition_of(session_id)
    }

    async fn wait(&self, cursor: &Cursor) -> Result<(), ReadError> {
        self.server.wait(cursor).await
    }

    async fn tail(&self) -> Result<Cursor, ReadError> {
        self.server.tail().await
    }

    async fn trim(&self, request: &TrimRequest) -> Result<TrimReport, TrimError> {
        self.server.trim(request).await
    }

    async fn info(&self) -> Result<LogInfo, ReadError> {
        let mut info = self.server.info().await?;
        let open = match &*self.opened.lock().await {
            Opened::Open(mirror) => Some(Arc::clone(mirror)),
            Opened::NotYet | Opened::Closed => None,
        };
        combine::info(&mut info, open.as_deref(), &self.options, &*self.origin).await;
        Ok(info)
    }

    async fn close(&self) -> Result<(), AppendError> {
        let opened = std::mem::replace(&mut *self.opened.lock().await, Opened::Closed);
        if let Opened::Open(mirror) = opened {
            mirror.close().await;
        }
        self.server.close().await
    }
}
