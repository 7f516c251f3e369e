//! The handle over a stream with several partitions: one order for people, nothing missed, no partition
//! held up by another.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use recount::{
    AppendError, Batch, Cursor, Entry, EntryId, Event, EventLog, EventType, Filter, IdRange,
    Limits, LogInfo, Page, Partition, Position, Query, ReadError, ReadRange, Receipt, Recorded,
    Recount, Skipped, StartFrom, SystemClock, TrimError, TrimLimit, TrimReport, TrimRequest, codec,
};
use recount_conformance::{MemoryLog, MemoryOptions, MemoryStream};
use tokio::sync::Notify;

const PARTITIONS: u32 = 3;

/// Logs of one partition each, side by side. A session named `2-x` is in partition 2.
struct Partitioned {
    logs: Vec<MemoryLog>,
    appended: Notify,
}

impl Partitioned {
    fn new() -> Arc<Self> {
        let log = |_| {
            let options = MemoryOptions {
                clock: Arc::new(SystemClock),
                limits: Limits::default(),
                idempotency_window: Duration::from_mins(1),
            };
            MemoryLog::open(&MemoryStream::default(), options)
        };
        Arc::new(Self {
            logs: (0..PARTITIONS).map(log).collect(),
            appended: Notify::new(),
        })
    }

    /// Puts an event of `session` under the id `ms`-0 into its partition.
    async fn put(&self, session: &str, ms: u64) {
        let event = Event::builder(EventType::MessageAdded, session)
            .id(format!("{session}@{ms}"))
            .build()
            .unwrap();
        let entry = Entry::new(EntryId::new(ms, 0), codec::encode(&event));
        let log = &self.logs[self.partition_of(session) as usize];
        log.append_with_ids(vec![entry]).await.unwrap();
        self.appended.notify_waiters();
    }

    async fn trim_one(&self, partition: Partition, keep: u64) {
        let request = TrimRequest::exact(TrimLimit::MaxLength(keep));
        self.logs[partition as usize].trim(&request).await.unwrap();
    }
}

fn within(mut page: Page, partition: Partition) -> Page {
    for recorded in &mut page.entries {
        recorded.position.partition = partition;
    }
    page
}

#[async_trait]
impl EventLog for Partitioned {
    async fn append(&self, _: Batch) -> Result<Receipt, AppendError> {
        unreachable!("entries are put")
    }

    async fn append_with_ids(&self, _: Vec<Entry>) -> Result<Receipt, AppendError> {
        unreachable!("entries are put")
    }

    async fn read(&self, range: &ReadRange) -> Result<Page, ReadError> {
        let log = &self.logs[range.partition as usize];
        let own = ReadRange {
            partition: 0,
            ..range.clone()
        };
        Ok(within(log.read(&own).await?, range.partition))
    }

    async fn query(&self, query: &Query) -> Result<Page, ReadError> {
        let partition = query.range.partition;
        let mut own = query.clone();
        own.range.partition = 0;
        let page = self.logs[partition as usize].query(&own).await?;
        Ok(within(page, partition))
    }

    fn partitions(&self) -> u32 {
        PARTITIONS
    }

    fn partition_of(&self, session_id: &str) -> Partition {
        session_id[..1].parse().unwrap()
    }

    async fn wait(&self, cursor: &Cursor) -> Result<(), ReadError> {
        loop {
            let appended = self.appended.notified();
            let end = self.tail().await?;
            if end
                .iter()
                .any(|last| last.entry_id > cursor.get(last.partition))
            {
                return Ok(());
            }
            appended.await;
        }
    }

    async fn tail(&self) -> Result<Cursor, ReadError> {
        let mut end = Cursor::start();
        for (partition, log) in (0..).zip(&self.logs) {
            end.advance(Position {
                partition,
                entry_id: log.tail().await?.get(0),
            });
        }
        Ok(end)
    }

    async fn trim(&self, _: &TrimRequest) -> Result<TrimReport, TrimError> {
        unreachable!("one partition is trimmed")
    }

    async fn info(&self) -> Result<LogInfo, ReadError> {
        unreachable!("nobody asks")
    }

    async fn close(&self) -> Result<(), AppendError> {
        Ok(())
    }
}

/// Sessions and milliseconds in order, as in `0-a@5`.
fn told(entries: &[Recorded]) -> Vec<&str> {
    let ids = entries
        .iter()
        .map(|entry| entry.event().unwrap().id.as_str());
    ids.collect()
}

fn everything() -> Query {
    Query {
        range: ReadRange::all(),
        filter: Filter::default(),
    }
}

/// Entries with ids 1 to `count`, each in a partition, with uneven shares.
async fn filled(count: u64) -> (Arc<Partitioned>, Recount) {
    let log = Partitioned::new();
    for ms in 1..=count {
        let session = match ms % 10 {
            0..=6 => "0-a",
            7 | 8 => "1-b",
            _ => "2-c",
        };
        log.put(session, ms).await;
    }
    let recount = Recount::over(log.clone());
    (log, recount)
}

fn ms(recorded: &Recorded) -> u64 {
    recorded.position.entry_id.ms
}

#[tokio::test]
async fn partitions_are_merged_by_entry_id_in_both_directions() {
    let (_, recount) = filled(3_000).await;
    let all = recount.events(everything()).collect().await.unwrap();
    assert!(all.iter().map(ms).eq(1..=3_000));
    let partitions = all.iter().map(|entry| entry.position.partition);
    assert_eq!(partitions.max(), Some(2));

    let mut query = everything();
    query.range = query.range.backward();
    let newest = recount.events(query).limit(1_700).collect().await.unwrap();
    assert!(newest.iter().map(ms).eq((1_301..=3_000).rev()));

    let only = Filter {
        types: vec![EventType::MessageAdded],
        ..Filter::default()
    };
    let query = Query {
        range: ReadRange::new(IdRange::from_ids(100, 199)).limit(7),
        filter: only,
    };
    let mut events = recount.events(query);
    let mut seen = Vec::new();
    while let Some(recorded) = events.next().await.unwrap() {
        seen.push(ms(&recorded));
    }
    assert!(seen.into_iter().eq(100..=199));
}

/// Ranges by their milliseconds.
trait FromIds {
    fn from_ids(first: u64, last: u64) -> Self;
}

impl FromIds for IdRange {
    fn from_ids(first: u64, last: u64) -> Self {
        Self {
            start: std::ops::Bound::Included(EntryId::new(first, 0)),
            end: std::ops::Bound::Included(EntryId::new(last, u64::MAX)),
        }
    }
}

#[tokio::test]
async fn the_same_id_in_two_partitions_is_two_entries() {
    let log = Partitioned::new();
    for session in ["1-b", "0-a", "2-c"] {
        log.put(session, 5).await;
    }
    let recount = Recount::over(log);
    let all = recount.events(everything()).collect().await.unwrap();
    assert_eq!(told(&all), ["0-a@5", "1-b@5", "2-c@5"]);
    let mut query = everything();
    query.range = query.range.backward();
    let all = recount.events(query).collect().await.unwrap();
    assert_eq!(told(&all), ["2-c@5", "1-b@5", "0-a@5"]);
}

#[tokio::test]
async fn a_session_is_looked_for_in_its_partition_and_one_can_be_named() {
    let (log, recount) = filled(20).await;
    let session = recount.session("1-b").events().collect().await.unwrap();
    assert_eq!(told(&session), ["1-b@7", "1-b@8", "1-b@17", "1-b@18"]);
    let page = recount.session("1-b").recent(1).await.unwrap();
    assert_eq!(told(&page.entries), ["1-b@18"]);
    assert!(page.is_complete());
    let partition = recount.events_of(2, everything()).collect().await.unwrap();
    assert_eq!(told(&partition), ["2-c@9", "2-c@19"]);

    let now = log.tail().await.unwrap();
    log.put("1-b", 30).await;
    let then = recount.events(everything()).up_to(&now);
    assert_eq!(then.collect().await.unwrap().len(), 20);
    let replay = recount.replay(everything()).await.unwrap();
    log.put("2-c", 40).await;
    let mut replayed = Vec::new();
    let handler = async |recorded: Recorded| {
        replayed.push(ms(&recorded));
        Ok::<(), ()>(())
    };
    replay.pace(recount::Pace::Fast).run(handler).await.unwrap();
    assert!(replayed.into_iter().eq((1..=20).chain([30])));
}

#[tokio::test]
async fn a_hole_in_one_partition_ends_the_walk() {
    let (log, recount) = filled(2_000).await;
    let mut events = recount.events(everything());
    assert!(events.next_page().await.unwrap().is_some());
    log.trim_one(0, 10).await;
    let mut ended = Ok(());
    loop {
        match events.next_page().await {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => {
                ended = Err(error.code());
                break;
            }
        }
    }
    assert_eq!(ended, Err("trimmed"));
    // The others are whole.
    let rest = recount.events_of(1, everything()).collect().await.unwrap();
    assert_eq!(rest.len(), 400);
}

#[tokio::test]
async fn a_tail_catches_up_in_order_and_goes_on_with_whatever_comes() {
    let (log, recount) = filled(3_000).await;
    let mut tail = recount.tail(StartFrom::After(EntryId::MIN)).await.unwrap();
    for expected in 1..=3_000 {
        assert_eq!(ms(&tail.next().await.unwrap()), expected);
    }
    for (session, at) in [("2-c", 4_000), ("0-a", 3_500), ("1-b", 3_001)] {
        log.put(session, at).await;
        assert_eq!(ms(&tail.next().await.unwrap()), at);
    }
    assert_eq!(tail.skipped(), None);
}

#[tokio::test]
async fn a_busy_partition_does_not_hold_up_the_others() {
    let (log, recount) = filled(10).await;
    let mut tail = recount.tail(StartFrom::End).await.unwrap();
    log.put("2-c", 11).await;
    let mut seen = Vec::new();
    for at in 12..40 {
        // Every time that the tail looks, there is news in partition 0.
        log.put("0-a", at).await;
        seen.push(tail.next().await.unwrap().position.partition);
    }
    assert!(seen.contains(&2), "{seen:?}");
}

#[tokio::test]
async fn what_a_tail_missed_is_told_of_each_partition() {
    let (log, recount) = filled(10).await;
    let mut tail = recount.tail(StartFrom::End).await.unwrap();
    for at in 20..30 {
        log.put("1-b", at).await;
        log.put("2-c", at).await;
    }
    log.trim_one(1, 1).await;
    log.trim_one(2, 2).await;
    assert_eq!(ms(&tail.next().await.unwrap()), 28);
    let skipped: Vec<_> = std::iter::from_fn(|| tail.skipped()).collect();
    let missed = |partition, after, before| Skipped {
        partition,
        after: EntryId::new(after, 0),
        before: EntryId::new(before, 0),
    };
    assert_eq!(skipped, [missed(1, 8, 29), missed(2, 9, 28)]);
}
