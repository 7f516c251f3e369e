//! `recount replay`

mod into;
mod progress;

use std::time::{Duration, Instant};

use recount::{Pace, Replay, json};

use self::into::Into;
use self::progress::Progress;
use super::error::{Failure, Result};
use super::interrupt::Interrupt;
use super::line::Lines;
use super::mirror::prepare;
use super::numbers::from_1;
use super::output::{Output, count};
use super::select::SelectArgs;
use super::settings::{BatchArgs, Settings, WriteArgs};

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
    pub(super) batch: BatchArgs,

    #[command(flatten)]
    pub(super) write: WriteArgs,
}

const EXAMPLES: &str = "\
Examples:
  recount replay --session s1
  recount replay --session s1 --speed 10x --max-gap 5s
  recount replay --since 1d --speed max --json | jq .data
  recount replay --type tool.called --speed max --into tools:again";

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
    let mut progress = Progress::new(&log, &query, args.into.is_some(), limit, settings).await?;
    let source = match args.into {
        Some(_) => log.raw(),
        None => log.clone(),
    };
    let mut replay = source.replay(query).await?.pace(args.speed);
    if let Some(gap) = args.max_gap {
        replay = replay.gap_max(gap);
    }
    let ended = match args.into {
        Some(stream) => {
            let target = settings.elsewhere(settings.url().clone(), stream);
            let mut into = Into::open(&target, settings.config().batch_size, args.json).await?;
            let ended = into
                .take(&mut replay, limit, &mut progress, &mut interrupt)
                .await;
            progress.finish();
            into.finish(ended, &mut interrupt).await
        }
        None => {
            let began = Instant::now();
            let mut printed = 0;
            let (all, json) = (&mut printed, args.json);
            let printing = print(&mut replay, limit, json, settings, &mut progress, all);
            let ended = interrupt.unless(printing).await;
            progress.finish();
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
async fn print(
    replay: &mut Replay,
    limit: u64,
    json: bool,
    settings: &Settings,
    progress: &mut Progress,
    printed: &mut u64,
) -> Result {
    let mut output = Output::new();
    let mut lines = Lines::for_output(settings.color());
    while *printed < limit {
        // Gives Ctrl-C its turn where nothing has to be waited for.
        tokio::task::yield_now().await;
        let max = PRINTED_MAX.min(usize::try_from(limit - *printed).unwrap_or(PRINTED_MAX));
        let batch = replay.next_batch(max).await?;
        let Some(last) = batch.last() else {
            break;
        };
        progress.reached(last, batch.len());
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
    Ok(())
}
