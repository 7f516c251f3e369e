//! Tables that also cover segments which are gone.

use recount_disk::doctor::Severity;
use recount_disk::{DiskLog, OpenError};

use super::support::{
    ROOT, STREAM, closed_and_trimmed, examine, files, name, open, options, read_all, repair, wrong,
};

#[tokio::test]
async fn a_damaged_one_is_refused_until_a_repair_accepts_the_loss() {
    let (storage, all) = closed_and_trimmed(400, 30).await;
    let merged = |path: &&std::path::PathBuf| name(path).ends_with("0000000001-0000000008.tbl");
    let paths = files(&storage);
    let merged: Vec<_> = paths.iter().filter(merged).collect();
    assert_eq!(merged.len(), 2, "{paths:?}");
    for path in merged {
        let damaged = storage.fork(1);
        let mut bytes = storage.content(path).unwrap();
        bytes[9] ^= 1;
        damaged.tamper(path, Some(bytes));
        let opened = DiskLog::open(ROOT, STREAM, options(&damaged)).await;
        match opened.err() {
            Some(OpenError::Corrupt {
                path: named, what, ..
            }) => {
                assert_eq!(named, path.display().to_string());
                assert!(what.contains("recount doctor --repair"), "{what}");
            }
            other => panic!("{other:?}"),
        }
        let report = examine(&damaged);
        assert_eq!(report.count(Severity::Damage), 1, "{:?}", report.findings);
        let repaired = repair(&damaged);
        assert_eq!(wrong(&repaired.after), [] as [&str; 0]);
        assert!(
            repaired.done[1].what.contains("cannot be made again"),
            "{:?}",
            repaired.done
        );
        let log = open(&damaged).await;
        assert_eq!(read_all(&log).await, all);
    }
}

#[tokio::test]
async fn a_row_that_is_missing_comes_back() {
    let (storage, all) = closed_and_trimmed(100, 60).await;
    let tables: Vec<_> = files(&storage)
        .into_iter()
        .filter(|path| name(path).ends_with(".tbl"))
        .collect();
    // Each in the place of its neighbour.
    for pair in tables
        .windows(2)
        .filter(|pair| name(&pair[0])[..3] == name(&pair[1])[..3])
    {
        let swapped = storage.fork(1);
        swapped.tamper(&pair[0], storage.content(&pair[1]));
        swapped.tamper(&pair[1], storage.content(&pair[0]));
        let gone = |path: &std::path::Path| name(path).contains("-0000000001.tbl");
        if pair.iter().any(|path| gone(path)) {
            continue;
        }
        let case = format!("{pair:?}");
        assert!(!wrong(&examine(&swapped)).is_empty(), "{case}");
        super::support::check_repair(&swapped, &all, &case).await;
    }
}
