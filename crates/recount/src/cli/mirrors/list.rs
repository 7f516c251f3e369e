//! `recount mirrors`: who holds a copy, and how much of it; and what befell the one here.

use std::sync::Arc;

use recount::{Behind, EntryId, Origin, Partition, Registration};
use serde_json::json;

use super::{incidents, open};
use crate::cli::error::{Failure, Result};
use crate::cli::output::{Output, count, one_line, span, terminal_width};
use crate::cli::settings::Settings;
use crate::cli::table::columns;

pub(super) async fn run(json: bool, settings: &Settings) -> Result {
    let (log, origin) = open(settings).await?;
    let mirrors = held(&origin).await?;
    let mut output = Output::new();
    let befell = log.mirror_incidents().await;
    if json {
        for mirror in &mirrors {
            output.line(document(mirror))?;
        }
        for incident in &befell {
            output.line(incidents::document(incident))?;
        }
    } else {
        let width = terminal_width();
        let below = incidents::table(&befell, width);
        let apart = (!mirrors.is_empty() && !below.is_empty()).then(String::new);
        for line in table(&mirrors, width).into_iter().chain(apart).chain(below) {
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

/// A mirror, and what it lacks of each partition.
struct Held {
    mirror: Registration,
    behind: Vec<Option<Behind>>,
}

async fn held(origin: &Arc<dyn Origin>) -> Result<Vec<Held>, Failure> {
    let mut all = Vec::new();
    for mirror in origin.registrations().await? {
        let mut behind = Vec::new();
        for partition in 0..origin.partition_names().len() as Partition {
            let synced = mirror.synced.get(partition);
            behind.push(origin.behind(partition, synced).await?);
        }
        all.push(Held { mirror, behind });
    }
    Ok(all)
}

const TITLES: [&str; 5] = ["mirror", "partition", "up to", "behind", "lease"];

fn table(mirrors: &[Held], terminal: Option<usize>) -> Vec<String> {
    if mirrors.is_empty() {
        return Vec::new();
    }
    let rows = mirrors.iter().flat_map(|Held { mirror, behind }| {
        let partitions = (0..).zip(behind);
        partitions.map(|(partition, behind)| row(mirror, partition, behind.as_ref()))
    });
    columns(&TITLES, &rows.collect::<Vec<_>>(), 0, terminal)
}

fn row(mirror: &Registration, partition: Partition, behind: Option<&Behind>) -> Vec<String> {
    let up_to = mirror.synced.get(partition);
    vec![
        one_line(&mirror.name).into_owned(),
        partition.to_string(),
        match up_to {
            EntryId::MIN => "nothing yet".to_owned(),
            id => id.to_string(),
        },
        match behind {
            None => "nothing".to_owned(),
            Some(behind) => words(behind),
        },
        match mirror.lease_left_ms {
            0 => "over".to_owned(),
            ms => span(ms),
        },
    ]
}

/// `3 entries, 250 ms`
fn words(behind: &Behind) -> String {
    let or_more = if behind.all { "" } else { " or more" };
    let entries = count(behind.entries, "entry");
    format!("{entries}{or_more}, {}", span(behind.age_ms))
}

fn document(held: &Held) -> serde_json::Value {
    let Held { mirror, behind } = held;
    let partitions = (0..).zip(behind).map(|(partition, behind)| {
        json!({
            "partition": partition,
            "up_to": mirror.synced.get(partition).to_string(),
            "complete": behind.is_none(),
            "behind_entries": behind.map_or(0, |behind| behind.entries),
            "behind_all": behind.is_none_or(|behind| behind.all),
            "behind_ms": behind.map_or(0, |behind| behind.age_ms),
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
        for (partition, ms) in [(0, 10_000), (1, 4_000), (3, 2_000)] {
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
        let behind = |entries, all, age_ms| {
            Some(Behind {
                entries,
                all,
                age_ms,
            })
        };
        let mirrors = [Held {
            mirror,
            behind: vec![
                None,
                behind(1, true, 5_500),
                behind(7, true, 9_000),
                behind(10_000, false, 60_000),
            ],
        }];
        let lines = table(&mirrors, None);
        assert_eq!(
            lines,
            [
                "mirror  partition  up to        behind                        lease",
                "laptop  0          10000-0      nothing                       59 s",
                "laptop  1          4000-0       1 entry, 5.5 s                59 s",
                "laptop  2          nothing yet  7 entries, 9 s                59 s",
                "laptop  3          2000-0       10,000 entries or more, 60 s  59 s",
            ]
        );
        let narrow = table(&mirrors, Some(40));
        assert!(narrow.iter().all(|line| line.len() <= 40), "{narrow:?}");
        assert_eq!(
            narrow[9..11],
            ["behind     1 entry, 5.5 s", "lease      59 s"]
        );
    }
}
