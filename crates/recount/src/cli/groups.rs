//! `recount groups`, and what the commands about groups share.

mod consumers;
mod create;
mod delete;
mod list;
mod open;
mod place;
mod position;
mod set;
mod shown;
mod table;
mod watch;

use clap::Subcommand;

use super::error::Result;
use super::numbers::id;
use super::settings::Settings;

pub(super) use self::open::{Opened, failed, missing};
pub(super) use self::place::{PLACE, Place};
pub(super) use self::position::position;

/// Show the consumer groups of a stream: who consumes it, and how far they are
///
/// A group is a cursor that several consumers share: each event is delivered to one of them, and is pending
/// until that one acknowledges it. Of each group it is told how many consumers it has, how many entries are
/// pending and when the oldest of them was recorded, its lag (how many entries it was not delivered yet), and
/// how many dead letters it has: what it gave up on.
///
/// recount consume is a consumer; recount pending, claim and dead are about what one group has left. On
/// disk this reads beside the process that consumes.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,

    /// Go on until Ctrl-C, showing what changes: a table drawn anew, with the consumers of each group;
    /// where standard output is no terminal, one table after the other
    #[arg(long, short)]
    watch: bool,

    /// Print each group as a JSON object, one a line; with --watch, again whenever it has changed
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  recount groups
  recount groups --watch
  recount groups create audit --from start
  recount groups set audit --from 1h
  recount groups consumers audit
  recount groups delete audit";

#[derive(Subcommand)]
enum Action {
    Create(create::Args),
    Set(set::Args),
    Consumers(consumers::Args),
    Delete(delete::Args),
}

/// A group that a command is about.
#[derive(clap::Args)]
pub(super) struct GroupArgs {
    /// The group
    #[arg(value_name = "GROUP", value_parser = id)]
    pub(super) group: String,
}

/// The same as a flag.
#[derive(clap::Args)]
pub(super) struct GroupFlag {
    /// The group
    #[arg(long, short, value_name = "GROUP", value_parser = id)]
    pub(super) group: String,
}

pub(super) async fn run(args: Args, settings: &Settings) -> Result {
    match args.action {
        Some(Action::Create(args)) => create::run(&args, settings).await,
        Some(Action::Set(args)) => set::run(&args, settings).await,
        Some(Action::Consumers(args)) => consumers::run(&args, settings).await,
        Some(Action::Delete(args)) => delete::run(&args, settings).await,
        None if args.watch => watch::run(args.json, settings).await,
        None => list::run(args.json, settings).await,
    }
}
