//! What is recorded, settled and replaced.

use recount_core::EntryId;

use super::*;

fn incidents() -> Vec<Incident> {
    let (one, two) = (EntryId::new(1, 0), EntryId::new(2, 3));
    let kinds = [
        IncidentKind::Gap {
            after: one,
            before: Some(two),
            missing: Some(7),
            certain: true,
        },
        IncidentKind::Gap {
            after: one,
            before: None,
            missing: None,
            certain: false,
        },
        IncidentKind::Divergence {
            cause: "its last id, 1-0, is below ours".into(),
            common: one,
            ours: two,
            theirs: one,
            set_aside: Some("s:diverged-1".into()),
        },
    ];
    let kinds = kinds.into_iter().zip(0..);
    let incidents = kinds.map(|(kind, partition)| Incident {
        at: Timestamp::saturating_from_millis(1_700_000_000_000),
        partition,
        kind,
        settled: false,
    });
    incidents.collect()
}

#[test]
fn what_is_recorded_is_there_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("incidents");
    let mut first = Incidents::load(path.clone()).unwrap();
    let mut second = Incidents::load(path.clone()).unwrap();
    for incident in incidents() {
        first.record(&incident).unwrap();
    }
    assert_eq!(first.all(), incidents());
    assert!(!first.refresh().unwrap());
    assert!(second.refresh().unwrap());
    assert_eq!(second.all(), incidents());
    assert_eq!(Incidents::load(path).unwrap().all(), incidents());
}

#[test]
fn a_line_that_was_cut_short_hides_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("incidents");
    let mut log = Incidents::load(path.clone()).unwrap();
    log.record(&incidents()[0]).unwrap();
    let mut text = fs::read(&path).unwrap();
    text.extend_from_slice(&text.clone()[..20]);
    fs::write(&path, text).unwrap();
    let mut log = Incidents::load(path.clone()).unwrap();
    log.record(&incidents()[1]).unwrap();
    assert_eq!(Incidents::load(path).unwrap().all(), &incidents()[..2]);
}

#[test]
fn an_incident_says_what_happened() {
    let said: Vec<String> = incidents().iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "2023-11-14T22:13:20.000Z, partition 0: 7 entries are missing from the mirror after 1-0 and before 2-3: they were removed from the server before they were mirrored",
            "2023-11-14T22:13:20.000Z, partition 1: entries may be missing from the mirror after 1-0: they were removed from the server before they were mirrored",
            "2023-11-14T22:13:20.000Z, partition 2: the server lost what was mirrored after 1-0 up to 2-3 (its last id, 1-0, is below ours); it is kept in the mirror's data as stream s:diverged-1",
        ]
    );
}

fn divergence(common: EntryId, cause: &str, name: &str) -> Incident {
    Incident {
        kind: IncidentKind::Divergence {
            cause: cause.into(),
            common,
            ours: EntryId::new(9, 0),
            theirs: common,
            set_aside: Some(name.into()),
        },
        ..incidents()[0].clone()
    }
}

fn loaded(incidents: &[Incident]) -> (tempfile::TempDir, Incidents) {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Incidents::load(dir.path().join("incidents")).unwrap();
    for incident in incidents {
        log.record(incident).unwrap();
    }
    (dir, log)
}

#[test]
fn what_was_settled_stays_so_and_what_comes_later_is_not() {
    let (dir, mut log) = loaded(&incidents());
    let at = Timestamp::saturating_from_millis(1_700_000_000_000);
    assert_eq!(log.settle(at).unwrap(), 3);
    assert_eq!(log.settle(at).unwrap(), 0);
    log.record(&divergence(EntryId::new(1, 0), "again", "s:diverged-2"))
        .unwrap();
    let again = Incidents::load(dir.path().join("incidents")).unwrap();
    for log in [log, again] {
        let settled: Vec<bool> = log.all().iter().map(|known| known.settled).collect();
        assert_eq!(settled, [true, true, true, false]);
    }
}

#[test]
fn a_divergence_that_is_looked_at_again_is_one() {
    let (first, second) = (EntryId::new(1, 0), EntryId::new(0, 5));
    let (_dir, log) = loaded(&[
        divergence(first, "one", "s:diverged-1"),
        divergence(second, "two", "s:diverged-1"),
        divergence(second, "three", "s:diverged-2"),
    ]);
    let rest = [
        divergence(second, "two", "s:diverged-1"),
        divergence(second, "three", "s:diverged-2"),
    ];
    assert_eq!(log.all(), rest);
}

#[test]
fn a_gap_in_what_was_set_aside_is_settled() {
    let gap = incidents()[0].clone();
    for (common, settled) in [(0, true), (1, true), (2, false)] {
        let common = EntryId::new(common, 0);
        let (_dir, log) = loaded(&[gap.clone(), divergence(common, "", "s:diverged-1")]);
        assert_eq!(log.all()[0].settled, settled, "{common}");
    }
}
