//! One flipped bit at every place of every file.

use std::ops::Bound;
use std::path::{Path, PathBuf};

use recount_core::{
    Batch, EntryId, EventLog, IdRange, Outcome, Query, ReadError, ReadRange, Recorded,
};
use recount_disk::sim::SimStorage;
use recount_disk::{DiskLog, OpenError};

use super::support::{
    active, append, append_again, batch, file, ids, names, open, read_all, session,
};

/// The storage with one bit of a file flipped.
fn flip(storage: &SimStorage, path: &Path, at: usize) -> SimStorage {
    let storage = storage.fork(at as u64);
    let mut bytes = storage.content(path).unwrap();
    bytes[at] ^= 1 << (at % 8);
    storage.tamper(path, Some(bytes));
    storage
}

/// Asserts that opening is refused for damage of this file; says where.
async fn refused(storage: &SimStorage, path: &Path) -> u64 {
    let before = storage.content(path);
    match open(storage).await.err().expect("damage is refused") {
        OpenError::Corrupt {
            path: named,
            offset,
            ..
        } => {
            assert_eq!(Path::new(&named), path);
            assert_eq!(storage.content(path), before, "nothing is changed");
            offset
        }
        other => panic!("{other}"),
    }
}

/// Several segments with 120 events, closed, and what they hold.
async fn several_segments() -> (SimStorage, Vec<Recorded>) {
    let storage = SimStorage::new(1);
    let log = open(&storage).await.unwrap();
    for from in (0..120).step_by(5) {
        append(&log, from..from + 5).await;
    }
    let all = read_all(&log).await;
    log.close().await.unwrap();
    (storage, all)
}

fn with_ending(storage: &SimStorage, ending: &str) -> Vec<PathBuf> {
    let has = |path: &PathBuf| path.extension().is_some_and(|it| it == ending);
    storage.files().into_iter().filter(has).collect()
}

#[tokio::test]
async fn in_the_active_segment() {
    let storage = SimStorage::new(1);
    let log = open(&storage).await.unwrap();
    let mut ends = vec![0, 64];
    for from in [0, 2, 4] {
        append(&log, from..from + 2).await;
        ends.push(storage.content(active()).unwrap().len());
    }
    log.close().await.unwrap();
    let [.., last, len] = ends[..] else {
        panic!("no frames")
    };
    for at in 0..len {
        let storage = flip(&storage, &active(), at);
        let frame = *ends.iter().rfind(|&&end| end <= at).unwrap();
        if frame < last {
            assert_eq!(
                refused(&storage, &active()).await,
                frame as u64,
                "flipped at {at}"
            );
            continue;
        }
        // The watermark speaks for the last frame; without it nobody does.
        assert_eq!(refused(&storage, &active()).await, last as u64);
        storage.tamper(file("watermark"), None);
        let log = open(&storage).await.unwrap();
        assert_eq!(ids(&log).await, names(0..4), "flipped at {at}");
        let recovery = log.recovery().unwrap();
        assert_eq!(recovery.offset, last as u64);
        assert!(!recovery.saved_to.is_empty());
        append(&log, 4..6).await;
    }
}

#[tokio::test]
async fn in_a_sealed_segment() {
    let (storage, all) = several_segments().await;
    let path = file("0000000001.seg");
    let len = storage.content(&path).unwrap().len();
    let mut met = 0;
    for at in (0..len).step_by(7) {
        let storage = flip(&storage, &path, at);
        if at < 64 || at >= len - 80 {
            let offset = refused(&storage, &path).await;
            assert_eq!(offset, if at < 64 { 0 } else { len as u64 - 80 });
            continue;
        }
        let log = open(&storage).await.unwrap();
        met += usize::from(check_damaged(&log, &all, &path, at as u64).await);
        append_again(&log, 100..120).await;
        append(&log, 200..201).await;
    }
    // What is not met hit a frame's header or the filling behind it.
    assert!(met * 7 > len * 3 / 4, "{met} damaged records met");
}

/// Reads every entry by itself and all of them together: all but one are there.
async fn check_damaged(log: &DiskLog, all: &[Recorded], path: &Path, at: u64) -> bool {
    let mut damaged = None;
    // The segment holds fewer.
    for (index, expected) in all.iter().enumerate().take(40) {
        let id = expected.position.entry_id;
        match log.read(&only(id)).await {
            Ok(page) => assert_eq!(
                page.entries,
                std::slice::from_ref(expected),
                "flipped at {at}"
            ),
            Err(error) => {
                assert_eq!(damaged.replace(index), None, "one record is damaged");
                assert_corrupt(error, path, at);
            }
        }
    }
    let Some(damaged) = damaged else {
        assert_eq!(read_all(log).await, all);
        return false;
    };
    // From either end one gets as far as the damage, and then its place.
    let (before, error) = read_to_damage(log, ReadRange::all()).await;
    assert_eq!(before, all[..damaged]);
    assert_corrupt(error, path, at);
    let (mut behind, error) = read_to_damage(log, ReadRange::all().backward()).await;
    behind.reverse();
    assert_eq!(behind, all[damaged + 1..]);
    assert_corrupt(error, path, at);
    true
}

fn only(id: EntryId) -> ReadRange {
    ReadRange::new(IdRange {
        start: Bound::Included(id),
        end: Bound::Included(id),
    })
}

fn assert_corrupt(error: ReadError, file: &Path, at: u64) {
    match error {
        ReadError::Corrupt { path, offset, .. } => {
            assert_eq!(Path::new(&path), file);
            assert!(offset <= at && at < offset + 400, "{offset} names {at}");
        }
        other => panic!("{other}"),
    }
}

async fn read_to_damage(log: &DiskLog, mut range: ReadRange) -> (Vec<Recorded>, ReadError) {
    let mut all = Vec::new();
    loop {
        match log.read(&range).await {
            Ok(page) => {
                all.extend(page.entries);
                range = range.continued(page.next.expect("the damage is met"));
            }
            Err(error) => return (all, error),
        }
    }
}

#[tokio::test]
async fn in_an_index() {
    let (storage, all) = several_segments().await;
    let path = file("0000000001.idx");
    for at in (0..storage.content(&path).unwrap().len()).step_by(3) {
        let storage = flip(&storage, &path, at);
        let log = open(&storage).await.unwrap();
        assert_eq!(read_all(&log).await, all, "flipped at {at}");
        check_sessions(&log, &all).await;
    }
}

async fn check_sessions(log: &DiskLog, all: &[Recorded]) {
    for n in 0..5 {
        let session = session(n);
        let of_session = |recorded: &&Recorded| recorded.event().unwrap().session_id == session;
        let expected: Vec<_> = all.iter().filter(of_session).cloned().collect();
        let page = log.query(&Query::session(&session)).await.unwrap();
        assert_eq!(page.entries, expected);
    }
}

#[tokio::test]
async fn in_a_table() {
    let (storage, all) = several_segments().await;
    let tables = with_ending(&storage, "tbl");
    let mut stopped = 0;
    for path in [tables.first().unwrap(), tables.last().unwrap()] {
        let len = storage.content(path).unwrap().len();
        let places = (0..96)
            .step_by(5)
            .chain((96..4096).step_by(997))
            .chain((4096..len).step_by(13));
        for at in places {
            let storage = flip(&storage, path, at);
            let log = open(&storage).await.unwrap();
            check_sessions(&log, &all).await;
            if ids_are_right(&log, &all).await {
                continue;
            }
            stopped += 1;
            drop(log);
            let log = open(&storage.kill()).await.unwrap();
            assert!(
                ids_are_right(&log, &all).await,
                "made anew, flipped at {at}"
            );
        }
    }
    assert!(stopped > 50, "the damage was met {stopped} times");
}

/// Whether the log answers; if it does it takes nothing twice and nothing new for old.
async fn ids_are_right(log: &DiskLog, all: &[Recorded]) -> bool {
    for from in (0..120).step_by(10) {
        match log.append(Batch::new(batch(from..from + 10))).await {
            Ok(receipt) => {
                assert_eq!(receipt.duplicates(), 10);
                let positions = receipt.outcomes.iter().map(Outcome::position);
                assert!(positions.eq(all[from..].iter().take(10).map(|it| it.position)));
            }
            Err(error) => {
                assert_eq!(error.code(), "stopped", "{error}");
                assert!(error.to_string().contains(".tbl"), "{error}");
                return false;
            }
        }
    }
    for n in 200..210 {
        match log.append(Batch::new(batch(n..n + 1))).await {
            Ok(receipt) => {
                assert_eq!(receipt.appended(), 1);
                let recorded_next = 120 / 5 + (n as u64 - 200) / 5 + 1;
                let recorded_outcome = &receipt.outcomes[0];
                let Outcome::Appended { revision, .. } = *recorded_outcome else {
                    panic!("{recorded_outcome:?}")
                };
                assert_eq!(revision, recorded_next);
            }
            Err(error) => {
                assert_eq!(error.code(), "stopped", "{error}");
                return false;
            }
        }
    }
    true
}

#[tokio::test]
async fn in_a_table_that_is_merged() {
    let storage = SimStorage::new(1);
    let log = open(&storage).await.unwrap();
    let mut events = 0;
    // One table less than are merged.
    while with_ending(&storage, "seg").len() < 7 {
        append(&log, events..events + 5).await;
        events += 5;
    }
    let all = read_all(&log).await;
    log.close().await.unwrap();
    let path = with_ending(&storage, "tbl")[0].clone();
    let storage = flip(&storage, &path, 4200);
    let log = open(&storage).await.unwrap();
    let mut added = 0;
    let error = loop {
        match log
            .append(Batch::new(batch(1000 + added..1005 + added)))
            .await
        {
            Ok(receipt) => assert_eq!(receipt.appended(), 5),
            Err(error) => break error,
        }
        added += 5;
        assert!(added < 5000, "the damage is never met");
    };
    assert_eq!(error.code(), "stopped", "{error}");
    assert!(error.to_string().contains(".tbl"), "{error}");
    drop(log);
    let log = open(&storage.kill()).await.unwrap();
    for from in (0..all.len()).step_by(50) {
        append_again(&log, from..(from + 50).min(all.len())).await;
    }
    append_again(&log, 1000..1000 + added).await;
}

#[tokio::test]
async fn in_the_small_files() {
    let (storage, all) = several_segments().await;
    let log = open(&storage).await.unwrap();
    let trim = recount_core::TrimRequest::exact(recount_core::TrimLimit::MaxLength(100));
    log.trim(&trim).await.unwrap();
    log.close().await.unwrap();
    // Where each file's checksum ends; behind it are zeros.
    for (name, meaning) in [("floor", 40), ("stream.meta", 60), ("watermark", 0)] {
        let path = file(name);
        for at in 0..64 {
            let storage = flip(&storage, &path, at);
            if at < meaning {
                assert_eq!(refused(&storage, &path).await, 0, "{name}, flipped at {at}");
                continue;
            }
            let log = open(&storage).await.unwrap();
            let told = log.recovery().map(ToString::to_string);
            let unknown = told.is_some_and(|told| told.contains("cannot be told"));
            assert_eq!(unknown, name == "watermark", "{name}, flipped at {at}");
            assert_eq!(read_all(&log).await, all[20..]);
            append(&log, 200..201).await;
            assert!(log.tail().await.unwrap().get(0) > EntryId::MIN);
        }
    }
}
