//! `recount claim`

use std::time::Duration;

use recount::{ClaimRequest, Cursor, Delivery, GroupError, Position, json};
use serde_json::json;

use super::error::Result;
use super::groups::{GroupArgs, Opened, failed, position};
use super::line::Lines;
use super::numbers::{from_1, id};
use super::output::{Output, count};
use super::pending::idle;
use super::settings::{Settings, warn};

/// Take over entries that are pending in a group, for another consumer, and show them
///
/// Consumers that run claim what a dead one left by themselves. This is for those that do not, and for a look:
/// the entries are pending for the new consumer then, and counted as delivered once more. A consumer of that
/// name handles them as soon as it starts; recount consume --name NAME is one.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    name: GroupArgs,

    /// Who takes them over
    #[arg(long, value_name = "NAME", value_parser = id)]
    consumer: String,

    /// Only entries that were with their consumer for so long, untouched; those given back are free at once
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = idle)]
    min_idle: Duration,

    /// Entries at most
    #[arg(long, value_name = "N", conflicts_with = "entries", allow_negative_numbers = true, value_parser = from_1::<u64>)]
    limit: Option<u64>,

    /// Print each entry as a JSON object, one a line: its entry_id and partition, delivery_count, and event,
    /// null where it was trimmed
    #[arg(long)]
    json: bool,

    /// Entries, as recount pending shows them; without any, all that were idle for so long
    #[arg(value_name = "ID", value_parser = position)]
    entries: Vec<Position>,
}

const EXAMPLES: &str = "\
Examples:
  recount claim audit --consumer me --min-idle 5m
  recount claim audit --consumer me --min-idle 0s 1526919030474-0
  recount claim audit --consumer me --limit 10 --json";

/// Entries that are claimed by one call.
const PAGE: usize = 500;

pub(super) async fn run(args: &Args, settings: &Settings) -> Result {
    let opened = Opened::for_changing(settings).await?;
    let mut shown = Shown {
        json: args.json,
        lines: Lines::for_output(settings.color()),
        output: Output::new(),
        claimed: 0,
        trimmed: 0,
    };
    let claiming = if args.entries.is_empty() {
        idle_ones(args, &opened, &mut shown, settings).await
    } else {
        named(args, &opened, &mut shown, settings).await
    };
    // What is claimed is shown, whatever came after.
    shown.output.flush()?;
    claiming?;
    opened.close().await?;
    if shown.trimmed > 0 {
        warn(format_args!(
            "{} of them trimmed meanwhile: nothing is left to be handled",
            count(shown.trimmed, "entry")
        ));
    }
    let asked = args.entries.len() as u64;
    let left = match asked.saturating_sub(shown.claimed) {
        0 => String::new(),
        left => format!(
            "; {} not pending, or not idle for so long",
            count(left, "entry")
        ),
    };
    settings.note(format_args!(
        "{} claimed for {}{left}",
        count(shown.claimed, "entry"),
        args.consumer
    ));
    Ok(())
}

fn request(args: &Args) -> ClaimRequest {
    ClaimRequest {
        consumer: args.consumer.clone(),
        min_idle_ms: u64::try_from(args.min_idle.as_millis()).unwrap_or(u64::MAX),
    }
}

async fn named(args: &Args, opened: &Opened, shown: &mut Shown, settings: &Settings) -> Result {
    let request = request(args);
    for entries in args.entries.chunks(PAGE) {
        let claiming = opened.groups.claim(&args.name.group, &request, entries);
        shown.show(claiming.await, settings)?;
    }
    Ok(())
}

async fn idle_ones(args: &Args, opened: &Opened, shown: &mut Shown, settings: &Settings) -> Result {
    let request = request(args);
    let mut after = Cursor::start();
    loop {
        let left = args.limit.map_or(u64::MAX, |limit| limit - shown.claimed);
        let want = usize::try_from(left).map_or(PAGE, |left| left.min(PAGE));
        if want == 0 {
            return Ok(());
        }
        let groups = &opened.groups;
        let claim = groups.auto_claim(&args.name.group, &request, &after, want);
        let claim = claim.await.map_err(|error| failed(error, settings))?;
        shown.show(Ok(claim.deliveries), settings)?;
        match claim.next {
            Some(next) => after = next,
            None => return Ok(()),
        }
    }
}

struct Shown {
    json: bool,
    lines: Lines,
    output: Output,
    claimed: u64,
    trimmed: u64,
}

impl Shown {
    fn show(&mut self, claimed: Result<Vec<Delivery>, GroupError>, settings: &Settings) -> Result {
        let claimed = claimed.map_err(|error| failed(error, settings))?;
        for delivery in &claimed {
            self.claimed += 1;
            self.trimmed += u64::from(delivery.entry.is_none());
            if self.json {
                self.output.line(document(delivery))?;
            } else if let Some(entry) = &delivery.entry {
                self.output.line(self.lines.format(entry))?;
            } else {
                self.output
                    .line(format_args!("{} (trimmed)", delivery.position))?;
            }
        }
        Ok(())
    }
}

/// The event keeps its text.
fn document(delivery: &Delivery) -> String {
    let Position {
        partition,
        entry_id,
    } = delivery.position;
    let event = delivery.entry.as_ref().map(json::line);
    format!(
        r#"{{"entry_id":{},"partition":{partition},"delivery_count":{},"event":{}}}"#,
        json!(entry_id.to_string()),
        delivery.delivery_count,
        event.as_deref().unwrap_or("null")
    )
}
