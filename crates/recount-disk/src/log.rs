//! [`DiskLog`]: the engine behind the contract of `EventLog`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use recount_core::{
    AppendError, Batch, Cursor, Entry, EventLog, Filter, HeldBack, LogInfo, Page, PartitionInfo,
    Position, Query, ReadError, ReadRange, Receipt, SessionPage, SessionRead, TrimError,
    TrimReport, TrimRequest,
};
use tokio::sync::{mpsc, oneshot};

use crate::dir;
use crate::error::{Doing, Fault, OpenError, Recovery};
use crate::follow::{self, Follower};
use crate::groups::Need;
use crate::open::{self, Opened};
use crate::options::DiskOptions;
use crate::prepare::{self, Prepared};
use crate::reader;
use crate::shared::{Shared, Snapshot};
use crate::storage::FileSystem;
use crate::trim::plan;
use crate::writer::{Request, retention_limits};

/// A stream in a directory of this machine.
///
/// One process writes a stream at a time; any number of others read and follow it. Inside a process a
/// `DiskLog` is shared by reference or in an `Arc`.
///
/// ```
/// use recount_core::{Event, EventLog, EventType, Query};
/// use recount_disk::{DiskLog, DiskOptions};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let log = DiskLog::open(dir.path(), "memory:events", DiskOptions::default()).await?;
/// let event = Event::builder(EventType::SessionStarted, "s1").user("u1").build()?;
/// let receipt = log.append(event.into()).await?;
/// assert_eq!(receipt.appended(), 1);
/// assert_eq!(log.query(&Query::session("s1")).await?.entries.len(), 1);
/// log.close().await?;
/// # Ok(())
/// # }
/// ```
pub struct DiskLog {
    pub(crate) shared: Arc<Shared>,
    role: Role,
    recovery: Option<Recovery>,
    root: PathBuf,
}

enum Role {
    Writer(mpsc::Sender<Request>),
    Follower(Arc<Follower>),
}

impl DiskLog {
    /// Opens a stream for writing, creating the directory and the stream if need be.
    ///
    /// Waits up to [`DiskOptions::lock_wait`] for another process that has the stream open for
    /// writing. What a crash left is repaired, see [`DiskLog::recovery`].
    pub async fn open(
        dir: impl Into<PathBuf>,
        stream: &str,
        options: DiskOptions,
    ) -> Result<Self, OpenError> {
        let root = dir.into();
        let (at, name) = (root.clone(), stream.to_owned());
        let opened = blocking(move || open::for_writing(&at, &name, options)).await?;
        let Opened {
            shared,
            requests,
            recovery,
        } = opened;
        Ok(Self {
            shared,
            role: Role::Writer(requests),
            recovery,
            root,
        })
    }

    /// Opens a stream for reading and following. Nothing is created or changed.
    pub async fn open_read_only(
        dir: impl Into<PathBuf>,
        stream: &str,
        options: DiskOptions,
    ) -> Result<Self, OpenError> {
        let root = dir.into();
        let (at, name) = (root.clone(), stream.to_owned());
        let (shared, follower) = blocking(move || follow::open(&at, &name, options)).await?;
        Ok(Self {
            shared,
            role: Role::Follower(follower),
            recovery: None,
            root,
        })
    }

    /// What opening cut off the end of the log, if anything.
    pub fn recovery(&self) -> Option<&Recovery> {
        self.recovery.as_ref()
    }

    /// The stream's directory, where its segments are.
    pub fn dir(&self) -> &Path {
        &self.shared.dir.path
    }

    /// The entries of a range as they are stored: fields byte for byte as they came in, and revisions. For
    /// copies, and for comparing them. As many as a page holds; go on after the last.
    pub async fn entries(&self, range: &ReadRange) -> Result<Vec<Entry>, ReadError> {
        let range = range.clone();
        self.reading(move |shared, snapshot| reader::stored(shared, snapshot, &range))
            .await
    }

    /// Puts everything that was appended until now on stable storage, whatever the
    /// [`SyncMode`](crate::SyncMode). Appends go on meanwhile. If it fails the log stops writing.
    pub async fn sync(&self) -> Result<(), AppendError> {
        let read_only = |path| AppendError::ReadOnly { path };
        let unsynced = self.request(Request::Unsynced, read_only).await?;
        let synced = blocking(move || unsynced.sync()).await;
        synced.map_err(|fault| AppendError::Stopped {
            reason: fault.to_string(),
        })
    }

    async fn request<T, E: From<Closed>>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, E>>) -> Request,
        read_only: impl FnOnce(String) -> E,
    ) -> Result<T, E> {
        let requests = match &self.role {
            Role::Writer(requests) => requests,
            Role::Follower(_) => return Err(read_only(self.location())),
        };
        let (reply, answer) = oneshot::channel();
        requests.send(request(reply)).await.map_err(|_| Closed)?;
        answer.await.map_err(|_| Closed)?
    }

    async fn append_prepared(&self, prepared: Prepared) -> Result<Receipt, AppendError> {
        if prepared.records.is_empty() {
            return Ok(Receipt {
                outcomes: Vec::new(),
                durability: self.shared.options.sync.durability(),
            });
        }
        let request = |reply| Request::Append(Box::new(prepared), reply);
        self.request(request, |path| AppendError::ReadOnly { path })
            .await
    }

    pub(crate) fn location(&self) -> String {
        self.root.display().to_string()
    }

    /// What readers see now; a follower looks at the files first.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot, ReadError> {
        if let Role::Follower(follower) = &self.role {
            let follower = Arc::clone(follower);
            blocking(move || follower.refresh()).await?;
        }
        let snapshot = self.shared.snapshots.borrow().clone();
        if snapshot.closed {
            return Err(ReadError::Closed);
        }
        Ok(snapshot)
    }

    /// Reads from what is visible now; a read that meets a trim begins anew.
    pub(crate) async fn reading<T: Send + 'static>(
        &self,
        read: impl Fn(&Shared, &Snapshot) -> Result<T, Fault> + Clone + Send + 'static,
    ) -> Result<T, ReadError> {
        self.reading_here_if(|_| false, read).await
    }

    /// The same, without handing the work over to another thread where what is to be read is at hand.
    pub(crate) async fn reading_here_if<T: Send + 'static>(
        &self,
        at_hand: impl Fn(&Snapshot) -> bool,
        read: impl Fn(&Shared, &Snapshot) -> Result<T, Fault> + Clone + Send + 'static,
    ) -> Result<T, ReadError> {
        let mut attempts = 0;
        loop {
            let snapshot = self.snapshot().await?;
            let trimmed = snapshot.trimmed;
            let done = if at_hand(&snapshot) {
                read(&self.shared, &snapshot)
            } else {
                let (shared, read) = (Arc::clone(&self.shared), read.clone());
                blocking(move || read(&shared, &snapshot)).await
            };
            match done {
                // A trim removed a file between the snapshot and the read.
                Err(Fault::Io { missing: true, .. })
                    if attempts < 5 && self.snapshot().await?.trimmed > trimmed =>
                {
                    attempts += 1;
                }
                other => return other.map_err(ReadError::from),
            }
        }
    }
}

fn trim_error(error: ReadError) -> TrimError {
    match error {
        ReadError::Storage {
            action,
            path,
            message,
        } => TrimError::Storage {
            action,
            path,
            message,
        },
        ReadError::Closed => TrimError::Closed,
        damaged => TrimError::Stopped {
            reason: damaged.to_string(),
        },
    }
}

/// The writer is gone.
struct Closed;

impl From<Closed> for AppendError {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

impl From<Closed> for TrimError {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

#[async_trait]
impl EventLog for DiskLog {
    async fn append(&self, batch: Batch) -> Result<Receipt, AppendError> {
        let prepared = prepare::events(&batch, &self.shared)?;
        drop(batch);
        self.append_prepared(prepared).await
    }

    async fn append_with_ids(&self, entries: Vec<Entry>) -> Result<Receipt, AppendError> {
        let prepared = prepare::entries(entries, &self.shared)?;
        self.append_prepared(prepared).await
    }

    async fn read(&self, range: &ReadRange) -> Result<Page, ReadError> {
        let range = range.clone();
        self.reading(move |shared, snapshot| {
            reader::page(shared, snapshot, &range, &Filter::default())
        })
        .await
    }

    async fn query(&self, query: &Query) -> Result<Page, ReadError> {
        let query = query.clone();
        self.reading(move |shared, snapshot| {
            reader::page(shared, snapshot, &query.range, &query.filter)
        })
        .await
    }

    async fn session(&self, read: &SessionRead) -> Result<SessionPage, ReadError> {
        let wanted = read.clone();
        let mut page = self
            .reading(move |shared, snapshot| reader::session(shared, snapshot, &wanted))
            .await?;
        // Of a session that was trimmed the writer knows more: what is in no table yet.
        if page.retained_from.is_none()
            && let Role::Writer(requests) = &self.role
        {
            let session = self
                .shared
                .dir
                .hashes
                .term(b's', read.session_id.as_bytes());
            let (reply, answer) = oneshot::channel();
            let asked = requests.send(Request::Revision(session, reply)).await;
            asked.map_err(|_| ReadError::Closed)?;
            page.revision = answer.await.map_err(|_| ReadError::Closed)??;
        }
        Ok(page)
    }

    async fn wait(&self, cursor: &Cursor) -> Result<(), ReadError> {
        let after = cursor.get(0);
        let mut snapshots = self.shared.snapshots.subscribe();
        match &self.role {
            Role::Writer(_) => {
                let seen = snapshots
                    .wait_for(|snapshot| snapshot.closed || snapshot.has_after(after))
                    .await
                    .map_err(|_| ReadError::Closed)?;
                if seen.closed {
                    Err(ReadError::Closed)
                } else {
                    Ok(())
                }
            }
            Role::Follower(follower) => {
                let mut ticks = follower.ticks.subscribe();
                loop {
                    ticks.borrow_and_update();
                    snapshots.borrow_and_update();
                    if self.snapshot().await?.has_after(after) {
                        return Ok(());
                    }
                    tokio::select! {
                        changed = ticks.changed() => changed.map_err(|_| ReadError::Closed)?,
                        changed = snapshots.changed() => changed.map_err(|_| ReadError::Closed)?,
                    }
                }
            }
        }
    }

    async fn tail(&self) -> Result<Cursor, ReadError> {
        let snapshot = self.snapshot().await?;
        Ok([Position {
            partition: 0,
            entry_id: snapshot.last_id,
        }]
        .into_iter()
        .collect())
    }

    async fn trim(&self, request: &TrimRequest) -> Result<TrimReport, TrimError> {
        let request = request.clone();
        if request.dry_run {
            // What would go can be seen beside whoever writes.
            let snapshot = self.snapshot().await.map_err(trim_error)?;
            let now_ms = self.shared.options.clock.now_ms();
            let shared = Arc::clone(&self.shared);
            let planned =
                blocking(move || plan(&snapshot, &shared.groups, &request, now_ms)).await?;
            return Ok(planned.report);
        }
        self.request(
            |reply| Request::Trim(request, reply),
            |path| TrimError::ReadOnly { path },
        )
        .await
    }

    async fn history(&self, _: u32) -> Result<Option<u64>, ReadError> {
        let mut first = [0; 8];
        first.copy_from_slice(&self.shared.dir.meta.identity[..8]);
        Ok(Some(u64::from_le_bytes(first)))
    }

    async fn info(&self) -> Result<LogInfo, ReadError> {
        let snapshot = self.snapshot().await?;
        let shared = Arc::clone(&self.shared);
        let location = self.location();
        let info = blocking(move || info(&shared, &snapshot, location)).await?;
        Ok(info)
    }

    async fn close(&self) -> Result<(), AppendError> {
        match &self.role {
            Role::Writer(_) => {
                let closed = self
                    .request(Request::Close, |path| AppendError::ReadOnly { path })
                    .await;
                // Closing again does nothing.
                if closed == Err(AppendError::Closed) {
                    Ok(())
                } else {
                    closed
                }
            }
            Role::Follower(_) => {
                self.shared
                    .snapshots
                    .send_modify(|snapshot| snapshot.closed = true);
                Ok(())
            }
        }
    }
}

fn info(shared: &Shared, snapshot: &Snapshot, location: String) -> Result<LogInfo, Fault> {
    let dir = &shared.dir;
    let mut bytes = 0;
    let mut index_bytes = 0;
    for name in dir.storage.list(&dir.path).doing("reading", &dir.path)? {
        let path = dir.path.join(&name);
        // A file may be merged or removed meanwhile; then it takes no space.
        let len = dir
            .storage
            .open(&path, crate::storage::OpenHow::Read)
            .and_then(|file| file.len());
        let len = len.unwrap_or(0);
        bytes += len;
        if name.ends_with(".idx") || name.ends_with(".tbl") {
            index_bytes += len;
        }
    }
    let options = &shared.options;
    let mut details = vec![
        ("sync".into(), options.sync.to_string()),
        ("groups_sync".into(), options.groups_sync.to_string()),
        ("segments".into(), snapshot.segments.len().to_string()),
        ("segment_bytes".into(), options.segment_bytes.to_string()),
        ("index_bytes".into(), index_bytes.to_string()),
    ];
    details.extend(options.retention.details());
    let needs = shared.groups.needs(snapshot, options.clock.now_ms())?;
    Ok(LogInfo {
        engine: "disk",
        stream: shared.stream.clone(),
        location,
        durability: options.sync.durability(),
        durability_note: options.sync.promise(),
        idempotency_window_ms: options.idempotency_window.as_millis() as u64,
        partitions: vec![PartitionInfo {
            partition: 0,
            length: snapshot.length(),
            entries_added: snapshot.added,
            first: snapshot.first_id()?,
            last: snapshot.last_id,
            held_back: needs.iter().filter_map(Need::held_back).collect(),
        }],
        bytes,
        details,
        warnings: held_up(shared, snapshot)?,
    })
}

/// What holds up the retention, in a sentence each.
fn held_up(shared: &Shared, snapshot: &Snapshot) -> Result<Vec<String>, Fault> {
    let options = &shared.options;
    let mut warnings = Vec::new();
    for limit in retention_limits(&options.retention, snapshot.length()) {
        let request = TrimRequest {
            held_up: options.retention.held_up,
            ..TrimRequest::exact(limit)
        };
        let now_ms = options.clock.now_ms();
        for HeldBack { by, from } in plan(snapshot, &shared.groups, &request, now_ms)?
            .report
            .held_back
        {
            let warning = format!(
                "{by} still needs entries from {from} on that are beyond the retention: let its consumers catch up, move its position, or delete it"
            );
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
    }
    Ok(warnings)
}

/// The names of the streams in a data directory, sorted. None in a directory that does not exist.
pub fn streams(dir: &Path) -> Result<Vec<String>, OpenError> {
    dir::streams(&FileSystem, dir)
}

/// Gives the stream `from` of a data directory the name `to`. Nobody may be writing it, and there must be
/// no stream of that name.
pub fn rename_stream(dir: &Path, from: &str, to: &str) -> Result<(), OpenError> {
    dir::rename_stream(&FileSystem, dir, from, to)
}

/// Runs file work where it does not hold up other tasks.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and whoever waits for this with it.
            Err(_) => std::future::pending().await,
        },
    }
}
