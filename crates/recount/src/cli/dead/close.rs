//! `recount dead retry` and `recount dead discard`

use recount::{DeadLetters, Position, Retried};
use serde_json::json;

use super::list::open_ones;
use super::{letters, not_open};
use crate::cli::error::{Failure, Result};
use crate::cli::groups::{GroupFlag, Opened, position};
use crate::cli::output::{Output, PrintArgs, count};
use crate::cli::settings::{Settings, warn};

/// Which letters.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// All that are open
    #[arg(long)]
    all: bool,

    /// The entries that they are about, as recount dead list shows them
    #[arg(value_name = "ID", value_parser = position)]
    entries: Vec<Position>,
}

/// Hand the events of dead letters to the group again
///
/// They are pending then, with a new count of deliveries, and the next consumer that looks takes them. The letters
/// keep their history: an event that fails again has one letter with all attempts. One whose entry was
/// trimmed cannot be handed out again, and stays open.
#[derive(clap::Args)]
#[command(after_help = RETRY_EXAMPLES)]
pub(super) struct RetryArgs {
    #[command(flatten)]
    group: GroupFlag,

    #[command(flatten)]
    which: Which,

    #[command(flatten)]
    print: PrintArgs,
}

const RETRY_EXAMPLES: &str = "\
Examples:
  recount dead retry --group audit 1526919030474-0
  recount dead retry --group audit --all";

/// Close dead letters for good
///
/// What they hold stays in the history of their stream, and the events in the group's stream.
#[derive(clap::Args)]
#[command(after_help = DISCARD_EXAMPLES)]
pub(super) struct DiscardArgs {
    #[command(flatten)]
    group: GroupFlag,

    #[command(flatten)]
    which: Which,

    #[command(flatten)]
    print: PrintArgs,
}

const DISCARD_EXAMPLES: &str = "\
Examples:
  recount dead discard --group audit 1526919030474-0
  recount dead discard --group audit --all";

impl Which {
    async fn positions(&self, letters: &DeadLetters) -> Result<Vec<Position>> {
        if !self.all {
            return Ok(self.entries.clone());
        }
        let open = open_ones(letters, u64::MAX).await?;
        Ok(open.iter().map(|letter| letter.position).collect())
    }
}

pub(super) async fn retry(args: &RetryArgs, settings: &Settings) -> Result {
    let opened = Opened::for_changing(settings).await?;
    let letters = letters(&opened, &args.group, settings).await?;
    let positions = args.which.positions(&letters).await?;
    // Nothing is opened for writing where there is nothing to write.
    let retried = match &*positions {
        [] => Retried::default(),
        positions => {
            let retried = letters.retry(positions, &*opened.groups).await;
            retried.map_err(|error| not_open(error, settings))?
        }
    };
    opened.close().await?;
    let mut output = Output::new();
    if args.print.json {
        let ids = |positions: &[Position]| positions.iter().map(document).collect::<Vec<_>>();
        let refused = retried.refused.iter();
        output.line(json!({
            "retried": ids(&retried.retried),
            "refused": refused
                .map(|(position, why)| {
                    let mut letter = document(position);
                    letter["error"] = json!(why.to_string());
                    letter
                })
                .collect::<Vec<_>>(),
        }))?;
    } else {
        output.line(format_args!(
            "{} handed to group {} again",
            count(retried.retried.len() as u64, "event"),
            args.group.group
        ))?;
    }
    output.flush()?;
    for (position, why) in &retried.refused {
        warn(format_args!("{position} stays a dead letter: {why}"));
    }
    match retried.refused.len() as u64 {
        0 => Ok(()),
        refused => Err(Failure::new(format!(
            "{} could not be retried",
            count(refused, "dead letter")
        ))),
    }
}

pub(super) async fn discard(args: &DiscardArgs, settings: &Settings) -> Result {
    let opened = Opened::for_changing(settings).await?;
    let letters = letters(&opened, &args.group, settings).await?;
    let positions = args.which.positions(&letters).await?;
    let discarded = match &*positions {
        [] => 0,
        positions => {
            let discarded = letters.discard(positions).await;
            discarded.map_err(|error| not_open(error, settings))? as u64
        }
    };
    opened.close().await?;
    let mut output = Output::new();
    if args.print.json {
        output.line(json!({"discarded": discarded}))?;
    } else {
        output.line(format_args!(
            "{} discarded",
            count(discarded, "dead letter")
        ))?;
    }
    output.flush()
}

fn document(position: &Position) -> serde_json::Value {
    json!({
        "entry_id": position.entry_id.to_string(),
        "partition": position.partition,
    })
}
