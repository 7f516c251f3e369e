//! `recount replay`

mod asked;
mod command;
mod into;
mod kept;
mod list;
mod named;
mod print;
mod progress;
mod setup;
mod source;
mod target;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Arg, ArgAction};
use recount::{Moment, Pace};

use self::asked::Asked;
use self::command::Commands;
use self::into::Into;
use self::kept::To;
use self::named::Names;
use self::print::print;
use super::consume::{Program, Stop};
use super::error::{Failure, Result};
use super::interrupt::Interrupt;
use super::numbers::{from_1, happened};
use super::output::count;
use super::select::{QUERIES, QueryArgs};
use super::settings::{AppendArgs, Settings, WriteArgs};

/// Deliver recorded events again: to standard output, to a command, or into another stream
///
/// They come in the order of the log and marked as replayed, at the pace at which they happened, a
/// multiple of it, or as fast as possible. What is recorded meanwhile is not replayed. Several sessions come side by
/// side, in the order in which things happened.
///
/// A command is run once an event, with the event as a line of JSON on its standard input and its place in RECOUNT_*
/// variables (see recount consume). The first that fails ends the replay.
///
/// Into another stream, events go as they are stored and keep their ids: replaying them again adds
/// nothing as long as the ids are remembered, also of events that were trimmed there. Entries that are no events cannot go there; they are
/// counted, and recount export carries them.
///
/// With --resume a replay has a name. How far it is is kept after each batch that was delivered, so that it goes on
/// there under the same name, whatever ended it: at most the last batch is delivered again. It goes on with what it
/// began with: the same events, up to what was recorded then, and times such as 1h are those of its beginning.
#[derive(clap::Args)]
#[command(
    mut_arg("session", several),
    after_help = format!("{EXAMPLES}\n\n{QUERIES}")
)]
pub(super) struct Args {
    // First: whoever comes later finds the arguments taken.
    #[command(flatten)]
    asked: Asked,

    #[command(flatten)]
    what: QueryArgs,

    /// Only what happened then or later: as --since
    #[arg(long, value_name = "TIME", value_parser = happened)]
    happened_since: Option<Moment>,

    /// Only what happened before: as --since
    #[arg(long, value_name = "TIME", value_parser = happened)]
    happened_until: Option<Moment>,

    /// How fast: 1x (as it happened), 10x, 0.5x, or max [default: 1x]
    #[arg(long, value_name = "PACE", allow_hyphen_values = true)]
    speed: Option<Pace>,

    /// Cut a longer silence between two events to this: 5s, 500ms, 1m
    #[arg(long, value_name = "SPAN", value_parser = span)]
    max_gap: Option<Duration>,

    /// At most so many
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = from_1::<u64>)]
    limit: Option<u64>,

    /// Into this stream instead of standard output: the name of one of the same log, or the URL of another log
    #[arg(long, value_name = "STREAM|URL", conflicts_with = "command")]
    into: Option<String>,

    /// With the URL of another log, the stream there [default: of the same name]
    #[arg(long, value_name = "NAME", requires = "into")]
    into_stream: Option<String>,

    /// Go on behind events that the command fails at
    #[arg(long, requires = "command")]
    keep_going: bool,

    /// Give the replay this name, or go on with the one that has it
    #[arg(long, value_name = "NAME", value_parser = named::name)]
    resume: Option<String>,

    /// List the replays that have a name
    #[arg(long, conflicts_with_all = ["resume", "forget", "into", "command", "limit"])]
    list: bool,

    /// Forget how far the replay of this name came
    #[arg(long, value_name = "NAME", value_parser = named::name, conflicts_with_all = ["resume", "into", "command", "limit"])]
    forget: Option<String>,

    /// Where it is kept how far replays came
    /// [default: recount/replays where XDG_STATE_HOME says, else in ~/.local/state]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,

    /// Print each event as a JSON object, one a line; with --into and a command, one document at the end
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(super) append: AppendArgs,

    /// Run this command once an event, instead of standard output
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

const EXAMPLES: &str = "\
Examples:
  recount replay --session s1
  recount replay --session s1 --speed 10x --max-gap 5s
  recount replay --session run-1 --session run-2 --speed 10x
  recount replay --since 1d --speed max --json | jq .data
  recount replay 'type:error.occurred happened-since:1d' --speed max
  recount replay --type tool.called --speed max --into tools:again
  recount replay --speed max --into redis://localhost --resume move
  recount replay --resume move
  recount replay --user ada --speed max --resume mails -- ./mail.sh";

/// `--session`, of which a replay takes several.
fn several(session: Arg) -> Arg {
    session.action(ArgAction::Append).help(
        "Only events of this session; of several, each given so, side by side as they happened",
    )
}

impl Args {
    /// A flag about writing that was given, behind the command or `before` it, where nothing is written.
    pub(super) fn flag_without_use(&self, before: &WriteArgs) -> Option<&'static str> {
        // A replay that goes on knows by itself where to.
        if self.into.is_some() || (self.resume.is_some() && self.command.is_empty()) {
            return None;
        }
        let batch_size = self.append.batch_size.as_ref().map(|_| "--batch-size");
        batch_size
            .or_else(|| self.append.write.first())
            .or_else(|| before.first())
    }

    fn check(&self) -> Result {
        let named = self.resume.is_some() || self.list || self.forget.is_some();
        if self.state_dir.is_some() && !named {
            return Err(Failure::usage(
                "--state-dir is about replays with a name: it goes with --resume, --list and --forget",
            ));
        }
        if (self.list || self.forget.is_some()) && !self.asked.is_empty() {
            let flag = if self.list { "--list" } else { "--forget" };
            return Err(Failure::usage(format!(
                "{flag} is about the names of replays, and takes nothing that says which events"
            )));
        }
        Ok(())
    }
}

/// Reads a span of time.
fn span(text: &str) -> Result<Duration, String> {
    recount::config::parse_span(text).ok_or_else(|| "write a span such as 500ms, 5s or 1m".into())
}

pub(super) async fn run(args: Args, settings: &Settings, mut interrupt: Interrupt) -> Result {
    args.check()?;
    if args.list {
        return list::list(&Names::new(args.state_dir)?, args.json, settings);
    }
    if let Some(name) = &args.forget {
        return list::forget(&Names::new(args.state_dir)?, name, args.json, settings);
    }
    let program = match args.command.as_slice() {
        [] => None,
        words => Some(Program::new(words.to_vec())?),
    };
    let Some(plan) = setup::plan(&args, settings)? else {
        return Ok(());
    };
    let to = plan.to.clone();
    let log = settings.open_read_only().await?;
    let read = match to {
        To::Stream { .. } => log.raw(),
        To::Output | To::Command => log.clone(),
    };
    let setting_up = setup::source(&args, plan, &log, &read, settings);
    let mut source = interrupt.unless(setting_up).await?;
    let ended = match (to, program) {
        (to @ To::Stream { .. }, _) => {
            let target = target::settings(&args, &to, settings)?;
            let mut into = Into::open(&target, settings.config().batch_size, args.json).await?;
            let ended = into.take(&mut source, &mut interrupt).await;
            let ended = source.end(ended);
            into.finish(ended, &source, &mut interrupt).await
        }
        (_, Some(program)) => {
            let mut commands = Commands::new(program, args.keep_going);
            let mut stop = Stop::listen(interrupt.clone());
            let ended = commands.take(&mut source, &mut stop).await;
            let ended = source.end(ended);
            commands.finish(ended, &source, args.json, settings)
        }
        (_, None) => {
            let began = Instant::now();
            let mut printed = 0;
            let printing = print(&mut source, args.json, settings, &mut printed);
            let ended = interrupt.unless(printing).await;
            let ended = source.end(ended);
            if let Ok(()) | Err(Failure::Interrupted) = &ended {
                let stopped = ended.as_ref().map_or(STOPPED, |()| "");
                settings.note(format_args!(
                    "{stopped}{} replayed in {:.1} s{}",
                    count(printed, "event"),
                    began.elapsed().as_secs_f64(),
                    source.goes_on().unwrap_or_default()
                ));
            }
            ended
        }
    };
    interrupt.close(&log).await?;
    ended
}

/// Begins the last line where the replay did not come to its end.
const STOPPED: &str = "stopped at Ctrl-C: ";
