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
mod help;
mod import;
mod info;
mod input;
mod interrupt;
mod line;
mod numbers;
mod output;
mod publish;
mod select;
mod settings;
mod stdin;
mod tail;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::error::{Failure, Result};
use self::interrupt::Interrupt;
use self::settings::{GlobalArgs, Settings, WriteArgs};

/// The flight recorder and event-sourced memory of AI agents
///
/// Records what agents do as immutable events in a durable log, streams them live and gives them
/// back by session, user, type and time. No server needed: the log is a directory.
#[derive(Parser)]
#[command(name = "recount", version, disable_help_subcommand = true, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,

    #[command(flatten)]
    write: WriteArgs,

    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  recount publish --type message.added --session s1 --data '{\"role\":\"user\",\"content\":\"Hello\"}'
  recount tail
  recount events --session s1

Exit codes:
  0    done
  1    it failed
  2    the arguments or the input were wrong
  130  ended by Ctrl-C";

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
    Help(help::Args),
}

impl Command {
    /// The flags about writing that stand behind the command; none where it only reads.
    fn write_args(&mut self) -> Option<&mut WriteArgs> {
        match self {
            Self::Publish(args) => Some(&mut args.write),
            Self::Import(args) => Some(&mut args.write),
            Self::Demo(args) => Some(&mut args.write),
            _ => None,
        }
    }

    /// Whether the command ends by itself on Ctrl-C, to tell what it did so far.
    fn ends_itself(&self) -> bool {
        matches!(self, Self::Publish(_) | Self::Import(_))
    }

    /// Whether a variable of the environment concerns the command: the demo shows itself on a log
    /// of its own, never on one that is in use.
    fn heeds(&self, variable: &str) -> bool {
        !matches!(self, Self::Demo(_)) || !matches!(variable, "RECOUNT_URL" | "RECOUNT_STREAM")
    }
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
    let ends_itself = cli.command.ends_itself();
    let result = runtime.block_on(async {
        let mut interrupt = Interrupt::listen();
        // Dropping the command on Ctrl-C removes its temporary files.
        tokio::select! {
            result = dispatch(cli, interrupt.clone()) => result,
            () = interrupt.pressed(), if !ends_itself => Err(Failure::Interrupted),
        }
    });
    // Not waited for: a thread may be blocked reading standard input.
    runtime.shutdown_background();
    result
}

async fn dispatch(mut cli: Cli, interrupt: Interrupt) -> Result {
    let fsync = match (cli.command.write_args(), cli.write.fsync) {
        (Some(behind), before) => behind.fsync.or(before),
        (None, None) => None,
        (None, Some(_)) => {
            return Err(Failure::usage(
                "--fsync is about writing: it goes with publish, import and demo",
            ));
        }
    };
    let variable = |name: &str| std::env::var(name).ok().filter(|_| cli.command.heeds(name));
    let settings = Settings::resolve(cli.global, fsync, variable)?;
    match cli.command {
        Command::Publish(args) => publish::run(args, &settings, interrupt).await,
        Command::Tail(args) => tail::run(args, &settings).await,
        Command::Events(args) => events::run(args, &settings).await,
        Command::Info(args) => info::run(&args, &settings).await,
        Command::Export(args) => export::run(args, &settings).await,
        Command::Import(args) => import::run(args, &settings, interrupt).await,
        Command::Demo(args) => demo::run(args, &settings).await,
        Command::Completions(args) => completions::run(&args),
        Command::Help(args) => help::run(&args),
    }
}
