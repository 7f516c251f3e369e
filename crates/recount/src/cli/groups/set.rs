//! `recount groups set`

use serde_json::json;

use super::{GroupArgs, Opened, PLACE, Place, failed};
use crate::cli::error::Result;
use crate::cli::output::{Output, PrintArgs};
use crate::cli::settings::Settings;

/// Move a group, forward or back: what it is delivered next comes after a place in the stream
///
/// What is pending stays pending. What lies between is skipped, or delivered again.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    name: GroupArgs,

    #[arg(long, value_name = "PLACE", help = format!("Where it goes on: {PLACE}"))]
    from: Place,

    #[command(flatten)]
    print: PrintArgs,
}

const EXAMPLES: &str = "\
Examples:
  recount groups set analytics --from start
  recount groups set audit --from 1h
  recount groups set debug --from end";

pub(super) async fn run(args: &Args, settings: &Settings) -> Result {
    let opened = Opened::for_changing(settings).await?;
    let start = args.from.start(opened.log.log().partitions());
    let group = &args.name.group;
    let set = opened.groups.set_position(group, &start).await;
    set.map_err(|error| failed(error, settings))?;
    opened.close().await?;
    let mut output = Output::new();
    if args.print.json {
        output.line(json!({"set": group}))?;
    } else {
        output.line(format_args!(
            "group {group} is moved: it goes on {}",
            args.from.words()
        ))?;
    }
    output.flush()
}
