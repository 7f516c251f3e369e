//! `recount memory`

mod add;
mod clear;
mod end;
mod recent;
mod search;
mod shown;
mod stats;
mod summarize;
mod writer;

use clap::Subcommand;
use recount::memory::{InvalidEndpoint, MemoryError};

use super::error::{Failure, Result};
use super::numbers::id;
use super::settings::{Settings, WriteArgs};

/// Work with the memory of an agent: a session's messages, summaries and searches
///
/// Every call records what it did as an event of the session, so that the memory is the same after a restart and in
/// every process that asks; recount timeline shows them, and recount state the memory at any moment of its past. The
/// first message or search begins the session; summarize, clear and end are about one that is there.
///
/// On a server any number of processes may work with one session at once, without a mirror and without local files.
/// --expect-revision N refuses to record anything unless the session has N events: who was told N by
/// recount memory recent --json decides by what is still so.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  recount memory add s1 --role user \"My order arrived broken\"
  recount memory recent s1 --json
  recount memory search s1 order
  recount memory summarize s1
  recount memory clear s1 --reason \"new topic\"
  recount memory end s1";

#[derive(Subcommand)]
enum Action {
    Add(add::Args),
    Recent(recent::Args),
    Search(search::Args),
    Summarize(summarize::Args),
    Clear(clear::Args),
    Stats(stats::Args),
    End(end::Args),
}

impl Args {
    /// The flags about writing, if the command writes.
    pub(super) fn write(&self) -> Option<&WriteArgs> {
        match &self.action {
            Action::Add(args) => Some(&args.writer.write),
            Action::Search(args) => Some(&args.writer.write),
            Action::Summarize(args) => Some(&args.writer.write),
            Action::Clear(args) => Some(&args.writer.write),
            Action::End(args) => Some(&args.writer.write),
            Action::Recent(_) | Action::Stats(_) => None,
        }
    }
}

/// The session that a command is about.
#[derive(clap::Args)]
struct SessionArg {
    /// The session
    #[arg(value_name = "SESSION", value_parser = id)]
    session: String,
}

pub(super) async fn run(args: Args, settings: &Settings) -> Result {
    match args.action {
        Action::Add(args) => add::run(args, settings).await,
        Action::Recent(args) => recent::run(&args, settings).await,
        Action::Search(args) => search::run(&args, settings).await,
        Action::Summarize(args) => summarize::run(&args, settings).await,
        Action::Clear(args) => clear::run(&args, settings).await,
        Action::Stats(args) => stats::run(&args, settings).await,
        Action::End(args) => end::run(&args, settings).await,
    }
}

impl From<MemoryError> for Failure {
    fn from(error: MemoryError) -> Self {
        let message = error.to_string();
        match error {
            MemoryError::Append(error) => error.into(),
            MemoryError::Session(error) => error.into(),
            MemoryError::Mirror(error) => error.into(),
            MemoryError::Invalid(_)
            | MemoryError::Data(_)
            | MemoryError::NoWords { .. }
            | MemoryError::NoUser { .. } => Self::usage(message),
            _ => Self::new(message),
        }
    }
}

impl From<InvalidEndpoint> for Failure {
    fn from(error: InvalidEndpoint) -> Self {
        Self::usage(error.to_string())
    }
}
