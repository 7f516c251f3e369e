//! `recount info`

mod document;
mod partitions;
mod window;

use recount::{EntryId, LogInfo, Timestamp};

use super::error::Result;
use super::output::{Output, PrintArgs, count, some_of, terminal_width, thousands};
use super::settings::{Settings, warn};
use super::table;

/// Show what the log holds, and what publishing from here would promise
///
/// The mode in which another process writes is not recorded anywhere: what is shown of durability is
/// what the settings would give a command that publishes from here. On a server that follows from how it
/// is set up, which is read from it; what endangers the log is told in warnings.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    print: PrintArgs,
}

const EXAMPLES: &str = "\
Examples:
  recount info
  recount info --stream demo:events --json";

pub(super) async fn run(args: &Args, settings: &Settings) -> Result {
    let log = settings.open_read_only().await?;
    let info = log.info().await?;
    let streams = settings.streams().await?;
    let mut output = Output::new();
    if args.print.json {
        let keys = log.origin().map(|origin| origin.partition_names());
        let document = document::document(&info, streams.as_deref(), keys.as_deref(), settings);
        output.line(format_args!("{document:#}"))?;
    } else {
        let rows = rows(&info, streams.as_deref());
        for line in table::facts(&rows, terminal_width()) {
            output.line(line)?;
        }
        for line in partitions::table(&info, terminal_width()) {
            output.line(line)?;
        }
    }
    output.flush()?;
    for warning in &info.warnings {
        warn(warning);
    }
    log.close().await?;
    Ok(())
}

/// The fact that says how `max_length` is meant.
const EXACT: &str = "max_length_exact";

/// The facts by name, for people.
fn rows(info: &LogInfo, streams: Option<&[String]>) -> Vec<(String, String)> {
    let mut rows = vec![
        ("engine".to_owned(), info.engine.to_owned()),
        ("location".to_owned(), info.location.clone()),
        ("stream".to_owned(), info.stream.clone()),
    ];
    rows.extend(streams.map(|streams| ("streams there".to_owned(), some_of(streams))));
    rows.push(("entries".to_owned(), thousands(info.length())));
    match &info.partitions[..] {
        [partition] => {
            rows.push(("ever added".to_owned(), thousands(partition.entries_added)));
            if let Some(first) = partition.first {
                rows.push(("first".to_owned(), id_and_time(first)));
            }
            if partition.last != EntryId::MIN {
                rows.push(("last".to_owned(), id_and_time(partition.last)));
            }
        }
        several => rows.push(("partitions".to_owned(), several.len().to_string())),
    }
    for partition in &info.partitions {
        for held in &partition.held_back {
            let of = match info.partitions.len() {
                1 => String::new(),
                _ => format!("partition {}, ", partition.partition),
            };
            let needed = format!("{of}from {} on by {}", held.from, held.by);
            rows.push(("needed".to_owned(), needed));
        }
    }
    rows.extend([
        ("size".to_owned(), size(info.bytes)),
        (
            "durability".to_owned(),
            format!(
                "if published from here: {}. {}",
                info.durability,
                sentence(&info.durability_note)
            ),
        ),
    ]);
    rows.extend(window::rows(info));
    rows.extend(facts(info).filter_map(|(name, value)| fact(info, name, value)));
    rows
}

/// `text` with a capital at its beginning.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    first.chain(chars.clone()).collect()
}

/// One of the engine's own facts, for people; none where another row tells it.
fn fact(info: &LogInfo, name: &str, value: &str) -> Option<(String, String)> {
    let row = |name: &str, fact: String| Some((name.to_owned(), fact));
    match (name, value.parse::<u64>()) {
        ("segment_bytes", Ok(bytes)) => row("segments up to", size(bytes)),
        ("retention_period_ms", Ok(ms)) => row("kept for", span(ms)),
        ("max_length", Ok(entries)) => {
            let exact = facts(info).any(|(name, value)| name == EXACT && value == "true");
            let how = if exact { "exactly" } else { "approximately" };
            let entries = count(entries, "entry");
            row("kept", format!("at most {entries} ({how})"))
        }
        (EXACT, _) => None,
        (name, _) if window::tells(name) || partitions::tells(info, name) => None,
        ("server_used_memory", Ok(bytes)) => row("server's memory", size(bytes)),
        ("foreign_entries", Ok(entries)) => row("by other programs", thousands(entries)),
        (name, Ok(bytes)) if name.ends_with("_bytes") => {
            row(name.trim_end_matches("_bytes"), size(bytes))
        }
        _ => row(&name.replace('_', " "), value.to_owned()),
    }
}

/// The engine's own facts. How this handle would sync is told with the durability.
fn facts(info: &LogInfo) -> impl Iterator<Item = &(String, String)> {
    info.details.iter().filter(|(name, _)| name != "sync")
}

fn id_and_time(id: EntryId) -> String {
    format!("{id}  {}", Timestamp::saturating_from_millis(id.ms))
}

/// `1.5 MiB (1,572,864 bytes)`
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let exact = format!("{} bytes", thousands(bytes));
    let mut value = bytes as f64 / 1024.0;
    if value < 1.0 {
        return exact;
    }
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {} ({exact})", UNITS[unit])
}

/// `24 h`, or the next smaller unit that is exact.
fn span(ms: u64) -> String {
    for (unit_ms, unit) in [(3_600_000, "h"), (60_000, "min"), (1_000, "s")] {
        if ms >= unit_ms && ms.is_multiple_of(unit_ms) {
            return format!("{} {unit}", ms / unit_ms);
        }
    }
    format!("{ms} ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans_read_well() {
        assert_eq!(size(0), "0 bytes");
        assert_eq!(size(1_023), "1,023 bytes");
        assert_eq!(size(1_572_864), "1.5 MiB (1,572,864 bytes)");
        assert_eq!(span(86_400_000), "24 h");
        assert_eq!(span(90_000), "90 s");
        assert_eq!(span(1_500), "1500 ms");
    }
}
