//! The handle to an open log.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use recount_core::{
    AppendError, Batch, Event, EventLog, GroupError, LogInfo, Origin, Outcome, Partition, Query,
    ReadError, ReadRange, Receipt, SessionRead, StartFrom, TrimError, TrimReport, TrimRequest,
    UpcastLog, Upcasters,
};
use recount_runtime::{DeadError, Incident, Mirror, MirrorError, MirroredLog};

use crate::groups::Groups;
use crate::views::Place;
use crate::{Builder, Events, OpenError, Session, Tail};

/// An open log. Cloning is cheap; clones share the log and its group commit.
#[derive(Clone)]
pub struct Recount {
    /// Reads events in their newest version.
    log: Arc<dyn EventLog>,
    /// Reads them as they are stored.
    stored: Arc<dyn EventLog>,
    recovery: Option<Arc<str>>,
    server: Option<Server>,
    groups: Option<Arc<Groups>>,
    views: Option<Arc<Place>>,
}

/// What is known of a log on a server besides the log.
#[derive(Clone)]
pub(crate) struct Server {
    /// The log without a mirror.
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) origin: Arc<dyn Origin>,
    pub(crate) mirrored: Option<Arc<MirroredLog>>,
}

impl Recount {
    /// Opens the stream [`crate::DEFAULT_STREAM`] at `url` for writing, creating what is missing.
    ///
    /// [`Recount::builder`] has the choices: another stream, reading only, when to sync.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        Self::builder().url(url).open().await
    }

    /// Starts to describe how a log is to be opened.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A handle to a log that is open already, of whatever engine.
    pub fn over(log: Arc<dyn EventLog>) -> Self {
        Self::opened(log, Upcasters::default(), None)
    }

    pub(crate) fn opened(
        stored: Arc<dyn EventLog>,
        upcasters: Upcasters,
        recovery: Option<String>,
    ) -> Self {
        Self {
            log: Arc::new(UpcastLog::new(Arc::clone(&stored), upcasters)),
            stored,
            recovery: recovery.map(Into::into),
            server: None,
            groups: None,
            views: None,
        }
    }

    pub(crate) fn with_groups(self, groups: Groups) -> Self {
        Self {
            groups: Some(Arc::new(groups)),
            ..self
        }
    }

    pub(crate) fn with_views(self, views: Place) -> Self {
        Self {
            views: Some(Arc::new(views)),
            ..self
        }
    }

    pub(crate) fn view_place(&self) -> Option<&Place> {
        self.views.as_deref()
    }

    /// Whether the log was opened by its URL and lies on this machine.
    pub(crate) fn is_on_disk(&self) -> bool {
        self.server.is_none() && self.views.is_some()
    }

    pub(crate) fn grouped(&self) -> Result<&Groups, GroupError> {
        self.groups.as_deref().ok_or(GroupError::Unsupported)
    }

    pub(crate) fn on(self, server: Server) -> Self {
        Self {
            server: Some(server),
            ..self
        }
    }

    /// The same log, whose events are read as they are stored: no upcaster touches or marks them.
    #[must_use]
    pub fn raw(&self) -> Self {
        Self {
            log: Arc::clone(&self.stored),
            // What they hold was made of events in their newest version.
            views: None,
            ..self.clone()
        }
    }

    /// The log itself, with its whole contract. What it reads went through the upcasters.
    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.log
    }

    /// What a stream on a server offers to mirrors; none of a log on disk.
    pub fn origin(&self) -> Option<&Arc<dyn Origin>> {
        self.server.as_ref().map(|server| &server.origin)
    }

    /// The mirror of a log on a server, if a directory for mirrors is known. It is opened by the first
    /// query that needs it, or by this, and kept until the log is closed.
    pub async fn mirror(&self) -> Result<Option<Arc<Mirror>>, MirrorError> {
        match self.mirrored() {
            Some(mirrored) => mirrored.mirror().await.map(Some),
            None => Ok(None),
        }
    }

    /// Where the mirror is, or will be.
    pub fn mirror_dir(&self) -> Option<PathBuf> {
        self.mirrored().map(|mirrored| mirrored.mirror_dir())
    }

    /// Whether what `query` asks for is looked for in the mirror: all that has to be searched for, but for
    /// sessions that the server knows in full, and ranges that it no longer has in full where there is a
    /// mirror already.
    pub async fn needs_mirror(&self, query: &Query) -> Result<bool, ReadError> {
        let Some(Server {
            log,
            mirrored: Some(mirrored),
            ..
        }) = &self.server
        else {
            return Ok(false);
        };
        let filter = &query.filter;
        if filter.is_empty() {
            for partition in 0..self.log.partitions() {
                let range = ReadRange {
                    partition,
                    ..query.range.clone()
                };
                if mirrored.reads_mirror(&range).await? {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        match &filter.session_id {
            Some(session_id) if filter.user_id.is_none() && filter.types.is_empty() => {
                let page = log.session(&SessionRead::last(session_id, 0)).await?;
                // One that the server knows nothing of it may have lost.
                let lost = page.revision == 0 && mirrored.mirror_dir().exists();
                Ok(lost || !page.is_complete())
            }
            _ => Ok(true),
        }
    }

    /// What befell the mirror so far, oldest first: what it lacks, and what the server lost. Nothing
    /// where there is no mirror.
    pub async fn mirror_incidents(&self) -> Vec<Incident> {
        match self.mirrored() {
            Some(mirrored) => mirrored.incidents().await,
            None => Vec::new(),
        }
    }

    /// Takes note of everything that befell the mirror, so that it is not told as new any more; returns of
    /// how many incidents nobody had taken note.
    pub fn settle_mirror(&self) -> Result<usize, MirrorError> {
        self.mirrored().map_or(Ok(0), |mirrored| mirrored.settle())
    }

    fn mirrored(&self) -> Option<&Arc<MirroredLog>> {
        self.server.as_ref()?.mirrored.as_ref()
    }

    /// In a sentence, what opening found damaged and set aside; none where all was well.
    pub fn recovery(&self) -> Option<&str> {
        self.recovery.as_deref()
    }

    /// Records one event. It is as durable as the log promises once this returns.
    ///
    /// Recording it again is safe: the outcome is then a duplicate.
    pub async fn record(&self, event: Event) -> Result<Outcome, AppendError> {
        let receipt = self.log.append(event.into()).await?;
        // One outcome an event is the contract of append.
        Ok(receipt.outcomes[0])
    }

    /// Records several events in one batch, of at most [`crate::Limits::batch_events_max`].
    pub async fn record_all(
        &self,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<Receipt, AppendError> {
        self.append(Batch::new(events.into_iter().collect())).await
    }

    /// Appends a batch with its conditions; see [`EventLog::append`].
    pub async fn append(&self, batch: Batch) -> Result<Receipt, AppendError> {
        self.log.append(batch).await
    }

    /// What `query` finds, however much that is, in all partitions: the one that its range names does
    /// not count. Events of one session are looked for where that session's are. The query's limit is the
    /// size of the pages that are fetched at a time; [`Events::limit`] bounds the whole.
    pub fn events(&self, query: Query) -> Events {
        match &query.filter.session_id {
            Some(session_id) => {
                let partition = self.log.partition_of(session_id);
                self.events_of(partition, query)
            }
            None => Events::new(&self.log, query, 0..self.log.partitions()),
        }
    }

    /// What `query` finds in one partition.
    pub fn events_of(&self, partition: Partition, query: Query) -> Events {
        Events::new(&self.log, query, partition..partition + 1)
    }

    /// One session's part of the log.
    pub fn session(&self, id: impl Into<String>) -> Session {
        Session::new(self.clone(), id.into())
    }

    /// Follows the log from a place on. What is appended after this call returned is seen, also
    /// from [`StartFrom::End`].
    pub async fn tail(&self, from: StartFrom) -> Result<Tail, ReadError> {
        // A mirror would only delay what the server shows at once.
        let by_index = self.server.is_none();
        Tail::start(self.log.clone(), from, by_index).await
    }

    /// Removes entries from the start of the log; see [`EventLog::trim`].
    pub async fn trim(&self, request: &TrimRequest) -> Result<TrimReport, TrimError> {
        self.log.trim(request).await
    }

    /// What the log holds and what it promises, at this moment.
    pub async fn info(&self) -> Result<LogInfo, ReadError> {
        self.log.info().await
    }

    /// Finishes what is under way, syncs what is not synced yet, and releases the log for all
    /// clones of this handle, with the dead letters of its groups. Consumers should be stopped before.
    pub async fn close(&self) -> Result<(), AppendError> {
        let letters = self.groups.as_ref().map(|groups| groups.take_dead());
        for letters in letters.unwrap_or_default() {
            letters.close().await.map_err(|error| match error {
                DeadError::Append { source, .. } => source,
                error => AppendError::Storage {
                    action: "closing",
                    path: format!("the dead letters of group {}", letters.group()),
                    message: error.to_string(),
                },
            })?;
        }
        self.log.close().await
    }
}

impl fmt::Debug for Recount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recount")
            .field("recovery", &self.recovery)
            .finish_non_exhaustive()
    }
}
