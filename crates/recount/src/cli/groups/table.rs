//! The groups as a table.

use recount::{ConsumerInfo, Timestamp};

use super::shown::Shown;
use crate::cli::output::{one_line, span, thousands};
use crate::cli::table::columns;

const TITLES: [&str; 7] = [
    "consumers",
    "pending",
    "oldest",
    "lag",
    "dead",
    "idle",
    "group",
];
/// Of a group with many consumers, those with the most pending.
const CONSUMERS_MAX: usize = 10;

/// A row a group, and below it one for each of its consumers where those are wanted.
pub(super) fn table(groups: &[Shown], now: Timestamp, terminal: Option<usize>) -> Vec<String> {
    if groups.is_empty() {
        return Vec::new();
    }
    let rows = groups.iter().flat_map(|shown| {
        let consumers = shown.consumers.as_deref().unwrap_or_default();
        std::iter::once(group_row(shown, now)).chain(consumer_rows(consumers))
    });
    let rows: Vec<_> = rows.collect();
    columns(&TITLES, &rows, TITLES.len() - 1, terminal)
}

fn group_row(shown: &Shown, now: Timestamp) -> Vec<String> {
    let group = &shown.group;
    let told = |ms: Option<u64>| ms.map_or("-".to_owned(), span);
    vec![
        thousands(group.consumers),
        thousands(group.pending),
        told(shown.oldest_pending_ms(now)),
        thousands(group.lag()),
        thousands(shown.dead),
        told(group.idle_ms),
        one_line(&group.name).into_owned(),
    ]
}

fn consumer_rows(consumers: &[ConsumerInfo]) -> Vec<Vec<String>> {
    let mut busiest: Vec<_> = consumers.iter().collect();
    busiest.sort_by(|a, b| b.pending.cmp(&a.pending).then(a.name.cmp(&b.name)));
    let (shown, rest) = busiest.split_at(busiest.len().min(CONSUMERS_MAX));
    // In the order of their names a row stays where it is from one look to the next.
    let mut shown = shown.to_vec();
    shown.sort_by(|a, b| a.name.cmp(&b.name));
    let row = |pending: u64, idle: String, name: String| {
        let none = String::new;
        let pending = thousands(pending);
        vec![
            none(),
            pending,
            none(),
            none(),
            none(),
            idle,
            format!("  {name}"),
        ]
    };
    let mut rows: Vec<_> = shown
        .iter()
        .map(|one| {
            let name = one_line(&one.name).into_owned();
            row(one.pending, span(one.idle_ms), name)
        })
        .collect();
    if !rest.is_empty() {
        let pending = rest.iter().map(|one| one.pending).sum();
        let more = format!("and {} more", thousands(rest.len() as u64));
        rows.push(row(pending, String::new(), more));
    }
    rows
}

#[cfg(test)]
mod tests {
    use recount::{EntryId, GroupInfo};

    use super::*;

    fn shown(name: &str, consumers: Option<Vec<ConsumerInfo>>) -> Shown {
        Shown {
            group: GroupInfo {
                name: name.to_owned(),
                consumers: 2,
                pending: 1_200,
                oldest_pending: Some(EntryId::new(1_767_348_000_000, 0)),
                lags: vec![(0, 7), (1, 3)],
                idle_ms: Some(90),
                ..GroupInfo::default()
            },
            dead: 1,
            consumers,
        }
    }

    fn now() -> Timestamp {
        "2026-01-02T10:00:12Z".parse().unwrap()
    }

    #[test]
    fn a_group_is_a_row_and_each_of_its_consumers_one_below() {
        let consumer = |name: &str, pending| ConsumerInfo {
            name: name.to_owned(),
            pending,
            idle_ms: 90,
        };
        let consumers = vec![consumer("w1", 1_000), consumer("w2", 200)];
        let idle = Shown {
            group: GroupInfo {
                name: "debug".to_owned(),
                ..GroupInfo::default()
            },
            dead: 0,
            consumers: None,
        };
        let lines = table(&[shown("audit", Some(consumers)), idle], now(), None);
        assert_eq!(
            lines,
            [
                "consumers  pending  oldest  lag  dead   idle  group",
                "        2    1,200    12 s   10     1  90 ms  audit",
                "             1,000                     90 ms    w1",
                "               200                     90 ms    w2",
                "        0        0       -    0     0      -  debug",
            ]
        );
        assert!(table(&[], now(), None).is_empty());
    }

    #[test]
    fn of_many_consumers_the_busiest_are_shown_and_the_rest_summed_up() {
        let many = (0..10_000_u64).map(|n| ConsumerInfo {
            name: format!("w{n:04}"),
            pending: n,
            idle_ms: 0,
        });
        let lines = table(&[shown("audit", Some(many.collect()))], now(), None);
        assert_eq!(lines.len(), 2 + 10 + 1);
        assert!(lines[2].ends_with("w9990"), "{}", lines[2]);
        assert!(lines[12].ends_with("  and 9,990 more"), "{}", lines[12]);
    }

    #[test]
    fn the_age_of_what_is_pending_is_that_of_the_entry() {
        let shown = shown("audit", None);
        assert_eq!(shown.oldest_pending_ms(now()), Some(12_000));
        let document = shown.document(now());
        assert_eq!(document["oldest_pending_ms"], 12_000);
        assert_eq!(document["lag"], 10);
        assert_eq!(document["partitions"][1]["lag"], 3);
        assert!(document.get("by_consumer").is_none());
    }
}
