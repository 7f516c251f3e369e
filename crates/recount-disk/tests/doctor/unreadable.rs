//! Files that cannot be read, and what is no stream: the rest is examined all the same.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use recount_core::{EventLog, ManualClock};
use recount_disk::doctor::{self, Report, Severity};
use recount_disk::{DiskLog, DiskOptions};

use super::support::{START_MS, append, trim};

fn options() -> DiskOptions {
    DiskOptions {
        segment_bytes: 4 << 10,
        clock: Arc::new(ManualClock::at(START_MS)),
        ..DiskOptions::default()
    }
}

fn examine(root: &Path) -> Report {
    doctor::examine(root, "s", &options(), &mut |_| {}).unwrap()
}

async fn log(root: &Path) {
    let log = DiskLog::open(root, "s", options()).await.unwrap();
    for from in (0..100).step_by(5) {
        append(&log, from..from + 5).await;
    }
    trim(&log, 90).await;
    log.close().await.unwrap();
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    entries
        .map(|entry| name(entry).into_string().unwrap())
        .collect()
}

#[tokio::test]
async fn a_directory_or_a_pipe_in_place_of_a_file_is_told_and_nothing_changed() {
    let root = tempfile::tempdir().unwrap();
    log(root.path()).await;
    let dir = root.path().join("streams/s");
    for name in names(&dir) {
        if name == "writer.lock" || name == "floor.next" {
            continue;
        }
        for pipe in [false, true] {
            let path = dir.join(&name);
            let aside = root.path().join("aside");
            fs::rename(&path, &aside).unwrap();
            if pipe {
                let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
                rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).unwrap();
            } else {
                fs::create_dir(&path).unwrap();
            }
            let report = examine(root.path());
            let of = report
                .findings
                .iter()
                .filter(|finding| finding.file == name);
            let codes: Vec<_> = of.map(|finding| (finding.severity, finding.code)).collect();
            assert_eq!(codes, [(Severity::Damage, "unreadable")], "{name}");
            let repaired = doctor::repair(root.path(), "s", &options(), &mut |_| {}).unwrap();
            assert_eq!(repaired.done, [], "{name}");
            if pipe {
                fs::remove_file(&path).unwrap();
            } else {
                fs::remove_dir(&path).unwrap();
            }
            fs::rename(&aside, &path).unwrap();
            assert_eq!(examine(root.path()).findings, [], "{name}");
        }
    }
}

#[tokio::test]
async fn what_is_no_stream_is_told_beside_the_streams() {
    let root = tempfile::tempdir().unwrap();
    log(root.path()).await;
    let streams = root.path().join("streams");
    fs::create_dir(streams.join("empty")).unwrap();
    fs::create_dir(streams.join("locked")).unwrap();
    fs::write(streams.join("locked/writer.lock"), "").unwrap();
    fs::write(streams.join("x.txt"), "mine").unwrap();
    let found = doctor::examine_root(root.path(), &options()).unwrap();
    assert_eq!(found.streams, ["s"]);
    let what = |name: &str| {
        let file = found.files.iter().find(|file| file.name == name);
        file.unwrap().what.clone()
    };
    for name in ["streams/empty", "streams/locked"] {
        assert!(what(name).contains("safe to delete"), "{name}");
    }
    assert!(what("streams/x.txt").contains("left alone"));
    assert_eq!(found.findings, []);
    // What was recorded is not passed over.
    fs::write(streams.join("empty/watermark"), "").unwrap();
    let found = doctor::examine_root(root.path(), &options()).unwrap();
    assert_eq!(found.findings[0].code, "remains");
}

#[tokio::test]
async fn a_marker_that_says_no_version_is_damaged() {
    let root = tempfile::tempdir().unwrap();
    log(root.path()).await;
    let marker = root.path().join("recount.format");
    fs::write(&marker, "recount data directory, format \u{1b}[31m\n").unwrap();
    let error = DiskLog::open(root.path(), "s", options())
        .await
        .err()
        .unwrap();
    let error = error.to_string();
    assert!(
        !error.contains('\u{1b}') && !error.contains("newer"),
        "{error}"
    );
    let found = doctor::examine_root(root.path(), &options()).unwrap();
    assert_eq!(found.findings[0].code, "marker");
    fs::write(&marker, "recount data directory, format 2\n").unwrap();
    let error = doctor::examine_root(root.path(), &options()).unwrap_err();
    assert!(error.to_string().contains("use a newer recount"), "{error}");
}
