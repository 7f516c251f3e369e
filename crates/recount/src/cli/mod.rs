//! The command line: a file for each subcommand, and what they share.
//!
//! A subcommand is its arguments, whose comments become its help, and one function. Data goes to
//! standard output, everything else to standard error.

// The comments on arguments are printed as they are.
#![allow(clippy::doc_markdown)]

mod claim;
mod completions;
mod config;
mod consume;
mod dead;
mod demo;
mod diff;
#[cfg(test)]
mod docs;
mod doctor;
mod error;
mod errors;
mod events;
mod export;
mod fork;
mod groups;
mod help;
mod import;
mod info;
mod input;
mod interrupt;
mod line;
mod man;
mod memory;
mod mirror;
mod mirrors;
mod numbers;
mod output;
mod pending;
mod publish;
mod replay;
mod search;
mod select;
mod session;
mod sessions;
mod settings;
mod state;
mod stats;
mod stdin;
mod table;
mod tail;
mod timeline;
mod trim;
mod users;
mod views;
#[cfg(test)]
mod walk;

use std::process::ExitCode;

use clap::{FromArgMatches as _, Parser, Subcommand};

use self::error::{Failure, Result};
use self::interrupt::Interrupt;
use self::settings::{GlobalArgs, OwnFlags, Settings, WriteArgs};

/// The flight recorder and event-sourced memory of AI agents
///
/// Records what agents do as immutable events in a durable log, streams them live and gives them
/// back by session, user, type and time. No server needed: the log is a directory, or a stream on
/// Redis, Valkey or a Redis Cluster.
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
  recount publish --type message.added --session s1 \\
      --data '{\"role\":\"user\",\"content\":\"Hello\"}'
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
    Search(search::Args),
    Errors(errors::Args),
    Stats(stats::Args),
    Sessions(sessions::Args),
    Users(users::Args),
    Timeline(timeline::Args),
    State(state::Args),
    Diff(diff::Args),
    Fork(fork::Args),
    Memory(memory::Args),
    Replay(Box<replay::Args>),
    Consume(consume::Args),
    Groups(groups::Args),
    Pending(pending::Args),
    Claim(claim::Args),
    Dead(dead::Args),
    Info(info::Args),
    Trim(trim::Args),
    Views(views::Args),
    Mirrors(mirrors::Args),
    Doctor(doctor::Args),
    Config(config::Args),
    Export(export::Args),
    Import(import::Args),
    Demo(demo::Args),
    Completions(completions::Args),
    Man(man::Args),
    Help(help::Args),
}

impl Command {
    /// What the flags about writing say that stand behind the command, or `before` it. A flag that
    /// nothing would come of is refused.
    fn written(&self, before: &WriteArgs) -> Result<OwnFlags> {
        let append = |args: &WriteArgs| Ok(args.or(before));
        let refused = |flag: &str, why: &str| Err(Failure::usage(format!("{flag} is about {why}")));
        match self {
            Self::Publish(args) => append(&args.append.write),
            Self::Import(args) => append(&args.append.write),
            Self::Demo(args) => append(&args.write),
            Self::Fork(args) => append(&args.write),
            Self::Memory(args) if let Some(write) = args.write() => append(write),
            Self::Replay(args) => match args.flag_without_use(before) {
                Some(flag) => refused(flag, "writing: it goes with --into"),
                None => append(&args.append.write),
            },
            Self::Trim(args) => match before.first_about_appends() {
                Some(flag) => refused(
                    flag,
                    "appending: it goes with publish, import, replay, fork, memory and demo",
                ),
                None => Ok(args.sync.or(&before.sync)),
            },
            _ => match before.first() {
                Some(flag) => refused(
                    flag,
                    "writing: it goes with publish, import, replay, fork, memory, trim and demo",
                ),
                None => Ok(OwnFlags::default()),
            },
        }
    }

    /// Whether the command ends by itself on Ctrl-C, to tell what it did so far.
    fn ends_itself(&self) -> bool {
        matches!(
            self,
            Self::Publish(_)
                | Self::Import(_)
                | Self::Replay(_)
                | Self::Consume(_)
                | Self::Mirrors(_)
                | Self::Views(_)
        )
    }

    /// What its flags say about settings, but for those of writing.
    fn own_flags(&mut self) -> OwnFlags {
        let mut own = OwnFlags::default();
        match self {
            Self::Publish(args) => own.batch_size = args.append.batch_size.take(),
            Self::Import(args) => own.batch_size = args.append.batch_size.take(),
            Self::Replay(args) => own.batch_size = args.append.batch_size.take(),
            Self::Tail(args) => own.block = args.block.take(),
            _ => {}
        }
        own
    }

    /// The settings that it takes from flags only: the demo shows itself on a log of its own, never
    /// on one that is in use, and keeps all of it.
    fn only_flags(&self) -> &'static [&'static str] {
        match self {
            Self::Demo(_) => &["url", "stream", "retention"],
            _ => &[],
        }
    }
}

/// Runs the command that the arguments name.
pub(crate) fn run() -> ExitCode {
    let parsed = help::parser().try_get_matches().and_then(|matches| {
        Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut help::parser()))
    });
    let result = match parsed {
        Ok(cli) => start(cli),
        Err(said) => help::answer(&said),
    };
    match result {
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
    let written = cli.command.written(&cli.write)?;
    // What is about recount itself works whatever the settings are.
    match cli.command {
        Command::Completions(args) => return completions::run(&args),
        Command::Man(args) => return man::run(&args),
        Command::Help(args) => return help::run(args),
        Command::Config(ref args) if args.example => return config::print_example(),
        _ => {}
    }
    let OwnFlags {
        batch_size, block, ..
    } = cli.command.own_flags();
    let own = OwnFlags {
        batch_size,
        block,
        ..written
    };
    let only_flags = cli.command.only_flags();
    let settings = Settings::read(cli.global, own, only_flags, |name| std::env::var_os(name))?;
    match cli.command {
        Command::Publish(args) => publish::run(args, &settings, interrupt).await,
        Command::Tail(args) => tail::run(args, &settings).await,
        Command::Events(args) => events::run(args, &settings).await,
        Command::Search(args) => search::run(args, &settings).await,
        Command::Errors(args) => errors::run(args, &settings).await,
        Command::Stats(args) => stats::run(args, &settings).await,
        Command::Sessions(args) => sessions::run(args, &settings).await,
        Command::Users(args) => users::run(args, &settings).await,
        Command::Timeline(args) => timeline::run(args, &settings).await,
        Command::State(args) => state::run(&args, &settings).await,
        Command::Diff(args) => diff::run(&args, &settings).await,
        Command::Fork(args) => fork::run(&args, &settings).await,
        Command::Memory(args) => memory::run(args, &settings).await,
        Command::Replay(args) => Box::pin(replay::run(*args, &settings, interrupt)).await,
        Command::Consume(args) => consume::run(args, &settings, interrupt).await,
        Command::Groups(args) => groups::run(args, &settings).await,
        Command::Pending(args) => pending::run(&args, &settings).await,
        Command::Claim(args) => claim::run(&args, &settings).await,
        Command::Dead(args) => dead::run(args, &settings).await,
        Command::Info(args) => info::run(&args, &settings).await,
        Command::Trim(args) => trim::run(args, &settings).await,
        Command::Views(args) => views::run(args, &settings, interrupt).await,
        Command::Mirrors(args) => mirrors::run(args, &settings, interrupt).await,
        Command::Doctor(args) => doctor::run(args, &settings).await,
        Command::Config(args) => config::run(&args, &settings),
        Command::Export(args) => export::run(args, &settings).await,
        Command::Import(args) => import::run(args, &settings, interrupt).await,
        Command::Demo(args) => demo::run(args, &settings).await,
        Command::Completions(_) | Command::Man(_) | Command::Help(_) => {
            unreachable!("they ran before the settings were read")
        }
    }
}
