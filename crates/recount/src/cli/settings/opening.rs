//! Opening the log that is in force, and what is said of that.

use std::time::Duration;

use recount::{OpenError, Recount, SyncMode};

use super::{Settings, warn};
use crate::cli::error::{Failure, Result};
use crate::cli::output::{count, some_of};

/// How long another writer is waited for without a word.
const SILENT_WAIT: Duration = Duration::from_secs(1);

/// How long the streams of a place are looked for.
const LISTING: Duration = Duration::from_secs(1);

impl Settings {
    /// Opens the log for appending, creating what is missing.
    pub(crate) async fn open(&self) -> Result<Recount> {
        let log = self.open_for_writing().await?;
        Ok(self.announced(log, &self.acknowledged_words()))
    }

    /// Opens the log for trimming: what an append waits for does not count.
    pub(crate) async fn open_to_trim(&self) -> Result<Recount> {
        let log = self.open_for_writing().await?;
        Ok(self.announced(log, "trimming"))
    }

    /// Opens the log for changing and consuming its groups.
    pub(crate) async fn open_for_groups(&self) -> Result<Recount> {
        let log = self.open_for_writing().await?;
        Ok(self.announced(log, "consumer groups"))
    }

    async fn open_for_writing(&self) -> Result<Recount> {
        let opening = |wait| self.builder().lock_wait(wait).open();
        let wait = self.config().lock_wait;
        let silent = wait.min(SILENT_WAIT);
        Ok(match opening(silent).await {
            Err(OpenError::Disk(recount_disk::OpenError::Locked { path, pid }))
                if silent < wait =>
            {
                self.note(format_args!(
                    "waiting for process {pid}, which is writing {path}"
                ));
                opening(wait.saturating_sub(silent)).await?
            }
            opened => opened?,
        })
    }

    /// Opens the log for reading.
    pub(crate) async fn open_read_only(&self) -> Result<Recount> {
        match self.try_open_read_only().await {
            Ok(log) => Ok(log),
            Err(error) => Err(self.explained(error).await),
        }
    }

    /// As [`Settings::open_read_only`], for those who know what to do about a missing stream.
    pub(crate) async fn try_open_read_only(&self) -> Result<Recount, OpenError> {
        let log = self.builder().read_only().open().await?;
        Ok(self.announced(log, "reading"))
    }

    /// Creates the stream, empty, where it is missing.
    pub(crate) async fn create(&self) -> Result {
        Ok(self.builder().open().await?.close().await?)
    }

    /// The names of the streams there; none where it takes long to find them, among a server's other
    /// keys, or where the user may not look for them.
    pub(crate) async fn streams(&self) -> Result<Option<Vec<String>>, OpenError> {
        let listing = self.builder();
        match tokio::time::timeout(LISTING, listing.streams()).await {
            Err(_) | Ok(Err(OpenError::Redis(recount_redis::OpenError::Refused { .. }))) => {
                Ok(None)
            }
            Ok(streams) => streams.map(Some),
        }
    }

    /// Whether the stream exists.
    pub(crate) async fn exists(&self) -> Result<bool> {
        if !self.on_server() {
            let streams = self.builder().streams().await?;
            return Ok(streams.iter().any(|name| name == self.stream()));
        }
        match self.builder().read_only().open().await {
            Ok(log) => {
                log.close().await?;
                Ok(true)
            }
            Err(error) if error.is_no_stream() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn builder(&self) -> recount::Builder {
        Recount::builder().config(self.config().clone())
    }

    /// Names the engine in force, and what opening it brought to light.
    fn announced(&self, log: Recount, how: &str) -> Recount {
        self.note(format_args!(
            "{}, stream {}, {how}",
            self.url(),
            self.stream()
        ));
        if let Some(recovery) = log.recovery() {
            warn(recovery);
        }
        log
    }

    /// When an append counts as done, as far as settings say.
    fn acknowledged_words(&self) -> String {
        if self.on_server() {
            return self.confirmed_words();
        }
        match self.sync() {
            SyncMode::Always => "synced".to_owned(),
            SyncMode::Os => "written, synced by the system".to_owned(),
            SyncMode::Interval(every) => format!("written, synced every {every:?}"),
        }
    }

    /// Who confirms an append besides the server.
    fn confirmed_words(&self) -> String {
        let redis = &self.config().redis;
        let mut waits = Vec::new();
        if redis.wait_replicas > 0 {
            waits.push(format!(
                "held by {}",
                count(redis.wait_replicas.into(), "replica")
            ));
        }
        if let Some(aof) = redis.wait_aof {
            let local = aof.local.then(|| "the server".to_owned());
            let replicas = (aof.replicas > 0).then(|| count(aof.replicas.into(), "replica"));
            let who: Vec<_> = local.into_iter().chain(replicas).collect();
            waits.push(format!("synced by {}", who.join(" and ")));
        }
        if waits.is_empty() {
            return "as durable as the server is set up (recount info tells)".to_owned();
        }
        waits.join(", ")
    }

    async fn explained(&self, error: OpenError) -> Failure {
        let missing = error.is_no_stream();
        let failure = Failure::from(error);
        if !missing {
            return failure;
        }
        if let Some(mirrored) = self.mirrored().await {
            return failure.hint(mirrored.hint());
        }
        let Ok(Some(streams)) = self.streams().await else {
            return failure.hint("--stream NAME names another one");
        };
        match streams.as_slice() {
            [] => failure.hint(format!(
                "nothing is recorded in {} yet: {} or {} begins",
                self.url(),
                self.command("publish"),
                self.command("import FILE")
            )),
            // It was created meanwhile, or only the listing finds it.
            streams if streams.iter().any(|name| name == self.stream()) => failure,
            [only] => failure.hint(format!(
                "--stream NAME names another one: there is {}",
                some_of(std::slice::from_ref(only))
            )),
            streams => failure.hint(format!(
                "--stream NAME names another one: there are {}",
                some_of(streams)
            )),
        }
    }
}
