//! What the cases share: a log on a simulated disk, events, reading everything.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use recount_core::{
    Batch, Event, EventLog, EventType, JsonObject, ManualClock, ReadRange, Recorded, Timestamp,
};
use recount_disk::sim::SimStorage;
use recount_disk::{DiskLog, DiskOptions, OpenError, SyncMode};

pub const ROOT: &str = "/data";
pub const STREAM: &str = "s";
/// When the tests' clocks start.
pub const START_MS: u64 = 1_700_000_000_000;

/// A file of the stream on a simulated disk.
pub fn file(name: &str) -> PathBuf {
    Path::new(ROOT).join("streams").join(STREAM).join(name)
}

/// The first active segment.
pub fn active() -> PathBuf {
    file("0000000001.log")
}

/// Small segments, so that a few batches fill one.
pub fn options(storage: &SimStorage, sync: SyncMode) -> DiskOptions {
    DiskOptions {
        sync,
        segment_bytes: 4 << 10,
        lock_wait: Duration::ZERO,
        clock: Arc::new(ManualClock::at(START_MS)),
        storage: Arc::new(storage.clone()),
        ..DiskOptions::default()
    }
}

pub async fn open(storage: &SimStorage) -> Result<DiskLog, OpenError> {
    DiskLog::open(ROOT, STREAM, options(storage, SyncMode::Always)).await
}

/// The `n`th event, in one of five sessions, with `bytes` bytes of text.
pub fn event(n: usize, bytes: usize) -> Event {
    let data = format!(r#"{{"n":{n},"text":"{}"}}"#, "x".repeat(bytes));
    Event::builder(EventType::MessageAdded, session(n))
        .id(format!("e{n}"))
        .user("u")
        .timestamp(Timestamp::from_millis(1_700_000_000_000).unwrap())
        .data(JsonObject::parse(data).unwrap())
        .build()
        .unwrap()
}

pub fn session(n: usize) -> String {
    format!("session-{}", n % 5)
}

/// Every entry of a log.
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

/// The ids of every event of a log.
pub async fn ids(log: &DiskLog) -> Vec<String> {
    let id = |recorded: &Recorded| recorded.event().unwrap().id.to_string();
    read_all(log).await.iter().map(id).collect()
}

/// Events `from` to `to`.
pub fn batch(numbers: Range<usize>) -> Vec<Event> {
    numbers.map(|n| event(n, 60)).collect()
}

/// Appends events in one batch; all of them are new.
pub async fn append(log: &DiskLog, numbers: Range<usize>) {
    let receipt = log
        .append(Batch::new(batch(numbers.clone())))
        .await
        .unwrap();
    assert_eq!(receipt.appended(), numbers.len());
}

/// Appends events again that are there already.
pub async fn append_again(log: &DiskLog, numbers: Range<usize>) {
    let receipt = log
        .append(Batch::new(batch(numbers.clone())))
        .await
        .unwrap();
    assert_eq!(receipt.duplicates(), numbers.len());
}

/// The ids of a range of events.
pub fn names(numbers: Range<usize>) -> Vec<String> {
    numbers.map(|n| format!("e{n}")).collect()
}

/// Waits for a file that a helper of the log writes.
pub async fn appears(storage: &SimStorage, path: PathBuf) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while storage.content(&path).is_none() {
        assert!(
            Instant::now() < deadline,
            "{} does not appear",
            path.display()
        );
        tokio::task::yield_now().await;
    }
}
