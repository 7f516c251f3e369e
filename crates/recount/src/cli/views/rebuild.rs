//! `recount views rebuild`

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use recount::{CaughtUp, ViewProgress};
use serde_json::json;

use super::{failure, opened, words};
use crate::cli::error::{Failure, Result};
use crate::cli::output::{Output, count, progress_bar, span, thousands};
use crate::cli::settings::{Settings, warn};

/// Build views anew from the log
///
/// Until one is built, nobody has it: whatever asks for it waits. A view that stands still at an entry tries again
/// this way. Ctrl-C ends it; the next question goes on from there.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The views; all where none is named
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// Print what was built as a JSON object a view, one a line
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  recount views rebuild
  recount views rebuild sessions";

pub(super) async fn run(args: &Args, settings: &Settings) -> Result {
    let log = settings.open_read_only().await?;
    let views = opened(&log, settings).await?;
    let names: Vec<&str> = if args.names.is_empty() {
        views.names()
    } else {
        args.names.iter().map(|name| &**name).collect()
    };
    let bar = progress_bar(None, "{spinner} {msg}, {elapsed}", settings.quiet());
    let lines = Mutex::new(BTreeMap::new());
    let tell = |progress: ViewProgress| {
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.insert(progress.view.clone(), words(&progress));
        let all: Vec<&str> = lines.values().map(|line| &**line).collect();
        bar.set_message(all.join("; "));
        bar.tick();
    };
    let began = Instant::now();
    let built = views.rebuild(&names, &tell).await;
    bar.finish_and_clear();
    let built = built.map_err(failure)?;
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut output = Output::new();
    for view in &built {
        let (entries, rate) = (view.checkpoint.entries(), rate(view, ms));
        if args.json {
            output.line(json!({
                "name": view.view,
                "entries": entries,
                "ms": ms,
                "entries_per_second": rate,
                "finding": view.finding.as_ref().map(ToString::to_string),
            }))?;
        } else {
            output.line(format_args!(
                "{}: {} in {}, {}/s",
                view.view,
                count(entries, "entry"),
                span(ms),
                thousands(rate)
            ))?;
        }
    }
    output.flush()?;
    log.close().await?;
    match built
        .iter()
        .filter_map(|view| view.finding.as_ref())
        .next_back()
    {
        None => Ok(()),
        Some(last) => {
            let mut others = built.iter().filter_map(|view| view.finding.as_ref());
            others
                .by_ref()
                .take_while(|finding| *finding != last)
                .for_each(warn);
            Err(Failure::new(last.to_string()))
        }
    }
}

fn rate(view: &CaughtUp, ms: u64) -> u64 {
    view.checkpoint.entries().saturating_mul(1_000) / ms.max(1)
}
