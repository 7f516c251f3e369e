//! The flags that say what is in force.

use std::path::PathBuf;

use clap::ValueEnum;
use recount::SyncMode;

/// The flags that may stand before or after any command, as they were given.
#[derive(clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Where the log is: disk:PATH, redis://HOST:PORT, rediss:// (TLS), redis-sentinel://HOST,HOST/NAME,
    /// redis-cluster://HOST,HOST [env: RECOUNT_URL, else REDIS_URL] [default: disk:recount-data]
    #[arg(long, global = true, value_name = "URL")]
    pub(super) url: Option<String>,

    /// The stream's name [env: RECOUNT_STREAM] [default: memory:events]
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) stream: Option<String>,

    /// Read settings from this file [env: RECOUNT_CONFIG] [default: recount.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Where copies of streams on servers are kept, which queries read [env: RECOUNT_MIRROR]
    /// [default: recount/mirrors where XDG_STATE_HOME says, else in ~/.local/state]
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) mirror: Option<String>,

    /// Leave out everything but results and errors
    #[arg(long, short, global = true)]
    pub(super) quiet: bool,

    /// Colours: always, never, or auto (on terminals, unless NO_COLOR is set)
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true
    )]
    pub(super) color: When,
}

/// The flag of commands that write at all. It may stand before the command, too.
#[derive(clap::Args)]
pub(crate) struct SyncArgs {
    /// When published events are synced, on disk: always (before they are acknowledged),
    /// interval:100ms, or os (left to the system) [env: RECOUNT_FSYNC] [default: always]
    #[arg(long, value_name = "MODE")]
    fsync: Option<SyncMode>,
}

impl SyncArgs {
    /// What is given here, and what was given `before` the command where it is not.
    pub(crate) fn or(&self, before: &Self) -> OwnFlags {
        OwnFlags {
            fsync: self.fsync.or(before.fsync),
            ..OwnFlags::default()
        }
    }
}

/// The flags of commands that append. They may stand before the command, too.
#[derive(clap::Args)]
pub(crate) struct WriteArgs {
    #[command(flatten)]
    pub(crate) sync: SyncArgs,

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
            wait_replicas: own(|args| &args.wait_replicas),
            wait_aof: own(|args| &args.wait_aof),
            partitions: own(|args| &args.partitions),
            ..self.sync.or(&before.sync)
        }
    }

    /// A flag that was given.
    pub(crate) fn first(&self) -> Option<&'static str> {
        let fsync = self.sync.fsync.map(|_| "--fsync");
        fsync.or_else(|| self.first_about_appends())
    }

    /// A flag that was given and is about appends alone.
    pub(crate) fn first_about_appends(&self) -> Option<&'static str> {
        let given = [
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

/// The flags of commands that append many events.
#[derive(clap::Args)]
pub(crate) struct AppendArgs {
    /// Events appended at once at most [env: RECOUNT_BATCH_SIZE] [default: 4096]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) batch_size: Option<String>,

    #[command(flatten)]
    pub(crate) write: WriteArgs,
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
pub(super) enum When {
    Auto,
    Always,
    Never,
}
