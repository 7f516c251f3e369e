//! The command line: a file for each subcommand, and what they share.
//!
//! A subcommand is its arguments, whose comments become its help, and one function. Data goes to
//! standard output, everything else to standard error.

// The comments on arguments are printed as they are.
#![allow(clippy::doc_markdown)]

mod completions;
mod demo;
mod error;
mod events;
mod export;
mod import;
mod info;
mod line;
mod output;
mod publish;
mod select;
mod settings;
mod tail;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::error::{Failure, Result};
use self::settings::{GlobalArgs, Settings};

/// The flight recorder and event-sourced memory of AI agents
///
/// Records what agents do as immutable events in a durable log, streams them live and gives them
/// back by session, user, type and time. No server needed: the log is a directory.
#[derive(Parser)]
#[command(name = "recount", version, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,

    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  recount publish --type message.added --session s1 --data '{\"role\":\"user\",\"content\":\"Hello\"}'
  recount tail
  recount events --session s1";

#[derive(Subcommand)]
enum Command {
    Publish(publish::Args),
    Tail(tail::Args),
    Events(events::Args),
    Info(info::Args),
    Export(export::Args),
    Import(import::Args),
    Demo(demo::Args),
    Completions(completions::Args),
}

/// Runs the command that the arguments name.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    match start(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn start(cli: Cli) -> Result {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("starting the runtime: {error}")))?;
    let result = runtime.block_on(async {
        // Dropping the command on Ctrl-C removes its temporary files.
        tokio::select! {
            result = dispatch(cli) => result,
            Ok(()) = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
        }
    });
    // Not waited for: a thread may be blocked reading standard input.
    runtime.shutdown_background();
    result
}

async fn dispatch(cli: Cli) -> Result {
    let settings = Settings::resolve(cli.global, |name| std::env::var(name).ok())?;
    match cli.command {
        Command::Publish(args) => publish::run(args, &settings).await,
        Command::Tail(args) => tail::run(args, &settings).await,
        Command::Events(args) => events::run(args, &settings).await,
        Command::Info(args) => info::run(&args, &settings).await,
        Command::Export(args) => export::run(args, &settings).await,
        Command::Import(args) => import::run(args, &settings).await,
        Command::Demo(args) => demo::run(args, &settings).await,
        Command::Completions(args) => completions::run(&args),
    }
}
