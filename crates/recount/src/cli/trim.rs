//! `recount trim`

use recount::config::parse_held_up;
use recount::{EntryId, HeldUp, Moment, Recount, Timestamp, TrimLimit, TrimReport, TrimRequest};
use serde_json::json;

use super::error::{Failure, Result};
use super::numbers::from_0;
use super::output::{Output, PrintArgs, count, thousands};
use super::settings::{Settings, SyncArgs};

/// Remove the oldest events: by number, age or entry id
///
/// What is removed is gone for every reader and stays gone; its event ids are still known as
/// duplicates. Disk space is given back a segment at a time; on a server every partition is trimmed.
/// Nothing is removed that a consumer group or a mirror still needs, unless --held-up says so: what holds
/// a trim back is told, and what was lost. To have the process that writes trim as it goes, set
/// retention.max_length or retention.period (see recount config).
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group = clap::ArgGroup::new("limit").required(true))]
pub(super) struct Args {
    /// Keep the newest N events, of each partition
    #[arg(long, value_name = "N", group = "limit", allow_negative_numbers = true, value_parser = from_0::<u64>)]
    max_length: Option<u64>,

    /// Keep what was recorded since: 30d, 12h (ago), 2026-01-02 (midnight UTC), RFC 3339
    #[arg(long, value_name = "TIME", group = "limit")]
    max_age: Option<Moment>,

    /// Keep this entry id and those after it
    #[arg(long, value_name = "ID", group = "limit")]
    min_id: Option<EntryId>,

    /// Remove whole segments only: never more than asked for, and cheaper
    #[arg(long)]
    approximate: bool,

    /// What becomes of events that a consumer group or a mirror still needs: block (they stay), force, or
    /// expire-groups-after:7d (groups that no consumer called for so long lose them)
    #[arg(long, value_name = "POLICY", default_value = "block", value_parser = parse_held_up)]
    held_up: HeldUp,

    /// Only tell what would be removed; works beside a process that writes
    #[arg(long, short = 'n')]
    dry_run: bool,

    #[command(flatten)]
    print: PrintArgs,

    #[command(flatten)]
    pub(super) sync: SyncArgs,
}

const EXAMPLES: &str = "\
Examples:
  recount trim --max-age 30d --dry-run
  recount trim --max-length 1000000 --approximate
  recount trim --max-age 90d --held-up expire-groups-after:7d
  recount trim --min-id 1526919030474-0 --json";

impl Args {
    /// A slip of the year is not to empty the log.
    fn check(&self) -> Result {
        match self.max_age {
            Some(at) if at.entry_id() > Moment::Time(Timestamp::now()).entry_id() => {
                Err(Failure::usage(format!(
                    "--max-age: {at} lies in the future, and nothing can have been recorded since"
                ))
                .hint("--max-length 0 removes everything"))
            }
            _ => Ok(()),
        }
    }

    fn request(&self) -> TrimRequest {
        let limit = match (self.max_length, self.max_age, self.min_id) {
            (Some(length), ..) => TrimLimit::MaxLength(length),
            (_, Some(at), _) => TrimLimit::MinId(at.entry_id()),
            (.., id) => TrimLimit::MinId(id.unwrap_or(EntryId::MIN)),
        };
        TrimRequest {
            limit,
            exact: !self.approximate,
            dry_run: self.dry_run,
            held_up: self.held_up,
        }
    }
}

pub(super) async fn run(args: Args, settings: &Settings) -> Result {
    args.check()?;
    let (report, left) = if args.dry_run || !settings.exists().await? {
        // A stream that is not there is an error, not to be created in order to be trimmed.
        let log = settings.open_read_only().await?;
        let report = log.trim(&args.request()).await?;
        let left = log.info().await?.length().saturating_sub(report.removed);
        log.close().await?;
        (report, left)
    } else {
        let log = settings.open_to_trim().await.map_err(beside_a_writer)?;
        trim(&log, &args.request()).await?
    };
    let mut output = Output::new();
    if args.print.json {
        output.line(document(&report, left, args.dry_run))?;
    } else {
        output.line(sentence(&report, left, args.dry_run))?;
        let verb = if args.dry_run { "would lose" } else { "lost" };
        for lost in &report.lost {
            let events = count(lost.entries, "event");
            output.line(format_args!("{} {verb} {events} it still needed", lost.by))?;
        }
        for held in &report.held_back {
            output.line(format_args!(
                "held back from {} on by {}",
                held.from, held.by
            ))?;
        }
    }
    output.flush()
}

async fn trim(log: &Recount, request: &TrimRequest) -> Result<(TrimReport, u64)> {
    let report = log.trim(request).await?;
    let left = log.info().await?.length();
    log.close().await?;
    Ok((report, left))
}

/// The process that writes does not trim on demand.
fn beside_a_writer(failure: Failure) -> Failure {
    failure.hint_if_locked(
        "to trim beside it, set retention.max_length or retention.period where that process reads \
         its settings (recount.toml); or stop it first. --dry-run works meanwhile",
    )
}

fn sentence(report: &TrimReport, left: u64, dry_run: bool) -> String {
    let removed = count(report.removed, "event");
    let verb = if dry_run {
        "would be removed"
    } else {
        "removed"
    };
    let kept = if dry_run { "would be left" } else { "left" };
    match report.first {
        Some(first) => format!(
            "{removed} {verb}, {} {kept}, from {first} on",
            thousands(left)
        ),
        None => format!("{removed} {verb}, none {kept}"),
    }
}

fn document(report: &TrimReport, left: u64, dry_run: bool) -> serde_json::Value {
    let held_back = report.held_back.iter();
    let lost = report.lost.iter();
    json!({
        "dry_run": dry_run,
        "removed": report.removed,
        "left": left,
        "first": report.first.map(|id| id.to_string()),
        "held_back": held_back
            .map(|held| json!({"by": held.by, "from": held.from.to_string()}))
            .collect::<Vec<_>>(),
        "lost": lost
            .map(|lost| json!({"by": lost.by, "events": lost.entries}))
            .collect::<Vec<_>>(),
    })
}
