//! `recount import`: from files into the log, in bounded memory, as often as one likes.
//!
//! A thread of its own reads and converts ([`source`]), the command looks up what is there already
//! ([`held`]) and publishes the rest in batches ([`publish`]).

mod format;
mod held;
mod progress;
mod publish;
mod source;
mod summary;

use std::path::{Path, PathBuf};
use std::time::Instant;

use recount::chat::SYNTHETIC_START;
use recount::{Moment, Recount};

use self::format::FormatArg;
use self::held::Held;
use self::publish::Publisher;
use self::source::{Invalid, Item, Options, Source};
use self::summary::Summary;
use super::error::{Failure, Result};
use super::interrupt::Interrupt;
use super::output::{Output, count};
use super::settings::{AppendArgs, Settings, warn};

/// How many of the things that were skipped are told one by one.
const WARNINGS_MAX: u64 = 5;

/// Import events, or the chats of agents, from a file
///
/// Reads what `recount export` writes (one event a line), and chat runs: a JSON list, or a line
/// each, of objects with OpenAI-style messages under `messages` or `traj`. A run becomes a session:
/// its messages, tool calls and results, errors, its start and end with the run's other fields.
///
/// Importing again adds nothing: what a session holds already is left out, however long ago it came.
/// Exported events keep their entry ids where the stream has one partition and has not gone past them;
/// ids more than 24 hours ahead of this machine's clock are given anew.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(super) struct Args {
    /// The file; - for standard input
    file: PathBuf,

    /// What the file holds; auto: look at its beginning
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    format: FormatArg,

    /// When the first chat run began, where the runs do not say
    #[arg(long, value_name = "TIME", default_value = SYNTHETIC_START)]
    start: Moment,

    /// Give every event a new entry id
    #[arg(long)]
    new_ids: bool,

    /// Go on after input that cannot be read, and count it
    #[arg(long)]
    skip_invalid: bool,

    /// Only say what would be added
    #[arg(long)]
    dry_run: bool,

    /// Print the summary as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(super) append: AppendArgs,
}

const EXAMPLES: &str = "\
Examples:
  recount import runs.json
  recount export | recount import - --url disk:elsewhere";

pub(super) async fn run(args: Args, settings: &Settings, mut interrupt: Interrupt) -> Result {
    let began = Instant::now();
    let name = match args.file.to_str() {
        Some("-") => "standard input".to_owned(),
        _ => args.file.display().to_string(),
    };
    let source = Source::open(&args.file, args.format)
        .map_err(|error| Failure::usage(format!("reading {name}: {error}")))?;
    let progress = source.progress(settings.quiet());
    let read = source.counter();
    let mut items = source.start(Options {
        synthetic_start: args.start.timestamp(),
        skip_invalid: args.skip_invalid,
        limits: settings.config().limits,
    });
    // Looked at before the log is opened, which may create it.
    let mut arrived = interrupt.unless(async { Ok(items.recv().await) }).await?;
    if let Some(Item::Invalid(invalid)) = arrived.as_deref().and_then(<[_]>::first)
        && invalid.last
    {
        return Err(stop(&name, invalid, "nothing was imported"));
    }
    let log = interrupt
        .unless(open(&args, settings, arrived.as_deref()))
        .await?;

    let held = match &log {
        Some(log) => interrupt.unless(Held::new(log)).await?,
        None => Held::nothing(),
    };
    let target = log.as_ref().filter(|_| !args.dry_run);
    let mut publisher = Publisher::new(target, held, args.new_ids, settings);

    let mut summary = Summary::default();
    let mut stopped = None;
    let mut failed = None;
    'items: while let Some(chunk) = arrived {
        for item in chunk {
            // What each needs may have to be looked up.
            if interrupt.is_pressed() {
                failed = Some(Failure::Interrupted);
                break 'items;
            }
            match item {
                Item::Invalid(invalid) if invalid.last => {
                    stopped = Some(invalid);
                    break 'items;
                }
                Item::Invalid(invalid) => {
                    if summary.invalid() < WARNINGS_MAX {
                        warn(format_args!("{name}, {invalid}: skipped"));
                    }
                    summary.skip("invalid");
                }
                Item::Record(record) => {
                    summary.read(&record);
                    let taken = interrupt.or_soon(publisher.take(record, &mut summary));
                    if let Err(error) = taken.await {
                        failed = Some(error);
                        break 'items;
                    }
                }
            }
        }
        progress.update(read.get(), summary.events());
        arrived = tokio::select! {
            biased;
            () = interrupt.pressed() => {
                failed = Some(Failure::Interrupted);
                break;
            }
            chunk = items.recv() => chunk,
        };
    }
    // What came before a mistake is published all the same.
    if matches!(failed, None | Some(Failure::Interrupted)) {
        let finished = interrupt.or_soon(publisher.finish(&mut summary)).await;
        failed = finished.err().or(failed);
    }
    progress.finish();
    if let Some(log) = log {
        if summary.has_entry_ids() && !args.new_ids {
            tell_of_partitions(&log, settings);
        }
        interrupt.close(&log).await?;
    }

    let measured = summary.measured(read.get(), began.elapsed(), args.dry_run);
    let (stopped_at, place) = stopped_at(stopped.as_ref(), failed.as_ref());
    let mut output = Output::new();
    if args.json {
        output.line(measured.json(stopped_at.as_deref()))?;
    } else {
        for line in measured.lines(&name, place.as_deref()) {
            output.line(line)?;
        }
    }
    output.flush()?;

    if let Some(error) = failed {
        return Err(error);
    }
    if let Some(invalid) = stopped {
        return Err(stop(&name, &invalid, "what came before is imported"));
    }
    verdict(summary.conflicts())
}

/// Where reading ended early and why, and just where: of a mistake the reason is told by the error.
fn stopped_at(
    stopped: Option<&Invalid>,
    failed: Option<&Failure>,
) -> (Option<String>, Option<String>) {
    match (stopped, failed) {
        (Some(invalid), _) => (Some(invalid.to_string()), Some(invalid.place.to_string())),
        (None, Some(Failure::Interrupted)) => (Some("Ctrl-C".into()), Some("Ctrl-C".into())),
        (None, _) => (None, None),
    }
}

/// Says why no entry id is kept, where that is so.
fn tell_of_partitions(log: &Recount, settings: &Settings) {
    let partitions = log.log().partitions();
    if partitions > 1 {
        settings.note(format_args!(
            "the stream has {partitions} partitions: every event gets a new entry id there; a stream of \
             one partition keeps those of an export"
        ));
    }
}

fn verdict(conflicts: u64) -> Result {
    match conflicts {
        0 => Ok(()),
        conflicts => Err(Failure::new(format!(
            "{} not imported: the log holds other content under their ids, which stays",
            count(conflicts, "event")
        ))
        .hint("see the warnings above; give changed events ids of their own")),
    }
}

/// The input cannot be read on.
fn stop(name: &str, invalid: &Invalid, so_far: &str) -> Failure {
    let failure = Failure::usage(format!("{name}, {invalid}"));
    if invalid.place.line <= 1 && is_table(name) {
        return failure.hint(format!(
            "{so_far}: only NDJSON (recount export --format ndjson) and chat runs can be imported"
        ));
    }
    failure.hint(if invalid.skippable {
        format!("{so_far}; correct it and import again, or pass --skip-invalid")
    } else {
        format!("{so_far}; correct the file and import it again")
    })
}

/// Whether a file's name says that it is one of the other formats of `recount export`.
fn is_table(name: &str) -> bool {
    let extension = Path::new(name).extension();
    extension.is_some_and(|it| it.eq_ignore_ascii_case("csv") || it.eq_ignore_ascii_case("parquet"))
}

/// The log to look into and publish to; none where a dry run finds no stream, or where `first`, the
/// first chunk, is without a record and so the only one: no stream is created for that.
async fn open(args: &Args, settings: &Settings, first: Option<&[Item]>) -> Result<Option<Recount>> {
    if !first.unwrap_or_default().iter().any(Item::is_record) {
        return Ok(None);
    }
    if !args.dry_run {
        return settings.open().await.map(Some);
    }
    match settings.try_open_read_only().await {
        Ok(log) => Ok(Some(log)),
        Err(error) if error.is_no_stream() => Ok(None),
        Err(error) => Err(error.into()),
    }
}
