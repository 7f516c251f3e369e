//! Logs on a simulated disk, and what an examination and a repair must hold to.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use recount_core::{
    Batch, EntryId, Event, EventLog, EventType, JsonObject, ManualClock, ReadRange, Recorded,
    Timestamp, TrimLimit, TrimRequest,
};
use recount_disk::doctor::{self, Loss, Repaired, Report, Severity};
use recount_disk::sim::SimStorage;
use recount_disk::{DiskLog, DiskOptions, SyncMode};

pub const ROOT: &str = "/data";
pub const STREAM: &str = "s";
pub const START_MS: u64 = 1_700_000_000_000;

pub fn file(name: &str) -> PathBuf {
    Path::new(ROOT).join("streams").join(STREAM).join(name)
}

pub fn options(storage: &SimStorage) -> DiskOptions {
    DiskOptions {
        sync: SyncMode::Always,
        segment_bytes: 4 << 10,
        lock_wait: Duration::ZERO,
        clock: Arc::new(ManualClock::at(START_MS)),
        storage: Arc::new(storage.clone()),
        ..DiskOptions::default()
    }
}

pub async fn open(storage: &SimStorage) -> DiskLog {
    DiskLog::open(ROOT, STREAM, options(storage)).await.unwrap()
}

/// The `n`th event, in one of five sessions.
pub fn event(n: usize) -> Event {
    let data = format!(r#"{{"n":{n},"text":"{}"}}"#, "x".repeat(60));
    Event::builder(EventType::MessageAdded, format!("session-{}", n % 5))
        .id(format!("e{n}"))
        .user("u")
        .timestamp(Timestamp::from_millis(1_700_000_000_000).unwrap())
        .data(JsonObject::parse(data).unwrap())
        .build()
        .unwrap()
}

pub async fn append(log: &DiskLog, numbers: Range<usize>) {
    let batch = Batch::new(numbers.clone().map(event).collect());
    assert_eq!(log.append(batch).await.unwrap().appended(), numbers.len());
}

pub async fn trim(log: &DiskLog, keep: u64) {
    log.trim(&TrimRequest::exact(TrimLimit::MaxLength(keep)))
        .await
        .unwrap();
}

pub async fn read_all(log: &DiskLog) -> Vec<Recorded> {
    let mut all = Vec::new();
    let mut range = ReadRange::all();
    loop {
        let page = log.read(&range).await.unwrap();
        all.extend(page.entries);
        match page.next {
            Some(next) => range = range.continued(next),
            None => return all,
        }
    }
}

/// A closed log of `events` events in batches of five, and what it holds.
pub async fn closed(events: usize) -> (SimStorage, Vec<Recorded>) {
    let storage = SimStorage::new(1);
    let log = open(&storage).await;
    for from in (0..events).step_by(5) {
        append(&log, from..(from + 5).min(events)).await;
    }
    let all = read_all(&log).await;
    log.close().await.unwrap();
    (storage, all)
}

/// As [`closed`], with all but the newest `keep` trimmed.
pub async fn closed_and_trimmed(events: usize, keep: u64) -> (SimStorage, Vec<Recorded>) {
    let (storage, _) = closed(events).await;
    let log = open(&storage).await;
    trim(&log, keep).await;
    let all = read_all(&log).await;
    log.close().await.unwrap();
    (storage, all)
}

pub fn examine(storage: &SimStorage) -> Report {
    doctor::examine(Path::new(ROOT), STREAM, &options(storage), &mut |_| {}).unwrap()
}

pub fn repair(storage: &SimStorage) -> Repaired {
    doctor::repair(Path::new(ROOT), STREAM, &options(storage), &mut |_| {}).unwrap()
}

/// What is wrong, but for notices.
pub fn wrong(report: &Report) -> Vec<String> {
    let wrong = report.findings.iter();
    wrong
        .filter(|finding| finding.severity != Severity::Notice)
        .map(|finding| {
            let lost = finding.lost.as_ref().map(Loss::to_string);
            format!(
                "{} {} {} {:?}: {} ({lost:?})",
                finding.severity, finding.code, finding.file, finding.offset, finding.what
            )
        })
        .collect()
}

/// The stream's files, without the lock, which means nothing while nobody holds it.
pub fn files(storage: &SimStorage) -> Vec<PathBuf> {
    let ours = |path: &PathBuf| path.starts_with(file("")) && !path.ends_with("writer.lock");
    storage.files().into_iter().filter(ours).collect()
}

pub fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// Repairs a damaged log that once held `all`, and checks what is left: everything but what is listed
/// as lost, as it was. Returns what was done, and how many entries are lost.
pub async fn check_repair(storage: &SimStorage, all: &[Recorded], case: &str) -> (Repaired, usize) {
    let repaired = repair(storage);
    assert_eq!(
        wrong(&repaired.after),
        [] as [&str; 0],
        "{case}: {:#?}",
        repaired.done
    );
    let again = examine(storage);
    assert_eq!(wrong(&again), [] as [&str; 0], "{case}");
    let losses: Vec<&Loss> = repaired
        .done
        .iter()
        .filter_map(|done| done.lost.as_ref())
        .collect();
    let missing = check_log(storage, all, &losses, case).await;
    assert_eq!(
        wrong(&examine(storage)),
        [] as [&str; 0],
        "{case}, after it was used"
    );
    (repaired, missing)
}

/// Opens and reads a log: what is missing of `all` is what `losses` tell.
pub async fn check_log(
    storage: &SimStorage,
    all: &[Recorded],
    losses: &[&Loss],
    case: &str,
) -> usize {
    let log = open(storage).await;
    let left = read_all(&log).await;
    let mut missing = Vec::new();
    let mut found = left.iter().peekable();
    for expected in all {
        if found.next_if(|found| *found == expected).is_none() {
            missing.push(expected.position.entry_id);
        }
    }
    assert_eq!(found.next(), None, "{case}: nothing is invented or changed");
    for &id in &missing {
        assert!(
            losses.iter().any(|loss| lies_within(loss, id)),
            "{case}: {id} is lost, but told are {losses:?}"
        );
    }
    let told: Option<u64> = losses.iter().map(|loss| loss.entries).sum();
    // Of what was trimmed some may be lost too, which nobody misses.
    if let (Some(told), None) = (told, storage.content(file("floor"))) {
        assert_eq!(
            told,
            missing.len() as u64,
            "{case}: {losses:?}, {missing:?}"
        );
    }
    // It goes on, and what is lost can be published again.
    let receipt = log.append(Batch::new(vec![event(9_999)])).await.unwrap();
    assert_eq!(receipt.appended(), 1, "{case}");
    // What is gone before the first segment counts as trimmed, and is remembered.
    let first = left
        .first()
        .map_or(EntryId::MIN, |first| first.position.entry_id);
    let lost: Vec<Event> = all
        .iter()
        .filter(|recorded| missing.contains(&recorded.position.entry_id))
        .filter(|recorded| recorded.position.entry_id > first)
        .map(|recorded| recorded.event().unwrap().clone())
        .collect();
    if !lost.is_empty() {
        let receipt = log.append(Batch::new(lost.clone())).await.unwrap();
        assert_eq!(receipt.appended(), lost.len(), "{case}");
    }
    // What is left is remembered.
    let kept: Vec<Event> = left
        .iter()
        .map(|recorded| recorded.event().unwrap().clone())
        .collect();
    for chunk in kept.chunks(50) {
        let receipt = log.append(Batch::new(chunk.to_vec())).await.unwrap();
        assert_eq!(receipt.duplicates(), chunk.len(), "{case}");
    }
    log.close().await.unwrap();
    missing.len()
}

fn lies_within(loss: &Loss, id: EntryId) -> bool {
    loss.after.is_none_or(|after| id > after) && loss.before.is_none_or(|before| id < before)
}
