//! What holds for every command: flags over environment over defaults.

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use clap::ValueEnum;
use recount::{DEFAULT_STREAM, LogUrl, OpenError, Recount, SyncMode};

use super::error::{Failure, Result};
use super::output::quoted;

const DEFAULT_URL: &str = "disk:recount-data";

/// How long another writer is waited for without a word, and how long after that.
const SILENT_WAIT: Duration = Duration::from_secs(1);
const FURTHER_WAIT: Duration = Duration::from_secs(4);

/// The flags that may stand before or after any command, as they were given.
#[derive(clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Where the log is: disk:PATH [env: RECOUNT_URL] [default: disk:recount-data]
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,

    /// The stream's name [env: RECOUNT_STREAM] [default: memory:events]
    #[arg(long, global = true, value_name = "NAME")]
    stream: Option<String>,

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
    /// When published events are synced: always (before they are acknowledged), interval:100ms,
    /// or os (left to the system) [env: RECOUNT_FSYNC] [default: always]
    #[arg(long, value_name = "MODE")]
    pub(crate) fsync: Option<SyncMode>,
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
    url: LogUrl,
    stream: String,
    /// The flags that name this log, as a shell reads them; what stands in the environment stays
    /// there.
    flags: String,
    sync: SyncMode,
    quiet: bool,
    color: bool,
}

impl Settings {
    /// Settles what the flags leave open. An empty variable counts as unset.
    pub(crate) fn resolve(
        args: GlobalArgs,
        fsync: Option<SyncMode>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        let mut flags = String::new();
        for (flag, value) in [("--url", &args.url), ("--stream", &args.stream)] {
            if let Some(value) = value {
                flags = format!("{flags} {flag} {}", quoted(value));
            }
        }
        let url = match (args.url, variable("RECOUNT_URL")) {
            (Some(url), _) => parse("--url", &url)?,
            (None, Some(url)) => parse("RECOUNT_URL", &url)?,
            (None, None) => parse("the default", DEFAULT_URL)?,
        };
        let stream = args
            .stream
            .or_else(|| variable("RECOUNT_STREAM"))
            .unwrap_or_else(|| DEFAULT_STREAM.to_owned());
        let sync = match (fsync, variable("RECOUNT_FSYNC")) {
            (Some(mode), _) => mode,
            (None, Some(mode)) => parse("RECOUNT_FSYNC", &mode)?,
            (None, None) => SyncMode::Always,
        };
        let color = match args.color {
            When::Always => true,
            When::Never => false,
            When::Auto => variable("NO_COLOR").is_none() && io::stdout().is_terminal(),
        };
        Ok(Self {
            url,
            stream,
            flags,
            sync,
            quiet: args.quiet,
            color,
        })
    }

    /// Where the log is.
    pub(crate) fn url(&self) -> &LogUrl {
        &self.url
    }

    /// The stream's name.
    pub(crate) fn stream(&self) -> &str {
        &self.stream
    }

    /// The command line `recount {rest}` for the same log, to be shown.
    pub(crate) fn command(&self, rest: impl fmt::Display) -> String {
        format!("recount {rest}{}", self.flags)
    }

    /// When published events are synced.
    pub(crate) fn sync(&self) -> SyncMode {
        self.sync
    }

    /// The same settings for another log.
    pub(crate) fn elsewhere(&self, url: LogUrl, stream: String) -> Self {
        Self {
            url,
            stream,
            ..self.clone()
        }
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
        let log = match opening(SILENT_WAIT).await {
            Err(OpenError::Disk(recount_disk::OpenError::Locked { path, pid })) => {
                self.note(format_args!(
                    "waiting for process {pid}, which is writing {path}"
                ));
                opening(FURTHER_WAIT).await?
            }
            opened => opened?,
        };
        Ok(self.announced(log, &self.sync_words()))
    }

    /// Opens the log for reading.
    pub(crate) async fn open_read_only(&self) -> Result<Recount> {
        match self.try_open_read_only().await {
            Ok(log) => Ok(log),
            Err(error) => Err(self.explained(error)),
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

    fn builder(&self) -> recount::Builder {
        Recount::builder()
            .url(self.url.to_string())
            .stream(self.stream())
            .sync(self.sync)
    }

    /// Names the engine in force, and what opening it brought to light.
    fn announced(&self, log: Recount, how: &str) -> Recount {
        self.note(format_args!(
            "{}, stream {}, {how}",
            self.url,
            self.stream()
        ));
        if let Some(recovery) = log.recovery() {
            warn(recovery);
        }
        log
    }

    fn sync_words(&self) -> String {
        match self.sync {
            SyncMode::Always => "synced".to_owned(),
            SyncMode::Os => "written, synced by the system".to_owned(),
            SyncMode::Interval(every) => format!("written, synced every {every:?}"),
        }
    }

    fn explained(&self, error: OpenError) -> Failure {
        let missing = is_no_stream(&error);
        let failure = Failure::from(error);
        if !missing {
            return failure;
        }
        match self.url.streams().unwrap_or_default().as_slice() {
            [] => failure.hint(format!(
                "nothing is recorded in {} yet: {} or {} begins",
                self.url,
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
    )
}

/// Says on standard error that something is not as it should be.
pub(crate) fn warn(text: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "warning: {text}");
}

fn parse<T: std::str::FromStr<Err: fmt::Display>>(source: &str, text: &str) -> Result<T> {
    text.parse()
        .map_err(|error| Failure::usage(format!("{source}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> GlobalArgs {
        GlobalArgs {
            url: None,
            stream: None,
            quiet: false,
            color: When::Auto,
        }
    }

    fn resolve(args: GlobalArgs, variables: &[(&str, &str)]) -> Result<Settings> {
        Settings::resolve(args, None, |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn flags_win_over_variables_and_empty_ones_count_as_unset() {
        let variables = [("RECOUNT_URL", "disk:a"), ("RECOUNT_STREAM", "s")];
        let settings = resolve(args(), &variables).unwrap();
        assert_eq!(settings.url.to_string(), "disk:a");
        assert_eq!(settings.stream(), "s");
        assert_eq!(settings.command("info"), "recount info");

        let flags = GlobalArgs {
            url: Some("disk:b c".into()),
            ..args()
        };
        let settings = resolve(flags, &variables).unwrap();
        assert_eq!(settings.url.to_string(), "disk:b c");
        assert_eq!(settings.command("info"), "recount info --url 'disk:b c'");

        let empty = [
            ("RECOUNT_URL", ""),
            ("RECOUNT_STREAM", ""),
            ("RECOUNT_FSYNC", ""),
        ];
        let settings = resolve(args(), &empty).unwrap();
        assert_eq!(settings.url.to_string(), DEFAULT_URL);
        assert_eq!(settings.stream(), DEFAULT_STREAM);
        let own = settings.elsewhere(LogUrl::Disk("own".into()), "own".into());
        assert_eq!(
            (own.url.to_string(), own.stream()),
            ("disk:own".into(), "own")
        );
        assert_eq!(settings.sync.to_string(), "always");
    }

    #[test]
    fn a_bad_variable_is_named() {
        for (name, value) in [("RECOUNT_URL", "redis://:pw@h"), ("RECOUNT_FSYNC", "often")] {
            let Err(Failure::Reported { message, code, .. }) = resolve(args(), &[(name, value)])
            else {
                panic!("{name} was accepted");
            };
            assert!(message.starts_with(name), "{message}");
            assert!(!message.contains("pw"), "{message}");
            assert_eq!(code, 2);
        }
    }

    #[test]
    fn colours_can_be_forced_and_forbidden() {
        let always = GlobalArgs {
            color: When::Always,
            ..args()
        };
        assert!(resolve(always, &[("NO_COLOR", "1")]).unwrap().color);
        assert!(!resolve(args(), &[("NO_COLOR", "1")]).unwrap().color);
    }
}
