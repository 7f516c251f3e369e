//! A stream's partitions, one a line.

use recount::{EntryId, LogInfo, PartitionInfo};

use crate::cli::output::{in_columns, thousands};

/// The facts of a mirror on this machine, by partition.
const MIRRORED: &str = "mirror_partition_";

/// The partitions below their titles, after an empty line; nothing where there is only one.
pub(super) fn table(info: &LogInfo) -> Vec<String> {
    if info.partitions.len() < 2 {
        return Vec::new();
    }
    let mut titles = vec!["partition", "entries", "ever added", "first", "last"];
    if info.details.iter().any(|(name, _)| tells(info, name)) {
        titles.push("mirror here");
    }
    let titles = titles.into_iter().map(str::to_owned).collect();
    let rows = info.partitions.iter().map(|partition| row(info, partition));
    let rows: Vec<_> = std::iter::once(titles).chain(rows).collect();
    let lines = in_columns(&rows, 3).into_iter();
    std::iter::once(String::new()).chain(lines).collect()
}

/// Whether a fact is told here.
pub(super) fn tells(info: &LogInfo, name: &str) -> bool {
    info.partitions.len() > 1 && name.starts_with(MIRRORED)
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
