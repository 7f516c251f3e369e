//! `recount demo`: what Recount does, shown in a few seconds on a log of its own.

mod commands;
mod facts;
mod live;
mod paint;
mod sections;

use std::path::PathBuf;
use std::time::Duration;

use recount::demo::workload;
use recount::{LogUrl, Timestamp};

use self::facts::Facts;
use self::paint::Paint;
use super::error::{Failure, Result};
use super::output::Output;
use super::settings::Settings;

/// How long the morning lasts at speed 1.
const SPAN: Duration = Duration::from_secs(5);
const STREAM: &str = "demo:events";

/// See a support agent's morning recorded, streamed, replayed and counted, in a few seconds
///
/// Needs no server. The events go to the stream demo:events in a temporary directory, which is kept
/// to be looked at, or to --dir or --url.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Record into this directory and keep it
    #[arg(long, value_name = "PATH", conflicts_with = "url")]
    dir: Option<PathBuf>,

    /// Makes the same customers say the same; any number
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// How much faster than in five seconds, from 0.1 to 1000
    #[arg(long, value_name = "FACTOR", default_value = "1", value_parser = speed)]
    speed: f64,
}

const EXAMPLES: &str = "\
Examples:
  recount demo
  recount demo --seed 7 --dir demo-data";

pub(super) async fn run(args: Args, settings: &Settings) -> Result {
    let settings = place(args.dir, settings)?;
    let now = Timestamp::now();
    let seed = args
        .seed
        .unwrap_or_else(|| now.as_millis().unsigned_abs() % 100_000);
    let log = settings.open().await?;
    let steps = workload(seed, now, SPAN.div_f64(args.speed));

    let mut output = Output::new();
    let paint = Paint::for_output(settings.color());
    let shown = live::show(&log, steps, seed, &paint, &mut output).await?;
    sections::replay(&log, &paint, &mut output).await?;
    let facts = Facts::gather(&log, &shown).await?;
    sections::timeline(&log, &facts, &paint, &mut output).await?;
    sections::counts(&facts, &paint, &mut output)?;
    sections::numbers(&facts, &shown, &paint, &mut output)?;
    commands::suggest(&settings, &facts, &paint, &mut output)?;
    log.close().await?;
    output.flush()
}

/// The settings with the demo's own place and stream, unless others were chosen.
fn place(dir: Option<PathBuf>, settings: &Settings) -> Result<Settings> {
    let url = match (dir, settings.chosen_url()) {
        (Some(dir), _) => LogUrl::Disk(dir),
        (None, Some(url)) => url.clone(),
        (None, None) => {
            let dir = tempfile::Builder::new()
                .prefix("recount-demo-")
                .tempdir()
                .map_err(|error| {
                    Failure::new(format!("creating a temporary directory: {error}"))
                })?;
            LogUrl::Disk(dir.keep())
        }
    };
    let stream = settings.chosen_stream().unwrap_or(STREAM).to_owned();
    Ok(settings.elsewhere(url, stream))
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(speed) if (0.1..=1000.0).contains(&speed) => Ok(speed),
        _ => Err("write a number from 0.1 to 1000".to_owned()),
    }
}
