//! `recount mirrors`: who holds a copy, and how much of it; and what befell the one here.

use std::sync::Arc;

use recount::{EntryId, Origin, Partition, Registration};
use serde_json::json;

use super::{incidents, open};
use crate::cli::error::{Failure, Result};
use crate::cli::output::{Output, in_columns, one_line, span};
use crate::cli::settings::Settings;

pub(super) async fn run(json: bool, settings: &Settings) -> Result {
    let (log, origin) = open(settings).await?;
    let mirrors = origin.registrations().await?;
    let ends = ends(&origin).await?;
    let mut output = Output::new();
    let befell = log.mirror_incidents().await;
    if json {
        for mirror in &mirrors {
            output.line(document(mirror, &ends))?;
        }
        for incident in &befell {
            output.line(incidents::document(incident))?;
        }
    } else {
        let below = incidents::table(&befell);
        let apart = (!mirrors.is_empty() && !below.is_empty()).then(String::new);
        for line in table(&mirrors, &ends).into_iter().chain(apart).chain(below) {
            output.line(line)?;
        }
    }
    output.flush()?;
    if let Some(dir) = log.mirror_dir()
        && let Some(command) = incidents::to_read(&befell, &dir)
    {
        settings.note(format_args!("{command} shows what the server lost"));
    }
    if mirrors.is_empty() {
        settings.note("no mirrors");
    }
    log.close().await?;
    Ok(())
}

/// The last id of each partition.
pub(super) async fn ends(origin: &Arc<dyn Origin>) -> Result<Vec<EntryId>, Failure> {
    let mut ends = Vec::new();
    for partition in 0..origin.partition_names().len() {
        let standing = origin.standing(partition as Partition).await?;
        ends.push(standing.last);
    }
    Ok(ends)
}

/// How long before `end` something was recorded, in milliseconds; none where nothing is missing.
pub(super) fn behind(end: EntryId, up_to: EntryId) -> Option<u64> {
    // What a mirror has not begun with was recorded any time.
    (up_to < end).then(|| end.ms - up_to.ms)
}

const TITLES: [&str; 5] = ["mirror", "partition", "up to", "behind", "lease"];

fn table(mirrors: &[Registration], ends: &[EntryId]) -> Vec<String> {
    if mirrors.is_empty() {
        return Vec::new();
    }
    let mut rows = vec![TITLES.map(str::to_owned).to_vec()];
    for mirror in mirrors {
        for (partition, end) in (0..).zip(ends) {
            rows.push(row(mirror, partition, *end));
        }
    }
    in_columns(&rows, 0)
}

fn row(mirror: &Registration, partition: Partition, end: EntryId) -> Vec<String> {
    let up_to = mirror.synced.get(partition);
    vec![
        one_line(&mirror.name).into_owned(),
        partition.to_string(),
        match up_to {
            EntryId::MIN => "nothing yet".to_owned(),
            id => id.to_string(),
        },
        match behind(end, up_to) {
            None => "nothing".to_owned(),
            Some(_) if up_to == EntryId::MIN => "everything".to_owned(),
            Some(ms) => span(ms),
        },
        match mirror.lease_left_ms {
            0 => "over".to_owned(),
            ms => span(ms),
        },
    ]
}

fn document(mirror: &Registration, ends: &[EntryId]) -> serde_json::Value {
    let partitions = (0..).zip(ends).map(|(partition, end)| {
        let up_to = mirror.synced.get(partition);
        json!({
            "partition": partition,
            "up_to": up_to.to_string(),
            "complete": up_to >= *end,
            "behind_ms": behind(*end, up_to).unwrap_or(0),
        })
    });
    json!({
        "name": mirror.name,
        "lease_left_ms": mirror.lease_left_ms,
        "partitions": partitions.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use recount::{Cursor, Position};

    use super::*;

    #[test]
    fn mirrors_are_shown_with_what_they_lack() {
        let held = |ms| EntryId::new(ms, 0);
        let mut synced = Cursor::start();
        for (partition, ms) in [(0, 10_000), (1, 4_000)] {
            synced.advance(Position {
                partition,
                entry_id: held(ms),
            });
        }
        let mirror = Registration {
            name: "laptop".to_owned(),
            synced,
            lease_left_ms: 59_000,
        };
        let ends = [held(10_000), held(9_500), held(1)];
        let lines = table(&[mirror], &ends);
        assert_eq!(
            lines,
            [
                "mirror  partition  up to        behind      lease",
                "laptop  0          10000-0      nothing     59 s",
                "laptop  1          4000-0       5.5 s       59 s",
                "laptop  2          nothing yet  everything  59 s",
            ]
        );
    }
}
