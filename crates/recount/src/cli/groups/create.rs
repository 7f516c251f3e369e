//! `recount groups create`

use serde_json::json;

use super::{GroupArgs, Opened, PLACE, Place, failed};
use crate::cli::error::Result;
use crate::cli::output::{Output, PrintArgs};
use crate::cli::settings::Settings;

/// Create a group, which is delivered what comes after a place in the stream
///
/// A stream that does not exist yet is created empty. A group that exists is an error, and stays as it is.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    name: GroupArgs,

    #[arg(long, value_name = "PLACE", help = format!("Where it begins: {PLACE}"))]
    from: Place,

    #[command(flatten)]
    print: PrintArgs,
}

const EXAMPLES: &str = "\
Examples:
  recount groups create audit --from start
  recount groups create debug --from end
  recount groups create analytics --from 2026-01-02
  recount groups create webhooks --from 1526919030474-0";

pub(super) async fn run(args: &Args, settings: &Settings) -> Result {
    let opened = Opened::creating(settings).await?;
    let start = args.from.start(opened.log.log().partitions());
    let group = &args.name.group;
    let created = opened.groups.create(group, &start).await;
    created.map_err(|error| failed(error, settings))?;
    opened.close().await?;
    let mut output = Output::new();
    if args.print.json {
        output.line(json!({"created": group}))?;
    } else {
        output.line(format_args!(
            "group {group} is created: it begins {}",
            args.from.words()
        ))?;
    }
    output.flush()
}
