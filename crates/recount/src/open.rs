//! Opening a log.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use recount_core::{EventLog, GroupStore, Limits, Retention, UpcastGroups, UpcastLog, Upcasters};
use recount_disk::{DiskLog, DiskOptions, SyncMode};
use recount_redis::{RedisLog, RedisOptions, RedisUrl};
use recount_runtime::{MirrorHistory, MirrorOptions, MirroredLog};
use recount_views::{Registered, View, ViewsOptions};

use crate::config::RedisConfig;
use crate::groups::Groups;
use crate::handle::Server;
use crate::views::{Place, Registry};
use crate::{Config, InvalidUrl, LogUrl, Recount};

/// The stream that is opened unless another one is named.
pub const DEFAULT_STREAM: &str = "memory:events";

/// The directory of views, beside what they are made of.
const VIEWS: &str = "views";

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
    pub(crate) config: Config,
    /// What is wrong with the URL that was given last.
    invalid_url: Option<InvalidUrl>,
    read_only: bool,
    upcasters: Upcasters,
    views: Registry,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            config: Config::default(),
            invalid_url: None,
            read_only: false,
            upcasters: Upcasters::default(),
            views: Registry::new(),
        }
    }

    /// All settings at once, in place of what was given so far.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self.invalid_url = None;
        self
    }

    /// The engine and the place; `disk:recount-data` unless given. See [`LogUrl`].
    pub fn url(mut self, url: impl AsRef<str>) -> Self {
        match url.as_ref().parse() {
            Ok(url) => {
                self.config.url = url;
                self.invalid_url = None;
            }
            Err(invalid) => self.invalid_url = Some(invalid),
        }
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

    /// When what consumer groups were delivered and acknowledged is on stable storage, on disk; every 100 ms
    /// unless given. A crash only ever delivers again.
    pub fn groups_sync(mut self, mode: SyncMode) -> Self {
        self.config.groups_fsync = mode;
        self
    }

    /// What an append may hold at most.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// How long an event id is remembered; 24 hours on disk and 10 minutes on a server unless given. Zero,
    /// on a server only: not at all, and sessions have neither index nor revisions there.
    pub fn idempotency_window(mut self, window: Duration) -> Self {
        self.config.idempotency_window = Some(window);
        self
    }

    /// How long to wait for another process that has the log open for writing; 5 s unless given.
    pub fn lock_wait(mut self, wait: Duration) -> Self {
        self.config.lock_wait = wait;
        self
    }

    /// What is set of logs on a server.
    pub fn redis(mut self, redis: RedisConfig) -> Self {
        self.config.redis = redis;
        self
    }

    /// Where a copy of a stream on a server is kept, which queries then read; it is begun by the first
    /// query that needs it. Without one, queries look through the server.
    pub fn mirror(mut self, folder: impl Into<PathBuf>) -> Self {
        self.config.mirror = Some(folder.into());
        self
    }

    /// How events of older versions are read; see [`Upcasters`]. Without any, they are read as they
    /// are stored.
    pub fn upcasters(mut self, upcasters: Upcasters) -> Self {
        self.upcasters = upcasters;
        self
    }

    /// A view of your own, which is kept beside the log with those that come with it: see [`View`] and
    /// [`Recount::views`].
    pub fn view<V: View>(mut self, make: impl Fn() -> V + Send + Sync + 'static) -> Self {
        self.views.push(Registered::view(make));
        self
    }

    /// Opens the log. For writing, what is missing is created.
    pub async fn open(self) -> Result<Recount, OpenError> {
        match self.place()? {
            LogUrl::Disk(dir) => self.open_disk(dir).await,
            // Too large to lie in every caller.
            LogUrl::Redis(url) => Box::pin(self.open_redis(url)).await,
        }
    }

    async fn open_disk(self, dir: PathBuf) -> Result<Recount, OpenError> {
        let stream = &self.config.stream;
        let options = DiskOptions {
            sync: self.config.fsync,
            limits: self.config.limits,
            idempotency_window: self.config.idempotency_window(),
            retention: self.config.retention,
            lock_wait: self.config.lock_wait,
            groups_sync: self.config.groups_fsync,
            ..DiskOptions::default()
        };
        let log = if self.read_only {
            DiskLog::open_read_only(dir, stream, options).await?
        } else {
            DiskLog::open(dir, stream, options).await?
        };
        let recovery = log.recovery().map(ToString::to_string);
        let log = Arc::new(log);
        let groups = self.groups(Arc::clone(&log) as _);
        let views = self.views(log.dir().join(VIEWS), Arc::clone(&log) as _);
        Ok(Recount::opened(log, self.upcasters, recovery)
            .with_groups(groups)
            .with_views(views))
    }

    async fn open_redis(self, url: RedisUrl) -> Result<Recount, OpenError> {
        let url = self.logged_in(url);
        let stream = &self.config.stream;
        let options = self.redis_options();
        let log = if self.read_only {
            RedisLog::open_read_only(&url, stream, options).await?
        } else {
            RedisLog::open(&url, stream, options).await?
        };
        let log = Arc::new(log);
        let groups = self.groups(Arc::clone(&log) as _);
        let mirrored = self.config.mirror.clone().map(|folder| {
            let options = MirrorOptions::new(folder);
            Arc::new(MirroredLog::new(Arc::clone(&log), options))
        });
        let read: Arc<dyn EventLog> = match &mirrored {
            Some(mirrored) => Arc::clone(mirrored) as _,
            None => Arc::clone(&log) as _,
        };
        let server = Server {
            log: Arc::clone(&log) as _,
            origin: log,
            mirrored: mirrored.clone(),
        };
        let views = mirrored.map(|mirrored| {
            let dir = mirrored.mirror_dir().join(VIEWS);
            self.views(dir, Arc::new(MirrorHistory::of(mirrored)))
        });
        let recount = Recount::opened(read, self.upcasters, None)
            .on(server)
            .with_groups(groups);
        Ok(match views {
            Some(views) => recount.with_views(views),
            None => recount,
        })
    }

    fn views(&self, dir: PathBuf, source: Arc<dyn EventLog>) -> Place {
        let options = ViewsOptions {
            fingerprint: self.upcasters.fingerprint(),
            lock_wait: self.config.lock_wait,
            views: self.views.clone(),
            ..ViewsOptions::default()
        };
        let lifted = UpcastLog::new(source, self.upcasters.clone());
        Place::new(dir, Arc::new(lifted), options)
    }

    fn groups(&self, store: Arc<dyn GroupStore>) -> Groups {
        let lifted = UpcastGroups::new(store, self.upcasters.clone());
        Groups::new(Arc::new(lifted), self.clone())
    }

    /// The names of the streams there, sorted.
    pub async fn streams(&self) -> Result<Vec<String>, OpenError> {
        match self.place()? {
            LogUrl::Disk(dir) => Ok(recount_disk::streams(&dir)?),
            LogUrl::Redis(url) => {
                let url = self.logged_in(url);
                let options = self.redis_options();
                Ok(Box::pin(recount_redis::streams(&url, &options)).await?)
            }
        }
    }

    fn place(&self) -> Result<LogUrl, OpenError> {
        match &self.invalid_url {
            Some(invalid) => Err(invalid.clone().into()),
            None => Ok(self.config.url.clone()),
        }
    }

    fn logged_in(&self, url: RedisUrl) -> RedisUrl {
        let password = self.config.redis.password.as_ref();
        url.with_password(password.map(|password| password.reveal().to_owned()))
    }

    fn redis_options(&self) -> RedisOptions {
        let redis = &self.config.redis;
        RedisOptions {
            limits: self.config.limits,
            idempotency_window: self.config.idempotency_window(),
            idempotency_ids_max: redis.idempotency_ids_max,
            retention: self.config.retention,
            wait_replicas: redis.wait_replicas,
            wait_aof: redis.wait_aof,
            wait_timeout: redis.wait_timeout,
            partitions: redis.partitions,
            deadline: redis.timeout,
            ..RedisOptions::default()
        }
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
    /// The server refused, or could not be reached.
    #[error(transparent)]
    Redis(#[from] recount_redis::OpenError),
}
