//! What holds for every command: flags over environment over `recount.toml` over defaults.

mod file;
mod flags;
mod lost;
mod opening;
mod report;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use recount::config::{ConfigFile, Resolved, Sources};
use recount::{Config, LogUrl, SyncMode};

use self::flags::When;
pub(crate) use self::flags::{AppendArgs, GlobalArgs, OwnFlags, SyncArgs, WriteArgs};
use super::error::Result;
use super::output::{quoted, wants_color};

/// Bytes after which a batch is appended: enough to make a sync cheap, few enough to answer soon.
const BATCH_BYTES: usize = 8 << 20;

/// What is in force.
#[derive(Clone)]
pub(crate) struct Settings {
    resolved: Resolved,
    /// The file that was read, if there is one.
    file: Option<PathBuf>,
    /// The flags that name this log, as a shell reads them, but for a URL with a password; what stands in
    /// the environment stays there.
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
        let again = || told_again(&resolved.config.url).unwrap_or_else(|| LEFT_OUT.to_owned());
        flags.insert(1, ("--url", named.then(again)));
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

    /// The URL as it can be given again; none where that would tell a user or a password.
    pub(crate) fn url_again(&self) -> Option<String> {
        told_again(self.url())
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
}

/// Stands in a command that is shown for what only the person knows.
const LEFT_OUT: &str = "...";

/// The URL as it can be given again; none where that would tell a user or a password.
fn told_again(url: &LogUrl) -> Option<String> {
    let LogUrl::Redis(server) = url else {
        return Some(url.to_string());
    };
    let shown = server.shown_with_files();
    (shown.parse().as_ref() == Ok(url)).then_some(shown)
}

/// Says on standard error that something is not as it should be.
pub(crate) fn warn(text: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "warning: {text}");
}

#[cfg(test)]
mod tests;
