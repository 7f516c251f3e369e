//! What befell the mirror on this machine.

use std::path::Path;

use recount::{EntryId, Incident, IncidentKind};
use serde_json::json;

use crate::cli::output::{quoted, thousands};
use crate::cli::table::columns;

const TITLES: [&str; 8] = [
    "incident",
    "partition",
    "noticed",
    "after",
    "up to",
    "entries",
    "kept as stream",
    "",
];

/// One a line, below their titles.
pub(super) fn table(incidents: &[Incident], terminal: Option<usize>) -> Vec<String> {
    if incidents.is_empty() {
        return Vec::new();
    }
    let rows: Vec<_> = incidents.iter().map(row).collect();
    columns(&TITLES, &rows, 0, terminal)
}

fn row(incident: &Incident) -> Vec<String> {
    let settled = if incident.settled { "settled" } else { "" };
    let (what, after, up_to, entries, kept) = match &incident.kind {
        IncidentKind::Gap {
            after,
            before,
            missing,
            certain,
        } => {
            let what = if *certain { "gap" } else { "gap?" };
            let up_to = before.map_or_else(String::new, |before| format!("before {before}"));
            let entries = missing.map_or_else(String::new, thousands);
            (what, after, up_to, entries, String::new())
        }
        IncidentKind::Divergence {
            common,
            ours,
            set_aside,
            ..
        } => {
            let kept = set_aside.clone().unwrap_or_default();
            ("divergence", common, ours.to_string(), String::new(), kept)
        }
    };
    vec![
        what.to_owned(),
        incident.partition.to_string(),
        incident.at.to_string(),
        after.to_string(),
        up_to,
        entries,
        kept,
        settled.to_owned(),
    ]
}

/// The command that shows what the last divergence set aside, if there was one.
pub(super) fn to_read(incidents: &[Incident], dir: &Path) -> Option<String> {
    let (name, common) = incidents
        .iter()
        .rev()
        .find_map(|incident| match &incident.kind {
            IncidentKind::Divergence {
                set_aside, common, ..
            } => Some((set_aside.as_ref()?, *common)),
            IncidentKind::Gap { .. } => None,
        })?;
    // What the server has still is there, too.
    let after = match common {
        EntryId::MIN => String::new(),
        common => format!(" --start '({common}'"),
    };
    let url = format!("disk:{}", dir.join("data").display());
    Some(format!(
        "recount events --url {} --stream {}{after}",
        quoted(&url),
        quoted(name)
    ))
}

/// One for programs.
pub(super) fn document(incident: &Incident) -> serde_json::Value {
    let mut document = json!({
        "partition": incident.partition,
        "noticed": incident.at.to_string(),
        "settled": incident.settled,
    });
    let facts = match &incident.kind {
        IncidentKind::Gap {
            after,
            before,
            missing,
            certain,
        } => json!({
            "incident": "gap",
            "after": after.to_string(),
            "before": before.map(|before| before.to_string()),
            "missing": missing,
            "certain": certain,
        }),
        IncidentKind::Divergence {
            cause,
            common,
            ours,
            theirs,
            set_aside,
        } => json!({
            "incident": "divergence",
            "cause": cause,
            "after": common.to_string(),
            "up_to": ours.to_string(),
            "server_ended_at": theirs.to_string(),
            "kept_as_stream": set_aside,
        }),
    };
    if let (Some(document), serde_json::Value::Object(facts)) = (document.as_object_mut(), facts) {
        document.extend(facts);
    }
    document
}

#[cfg(test)]
mod tests {
    use recount::Timestamp;

    use super::*;

    fn incidents() -> [Incident; 2] {
        let incident = |kind, settled| Incident {
            at: Timestamp::saturating_from_millis(1_700_000_000_000),
            partition: 0,
            kind,
            settled,
        };
        let gap = IncidentKind::Gap {
            after: EntryId::new(7, 0),
            before: Some(EntryId::new(9, 0)),
            missing: Some(2_000),
            certain: true,
        };
        let divergence = IncidentKind::Divergence {
            cause: "the server's last id is 0-0, below the mirror's".into(),
            common: EntryId::MIN,
            ours: EntryId::new(12, 3),
            theirs: EntryId::MIN,
            set_aside: Some("a b:diverged-1".into()),
        };
        [incident(gap, true), incident(divergence, false)]
    }

    #[test]
    fn incidents_are_shown_with_where_they_are_and_what_is_kept() {
        assert_eq!(
            table(&incidents(), None),
            [
                "incident    partition  noticed                   after  up to       entries  kept as stream",
                "gap         0          2023-11-14T22:13:20.000Z  7-0    before 9-0  2,000                    settled",
                "divergence  0          2023-11-14T22:13:20.000Z  0-0    12-3                 a b:diverged-1",
            ]
        );
        assert_eq!(table(&[], None), Vec::<String>::new());
    }

    #[test]
    fn what_was_set_aside_can_be_read() {
        let command = to_read(&incidents(), Path::new("/m")).unwrap();
        assert_eq!(
            command,
            "recount events --url disk:/m/data --stream 'a b:diverged-1'"
        );
        let [gap, mut divergence] = incidents();
        if let IncidentKind::Divergence { common, .. } = &mut divergence.kind {
            *common = EntryId::new(7, 1);
        }
        let command = to_read(&[divergence], Path::new("/m")).unwrap();
        assert!(command.ends_with(" --start '(7-1'"), "{command}");
        assert_eq!(to_read(&[gap], Path::new("/m")), None);
    }

    #[test]
    fn programs_get_all_of_it() {
        let [gap, divergence] = incidents().map(|incident| document(&incident));
        assert_eq!(
            (&gap["missing"], &gap["settled"]),
            (&json!(2_000), &json!(true))
        );
        assert_eq!(divergence["kept_as_stream"], "a b:diverged-1");
        assert_eq!(divergence["after"], "0-0");
    }
}
