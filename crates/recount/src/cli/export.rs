//! `recount export`

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use recount::{Recount, json};
use tempfile::NamedTempFile;

use super::error::{Failure, Result};
use super::events::select;
use super::output::{Output, count};
use super::select::SelectArgs;
use super::settings::Settings;

/// Write events as NDJSON, to be imported elsewhere
///
/// One JSON object a line, in the order of the log, with the entry ids. A file appears under its name
/// only when it is whole and on stable storage.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    select: SelectArgs,

    /// Write to FILE instead of standard output, replacing it
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  recount export --output backup.ndjson
  recount export --session s1 | jq .data.content
  recount export --since 1d | gzip > yesterday.ndjson.gz";

pub(super) async fn run(args: Args, settings: &Settings) -> Result {
    let log = settings.open_read_only().await?;
    let progress = progress(&log, args.select.is_everything(), settings).await?;
    let written = match &args.output {
        None => {
            let mut output = Output::new();
            let written = write(&log, args.select, &progress, |line| output.line(line)).await?;
            output.flush()?;
            written
        }
        Some(path) => {
            let failed =
                |error: &io::Error| Failure::new(format!("writing {}: {error}", path.display()));
            let mut file = BufWriter::new(beside(path).map_err(|error| failed(&error))?);
            let written = write(&log, args.select, &progress, |line| {
                writeln!(file, "{line}").map_err(|error| failed(&error))
            })
            .await?;
            keep(file, path).map_err(|error| failed(&error))?;
            written
        }
    };
    progress.finish_and_clear();
    settings.note(format_args!("{} exported", count(written, "event")));
    Ok(())
}

/// Writes what is selected, line by line, and counts it.
async fn write(
    log: &Recount,
    selected: SelectArgs,
    progress: &ProgressBar,
    mut line: impl FnMut(String) -> Result,
) -> Result<u64> {
    let mut events = select(log, selected, false).await?;
    let mut written = 0;
    while let Some(page) = events.next_page().await? {
        // Gives Ctrl-C its turn where no page has to be waited for.
        tokio::task::yield_now().await;
        for recorded in &page {
            line(json::line(recorded))?;
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

/// A file in the folder of `path`, removed again unless it is kept.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".recount-export-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // As for any new file; the process's mask applies.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder(path))
}

/// Puts the finished file under its name, so that a crash leaves the old one or the new one.
fn keep(file: BufWriter<NamedTempFile>, path: &Path) -> io::Result<()> {
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder(path))?.sync_all()
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}
