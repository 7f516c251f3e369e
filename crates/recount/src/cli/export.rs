//! `recount export`

mod csv;
#[cfg(feature = "parquet")]
mod parquet;
mod rows;
mod target;

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use indicatif::ProgressBar;
use recount::Recount;

use self::rows::{Format, Rows};
use self::target::Target;
use super::error::Result;
use super::events::select;
use super::mirror::prepare;
use super::output::{count, progress_bar};
use super::select::SelectArgs;
use super::session::SessionCheck;
use super::settings::Settings;

/// Write events as NDJSON, to be imported elsewhere, or as CSV or Parquet
///
/// Events come in the order of the log, with their entry ids. A file appears under its name only when
/// it is whole and on stable storage; a device or a named pipe is written as it is.
///
/// CSV and Parquet have the keys of the JSON as columns: entry_id, partition, id, type, session_id,
/// user_id, agent_id, trace_id, causation_id, timestamp, version, replayed, data (JSON text). An entry that is
/// no event has the reason in the column undecodable and its fields, as JSON, in fields. Nothing is
/// left out, but only NDJSON can be imported again. CSV holds ids as they are; those which a
/// spreadsheet may take for a formula are counted in a warning.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    select: SelectArgs,

    /// Write to FILE instead of standard output (-), replacing what it holds
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// How to write them [default: by the ending of FILE, .csv or .parquet, else ndjson]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
}

const EXAMPLES: &str = "\
Examples:
  recount export --output backup.ndjson
  recount export --session s1 | jq .data.content
  recount export --since 1d | gzip > yesterday.ndjson.gz
  recount export --type tool.called --output calls.csv
  recount export --output events.parquet";

pub(super) async fn run(args: Args, settings: &Settings) -> Result {
    let output = args.output.as_deref();
    let format = args.format.or_else(|| output.map(Format::of));
    let format = format.unwrap_or(Format::Ndjson);
    let target = Target::look(output)?;
    format.check(&target)?;
    let log = settings.open_read_only().await?;
    prepare(&log, &args.select.query(), settings).await?;
    let mut session = SessionCheck::begin(&log, &args.select, None).await?;
    let mut rows = Rows::new(format, target.open().await?)?;
    let progress = progress(&log, args.select.is_everything(), settings).await?;
    let written = write(&log, &args.select, &progress, &mut session, &mut rows).await?;
    rows.finish()?;
    progress.finish_and_clear();
    session.end(true);
    settings.note(format_args!(
        "{} exported as {}",
        count(written, "event"),
        format.words()
    ));
    log.close().await?;
    Ok(())
}

/// Writes what is selected, page by page, and counts it.
async fn write(
    log: &Recount,
    selected: &SelectArgs,
    progress: &ProgressBar,
    session: &mut SessionCheck,
    rows: &mut Rows,
) -> Result<u64> {
    // As it is stored: a backup holds no reader's idea of the data.
    let mut events = select(&log.raw(), selected, false).await?;
    let mut written = 0;
    while let Some(page) = events.next_page().await? {
        // Gives Ctrl-C its turn where no page has to be waited for.
        tokio::task::yield_now().await;
        let entries = page.len() as u64;
        session.see(&page);
        rows.add(page)?;
        written += entries;
        progress.inc(entries);
    }
    Ok(written)
}

/// What is shown on standard error where that is a terminal: a bar if the whole log is written, a
/// counter if nobody knows how much will be found.
async fn progress(log: &Recount, everything: bool, settings: &Settings) -> Result<ProgressBar> {
    if settings.quiet() || !io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let (length, template) = if everything {
        let length = log.info().await?.length();
        (
            Some(length),
            "{wide_bar} {human_pos} of {human_len} events {elapsed}",
        )
    } else {
        (None, "{spinner} {human_pos} events {elapsed}")
    };
    Ok(progress_bar(length, template, false))
}
