//! Any bytes stand in one of a stream's files.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use recount::{
    AppendError, Event, EventLog, EventType, Filter, ManualClock, Page, Query, ReadError,
    ReadRange, SyncMode, Timestamp, TrimLimit, TrimRequest,
};
use recount_disk::fuzzing::reseal;
use recount_disk::sim::SimStorage;
use recount_disk::{DiskLog, DiskOptions, OpenError, Storage};

const STREAM: &str = "memory:events";
const DIR: &str = "streams/memory%3Aevents";

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!(
            "../../crates/recount-disk/tests/fixtures/format-1/data/streams/memory%3Aevents/", $name
        )).as_slice())),*]
    };
}

/// A whole stream: two complete segments with indexes and tables, an active one, the first trimmed.
const FILES: [(&str, &[u8]); 14] = files![
    "0000000002.seg",
    "0000000002.idx",
    "0000000003.seg",
    "0000000003.idx",
    "0000000004.log",
    "ids-0000000002-0000000002.tbl",
    "sessions-0000000002-0000000002.tbl",
    "floor",
    "watermark",
    "stream.meta",
    "ids-0000000001-0000000001.tbl",
    "ids-0000000003-0000000003.tbl",
    "sessions-0000000001-0000000001.tbl",
    "sessions-0000000003-0000000003.tbl",
];
/// The stream's `stream.meta`, among them.
const META: usize = 9;
const MARKER: &[u8] =
    include_bytes!("../../crates/recount-disk/tests/fixtures/format-1/data/recount.format");

/// The first byte chooses the file, and its upper bits whether checksums are made right (1), and
/// whether the stream is only followed (2); the rest is what stands in that file.
pub fn run(data: &[u8]) {
    let Some((&how, content)) = data.split_first() else {
        return;
    };
    let (chosen, original) = FILES[usize::from(how & 15) % FILES.len()];
    let mut content = content.to_vec();
    if how & 0x40 != 0 {
        reseal(chosen, &mut content, FILES[META].1);
    }
    let root = root();
    let storage = SimStorage::new(0);
    storage
        .create_dir_all(&root.join(DIR))
        .expect("nothing fails");
    storage.tamper(root.join("recount.format"), Some(MARKER.to_vec()));
    for (name, bytes) in FILES {
        let bytes = if name == chosen { &content } else { bytes };
        storage.tamper(root.join(DIR).join(name), Some(bytes.to_vec()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let used = use_stream(&storage, how & 0x80 != 0, content == original);
    let in_time = runtime.block_on(async { tokio::time::timeout(PATIENCE, used).await });
    assert!(in_time.is_ok(), "it hangs");
}

/// How many entries the stream holds.
const ENTRIES: usize = 40;
/// Longer than this nothing takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// A directory for followers to watch. What is in it is simulated.
fn root() -> &'static Path {
    static ROOT: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = ROOT.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir_all(dir.path().join(DIR)).expect("a directory");
        let path = dir.path().to_owned();
        (dir, path)
    });
    path
}

async fn use_stream(storage: &SimStorage, follow: bool, unharmed: bool) {
    let options = DiskOptions {
        sync: SyncMode::Os,
        segment_bytes: 2048,
        lock_wait: Duration::ZERO,
        clock: Arc::new(ManualClock::at(1_700_000_100_000)),
        storage: Arc::new(storage.clone()),
        ..DiskOptions::default()
    };
    let opened = if follow {
        DiskLog::open_read_only(root(), STREAM, options).await
    } else {
        DiskLog::open(root(), STREAM, options).await
    };
    let log = match opened {
        Ok(log) => log,
        Err(error) => {
            assert!(!unharmed, "{error}");
            return check_opening(&error);
        }
    };
    let read = read_everything(&log).await;
    if let Err(error) = &read {
        check_reading(error);
    }
    assert!(!unharmed || read == Ok(ENTRIES), "{read:?}");
    if !follow {
        write(&log).await;
    }
}

/// Reads in every way; how many entries there are.
async fn read_everything(log: &DiskLog) -> Result<usize, ReadError> {
    let all = Query {
        range: ReadRange::all(),
        filter: Filter::default(),
    };
    let backward = Query {
        range: ReadRange::all().backward().limit(7),
        filter: Filter::default(),
    };
    let types = Query {
        range: ReadRange::all(),
        filter: Filter {
            user_id: Some("user".into()),
            types: vec![EventType::MessageAdded, EventType::SessionEnded],
            ..Filter::default()
        },
    };
    let length = log.info().await?.length();
    let mut found = Vec::new();
    for query in [all, backward, Query::session("session-1"), types] {
        found.push(count(log, query, length).await?);
    }
    Ok(found[0])
}

/// Whatever an index says, an answer ends.
async fn count(log: &DiskLog, mut query: Query, length: u64) -> Result<usize, ReadError> {
    let mut count = 0;
    for _ in 0..=length {
        let Page { entries, next } = log.query(&query).await?;
        count += entries.len();
        let Some(next) = next else {
            return Ok(count);
        };
        query.range = query.range.continued(next);
    }
    panic!("a query among {length} entries does not end");
}

/// Appends and trims; either works, or the error says why not.
async fn write(log: &DiskLog) {
    for n in [0, 1, 100] {
        let event = Event::builder(EventType::MessageAdded, "session-1")
            .id(format!("event-{n}"))
            .timestamp(Timestamp::from_millis(1_700_000_000_000).expect("a legal time"))
            .build()
            .expect("a legal event");
        match log.append(event.into()).await {
            Ok(receipt) => assert_eq!(receipt.outcomes.len(), 1),
            Err(AppendError::Stopped { reason }) => assert!(reason.contains("byte"), "{reason}"),
            Err(AppendError::IdsExhausted { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    let trim = TrimRequest::exact(TrimLimit::MaxLength(3));
    if let Err(error) = log.trim(&trim).await {
        assert!(!error.to_string().is_empty());
    }
    // Damage that a helper met is told here.
    let _ = log.close().await;
}

fn check_opening(error: &OpenError) {
    match error {
        OpenError::Corrupt { path, what, .. } => assert!(!path.is_empty() && !what.is_empty()),
        OpenError::Format { path, .. } => assert!(path.contains("stream.meta")),
        error => panic!("nothing but the data is wrong: {error}"),
    }
}

fn check_reading(error: &ReadError) {
    match error {
        ReadError::Corrupt { path, what, .. } => assert!(!path.is_empty() && !what.is_empty()),
        error => panic!("nothing but the data is wrong: {error}"),
    }
}
