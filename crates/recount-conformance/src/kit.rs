//! What the cases are written with.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use recount_core::{
    Batch, Body, Entry, EntryId, Event, EventBuilder, EventLog, EventType, Field, Filter,
    JsonObject, Limits, ManualClock, Outcome, Page, PartitionInfo, Position, Query, ReadRange,
    Recorded, Schema, Timestamp, TimestampSource, TrimLimit, TrimReport, TrimRequest,
};

use crate::{Engine, Environment};

/// The millisecond at which every case begins.
pub const START_MS: u64 = 1_700_000_000_000;
/// The idempotency window of every case.
pub const WINDOW_MS: u64 = 60_000;

/// One case's stream.
pub struct Setup<E> {
    pub engine: E,
    pub environment: Environment,
}

impl<E: Engine> Setup<E> {
    pub async fn new() -> Self {
        Self {
            engine: E::create().await,
            environment: Environment {
                clock: Arc::new(ManualClock::at(START_MS)),
                limits: Limits::default(),
                idempotency_window: Duration::from_millis(WINDOW_MS),
            },
        }
    }

    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.environment.limits = limits;
        self
    }

    pub fn clock(&self) -> &ManualClock {
        &self.environment.clock
    }

    pub async fn open(&self) -> Arc<E::Log> {
        Arc::new(self.engine.open(&self.environment).await)
    }

    pub async fn follow(&self) -> Arc<E::Log> {
        Arc::new(self.engine.follow(&self.environment).await)
    }

    pub async fn reopen(&self, log: Arc<E::Log>) -> Arc<E::Log> {
        log.close().await.expect("closing succeeds");
        drop(log);
        self.open().await
    }
}

/// The id `START_MS + ms`-`seq`.
pub fn id(ms: u64, seq: u64) -> EntryId {
    EntryId::new(START_MS + ms, seq)
}

pub fn at(entry_id: EntryId) -> Position {
    Position {
        partition: 0,
        entry_id,
    }
}

pub fn data(text: &str) -> JsonObject {
    JsonObject::parse(text.to_owned()).expect("a case's data is JSON")
}

pub fn building(event_id: &str, session: &str) -> EventBuilder {
    Event::builder(EventType::MessageAdded, session)
        .id(event_id)
        .timestamp(time(START_MS))
        .data(data(r#"{"role":"user","content":"Hello"}"#))
}

pub fn event(event_id: &str, session: &str) -> Event {
    finish(building(event_id, session))
}

pub fn finish(builder: EventBuilder) -> Event {
    builder.build().expect("a case's event is legal")
}

pub fn time(ms: u64) -> Timestamp {
    Timestamp::saturating_from_millis(ms)
}

/// Events `e<from>`, ... of the session `s`.
pub fn events(numbers: std::ops::Range<usize>) -> Vec<Event> {
    numbers.map(|n| event(&format!("e{n}"), "s")).collect()
}

/// Appends and returns the outcomes.
pub async fn append(log: &impl EventLog, batch: impl Into<Batch>) -> Vec<Outcome> {
    let batch = batch.into();
    let count = batch.events.len();
    let receipt = log.append(batch).await.expect("the append succeeds");
    assert_eq!(receipt.outcomes.len(), count, "an outcome for each event");
    receipt.outcomes
}

/// Appends events, all of which must be new, and returns their ids.
pub async fn add(log: &impl EventLog, events: Vec<Event>) -> Vec<EntryId> {
    let outcomes = append(log, Batch::new(events)).await;
    outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Appended { position, .. } => position.entry_id,
            other => panic!("expected the event to be new: {other:?}"),
        })
        .collect()
}

pub async fn add_one(log: &impl EventLog, event: Event) -> EntryId {
    add(log, vec![event]).await[0]
}

pub fn fields(pairs: &[(&str, &str)]) -> Vec<Field> {
    pairs
        .iter()
        .map(|(name, value)| {
            (
                Bytes::copy_from_slice(name.as_bytes()),
                Bytes::copy_from_slice(value.as_bytes()),
            )
        })
        .collect()
}

/// An entry that is an event of `session`, under a given id.
pub fn copy(entry_id: EntryId, event_id: &str, session: &str) -> Entry {
    Entry::new(
        entry_id,
        recount_core::codec::encode(&event(event_id, session)),
    )
}

/// An entry that is no event.
pub fn noise(entry_id: EntryId) -> Entry {
    let name = Bytes::from_static(b"\xff\x00noise");
    Entry::new(entry_id, vec![(name, Bytes::from_static(b"\x80"))])
}

/// All pages of a range, put together. Checks that each page keeps its bounds and goes on.
pub async fn read_pages(log: &impl EventLog, range: ReadRange) -> Vec<Page> {
    let mut pages = Vec::new();
    let mut rest = range;
    loop {
        let page = log.read(&rest).await.expect("the read succeeds");
        assert!(page.entries.len() <= rest.limit.min(Limits::PAGE_ENTRIES_MAX));
        assert!(
            page.next.is_none() || !page.entries.is_empty(),
            "a page of a read that goes on holds an entry"
        );
        let next = page.next;
        pages.push(page);
        match next {
            Some(next) => rest = rest.continued(next),
            None => return pages,
        }
    }
}

/// Everything in a range.
pub async fn read(log: &impl EventLog, range: ReadRange) -> Vec<Recorded> {
    let pages = read_pages(log, range).await;
    pages.into_iter().flat_map(|page| page.entries).collect()
}

pub async fn read_all(log: &impl EventLog) -> Vec<Recorded> {
    read(log, ReadRange::all()).await
}

pub async fn all_ids(log: &impl EventLog) -> Vec<EntryId> {
    ids(&read_all(log).await)
}

/// Everything a query finds. Checks that each page keeps its limit and goes on.
pub async fn query(log: &impl EventLog, query: Query) -> Vec<Recorded> {
    let mut found = Vec::new();
    let mut rest = query;
    loop {
        let page = log.query(&rest).await.expect("the query succeeds");
        assert!(page.entries.len() <= rest.range.limit.min(Limits::PAGE_ENTRIES_MAX));
        found.extend(page.entries);
        let Some(next) = page.next else {
            return found;
        };
        let before = rest.range.ids;
        rest.range = rest.range.continued(next);
        assert!(
            before.contains(next),
            "the query goes on within what was left: {next}"
        );
        assert_ne!(before, rest.range.ids, "the query goes on");
    }
}

pub fn ids(entries: &[Recorded]) -> Vec<EntryId> {
    entries.iter().map(|e| e.position.entry_id).collect()
}

/// The event ids of entries; `-` for one that is no event.
pub fn event_ids(entries: &[Recorded]) -> Vec<&str> {
    entries
        .iter()
        .map(|entry| entry.event().map_or("-", |event| event.id.as_str()))
        .collect()
}

pub fn revisions(entries: &[Recorded]) -> Vec<u64> {
    entries.iter().map(|entry| entry.revision).collect()
}

/// `recorded` without what engines may or may not keep: whether a timestamp was filled in.
pub fn comparable(mut recorded: Recorded) -> Recorded {
    if let Body::Event(event) = &mut recorded.body {
        event.timestamp_source = TimestampSource::Given;
    }
    recorded
}

/// Asserts that `entry` holds `event`.
pub fn assert_holds(entry: &Recorded, event: &Event) {
    let expected = Recorded {
        schema: Schema::AsStored,
        body: Body::Event(event.clone()),
        ..entry.clone()
    };
    assert_eq!(comparable(entry.clone()), comparable(expected));
}

pub async fn partition(log: &impl EventLog) -> PartitionInfo {
    let info = log.info().await.expect("info succeeds");
    let found = info.partitions.into_iter().find(|p| p.partition == 0);
    found.expect("there is a partition 0")
}

pub async fn trim(log: &impl EventLog, limit: TrimLimit) -> TrimReport {
    let request = TrimRequest::exact(limit);
    log.trim(&request).await.expect("the trim succeeds")
}

pub async fn trim_everything(log: &impl EventLog) {
    trim(log, TrimLimit::MaxLength(0)).await;
    assert_eq!(partition(log).await.length, 0);
}

pub fn query_for(filter: Filter) -> Query {
    Query {
        range: ReadRange::all(),
        filter,
    }
}
