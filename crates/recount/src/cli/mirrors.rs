//! `recount mirrors`

mod forget;
mod incidents;
mod keep;
mod list;
mod settle;

use std::sync::Arc;

use clap::Subcommand;
use recount::{Origin, Recount};

use super::error::{Failure, Result};
use super::interrupt::Interrupt;
use super::settings::Settings;

/// Show the mirrors of a stream on a server: copies on somebody's disk
///
/// A mirror registers under a name and says up to where it holds the stream. Until its lease is over,
/// nothing after that is trimmed. Whatever needs a mirror keeps one while it runs; recount mirrors run
/// keeps it going.
///
/// What befell the mirror on this machine is listed too. A gap is what was trimmed before it was copied: it is in no
/// copy. A divergence is what the server lost after it was copied, as in a failover: the mirror keeps it as a
/// stream of its own. Both are warned of until recount mirrors settle takes note.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,

    /// Print each mirror, and then each incident, as a JSON object, one a line
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  recount mirrors
  recount mirrors run --mirror /var/lib/recount/mirrors
  recount mirrors settle
  recount mirrors forget laptop-1f2e3d4c";

#[derive(Subcommand)]
enum Action {
    Run(keep::Args),
    Settle(settle::Args),
    Forget(forget::Args),
}

pub(super) async fn run(args: Args, settings: &Settings, mut interrupt: Interrupt) -> Result {
    match args.action {
        Some(Action::Run(args)) => keep::run(&args, settings, interrupt).await,
        Some(Action::Settle(args)) => interrupt.unless(settle::run(&args, settings)).await,
        Some(Action::Forget(args)) => interrupt.unless(forget::run(&args, settings)).await,
        None => interrupt.unless(list::run(args.json, settings)).await,
    }
}

/// Opens the log, which has to be on a server.
async fn open(settings: &Settings) -> Result<(Recount, Arc<dyn Origin>)> {
    let on_disk = || {
        Failure::usage(format!(
            "mirrors are copies of streams on a server, and the log is {}, on this machine's disk",
            settings.url()
        ))
        .hint("--url redis://HOST:PORT names a server")
    };
    if !settings.on_server() {
        return Err(on_disk());
    }
    let log = settings.open_read_only().await?;
    let origin = log.origin().cloned().ok_or_else(on_disk)?;
    Ok((log, origin))
}
