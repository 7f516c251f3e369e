//! Files that are not there, and directories that are not ours.

use recount_core::{EventLog, Query};
use recount_disk::sim::SimStorage;
use recount_disk::{DiskLog, DiskOptions, OpenError, SyncMode, streams};

use super::support::{
    ROOT, STREAM, append, append_again, file, ids, names, open, options, session,
};

/// A hundred and twenty events in several segments, closed.
async fn several_segments() -> SimStorage {
    let storage = SimStorage::new(1);
    let log = open(&storage).await.unwrap();
    for from in (0..120).step_by(5) {
        append(&log, from..from + 5).await;
    }
    log.close().await.unwrap();
    storage
}

#[tokio::test]
async fn indexes_and_tables_are_made_anew() {
    let storage = several_segments().await;
    let made = |storage: &SimStorage| {
        let files = storage.files().into_iter();
        let made = files.filter(|path| {
            path.extension()
                .is_some_and(|it| it == "idx" || it == "tbl")
        });
        made.collect::<Vec<_>>()
    };
    let before = made(&storage);
    assert!(before.len() >= 9, "{before:?}");
    for path in &before {
        storage.tamper(path, None);
    }
    let log = open(&storage).await.unwrap();
    append_again(&log, 0..120).await;
    for n in 0..5 {
        let session = session(n);
        let page = log.query(&Query::session(session)).await.unwrap();
        assert_eq!(page.entries.len(), 24);
    }
    assert_eq!(made(&storage), before);
}

#[tokio::test]
async fn a_missing_segment_is_refused_by_name() {
    for missing in ["0000000001.seg", "0000000002.seg"] {
        let storage = several_segments().await;
        storage.tamper(file(missing), None);
        match open(&storage).await.err().unwrap() {
            OpenError::Corrupt { path, what, .. } => {
                assert!(path.ends_with(missing), "{path}");
                assert!(what.contains("missing"), "{what}");
            }
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn a_missing_last_segment_is_refused() {
    let storage = several_segments().await;
    let last = storage
        .files()
        .into_iter()
        .find(|path| path.extension().is_some_and(|it| it == "log"));
    storage.tamper(last.unwrap(), None);
    let error = open(&storage).await.err().unwrap();
    assert_eq!(error.code(), "corrupt");
    assert!(error.to_string().contains("missing"), "{error}");
    // Who wants to go on without what it held takes the evidence away.
    storage.tamper(file("watermark"), None);
    let log = open(&storage).await.unwrap();
    let left = ids(&log).await;
    assert_eq!(left, names(0..left.len()));
    append(&log, 100..101).await;
}

#[tokio::test]
async fn a_missing_identity_is_refused_unless_nothing_was_written() {
    let storage = several_segments().await;
    storage.tamper(file("stream.meta"), None);
    let error = open(&storage).await.err().unwrap();
    assert_eq!(error.code(), "corrupt");
    assert!(error.to_string().contains("stream.meta"), "{error}");
    for path in storage.files() {
        let ours = path.starts_with(file("")) && path != file("writer.lock");
        if ours {
            storage.tamper(path, None);
        }
    }
    assert_eq!(ids(&open(&storage).await.unwrap()).await, names(0..0));
}

#[tokio::test]
async fn without_its_marker_a_directory_is_not_ours() {
    let storage = several_segments().await;
    let marker = format!("{ROOT}/recount.format");
    let ours = storage.content(&marker).unwrap();
    storage.tamper(&marker, None);
    assert_eq!(open(&storage).await.err().unwrap().code(), "not_ours");
    let cases = [
        ("recount data directory, format 2\n", "format"),
        ("", "corrupt"),
        ("x", "corrupt"),
    ];
    for (other, code) in cases {
        storage.tamper(&marker, Some(other.into()));
        let error = open(&storage).await.err().unwrap();
        assert_eq!(error.code(), code);
        assert!(error.to_string().contains("recount.format"), "{error}");
    }
    storage.tamper(&marker, Some(ours));
    assert_eq!(ids(&open(&storage).await.unwrap()).await, names(0..120));
}

#[tokio::test]
async fn real_directories_are_ours_empty_foreign_or_no_directories() {
    let dir = tempfile::tempdir().unwrap();
    let log = DiskLog::open(dir.path(), STREAM, DiskOptions::default())
        .await
        .unwrap();
    log.close().await.unwrap();
    assert_eq!(streams(dir.path()).unwrap(), [STREAM]);

    let foreign = tempfile::tempdir().unwrap();
    let path = foreign.path().join("notes.txt");
    std::fs::write(&path, "mine").unwrap();
    let refused = DiskLog::open(foreign.path(), STREAM, DiskOptions::default())
        .await
        .err()
        .unwrap();
    assert_eq!(refused.code(), "not_ours");
    assert!(
        refused
            .to_string()
            .contains(&foreign.path().display().to_string()),
        "{refused}"
    );
    let untouched = std::fs::read_dir(foreign.path()).unwrap().count();
    assert_eq!(
        untouched, 1,
        "nothing is left in a directory that is not ours"
    );

    let refused = DiskLog::open(&path, STREAM, DiskOptions::default())
        .await
        .err()
        .unwrap();
    assert_eq!(refused.code(), "storage");
    assert!(refused.to_string().contains("notes.txt"), "{refused}");
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");

    let nowhere = foreign.path().join("nowhere");
    let refused = DiskLog::open_read_only(&nowhere, STREAM, DiskOptions::default())
        .await
        .err()
        .unwrap();
    assert_eq!(refused.code(), "no_stream");
    assert!(!nowhere.exists(), "a reader creates nothing");
}

#[tokio::test]
async fn what_a_crash_left_half_written_is_removed() {
    let storage = several_segments().await;
    storage.tamper(file("0000000001.tmp"), Some(vec![1; 100]));
    storage.tamper(file("next.tmp"), Some(vec![0; 100]));
    let log = DiskLog::open(ROOT, STREAM, options(&storage, SyncMode::Always))
        .await
        .unwrap();
    assert_eq!(ids(&log).await, names(0..120));
    assert!(
        storage
            .files()
            .iter()
            .all(|path| path.extension().is_none_or(|it| it != "tmp"))
    );
}

#[tokio::test]
async fn a_new_directory_is_there_after_a_power_failure_however_deep() {
    for root in ["/a/b/c", "/a", "/d/../e"] {
        let storage = SimStorage::new(3);
        let open =
            |storage: &SimStorage| DiskLog::open(root, STREAM, options(storage, SyncMode::Always));
        let log = open(&storage).await.unwrap();
        append(&log, 0..3).await;
        let log = open(&storage.crash()).await.unwrap();
        assert_eq!(ids(&log).await, names(0..3), "{root}");
    }
}

#[tokio::test]
async fn what_belongs_to_other_segments_or_streams_is_not_gone_by() {
    let storage = several_segments().await;
    let other = several_segments().await;
    let table = |kind: &str, n: u64| file(&format!("{kind}-{n:010}-{n:010}.tbl"));
    let index = |n: u64| file(&format!("{n:010}.idx"));
    for (from, to) in [
        (storage.content(table("ids", 1)), table("ids", 2)),
        (storage.content(table("sessions", 1)), table("sessions", 2)),
        (other.content(table("ids", 2)), table("ids", 2)),
        (other.content(table("sessions", 2)), table("sessions", 2)),
        (other.content(index(2)), index(2)),
    ] {
        let storage = storage.fork(1);
        storage.tamper(&to, Some(from.expect("the file is there")));
        let log = open(&storage).await.unwrap();
        assert_eq!(ids(&log).await, names(0..120), "{}", to.display());
        append_again(&log, 0..120).await;
        for n in 0..5 {
            let query = Query::session(session(n));
            let page = log.query(&query).await.unwrap();
            assert_eq!(page.entries.len(), 24, "{}", to.display());
        }
    }
}

#[tokio::test]
async fn a_floor_that_is_gone_shows_nothing_that_was_trimmed() {
    let storage = several_segments().await;
    let log = open(&storage).await.unwrap();
    let trim = recount_core::TrimRequest::exact(recount_core::TrimLimit::MaxLength(118));
    log.trim(&trim).await.unwrap();
    log.close().await.unwrap();
    storage.tamper(file("floor"), None);
    let refused = open(&storage).await.err().unwrap().to_string();
    assert!(refused.contains("2 entries were trimmed"), "{refused}");
}
