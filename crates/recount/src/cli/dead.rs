//! `recount dead`

mod close;
mod list;
mod show;
mod words;

use clap::Subcommand;
use recount::{DeadError, DeadLetters, Position};

use super::error::{Failure, Result};
use super::groups::{GroupFlag, Opened, failed, missing};
use super::output::quoted;
use super::settings::Settings;

/// Show the dead letters of a group, and decide about them
///
/// A dead letter is an event that a group gave up on: it was tried as often as --max-deliveries of its consumers
/// says, it is no event at all, or its handler refused it. The group has gone on without it. The letter holds the
/// event and every attempt; it stays until it is retried or discarded, in the stream STREAM:dead:GROUP.
///
/// A letter is known by the id of its entry, as recount dead list shows it.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  recount dead list --group audit
  recount dead show --group audit 1526919030474-0
  recount dead retry --group audit --all
  recount dead discard --group audit 1526919030474-0";

#[derive(Subcommand)]
enum Action {
    List(list::Args),
    Show(show::Args),
    Retry(close::RetryArgs),
    Discard(close::DiscardArgs),
}

pub(super) async fn run(args: Args, settings: &Settings) -> Result {
    match args.action {
        Action::List(args) => list::run(&args, settings).await,
        Action::Show(args) => show::run(&args, settings).await,
        Action::Retry(args) => close::retry(&args, settings).await,
        Action::Discard(args) => close::discard(&args, settings).await,
    }
}

/// The letters of a group. Those of a group that was deleted stay, so a group without any is told of only
/// where there is no such group either.
async fn letters(opened: &Opened, group: &GroupFlag, settings: &Settings) -> Result<DeadLetters> {
    let letters = opened.log.dead_letters(&group.group);
    let letters = letters.map_err(|error| failed(error, settings))?;
    if letters.count().await? == 0 {
        let groups = opened.groups.groups().await;
        let groups = groups.map_err(|error| failed(error, settings))?;
        if !groups.iter().any(|known| known.name == group.group) {
            return Err(missing(&group.group, settings.stream(), settings));
        }
    }
    Ok(letters)
}

/// Why a letter cannot be shown or closed, with what to do.
fn not_open(error: DeadError, settings: &Settings) -> Failure {
    match error {
        DeadError::NotOpen { group, position } => no_letter(&group, position, settings),
        other => Failure::from(other),
    }
}

fn no_letter(group: &str, position: Position, settings: &Settings) -> Failure {
    let list = format!("dead list --group {}", quoted(group));
    Failure::new(format!(
        "group {group} has no open dead letter of entry {position}"
    ))
    .hint(format!("{} lists them", settings.command(list)))
}
