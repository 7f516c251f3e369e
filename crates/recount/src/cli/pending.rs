//! `recount pending`

use std::time::Duration;

use recount::{Cursor, GroupStore, PendingEntry, PendingSummary};
use serde_json::{Value, json};

use super::error::Result;
use super::groups::{GroupArgs, Opened, failed};
use super::numbers::{from_0, id};
use super::output::{Output, PrintArgs, count, one_line, span, terminal_width, thousands};
use super::settings::Settings;
use super::table::{columns, facts};

/// Show what is pending in a group: delivered, and not acknowledged yet
///
/// First how much there is, and for whom; then the oldest entries: who has each, how long ago it was
/// delivered last, and how often it was. An entry without a consumer was given back, and goes to whoever
/// asks next.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    name: GroupArgs,

    /// Only entries of this consumer
    #[arg(long, value_name = "NAME", value_parser = id)]
    consumer: Option<String>,

    /// Entries that are shown at most
    #[arg(long, value_name = "N", default_value = "20", allow_negative_numbers = true, value_parser = from_0::<u64>)]
    limit: u64,

    #[command(flatten)]
    print: PrintArgs,
}

const EXAMPLES: &str = "\
Examples:
  recount pending audit
  recount pending audit --consumer worker-1 --limit 100
  recount pending audit --limit 0 --json";

pub(super) async fn run(args: &Args, settings: &Settings) -> Result {
    let opened = Opened::for_reading(settings).await?;
    let group = &args.name.group;
    let looking = async {
        let summary = opened.groups.pending(group).await?;
        let entries = entries(&*opened.groups, args).await?;
        Ok((summary, entries))
    };
    let (summary, entries) = looking.await.map_err(|error| failed(error, settings))?;
    opened.close().await?;
    let mut output = Output::new();
    if args.print.json {
        output.line(format_args!("{:#}", document(group, &summary, &entries)))?;
    } else {
        let width = terminal_width();
        let rows = summed_up(&summary);
        for line in facts(&rows, width)
            .into_iter()
            .chain(table(&entries, width))
        {
            output.line(line)?;
        }
    }
    output.flush()?;
    let of = match &args.consumer {
        Some(consumer) => owned(&summary, consumer),
        None => summary.count,
    };
    let shown = entries.len() as u64;
    if shown > 0 && shown < of {
        settings.note(format_args!(
            "the oldest {} of {}: --limit N shows more",
            thousands(shown),
            thousands(of)
        ));
    }
    Ok(())
}

/// The oldest entries, in pages.
async fn entries(
    groups: &dyn GroupStore,
    args: &Args,
) -> Result<Vec<PendingEntry>, recount::GroupError> {
    const PAGE: u64 = 1_000;
    let mut entries: Vec<PendingEntry> = Vec::new();
    let mut after = Cursor::start();
    loop {
        let left = args.limit - entries.len() as u64;
        let want = left.min(PAGE) as usize;
        if want == 0 {
            return Ok(entries);
        }
        let consumer = args.consumer.as_deref();
        let page = groups.pending_entries(&args.name.group, consumer, &after, want);
        let page = page.await?;
        let end = page.len() < want;
        for entry in &page {
            after.advance(entry.position);
        }
        entries.extend(page);
        if end {
            return Ok(entries);
        }
    }
}

fn owned(summary: &PendingSummary, consumer: &str) -> u64 {
    let mut each = summary.by_consumer.iter();
    each.find(|(name, _)| name == consumer)
        .map_or(0, |(_, count)| *count)
}

fn given_back(summary: &PendingSummary) -> u64 {
    let owned: u64 = summary.by_consumer.iter().map(|(_, count)| count).sum();
    summary.count.saturating_sub(owned)
}

fn summed_up(summary: &PendingSummary) -> Vec<(String, String)> {
    let mut rows = vec![("pending".to_owned(), count(summary.count, "entry"))];
    let many = summary.ranges.len() > 1;
    for (partition, first, last) in &summary.ranges {
        let name = if many {
            format!("partition {partition}")
        } else {
            "from, to".to_owned()
        };
        rows.push((name, format!("{first}, {last}")));
    }
    for (name, owned) in summary.by_consumer.iter().filter(|(_, owned)| *owned > 0) {
        let name = format!("  {}", one_line(name));
        rows.push((name, thousands(*owned)));
    }
    match given_back(summary) {
        0 => {}
        given_back => rows.push(("  given back".to_owned(), thousands(given_back))),
    }
    rows
}

fn table(entries: &[PendingEntry], terminal: Option<usize>) -> Vec<String> {
    if entries.is_empty() {
        return Vec::new();
    }
    let rows = entries.iter().map(|entry| {
        let consumer = entry.consumer.as_deref();
        vec![
            entry.position.to_string(),
            span(entry.idle_ms),
            thousands(entry.delivery_count),
            consumer
                .map_or("(given back)".into(), one_line)
                .into_owned(),
        ]
    });
    let rows: Vec<_> = rows.collect();
    let titles = ["entry", "idle", "delivered", "consumer"];
    let mut lines = columns(&titles, &rows, 3, terminal);
    lines.insert(0, String::new());
    lines
}

fn document(group: &str, summary: &PendingSummary, entries: &[PendingEntry]) -> Value {
    let ranges = summary.ranges.iter().map(|(partition, first, last)| {
        json!({
            "partition": partition,
            "first": first.to_string(),
            "last": last.to_string(),
        })
    });
    let consumers = summary.by_consumer.iter();
    let consumers = consumers.map(|(name, owned)| json!({"name": name, "pending": owned}));
    let entries = entries.iter().map(|entry| {
        json!({
            "entry_id": entry.position.entry_id.to_string(),
            "partition": entry.position.partition,
            "consumer": entry.consumer,
            "idle_ms": entry.idle_ms,
            "delivery_count": entry.delivery_count,
        })
    });
    json!({
        "group": group,
        "pending": summary.count,
        "given_back": given_back(summary),
        "ranges": ranges.collect::<Vec<_>>(),
        "consumers": consumers.collect::<Vec<_>>(),
        "entries": entries.collect::<Vec<_>>(),
    })
}

/// How long an entry was idle, as it is written on the command line.
pub(super) fn idle(text: &str) -> Result<Duration, String> {
    recount::config::parse_span(text)
        .ok_or_else(|| "write a time such as 500ms, 5s, 30m or 1h30m".to_owned())
}

#[cfg(test)]
mod tests {
    use recount::{EntryId, Position};

    use super::*;

    fn summary() -> PendingSummary {
        PendingSummary {
            count: 1_003,
            ranges: vec![
                (0, EntryId::new(7, 0), EntryId::new(9, 1)),
                (2, EntryId::new(8, 0), EntryId::new(8, 0)),
            ],
            by_consumer: vec![("w1".into(), 1_000), ("w2".into(), 0)],
        }
    }

    #[test]
    fn what_is_pending_is_summed_up() {
        assert_eq!(
            facts(&summed_up(&summary()), None),
            [
                "pending       1,003 entries",
                "partition 0   7-0, 9-1",
                "partition 2   8-0, 8-0",
                "  w1          1,000",
                "  given back  3",
            ]
        );
        let nothing = summed_up(&PendingSummary::default());
        assert_eq!(facts(&nothing, None), ["pending  0 entries"]);
    }

    #[test]
    fn each_entry_says_who_has_it() {
        let entry = |ms, consumer: Option<&str>, delivery_count| PendingEntry {
            position: Position {
                partition: 0,
                entry_id: EntryId::new(ms, 0),
            },
            consumer: consumer.map(str::to_owned),
            idle_ms: 61_000,
            delivery_count,
        };
        let entries = [entry(7, Some("w1"), 1), entry(10, None, 12)];
        assert_eq!(
            table(&entries, None),
            [
                "",
                "entry  idle  delivered  consumer",
                "  7-0  61 s          1  w1",
                " 10-0  61 s         12  (given back)",
            ]
        );
        let document = document("g", &summary(), &entries);
        assert_eq!(document["given_back"], 3);
        assert_eq!(document["entries"][1]["consumer"], Value::Null);
    }
}
