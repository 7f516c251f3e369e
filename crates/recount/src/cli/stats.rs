//! `recount stats`

use recount::{EventMetrics, MetricsSpan, Timestamp};

use super::error::{Failure, Result};
use super::output::{Output, count, one_line, span, terminal_width, thousands};
use super::select::{QueryArgs, ready};
use super::settings::Settings;
use super::table::{columns, facts};

/// Show a range in figures: events, their rate, latency, errors, sessions, types
///
/// Everything that is asked for is looked at, once.
#[derive(clap::Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{FIGURES}\n\n{}", super::select::QUERIES))]
pub(super) struct Args {
    #[command(flatten)]
    query: QueryArgs,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

const FIGURES: &str = "\
Figures:
  events           those that match; entries that are no events are counted
                   apart
  rate             events by the length of the range. With --since or --until
                   the range is one of recording: from --since, or the first
                   event, to --until, or now; without, one of happening: from
                   the first event to the last, or as happened-since: and
                   happened-until: say
  average latency  the mean of how long tools and searches took: duration_ms
                   of tool.returned and search.performed, where a tool's answer
                   has none, the time since its call (the same session and
                   call_id) if that is in the range
  errors           events of the type error.occurred, and their share of all
  active sessions  sessions with at least one event in the range; active users
                   likewise
  types            the ten most frequent";

const EXAMPLES: &str = "\
Examples:
  recount stats
  recount stats --since 1h
  recount stats 'user:ada' --since 2026-01-01 --until 2026-02-01
  recount stats --json | jq .error_rate";

pub(super) async fn run(args: Args, settings: &Settings) -> Result {
    let question = args.query.question()?;
    let log = settings.open_read_only().await?;
    let (mut finder, searching) = ready(&log, log.find(&question), settings).await?;
    let metrics = finder.metrics(Timestamp::now()).await?;
    drop(searching);
    let mut output = Output::new();
    if args.json {
        let document = serde_json::to_string(&metrics)
            .map_err(|error| Failure::new(format!("writing the figures: {error}")))?;
        output.line(document)?;
    } else {
        for line in told(&metrics, terminal_width()) {
            output.line(line)?;
        }
    }
    output.flush()?;
    log.close().await?;
    Ok(())
}

fn told(metrics: &EventMetrics, terminal: Option<usize>) -> Vec<String> {
    let mut rows = vec![("events", thousands(metrics.events))];
    if metrics.undecodable > 0 {
        rows.push(("no events", count(metrics.undecodable, "entry")));
    }
    if let Some(span) = &metrics.span {
        rows.push(("range", range(span)));
    }
    if let Some(rate) = metrics.events_per_second {
        rows.push(("rate", per_second(rate)));
    }
    let latency = metrics.latency.average_ms.map_or_else(
        || "no tool and no search tells".to_owned(),
        |average| {
            let of = count(metrics.latency.calls, "call");
            format!("{} (of {of})", millis(average))
        },
    );
    rows.push(("average latency", latency));
    let share = metrics
        .error_rate
        .map(|rate| format!(" ({})", percent(rate)));
    let errors = thousands(metrics.errors);
    rows.push(("errors", errors + &share.unwrap_or_default()));
    rows.push(("active sessions", thousands(metrics.active_sessions)));
    rows.push(("active users", thousands(metrics.active_users)));
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(name, fact)| (name.to_owned(), fact))
        .collect();
    let mut lines = facts(&rows, terminal);
    if !metrics.top_types.is_empty() {
        let row = |top: &recount::TypeCount| {
            vec![
                thousands(top.count),
                percent(top.count as f64 / metrics.events as f64),
                one_line(&top.name).into_owned(),
            ]
        };
        let rows: Vec<_> = metrics.top_types.iter().map(row).collect();
        lines.push(String::new());
        lines.extend(columns(&["events", "share", "type"], &rows, 2, terminal));
    }
    lines
}

fn range(over: &MetricsSpan) -> String {
    let ms = over.to.as_millis().saturating_sub(over.from.as_millis());
    let by = if over.recorded {
        "recorded"
    } else {
        "happened"
    };
    format!("{} to {} ({}), {by}", over.from, over.to, span(ms as u64))
}

/// A rate in the unit in which it reads best.
fn per_second(rate: f64) -> String {
    match rate {
        10.0.. => format!("{} events a second", thousands(rate.round() as u64)),
        0.1.. => format!("{rate:.1} events a second"),
        _ if rate * 3_600.0 >= 0.1 => format!("{:.1} events an hour", rate * 3_600.0),
        _ => format!("{:.1} events a day", rate * 86_400.0),
    }
}

fn millis(ms: f64) -> String {
    match ms {
        10.0.. => span(ms.round() as u64),
        _ => format!("{ms:.1} ms"),
    }
}

fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_told_in_the_unit_in_which_they_read_best() {
        assert_eq!(per_second(1_234.5), "1,235 events a second");
        assert_eq!(per_second(0.25), "0.2 events a second");
        assert_eq!(per_second(0.01), "36.0 events an hour");
        assert_eq!(per_second(0.000_01), "0.9 events a day");
        assert_eq!(millis(0.25), "0.2 ms");
        assert_eq!(millis(1_500.0), "1.5 s");
        assert_eq!(percent(0.125), "12.5%");
    }
}
