//! `recount demo`: what Recount does, shown in a few seconds on a log of its own.

mod commands;
mod facts;
mod groups;
mod live;
mod paint;
mod sections;

use std::path::PathBuf;
use std::time::Duration;

use recount::demo::workload;
use recount::{LogUrl, Timestamp};

use self::facts::Facts;
use self::groups::Groups;
use self::paint::Paint;
use super::error::{Failure, Result};
use super::numbers::from_0;
use super::output::Output;
use super::settings::{Settings, WriteArgs};

/// How long the morning lasts at speed 1.
const SPAN: Duration = Duration::from_secs(5);
const STREAM: &str = "demo:events";

/// See a support agent's morning recorded, streamed, replayed and counted, in a few seconds
///
/// Needs no server. The events go to the stream demo:events in a temporary directory, which is kept
/// to be looked at, to the server of REDIS_URL if that is set, or to where --dir, --url and --stream
/// say. RECOUNT_URL and RECOUNT_STREAM do not count here: a demo never lands in a log that is in use.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Record into this directory and keep it
    #[arg(long, value_name = "PATH", conflicts_with = "url")]
    dir: Option<PathBuf>,

    // These two stand for the global flags of the same names, whose defaults are other ones.
    /// Record there: disk:PATH, redis://HOST:PORT, ... [env: REDIS_URL] [default: a new temporary
    /// directory]
    #[arg(long, value_name = "URL", help_heading = "Global options")]
    url: Option<String>,

    /// The stream's name [default: demo:events]
    #[arg(long, value_name = "NAME", help_heading = "Global options")]
    stream: Option<String>,

    /// Makes the same customers say the same; any number
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = from_0::<u64>)]
    seed: Option<u64>,

    /// How much faster than in five seconds, from 0.1 to 1000
    #[arg(long, value_name = "FACTOR", default_value = "1", allow_negative_numbers = true, value_parser = speed)]
    speed: f64,

    #[command(flatten)]
    pub(super) write: WriteArgs,
}

const EXAMPLES: &str = "\
Examples:
  recount demo
  recount demo --seed 7 --dir demo-data
  recount demo --url redis://localhost:6379";

pub(super) async fn run(args: Args, settings: &Settings) -> Result {
    let settings = place(&args, settings)?;
    let now = Timestamp::now();
    let seed = args
        .seed
        .unwrap_or_else(|| now.as_millis().unsigned_abs() % 100_000);
    let log = settings.open().await?;
    let steps = workload(seed, now, SPAN.div_f64(args.speed));

    let mut output = Output::new();
    let paint = Paint::for_output(settings.color());
    let groups = Groups::start(&log).await?;
    let shown = live::show(&log, steps, seed, &paint, &mut output).await?;
    groups.finish(&shown, &paint, &mut output).await?;
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
fn place(args: &Args, settings: &Settings) -> Result<Settings> {
    let url = match (&args.dir, &args.url) {
        (Some(dir), _) => LogUrl::Disk(dir.clone()),
        // The settings have it from the same flag.
        (None, Some(_)) => settings.url().clone(),
        // They have it from REDIS_URL.
        (None, None) if settings.on_server() => settings.url().clone(),
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
    let stream = args.stream.as_deref().unwrap_or(STREAM);
    Ok(settings.elsewhere(url, stream.to_owned()))
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(speed) if (0.1..=1000.0).contains(&speed) => Ok(speed),
        _ => Err("write a number from 0.1 to 1000".to_owned()),
    }
}
