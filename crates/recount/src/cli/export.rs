//! `recount export`

mod target;

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use recount::{Recount, json};

use self::target::{Sink, Target};
use super::error::Result;
use super::events::select;
use super::output::count;
use super::select::SelectArgs;
use super::settings::Settings;

/// Write events as NDJSON, to be imported elsewhere
///
/// One JSON object a line, in the order of the log, with the entry ids. A file appears under its name
/// only when it is whole and on stable storage; a device or a named pipe is written as it is.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    select: SelectArgs,

    /// Write to FILE instead of standard output (-), replacing what it holds
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  recount export --output backup.ndjson
  recount export --session s1 | jq .data.content
  recount export --since 1d | gzip > yesterday.ndjson.gz";

pub(super) async fn run(args: Args, settings: &Settings) -> Result {
    let target = Target::look(args.output.as_deref())?;
    let log = settings.open_read_only().await?;
    let mut sink = target.open().await?;
    let progress = progress(&log, args.select.is_everything(), settings).await?;
    let written = write(&log, args.select, &progress, &mut sink).await?;
    sink.finish()?;
    progress.finish_and_clear();
    settings.note(format_args!("{} exported", count(written, "event")));
    Ok(())
}

/// Writes what is selected, line by line, and counts it.
async fn write(
    log: &Recount,
    selected: SelectArgs,
    progress: &ProgressBar,
    sink: &mut Sink,
) -> Result<u64> {
    let mut events = select(log, selected, false).await?;
    let mut written = 0;
    while let Some(page) = events.next_page().await? {
        // Gives Ctrl-C its turn where no page has to be waited for.
        tokio::task::yield_now().await;
        for recorded in &page {
            sink.line(&json::line(recorded))?;
        }
        written += page.len() as u64;
        progress.inc(page.len() as u64);
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
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
    Ok(match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    })
}
