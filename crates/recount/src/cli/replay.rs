//! `recount replay`

mod into;
mod progress;
mod source;

use std::time::{Duration, Instant};

use recount::{Pace, json};

use self::into::Into;
use self::progress::Progress;
use self::source::Source;
use super::error::{Failure, Result};
use super::interrupt::Interrupt;
use super::line::Lines;
use super::mirror::prepare;
use super::numbers::from_1;
use super::output::{Output, count};
use super::select::SelectArgs;
use super::session::SessionCheck;
use super::settings::{AppendArgs, Settings, WriteArgs};

/// Deliver recorded events again: to standard output, or into another stream
///
/// They come in the order of the log and marked as replayed, at the pace at which they happened, a
/// multiple of it, or as fast as possible. What is recorded meanwhile is not replayed.
///
/// Into another stream, events go as they are stored and keep their ids: replaying them again adds
/// nothing as long as the ids are remembered, also of events that were trimmed there. Entries that are no events cannot go there; they are
/// counted, and recount export carries them.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    select: SelectArgs,

    /// How fast: 1x (as it happened), 10x, 0.5x, or max
    #[arg(
        long,
        value_name = "PACE",
        default_value = "1x",
        allow_hyphen_values = true
    )]
    speed: Pace,

    /// Cut a longer silence between two events to this: 5s, 500ms, 1m
    #[arg(long, value_name = "SPAN", value_parser = span)]
    max_gap: Option<Duration>,

    /// At most so many
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = from_1::<u64>)]
    limit: Option<u64>,

    /// Into this stream of the same log instead of standard output
    #[arg(long, value_name = "STREAM")]
    into: Option<String>,

    /// Print each event as a JSON object, one a line; with --into, one document at the end
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(super) append: AppendArgs,
}

const EXAMPLES: &str = "\
Examples:
  recount replay --session s1
  recount replay --session s1 --speed 10x --max-gap 5s
  recount replay --since 1d --speed max --json | jq .data
  recount replay --type tool.called --speed max --into tools:again";

impl Args {
    /// A flag about writing that was given, behind the command or `before` it, where nothing is written.
    pub(super) fn flag_without_use(&self, before: &WriteArgs) -> Option<&'static str> {
        if self.into.is_some() {
            return None;
        }
        let batch_size = self.append.batch_size.as_ref().map(|_| "--batch-size");
        batch_size
            .or_else(|| self.append.write.first())
            .or_else(|| before.first())
    }
}

/// Reads a span of time.
fn span(text: &str) -> Result<Duration, String> {
    recount::config::parse_span(text).ok_or_else(|| "write a span such as 500ms, 5s or 1m".into())
}

pub(super) async fn run(args: Args, settings: &Settings, mut interrupt: Interrupt) -> Result {
    if args.into.as_deref() == Some(settings.stream()) {
        return Err(Failure::usage(format!(
            "--into {}: that is the stream that is replayed, which has these events already",
            settings.stream()
        ))
        .hint("name another one; it is created where it is missing"));
    }
    let log = settings.open_read_only().await?;
    let query = args.select.query();
    interrupt.unless(prepare(&log, &query, settings)).await?;
    let limit = args.limit.unwrap_or(u64::MAX);
    let session = SessionCheck::begin(&log, &args.select, args.limit).await?;
    let progress = Progress::new(&log, &query, args.into.is_some(), limit, settings).await?;
    let read = match args.into {
        Some(_) => log.raw(),
        None => log.clone(),
    };
    let mut replay = read.replay(query).await?.pace(args.speed);
    if let Some(gap) = args.max_gap {
        replay = replay.gap_max(gap);
    }
    let mut source = Source {
        replay,
        left: limit,
        progress,
        session,
    };
    let ended = match args.into {
        Some(stream) => {
            let target = settings.elsewhere(settings.url().clone(), stream);
            let mut into = Into::open(&target, settings.config().batch_size, args.json).await?;
            let ended = into.take(&mut source, &mut interrupt).await;
            source.end(ended.is_ok());
            into.finish(ended, &source.session, &mut interrupt).await
        }
        None => {
            let began = Instant::now();
            let mut printed = 0;
            let printing = print(&mut source, args.json, settings, &mut printed);
            let ended = interrupt.unless(printing).await;
            source.end(ended.is_ok());
            let stopped = match &ended {
                Ok(()) => "",
                Err(Failure::Interrupted) => STOPPED,
                Err(_) => {
                    interrupt.close(&log).await?;
                    return ended;
                }
            };
            settings.note(format_args!(
                "{stopped}{} replayed in {:.1} s",
                count(printed, "event"),
                began.elapsed().as_secs_f64()
            ));
            ended
        }
    };
    interrupt.close(&log).await?;
    ended
}

/// Begins the last line where the replay did not come to its end.
const STOPPED: &str = "stopped at Ctrl-C: ";

/// Events that are printed together at most.
const PRINTED_MAX: usize = 1_000;

/// Counts in `printed`, which outlives Ctrl-C.
async fn print(source: &mut Source, json: bool, settings: &Settings, printed: &mut u64) -> Result {
    let mut output = Output::new();
    let mut lines = Lines::for_output(settings.color());
    loop {
        let batch = source.next(PRINTED_MAX).await?;
        if batch.is_empty() {
            return Ok(());
        }
        lines.widen(&batch);
        for recorded in &batch {
            if json {
                output.line(json::line(recorded))?;
            } else {
                output.line(lines.format(recorded))?;
            }
        }
        output.flush()?;
        *printed += batch.len() as u64;
    }
}
