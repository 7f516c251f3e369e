//! `recount groups delete`

use serde_json::json;

use super::{GroupArgs, Opened, failed, missing};
use crate::cli::error::Result;
use crate::cli::output::{Output, PrintArgs, count};
use crate::cli::settings::Settings;

/// Delete a group, with its consumers and all that is pending
///
/// The stream keeps its events, and the group's dead letters stay. A consumer that runs on creates the group
/// again, where it had come to.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    name: GroupArgs,

    #[command(flatten)]
    print: PrintArgs,
}

const EXAMPLES: &str = "\
Examples:
  recount groups delete debug";

pub(super) async fn run(args: &Args, settings: &Settings) -> Result {
    let opened = Opened::for_changing(settings).await?;
    let group = &args.name.group;
    let deleting = async {
        let pending = opened.groups.pending(group).await?.count;
        Ok((opened.groups.destroy(group).await?, pending))
    };
    let (was_there, pending) = deleting.await.map_err(|error| failed(error, settings))?;
    opened.close().await?;
    if !was_there {
        return Err(missing(group, settings.stream(), settings));
    }
    let mut output = Output::new();
    if args.print.json {
        output.line(json!({"deleted": group, "pending": pending}))?;
    } else {
        let left = match pending {
            0 => "nothing was pending".to_owned(),
            left => format!("{} in it had not been acknowledged", count(left, "entry")),
        };
        output.line(format_args!("group {group} is deleted: {left}"))?;
    }
    output.flush()
}
