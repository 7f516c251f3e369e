//! `recount mirrors forget`

use serde_json::json;

use super::open;
use crate::cli::error::{Failure, Result};
use crate::cli::output::{Output, PrintArgs};
use crate::cli::settings::Settings;

/// Forget a mirror that is no more, so that it keeps nothing from being trimmed
///
/// Its copy, wherever that is, stays as it is. A mirror that still runs registers again.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Its name, as recount mirrors shows it
    #[arg(value_name = "NAME")]
    name: String,

    #[command(flatten)]
    print: PrintArgs,
}

const EXAMPLES: &str = "\
Examples:
  recount mirrors forget laptop-1f2e3d4c";

pub(super) async fn run(args: &Args, settings: &Settings) -> Result {
    let (log, origin) = open(settings).await?;
    let was_there = origin.forget(&args.name).await?;
    log.close().await?;
    if !was_there {
        return Err(Failure::new(format!(
            "stream {} has no mirror {:?}",
            settings.stream(),
            args.name
        ))
        .hint(format!("{} lists them", settings.command("mirrors"))));
    }
    let mut output = Output::new();
    if args.print.json {
        output.line(json!({"forgotten": args.name}))?;
    } else {
        output.line(format_args!(
            "{} is forgotten: it keeps nothing from being trimmed any more",
            args.name
        ))?;
    }
    output.flush()
}
