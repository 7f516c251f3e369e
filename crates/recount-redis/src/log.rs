//! [`RedisLog`]: the engine behind the contract of `EventLog`.

mod parts;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use recount_core::{
    AppendError, Batch, Cursor, Direction, Entry, EntryId, EventLog, Filter, LogInfo, Page,
    Partition, Position, Query, ReadError, ReadRange, Receipt, SessionPage, SessionRead, TrimError,
    TrimReport, TrimRequest,
};

use crate::keys::Keys;
use crate::open::{self, OpenError};
use crate::options::RedisOptions;
use crate::publish::Publisher;
use crate::shared::Shared;
use crate::url::RedisUrl;
use crate::watch::Watcher;
use crate::{copies, info, partitions, read, retain, session, trim};

/// How long appends that are under way may take once the log is being closed.
const CLOSING: Duration = Duration::from_secs(2);

/// A stream on a Redis or Valkey server, or on a cluster of them.
///
/// Any number of processes publish, read and follow it at a time. Inside a process a `RedisLog` is
/// shared by reference or in an `Arc`; appends that meet go to the server together.
///
/// What is said of a batch holds for each partition: events of one partition become visible
/// together, an id is looked for in the partition of its session, and a strict batch over several
/// partitions is looked at everywhere before anything is written, but not locked meanwhile.
///
/// An append whose connection broke is made again, and what the first try appended comes back as
/// [`Outcome::Duplicate`](recount_core::Outcome::Duplicate).
pub struct RedisLog {
    pub(crate) shared: Arc<Shared>,
    publishers: Arc<Vec<Publisher>>,
    watchers: Vec<Watcher>,
    /// Appends since the length was looked at.
    since_trim: AtomicU64,
}

impl RedisLog {
    /// Opens a stream for publishing and reading. A stream comes to be with its first entry.
    pub async fn open(
        url: &RedisUrl,
        stream: &str,
        options: RedisOptions,
    ) -> Result<Self, OpenError> {
        let shared = Arc::new(open::open(url, stream, options, false).await?);
        tokio::spawn(retain::keep(Arc::clone(&shared)));
        Ok(Self::over(shared))
    }

    /// Opens a stream for reading only. It has to exist.
    pub async fn open_read_only(
        url: &RedisUrl,
        stream: &str,
        options: RedisOptions,
    ) -> Result<Self, OpenError> {
        let shared = Arc::new(open::open(url, stream, options, true).await?);
        Ok(Self::over(shared))
    }

    fn over(shared: Arc<Shared>) -> Self {
        let numbers = 0..shared.partitions.len() as Partition;
        let publisher = |partition| Publisher::start(Arc::clone(&shared), partition);
        let publishers = if shared.read_only {
            Vec::new()
        } else {
            numbers.clone().map(publisher).collect()
        };
        let watcher = |partition| Watcher::new(Arc::clone(&shared), partition);
        Self {
            watchers: numbers.map(watcher).collect(),
            publishers: Arc::new(publishers),
            shared,
            since_trim: AtomicU64::new(0),
        }
    }

    pub(crate) fn check_open(&self) -> Result<(), ReadError> {
        if self.shared.is_closed() {
            return Err(ReadError::Closed);
        }
        Ok(())
    }

    pub(crate) fn keys_of(&self, partition: Partition) -> Result<&Keys, ReadError> {
        self.shared
            .keys(partition)
            .ok_or_else(|| ReadError::Storage {
                action: "reading",
                path: self.shared.stream.clone(),
                message: format!("there is no partition {partition}"),
            })
    }

    fn check_writable(&self) -> Result<(), AppendError> {
        if self.shared.is_closed() {
            return Err(AppendError::Closed);
        }
        if self.shared.read_only {
            return Err(AppendError::ReadOnly {
                path: self.shared.net.url().to_string(),
            });
        }
        Ok(())
    }

    /// Keeps to the length that is to be kept.
    async fn retain(&self, appended: usize) {
        let shared = &self.shared;
        if let Some(request) = retain::exact(shared) {
            if let Err(error) = trim::all(shared, &request).await {
                // What was appended stays appended; the next append tries again.
                tracing::warn!(%error, "the stream could not be trimmed");
            }
        } else if let Some(slack) = retain::slack(shared) {
            let before = self
                .since_trim
                .fetch_add(appended as u64, Ordering::Relaxed);
            if before + appended as u64 >= slack {
                self.since_trim.store(0, Ordering::Relaxed);
                shared.appended.notify_one();
            }
        }
    }

    /// The last id of every partition.
    async fn last_ids(&self) -> Result<Vec<EntryId>, ReadError> {
        let mut last = Vec::with_capacity(self.shared.partitions.len());
        for keys in &self.shared.partitions {
            last.push(info::standing(&self.shared, keys).await?.last);
        }
        Ok(last)
    }

    /// Whether a partition holds an entry after `id`.
    async fn holds_after(&self, keys: &Keys, id: EntryId) -> Result<bool, ReadError> {
        let Some(next) = id.next() else {
            return Ok(false);
        };
        let ids = (next, EntryId::MAX);
        let found = read::fetch(&self.shared, keys, ids, Direction::Forward, 1).await?;
        Ok(!found.is_empty())
    }

    async fn wait_in(&self, partition: Partition, after: EntryId) -> Result<(), ReadError> {
        let keys = self.keys_of(partition)?;
        let watcher = &self.watchers[partition as usize];
        loop {
            let seen = watcher.seen();
            // Taken first: what comes between the look and the wait is after it.
            let last = info::standing(&self.shared, keys).await?.last;
            if self.holds_after(keys, after).await? {
                return Ok(());
            }
            if seen > Some(last) {
                // Somebody removed the stream.
                watcher.begin_anew();
            }
            watcher.changed(last, after).await?;
        }
    }
}

#[async_trait]
impl EventLog for RedisLog {
    async fn append(&self, batch: Batch) -> Result<Receipt, AppendError> {
        self.check_writable()?;
        batch.check(&self.shared.options.limits)?;
        let durability = self.shared.durability();
        if batch.events.is_empty() {
            return Ok(Receipt {
                outcomes: Vec::new(),
                durability,
            });
        }
        let outcomes = self.append_parts(batch).await?;
        let receipt = Receipt {
            outcomes,
            durability,
        };
        self.retain(receipt.appended()).await;
        Ok(receipt)
    }

    async fn append_with_ids(&self, entries: Vec<Entry>) -> Result<Receipt, AppendError> {
        self.check_writable()?;
        let durability = self.shared.durability();
        if entries.is_empty() {
            return Ok(Receipt {
                outcomes: Vec::new(),
                durability,
            });
        }
        let outcomes = copies::append(&self.shared, entries).await?;
        let receipt = Receipt {
            outcomes,
            durability,
        };
        self.retain(receipt.appended()).await;
        Ok(receipt)
    }

    async fn read(&self, range: &ReadRange) -> Result<Page, ReadError> {
        self.check_open()?;
        read::page(&self.shared, range, &Filter::default()).await
    }

    async fn query(&self, query: &Query) -> Result<Page, ReadError> {
        self.check_open()?;
        if let Some(session) = &query.filter.session_id
            && partitions::of(&self.shared, session) == query.range.partition
            && let Some(page) = session::page(&self.shared, query).await?
        {
            return Ok(page);
        }
        read::page(&self.shared, &query.range, &query.filter).await
    }

    async fn session(&self, read: &SessionRead) -> Result<SessionPage, ReadError> {
        self.check_open()?;
        session::newest(&self.shared, read).await
    }

    fn partitions(&self) -> u32 {
        self.shared.partitions.len() as u32
    }

    fn partition_of(&self, session_id: &str) -> Partition {
        partitions::of(&self.shared, session_id)
    }

    async fn wait(&self, cursor: &Cursor) -> Result<(), ReadError> {
        self.check_open()?;
        let mut closed = self.shared.closed.subscribe();
        let mut waits: Vec<_> = (0..self.partitions())
            .map(|partition| Box::pin(self.wait_in(partition, cursor.get(partition))))
            .collect();
        let first = std::future::poll_fn(move |context| {
            for wait in &mut waits {
                if let std::task::Poll::Ready(done) = wait.as_mut().poll(context) {
                    return std::task::Poll::Ready(done);
                }
            }
            std::task::Poll::Pending
        });
        tokio::select! {
            biased;
            _ = closed.wait_for(|closed| *closed) => Err(ReadError::Closed),
            done = first => done,
        }
    }

    async fn tail(&self) -> Result<Cursor, ReadError> {
        self.check_open()?;
        let last = self.last_ids().await?;
        let position = |(partition, entry_id)| Position {
            partition,
            entry_id,
        };
        Ok((0..).zip(last).map(position).collect())
    }

    async fn trim(&self, request: &TrimRequest) -> Result<TrimReport, TrimError> {
        if self.shared.is_closed() {
            return Err(TrimError::Closed);
        }
        if self.shared.read_only && !request.dry_run {
            return Err(TrimError::ReadOnly {
                path: self.shared.net.url().to_string(),
            });
        }
        trim::all(&self.shared, request).await
    }

    async fn info(&self) -> Result<LogInfo, ReadError> {
        self.check_open()?;
        info::info(&self.shared).await
    }

    async fn close(&self) -> Result<(), AppendError> {
        self.shared.closed.send_replace(true);
        let finish = async {
            for publisher in self.publishers.iter() {
                publisher.finish().await;
            }
        };
        if tokio::time::timeout(CLOSING, finish).await.is_err() {
            tracing::warn!("appends that were under way were given up: the server does not answer");
        }
        self.shared.net.close();
        Ok(())
    }
}

impl Drop for RedisLog {
    fn drop(&mut self) {
        // What runs in the background ends with the log.
        self.shared.closed.send_replace(true);
        self.shared.net.close();
    }
}

impl fmt::Debug for RedisLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLog")
            .field("url", self.shared.net.url())
            .field("stream", &self.shared.stream)
            .finish_non_exhaustive()
    }
}
