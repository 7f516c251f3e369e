//! Opening a log.

use std::sync::Arc;
use std::time::Duration;

use recount_core::{Limits, Retention, Upcasters};
use recount_disk::{DiskLog, DiskOptions, SyncMode};

use crate::{Config, InvalidUrl, LogUrl, Recount};

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
    url: Result<LogUrl, InvalidUrl>,
    config: Config,
    read_only: bool,
    upcasters: Upcasters,
}

impl Builder {
    pub(crate) fn new() -> Self {
        let config = Config::default();
        Self {
            url: Ok(config.url.clone()),
            config,
            read_only: false,
            upcasters: Upcasters::default(),
        }
    }

    /// All settings at once, in place of what was given so far.
    pub fn config(mut self, config: Config) -> Self {
        self.url = Ok(config.url.clone());
        self.config = config;
        self
    }

    /// The engine and the place; `disk:recount-data` unless given.
    pub fn url(mut self, url: impl AsRef<str>) -> Self {
        self.url = url.as_ref().parse();
        self
    }

    /// The stream's name; [`DEFAULT_STREAM`] unless given.
    pub fn stream(mut self, name: impl Into<String>) -> Self {
        self.config.stream = name.into();
        self
    }

    /// Opens for reading and following only, beside whoever writes. The stream must exist.
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// When an append counts as done; [`SyncMode::Always`] unless given.
    pub fn sync(mut self, mode: SyncMode) -> Self {
        self.config.fsync = mode;
        self
    }

    /// What the log keeps; everything unless given. Whoever has it open for writing trims the rest.
    pub fn retention(mut self, retention: Retention) -> Self {
        self.config.retention = retention;
        self
    }

    /// What an append may hold at most.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// How long an event id is remembered; 24 hours unless given.
    pub fn idempotency_window(mut self, window: Duration) -> Self {
        self.config.idempotency_window = window;
        self
    }

    /// How long to wait for another process that has the log open for writing; 5 s unless given.
    pub fn lock_wait(mut self, wait: Duration) -> Self {
        self.config.lock_wait = wait;
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
        let LogUrl::Disk(dir) = self.url?;
        let stream = &self.config.stream;
        let options = DiskOptions {
            sync: self.config.fsync,
            limits: self.config.limits,
            idempotency_window: self.config.idempotency_window,
            retention: self.config.retention,
            lock_wait: self.config.lock_wait,
            ..DiskOptions::default()
        };
        let log = if self.read_only {
            DiskLog::open_read_only(dir, stream, options).await?
        } else {
            DiskLog::open(dir, stream, options).await?
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
