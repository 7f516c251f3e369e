//! Every setting: what it means, where it may be written, and what holds unless it is.
//!
//! [`Config`] is the one struct that all code reads. [`SETTINGS`] describes each of its fields once;
//! the parser of `recount.toml`, the variables, `recount config` and the documentation are made of
//! these descriptions, so that they cannot drift apart. [`Sources`] settles which source wins:
//! flags over variables over the file over what other programs' variables say (`REDIS_URL`,
//! `REDIS_PASSWORD`) over defaults.
//!
//! Nothing here reads the environment or a file; whoever does hands in what was read.
//!
//! ```
//! use recount::config::{ConfigFile, Sources};
//!
//! let file = ConfigFile::parse("recount.toml".as_ref(), b"batch_size = 500\nlock_wait = \"1s\"")?;
//! let resolved = Sources {
//!     file: Some(&file),
//!     variable: &|name| (name == "RECOUNT_BATCH_SIZE").then(|| "750".into()),
//!     ..Sources::default()
//! }
//! .resolve()?;
//! assert_eq!(resolved.config.batch_size, 750);
//! assert_eq!(resolved.origin("batch_size").to_string(), "RECOUNT_BATCH_SIZE");
//! assert_eq!(resolved.origin("lock_wait").to_string(), "recount.toml:2:13");
//! # Ok::<(), recount::config::ConfigErrors>(())
//! ```

mod error;
mod excerpt;
mod file;
mod given;
mod held_up;
mod redis;
mod setting;
mod settings;
mod sources;
mod summarizer;
mod units;

use std::path::PathBuf;
use std::time::Duration;

use recount_core::Limits;
use recount_core::Retention;
use recount_disk::SyncMode;
use recount_redis::RedisOptions;

pub use self::error::{ConfigError, ConfigErrors, Place};
pub use self::excerpt::Excerpt;
pub use self::file::{ConfigFile, FILE_BYTES_MAX};
pub use self::held_up::parse_held_up;
pub use self::redis::{RedisConfig, Secret};
pub use self::setting::{Setting, Value};
pub use self::settings::{SETTINGS, example};
pub use self::sources::{Origin, Resolved, Sources};
pub use self::summarizer::SummarizerConfig;
pub use self::units::span as parse_span;
use crate::{DEFAULT_STREAM, LogUrl};

/// Everything that can be set. [`Config::default`] is right for nearly everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the log is. Default: `disk:recount-data`.
    pub url: LogUrl,
    /// The stream's name. Default: [`DEFAULT_STREAM`].
    pub stream: String,
    /// What an acknowledgement promises. Default: [`SyncMode::Always`].
    pub fsync: SyncMode,
    /// How many events the commands that take in many put into one append at most. Default: 4096.
    pub batch_size: usize,
    /// How long `recount tail` waits for the next event before it ends. Default: for ever.
    pub block_timeout: Option<Duration>,
    /// How long an event id is remembered, so that publishing it again adds nothing. Default: as
    /// [`Config::idempotency_window`] says.
    pub idempotency_window: Option<Duration>,
    /// How long to wait for another process that writes the log. Default: 5 s.
    pub lock_wait: Duration,
    /// Where copies of streams on servers are kept, which queries read. Default: nowhere; queries then
    /// look through the server.
    pub mirror: Option<PathBuf>,
    /// What the log keeps. Default: everything.
    pub retention: Retention,
    /// When what consumer groups were delivered and acknowledged is on stable storage, on disk. Default:
    /// every 100 ms.
    pub groups_fsync: SyncMode,
    /// What an append may hold at most.
    pub limits: Limits,
    /// What is set of logs on a server.
    pub redis: RedisConfig,
    /// What makes summaries.
    pub summarizer: SummarizerConfig,
}

impl Config {
    /// How long an event id is remembered: what is set, else 24 hours on disk and 10 minutes on a server,
    /// which remembers in memory.
    pub fn idempotency_window(&self) -> Duration {
        self.idempotency_window.unwrap_or(match self.url {
            LogUrl::Disk(_) => Duration::from_hours(24),
            LogUrl::Redis(_) => RedisOptions::default().idempotency_window,
        })
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: LogUrl::Disk("recount-data".into()),
            stream: DEFAULT_STREAM.to_owned(),
            fsync: SyncMode::default(),
            batch_size: 4_096,
            block_timeout: None,
            idempotency_window: None,
            lock_wait: Duration::from_secs(5),
            mirror: None,
            retention: Retention::default(),
            groups_fsync: SyncMode::Interval(Duration::from_millis(100)),
            limits: Limits::default(),
            redis: RedisConfig::default(),
            summarizer: SummarizerConfig::default(),
        }
    }
}

#[cfg(test)]
mod tests;
