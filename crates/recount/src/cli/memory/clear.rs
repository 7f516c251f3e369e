//! `recount memory clear`

use super::writer::Writer;
use crate::cli::error::Result;
use crate::cli::settings::Settings;

/// Forget everything in the memory: messages and summaries
///
/// They stay in the log, and recount state --at shows the memory as it was. A fork of the session keeps what it had.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    pub(super) writer: Writer,

    /// Why it is cleared
    #[arg(long, value_name = "TEXT", default_value = "asked")]
    reason: String,
}

const EXAMPLES: &str = "\
Examples:
  recount memory clear s1
  recount memory clear s1 --reason \"new topic\" --expect-revision 12";

pub(super) async fn run(args: &Args, settings: &Settings) -> Result {
    let writer = &args.writer;
    let (log, memory) = writer.open_begun(settings).await?;
    let written = memory.clear(&args.reason).await;
    let written = written.map_err(|error| writer.failed(error, settings))?;
    writer.tell(&written, settings)?;
    log.close().await?;
    Ok(())
}
