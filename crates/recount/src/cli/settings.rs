//! What holds for every command: flags over environment over `recount.toml` over defaults.

mod file;
mod report;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use recount::config::{ConfigFile, Resolved, Sources};
use recount::{Config, LogUrl, OpenError, Recount, SyncMode};

use super::error::{Failure, Result};
use super::output::{count, quoted, wants_color};

/// How long another writer is waited for without a word.
const SILENT_WAIT: Duration = Duration::from_secs(1);

/// How long the streams of a place are looked for.
const LISTING: Duration = Duration::from_secs(1);

/// Bytes after which a batch is appended: enough to make a sync cheap, few enough to answer soon.
const BATCH_BYTES: usize = 8 << 20;

/// The flags that may stand before or after any command, as they were given.
#[derive(clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Where the log is: disk:PATH, redis://HOST:PORT, rediss:// (TLS), redis-sentinel://HOST,HOST/NAME,
    /// redis-cluster://HOST,HOST [env: RECOUNT_URL, else REDIS_URL] [default: disk:recount-data]
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,

    /// The stream's name [env: RECOUNT_STREAM] [default: memory:events]
    #[arg(long, global = true, value_name = "NAME")]
    stream: Option<String>,

    /// Read settings from this file [env: RECOUNT_CONFIG] [default: recount.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Where copies of streams on servers are kept, which queries read [env: RECOUNT_MIRROR]
    /// [default: recount/mirrors where XDG_STATE_HOME says, else in ~/.local/state]
    #[arg(long, global = true, value_name = "DIR")]
    mirror: Option<String>,

    /// Leave out everything but results and errors
    #[arg(long, short, global = true)]
    quiet: bool,

    /// Colours: always, never, or auto (on terminals, unless NO_COLOR is set)
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true
    )]
    color: When,
}

/// The flags of commands that write. They may stand before the command, too.
#[derive(clap::Args)]
pub(crate) struct WriteArgs {
    /// When published events are synced, on disk: always (before they are acknowledged),
    /// interval:100ms, or os (left to the system) [env: RECOUNT_FSYNC] [default: always]
    #[arg(long, value_name = "MODE")]
    fsync: Option<SyncMode>,

    /// Replicas that must have an append before it is acknowledged, on a server
    /// [env: RECOUNT_REDIS_WAIT_REPLICAS] [default: 0]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    wait_replicas: Option<String>,

    /// Who must have synced an append before it is acknowledged, on a server: off, local, replicas:N,
    /// local+replicas:N [env: RECOUNT_REDIS_WAIT_AOF] [default: off]
    #[arg(long, value_name = "WHO")]
    wait_aof: Option<String>,

    /// Partitions of a stream that is created on a server [env: RECOUNT_REDIS_PARTITIONS] [default: 1]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    partitions: Option<String>,
}

impl WriteArgs {
    /// What is given here, and what was given `before` the command where it is not.
    pub(crate) fn or(&self, before: &Self) -> OwnFlags {
        let own = |flag: fn(&Self) -> &Option<String>| flag(self).clone().or(flag(before).clone());
        OwnFlags {
            fsync: self.fsync.or(before.fsync),
            wait_replicas: own(|args| &args.wait_replicas),
            wait_aof: own(|args| &args.wait_aof),
            partitions: own(|args| &args.partitions),
            ..OwnFlags::default()
        }
    }

    /// A flag that was given.
    pub(crate) fn first(&self) -> Option<&'static str> {
        let given = [
            ("--fsync", self.fsync.is_some()),
            ("--wait-replicas", self.wait_replicas.is_some()),
            ("--wait-aof", self.wait_aof.is_some()),
            ("--partitions", self.partitions.is_some()),
        ];
        given
            .into_iter()
            .find(|(_, given)| *given)
            .map(|(flag, _)| flag)
    }
}

/// The flag of commands that append many events.
#[derive(clap::Args)]
pub(crate) struct BatchArgs {
    /// Events appended at once at most [env: RECOUNT_BATCH_SIZE] [default: 4096]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) batch_size: Option<String>,
}

/// What a command's own flags say about settings.
#[derive(Default)]
pub(crate) struct OwnFlags {
    pub(crate) fsync: Option<SyncMode>,
    pub(crate) wait_replicas: Option<String>,
    pub(crate) wait_aof: Option<String>,
    pub(crate) partitions: Option<String>,
    pub(crate) batch_size: Option<String>,
    pub(crate) block: Option<String>,
}

/// `auto`, `always` or `never`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

/// What is in force.
#[derive(Clone)]
pub(crate) struct Settings {
    resolved: Resolved,
    /// The file that was read, if there is one.
    file: Option<PathBuf>,
    /// The flags that name this log, as a shell reads them; what stands in the environment stays
    /// there.
    flags: String,
    quiet: bool,
    color: bool,
}

impl Settings {
    /// Reads what the flags, the variables and the file say. An empty variable counts as unset.
    /// What `only_flags` names is taken from flags only.
    pub(crate) fn read(
        args: GlobalArgs,
        own: OwnFlags,
        only_flags: &[&str],
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self> {
        let named = variable("RECOUNT_CONFIG").filter(|value| !value.is_empty());
        let file = match (&args.config, named) {
            (Some(path), _) => Some(file::named("--config", path)?),
            (None, Some(path)) => Some(file::named("RECOUNT_CONFIG", Path::new(&path))?),
            (None, None) => file::of_this_folder()?,
        };
        Self::resolve(args, own, only_flags, &variable, file.as_ref())
    }

    fn resolve(
        args: GlobalArgs,
        own: OwnFlags,
        only_flags: &[&str],
        variable: &dyn Fn(&str) -> Option<OsString>,
        file: Option<&ConfigFile>,
    ) -> Result<Self> {
        let named = args.url.is_some();
        let mut flags = vec![
            (
                "--config",
                args.config.as_ref().map(|path| path.display().to_string()),
            ),
            ("--stream", args.stream.clone()),
            ("--mirror", args.mirror.clone()),
        ];
        let given = [
            ("url", "--url", args.url),
            ("stream", "--stream", args.stream),
            ("mirror", "--mirror", args.mirror),
            ("redis.wait_replicas", "--wait-replicas", own.wait_replicas),
            ("redis.wait_aof", "--wait-aof", own.wait_aof),
            ("redis.partitions", "--partitions", own.partitions),
            ("fsync", "--fsync", own.fsync.map(|mode| mode.to_string())),
            ("batch_size", "--batch-size", own.batch_size),
            ("block_timeout", "--block", own.block),
        ];
        let sources = Sources {
            flags: given
                .into_iter()
                .filter_map(|(key, flag, value)| Some((key, flag, value?)))
                .collect(),
            variable,
            file,
            only_flags,
        };
        let resolved = sources
            .resolve()
            .map_err(|errors| report::failure(&errors))?;
        // As it is displayed: what was given may hold a password.
        flags.insert(1, ("--url", named.then(|| resolved.config.url.to_string())));
        let given = flags
            .into_iter()
            .filter_map(|(flag, value)| Some((flag, value?)));
        let flags = given.map(|(flag, value)| format!(" {flag} {}", quoted(&value)));
        let flags = flags.collect();
        let color = match args.color {
            When::Always => true,
            When::Never => false,
            When::Auto => wants_color(io::stdout().is_terminal(), variable),
        };
        Ok(Self {
            resolved,
            file: file.map(|file| file.path().to_owned()),
            flags,
            quiet: args.quiet,
            color,
        })
    }

    /// All settings, and where each comes from.
    pub(crate) fn resolved(&self) -> &Resolved {
        &self.resolved
    }

    /// The settings.
    pub(crate) fn config(&self) -> &Config {
        &self.resolved.config
    }

    /// The file that was read, if there is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Bytes after which a batch is appended. One more event keeps it within the limit.
    pub(crate) fn batch_bytes(&self) -> usize {
        let limits = self.config().limits;
        BATCH_BYTES.min(limits.batch_bytes_max - limits.event_bytes_max)
    }

    /// Where the log is.
    pub(crate) fn url(&self) -> &LogUrl {
        &self.config().url
    }

    /// Whether a server keeps it.
    pub(crate) fn on_server(&self) -> bool {
        matches!(self.url(), LogUrl::Redis(_))
    }

    /// The stream's name.
    pub(crate) fn stream(&self) -> &str {
        &self.config().stream
    }

    /// The command line `recount {rest}` for the same log, to be shown.
    pub(crate) fn command(&self, rest: impl fmt::Display) -> String {
        format!("recount {rest}{}", self.flags)
    }

    /// When published events are synced.
    pub(crate) fn sync(&self) -> SyncMode {
        self.config().fsync
    }

    /// The same settings for another log.
    pub(crate) fn elsewhere(&self, url: LogUrl, stream: String) -> Self {
        let mut settings = self.clone();
        settings.resolved.config.url = url;
        settings.resolved.config.stream = stream;
        settings
    }

    /// Whether standard output is to be coloured.
    pub(crate) fn color(&self) -> bool {
        self.color
    }

    /// Whether nothing but warnings and errors is to be said.
    pub(crate) fn quiet(&self) -> bool {
        self.quiet
    }

    /// Says something on standard error, unless it is to be quiet.
    pub(crate) fn note(&self, text: impl fmt::Display) {
        if !self.quiet {
            let _ = writeln!(io::stderr(), "recount: {text}");
        }
    }

    /// Opens the log for writing, creating what is missing.
    pub(crate) async fn open(&self) -> Result<Recount> {
        let opening = |wait| self.builder().lock_wait(wait).open();
        let wait = self.config().lock_wait;
        let silent = wait.min(SILENT_WAIT);
        let log = match opening(silent).await {
            Err(OpenError::Disk(recount_disk::OpenError::Locked { path, pid }))
                if silent < wait =>
            {
                self.note(format_args!(
                    "waiting for process {pid}, which is writing {path}"
                ));
                opening(wait.saturating_sub(silent)).await?
            }
            opened => opened?,
        };
        Ok(self.announced(log, &self.acknowledged_words()))
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
    /// keys.
    pub(crate) async fn streams(&self) -> Result<Option<Vec<String>>, OpenError> {
        let listing = self.builder();
        match tokio::time::timeout(LISTING, listing.streams()).await {
            Ok(streams) => streams.map(Some),
            Err(_) => Ok(None),
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
            Err(error) if is_no_stream(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn builder(&self) -> recount::Builder {
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
        let missing = is_no_stream(&error);
        let failure = Failure::from(error);
        if !missing {
            return failure;
        }
        let streams = self.streams().await.unwrap_or_default();
        match streams.unwrap_or_default().as_slice() {
            [] => failure.hint(format!(
                "nothing is recorded in {} yet: {} or {} begins",
                self.url(),
                self.command("publish"),
                self.command("import FILE")
            )),
            // It was created meanwhile, or only the listing finds it.
            streams if streams.iter().any(|name| name == self.stream()) => failure,
            streams => failure.hint(format!("--stream NAME; there are {}", streams.join(", "))),
        }
    }
}

/// Whether the log could not be opened because it does not exist.
pub(crate) fn is_no_stream(error: &OpenError) -> bool {
    matches!(
        error,
        OpenError::Disk(recount_disk::OpenError::NoStream { .. })
            | OpenError::Redis(recount_redis::OpenError::NoStream { .. })
    )
}

/// Says on standard error that something is not as it should be.
pub(crate) fn warn(text: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "warning: {text}");
}

#[cfg(test)]
mod tests;
