//! A directory written by the first version of the format is read by this one.
//!
//! It was written by the test below with `RECOUNT_WRITE_FIXTURE=1` in the environment. It is never to
//! be written again for format 1: that what others have on their disks stays readable is the point.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use recount_core::{
    Batch, Entry, EntryId, Event, EventLog, EventType, JsonObject, ManualClock, Outcome, Query,
    Timestamp, TrimLimit, TrimRequest, json,
};
use recount_disk::{DiskLog, DiskOptions};

use super::support::{START_MS, read_all};

const STREAM: &str = "memory:events";

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1")
}

fn options(ms: u64) -> DiskOptions {
    DiskOptions {
        segment_bytes: 2 << 10,
        clock: Arc::new(ManualClock::at(START_MS + ms)),
        ..DiskOptions::default()
    }
}

fn event(n: usize) -> Event {
    let kinds = [
        &EventType::KNOWN[n % EventType::KNOWN.len()],
        &EventType::Custom("step.done".into()),
    ];
    let mut event = Event::builder(kinds[n % 2].clone(), format!("session-{}", n % 3))
        .id(format!("event-{n}"))
        .timestamp(Timestamp::from_millis(START_MS as i64 + n as i64).unwrap())
        .version(1 + n as u32 % 2)
        .data(JsonObject::parse(format!(r#"{{"n":{n},"text":"ünï"}}"#)).unwrap());
    if n % 4 == 1 {
        event = event
            .user("user")
            .agent("agent")
            .trace("trace")
            .causation("event-0");
    }
    event.build().unwrap()
}

fn fields(fields: &[(&'static str, &'static [u8])]) -> Vec<recount_core::Field> {
    let field =
        |(name, value): &(&'static str, &'static [u8])| (bytes(name.as_bytes()), bytes(value));
    fields.iter().map(field).collect()
}

fn bytes(bytes: &'static [u8]) -> bytes::Bytes {
    bytes::Bytes::from_static(bytes)
}

/// An event as another producer lays it out, and something that is none.
fn foreign() -> Vec<Entry> {
    let flat = fields(&[
        ("type", b"message.added"),
        ("session_id", b"session-0"),
        ("timestamp", b"1700000000"),
        ("role", b"user"),
        ("tokens", b"12"),
    ]);
    let undecodable = fields(&[("a", b"\xff\x00"), ("b", b"text")]);
    let entries = [flat, undecodable].into_iter().zip(1..);
    entries
        .map(|(fields, ms)| Entry {
            id: EntryId::new(START_MS + ms, 7),
            fields,
            revision: None,
        })
        .collect()
}

#[tokio::test]
async fn written_by_the_first_version() {
    if std::env::var_os("RECOUNT_WRITE_FIXTURE").is_some() {
        write().await;
    }
    let copy = tempfile::tempdir().unwrap();
    copy_dir(&fixture().join("data"), copy.path());
    let log = DiskLog::open(copy.path(), STREAM, options(1000))
        .await
        .unwrap();
    assert_eq!(log.recovery(), None);
    let expected = fs::read_to_string(fixture().join("expected.ndjson")).unwrap();
    assert_eq!(lines(&log).await, expected);
    let partition = log.info().await.unwrap().partitions[0].clone();
    assert_eq!((partition.entries_added, partition.length), (62, 40));

    let sessions = [(0, 13), (1, 13), (2, 13)];
    for (n, entries) in sessions {
        let session = Query::session(format!("session-{n}"));
        assert_eq!(
            log.query(&session).await.unwrap().entries.len(),
            entries,
            "session-{n}"
        );
    }
    // Trimmed or not, all of it is remembered.
    for n in 0..60 {
        let receipt = log.append(event(n).into()).await.unwrap();
        assert_eq!(receipt.duplicates(), 1, "event-{n}");
    }
    let receipt = log.append(event(62).into()).await.unwrap();
    let Outcome::Appended { position, revision } = receipt.outcomes[0] else {
        panic!("{receipt:?}")
    };
    assert_eq!(position.entry_id, EntryId::new(START_MS + 1000, 0));
    assert_eq!(revision, 21, "twenty events of its session came before");
    log.close().await.unwrap();
    let log = DiskLog::open(copy.path(), STREAM, options(1000))
        .await
        .unwrap();
    assert!(lines(&log).await.starts_with(&expected));
    assert_eq!(log.append(event(62).into()).await.unwrap().duplicates(), 1);
}

async fn lines(log: &DiskLog) -> String {
    let all = read_all(log).await;
    all.iter()
        .map(|recorded| json::line(recorded) + "\n")
        .collect()
}

async fn write() {
    let data = fixture().join("data");
    fs::remove_dir_all(fixture()).ok();
    fs::create_dir_all(&data).unwrap();
    let log = DiskLog::open(&data, STREAM, options(0)).await.unwrap();
    for from in (0..60).step_by(4) {
        log.append(Batch::new((from..from + 4).map(event).collect()))
            .await
            .unwrap();
        if from == 20 {
            log.append_with_ids(foreign()).await.unwrap();
        }
    }
    log.trim(&TrimRequest::exact(TrimLimit::MaxLength(40)))
        .await
        .unwrap();
    fs::write(fixture().join("expected.ndjson"), lines(&log).await).unwrap();
    log.close().await.unwrap();
    // It says nothing but who wrote.
    fs::remove_file(data.join("streams/memory%3Aevents/writer.lock")).unwrap();
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
