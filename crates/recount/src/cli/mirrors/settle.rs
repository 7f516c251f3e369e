//! `recount mirrors settle`

use serde_json::json;

use super::open;
use crate::cli::error::Result;
use crate::cli::output::{Output, PrintArgs, count};
use crate::cli::settings::Settings;

/// Take note of the gaps and divergences of the mirror on this machine: nobody is warned of them any more
///
/// They stay recorded, and recount mirrors goes on listing them. What was set aside stays too.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    print: PrintArgs,
}

const EXAMPLES: &str = "\
Examples:
  recount mirrors settle
  recount mirrors settle --stream demo:events";

pub(super) async fn run(args: &Args, settings: &Settings) -> Result {
    let (log, _) = open(settings).await?;
    let settled = log.settle_mirror()? as u64;
    log.close().await?;
    let mut output = Output::new();
    if args.print.json {
        output.line(json!({"settled": settled}))?;
    } else {
        output.line(format_args!("{} settled", count(settled, "incident")))?;
    }
    output.flush()
}
