//! A stream's partitions, one a line.

use recount::{EntryId, LogInfo, PartitionInfo};
use serde_json::{Value, json};

use crate::cli::output::thousands;
use crate::cli::table::columns;

/// The facts of a mirror on this machine, by partition.
const MIRRORED: &str = "mirror_partition_";

/// The partitions below their titles, after an empty line; nothing where there is only one.
pub(super) fn table(info: &LogInfo, terminal: Option<usize>) -> Vec<String> {
    if info.partitions.len() < 2 {
        return Vec::new();
    }
    let mut titles = vec!["partition", "entries", "ever added", "first", "last"];
    if info.details.iter().any(|(name, _)| tells(info, name)) {
        titles.push("mirror here");
    }
    let rows = info.partitions.iter().map(|partition| row(info, partition));
    let rows: Vec<_> = rows.collect();
    let lines = columns(&titles, &rows, 3, terminal).into_iter();
    std::iter::once(String::new()).chain(lines).collect()
}

/// Whether a fact is told here.
pub(super) fn tells(info: &LogInfo, name: &str) -> bool {
    info.partitions.len() > 1 && name.starts_with(MIRRORED)
}

/// Whether a fact stands in a document in a place of its own.
pub(super) fn is_structured(name: &str) -> bool {
    name.starts_with("mirror") || name == "partition_keys"
}

/// The mirror on this machine for programs: where it is, and up to where it holds each partition. None
/// where there is none.
pub(super) fn mirror(info: &LogInfo) -> Option<Value> {
    let fact = |wanted: &str| {
        let found = info.details.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| &**value)
    };
    let dir = fact("mirror")?;
    let partitions = info.partitions.iter().map(|partition| {
        let number = partition.partition;
        // Said for people, as in `synced up to 7-1`.
        let said = fact(&format!("{MIRRORED}{number}"));
        let up_to = said.and_then(|said| said.split_once("up to "));
        let up_to = up_to.and_then(|(_, up_to)| up_to.split(',').next()?.parse().ok());
        let up_to: EntryId = up_to.unwrap_or(EntryId::MIN);
        json!({"partition": number, "up_to": up_to.to_string()})
    });
    let settled = fact("mirror_incidents_settled").map_or(Ok(0), str::parse::<u64>);
    Some(json!({
        "dir": dir,
        "partitions": partitions.collect::<Vec<_>>(),
        "incidents_settled": settled.unwrap_or(0),
    }))
}

fn row(info: &LogInfo, partition: &PartitionInfo) -> Vec<String> {
    let last = (partition.last != EntryId::MIN).then_some(partition.last);
    let shown = |id: Option<EntryId>| id.map_or_else(String::new, |id| id.to_string());
    let mirrored = format!("{MIRRORED}{}", partition.partition);
    let mirrored = info.details.iter().find(|(name, _)| *name == mirrored);
    vec![
        partition.partition.to_string(),
        thousands(partition.length),
        thousands(partition.entries_added),
        shown(partition.first),
        shown(last),
        mirrored.map_or_else(String::new, |(_, mirrored)| mirrored.clone()),
    ]
}
