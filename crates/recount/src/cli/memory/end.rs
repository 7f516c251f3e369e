//! `recount memory end`

use super::writer::Writer;
use crate::cli::error::Result;
use crate::cli::settings::Settings;

/// End the session, and record how long it lasted
///
/// What is added afterwards goes on with it.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    pub(super) writer: Writer,

    /// Why: completed, timeout, error, or a word of your own
    #[arg(long, value_name = "WORD", default_value = "completed")]
    reason: String,
}

const EXAMPLES: &str = "\
Examples:
  recount memory end s1
  recount memory end s1 --reason timeout --json";

pub(super) async fn run(args: &Args, settings: &Settings) -> Result {
    let writer = &args.writer;
    let (log, memory) = writer.open_begun(settings).await?;
    let written = memory.end(&args.reason).await;
    let written = written.map_err(|error| writer.failed(error, settings))?;
    writer.tell(&written, settings)?;
    log.close().await?;
    Ok(())
}
