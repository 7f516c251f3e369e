//! Nothing is wrong with a log that is well.

use std::path::Path;

use recount_core::EventLog;
use recount_disk::doctor::{self, Severity};
use recount_disk::sim::SimStorage;
use recount_disk::{DiskOptions, OpenError};

use super::support::{
    ROOT, STREAM, append, check_repair, closed, closed_and_trimmed, examine, files, name, open,
    options, read_all, repair, trim, wrong,
};

#[tokio::test]
async fn closed_with_merged_tables_trimmed() {
    let (storage, all) = closed(400).await;
    let report = examine(&storage);
    assert_eq!(report.findings, []);
    assert_eq!((report.entries, report.writer), (all.len() as u64, None));
    let names: Vec<_> = report.files.iter().map(|file| file.name.clone()).collect();
    assert!(
        files(&storage)
            .iter()
            .all(|path| names.contains(&name(path)))
    );
    assert!(
        names.iter().any(|name| name.ends_with("-0000000008.tbl")),
        "{names:?}"
    );

    let (storage, left) = closed_and_trimmed(400, 77).await;
    let report = examine(&storage);
    assert_eq!(
        (report.findings, report.entries),
        (vec![], left.len() as u64)
    );
    check_repair(&storage, &left, "nothing to repair").await;
}

#[tokio::test]
async fn while_it_is_written_and_right_after_a_kill() {
    let storage = SimStorage::new(1);
    let log = open(&storage).await;
    for from in (0..300).step_by(5) {
        append(&log, from..from + 5).await;
        let report = examine(&storage);
        assert_eq!(wrong(&report), [] as [&str; 0]);
        assert_eq!(report.entries, from as u64 + 5);
        assert!(report.writer.is_some());
    }
    trim(&log, 100).await;
    assert_eq!(wrong(&examine(&storage)), [] as [&str; 0]);
    let refused = doctor::repair(Path::new(ROOT), STREAM, &options(&storage), &mut |_| {});
    assert!(
        matches!(refused, Err(OpenError::Locked { .. })),
        "{refused:?}"
    );
    let all = read_all(&log).await;
    let storage = storage.kill();
    drop(log);
    assert_eq!(examine(&storage).count(Severity::Damage), 0);
    let (repaired, lost) = check_repair(&storage, &all, "killed").await;
    assert!(repaired.is_whole() && lost == 0, "{repaired:#?}");
}

#[tokio::test]
async fn what_is_no_stream_is_told_and_nothing_is_created() {
    let storage = SimStorage::new(1);
    let options = options(&storage);
    let nothing = doctor::examine(Path::new(ROOT), STREAM, &options, &mut |_| {});
    assert!(
        matches!(nothing, Err(OpenError::NoStream { .. })),
        "{nothing:?}"
    );
    let nothing = doctor::repair(Path::new(ROOT), STREAM, &options, &mut |_| {});
    assert!(
        matches!(nothing, Err(OpenError::NoStream { .. })),
        "{nothing:?}"
    );
    assert_eq!(storage.files(), [] as [&Path; 0]);
}

#[tokio::test]
async fn an_empty_stream_is_well() {
    let storage = SimStorage::new(1);
    open(&storage).await.close().await.unwrap();
    let report = examine(&storage);
    assert_eq!((report.findings, report.entries), (vec![], 0));
    let repaired = repair(&storage);
    assert_eq!((repaired.is_whole(), repaired.done), (true, vec![]));
}

#[tokio::test]
async fn progress_comes_to_the_end() {
    let (storage, _) = closed(100).await;
    let mut seen = Vec::new();
    let options: DiskOptions = options(&storage);
    doctor::examine(Path::new(ROOT), STREAM, &options, &mut |progress| {
        assert!(progress.done <= progress.total);
        seen.push(progress.done);
    })
    .unwrap();
    assert!(seen.is_sorted() && seen.len() > 3, "{seen:?}");
}
