//! Reading entries as they are stored, and giving a stream another name.

use bytes::Bytes;
use recount_core::{
    Entry, EntryId, Event, EventLog, EventType, Field, IdRange, ReadRange, Timestamp, codec,
};
use recount_disk::{DiskLog, DiskOptions, rename_stream, streams};

fn field(name: &'static str, value: &'static str) -> Field {
    (Bytes::from(name), Bytes::from(value))
}

fn entries() -> Vec<Entry> {
    let event = Event::builder(EventType::SessionStarted, "s")
        .id("e")
        .timestamp(Timestamp::from_millis(1_700_000_000_000).unwrap())
        .build();
    let flat = vec![
        field("type", "x.y"),
        field("session_id", "s"),
        field("zip", "00501"),
        field("user_id", ""),
    ];
    let noise = vec![field("", ""), field("a", "\u{0}"), field("a", "1")];
    let fields = [codec::encode(&event.unwrap()), flat, noise];
    let revisions = [Some(4), Some(5), None];
    let numbered = (1..).zip(fields).zip(revisions);
    numbered
        .map(|((ms, fields), revision)| Entry {
            id: EntryId::new(ms, 0),
            fields,
            revision,
        })
        .collect()
}

async fn open(dir: &std::path::Path, stream: &str) -> DiskLog {
    let opened = DiskLog::open(dir, stream, DiskOptions::default()).await;
    opened.expect("the log opens")
}

#[tokio::test]
async fn entries_come_back_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), "a").await;
    log.append_with_ids(entries()).await.unwrap();
    assert_eq!(log.entries(&ReadRange::all()).await.unwrap(), entries());
    let mut newest = entries().split_off(1);
    newest.reverse();
    let backward = ReadRange::new(IdRange::ALL).backward().limit(2);
    assert_eq!(log.entries(&backward).await.unwrap(), newest);
}

#[tokio::test]
async fn a_stream_gets_another_name_while_nobody_writes_it() {
    let dir = tempfile::tempdir().unwrap();
    let rename = |from, to| rename_stream(dir.path(), from, to).map_err(|error| error.code());
    let log = open(dir.path(), "a:{1}").await;
    log.append_with_ids(entries()).await.unwrap();
    assert_eq!(rename("a:{1}", "b"), Err("locked"));
    log.close().await.unwrap();
    assert_eq!(rename("a:{1}", "b"), Ok(()));
    assert_eq!(rename("a:{1}", "c"), Err("no_stream"));
    assert_eq!(streams(dir.path()).unwrap(), ["b"]);
    open(dir.path(), "c").await.close().await.unwrap();
    assert_eq!(rename("c", "b"), Err("storage"));
    let log = open(dir.path(), "b").await;
    assert_eq!(log.entries(&ReadRange::all()).await.unwrap(), entries());
}
