//! Opening a log.

use std::sync::Arc;
use std::time::Duration;

use recount_core::Upcasters;
use recount_disk::{DiskLog, DiskOptions, SyncMode};

use crate::{InvalidUrl, LogUrl, Recount};

/// The stream that is opened unless another one is named.
pub const DEFAULT_STREAM: &str = "memory:events";

/// How a log is to be opened; see [`Recount::builder`].
///
/// ```
/// use recount::{Recount, SyncMode};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let url = format!("disk:{}", folder.path().display());
/// let recount = Recount::builder()
///     .url(&url)
///     .stream("support:events")
///     .sync(SyncMode::Os)
///     .open()
///     .await?;
/// assert_eq!(recount.info().await?.stream, "support:events");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Builder {
    url: String,
    stream: String,
    read_only: bool,
    options: DiskOptions,
    upcasters: Upcasters,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            url: "disk:recount-data".to_owned(),
            stream: DEFAULT_STREAM.to_owned(),
            read_only: false,
            options: DiskOptions::default(),
            upcasters: Upcasters::default(),
        }
    }

    /// The engine and the place; `disk:recount-data` unless given.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = url.into();
        self
    }

    /// The stream's name; [`DEFAULT_STREAM`] unless given.
    pub fn stream(mut self, name: impl Into<String>) -> Self {
        self.stream = name.into();
        self
    }

    /// Opens for reading and following only, beside whoever writes. The stream must exist.
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// When an append counts as done; [`SyncMode::Always`] unless given.
    pub fn sync(mut self, mode: SyncMode) -> Self {
        self.options.sync = mode;
        self
    }

    /// How long to wait for another process that has the log open for writing; 5 s unless given.
    pub fn lock_wait(mut self, wait: Duration) -> Self {
        self.options.lock_wait = wait;
        self
    }

    /// How events of older versions are read; see [`Upcasters`]. Without any, they are read as they
    /// are stored.
    pub fn upcasters(mut self, upcasters: Upcasters) -> Self {
        self.upcasters = upcasters;
        self
    }

    /// Opens the log. For writing, directory and stream are created where they are missing.
    pub async fn open(self) -> Result<Recount, OpenError> {
        let LogUrl::Disk(dir) = self.url.parse::<LogUrl>()?;
        let log = if self.read_only {
            DiskLog::open_read_only(dir, &self.stream, self.options).await?
        } else {
            DiskLog::open(dir, &self.stream, self.options).await?
        };
        let recovery = log.recovery().map(ToString::to_string);
        Ok(Recount::opened(Arc::new(log), self.upcasters, recovery))
    }
}

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL names no log.
    #[error(transparent)]
    Url(#[from] InvalidUrl),
    /// The disk engine refused.
    #[error(transparent)]
    Disk(#[from] recount_disk::OpenError),
}

impl LogUrl {
    /// The names of the streams there, sorted.
    pub fn streams(&self) -> Result<Vec<String>, OpenError> {
        match self {
            Self::Disk(dir) => Ok(recount_disk::streams(dir)?),
        }
    }
}
