//! A stream's partitions, one a line.

use recount::{EntryId, LogInfo, PartitionInfo};

use crate::cli::output::{pad, thousands};

const TITLES: [&str; 5] = ["partition", "entries", "ever added", "first", "last"];

/// The partitions below their titles, after an empty line; nothing where there is only one.
pub(super) fn table(info: &LogInfo) -> Vec<String> {
    if info.partitions.len() < 2 {
        return Vec::new();
    }
    let mut rows = vec![TITLES.map(str::to_owned)];
    rows.extend(info.partitions.iter().map(row));
    let widest = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: [usize; 5] = std::array::from_fn(widest);
    let line = |row: &[String; 5]| {
        let cells = row.iter().zip(widths).enumerate();
        // Numbers stand below each other by their last digits.
        let cells = cells.map(|(column, (cell, width))| match column {
            0..=2 => format!("{cell:>width$}"),
            _ => pad(cell, width),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let lines = rows.iter().map(line);
    std::iter::once(String::new()).chain(lines).collect()
}

fn row(partition: &PartitionInfo) -> [String; 5] {
    let last = (partition.last != EntryId::MIN).then_some(partition.last);
    let shown = |id: Option<EntryId>| id.map_or_else(String::new, |id| id.to_string());
    [
        partition.partition.to_string(),
        thousands(partition.length),
        thousands(partition.entries_added),
        shown(partition.first),
        shown(last),
    ]
}
