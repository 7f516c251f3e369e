//! What the cases share.

mod log;

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::pass;
use async_trait::async_trait;
use recount_conformance::{MemoryLog, MemoryOptions, MemoryStream};
use recount_core::{
    Batch, Clock, Cursor, Event, EventLog, EventType, GroupStart, GroupStore, Limits, PendingEntry,
    Position,
};
use recount_runtime::{
    Backoff, Consumer, ConsumerBuilder, DeadLetters, Handler, HandlerError, Message,
};
use tokio::sync::watch;
use tokio::time::Instant;

pub use log::{Call, Fault, TestLog};

pub const GROUP: &str = "audit";

/// Shows the runtime's time, which stands still while anything can go on.
pub struct TokioClock(Instant);

impl TokioClock {
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for TokioClock {
    fn now_ms(&self) -> u64 {
        1_700_000_000_000 + self.0.elapsed().as_millis() as u64
    }
}

pub fn options() -> MemoryOptions {
    MemoryOptions {
        clock: Arc::new(TokioClock::new()),
        limits: Limits::default(),
        idempotency_window: Duration::from_hours(1),
    }
}

/// The dead letters of a group, in memory.
pub fn letters() -> DeadLetters {
    let options = MemoryOptions {
        limits: DeadLetters::limits(&Limits::default()),
        ..options()
    };
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::open(&MemoryStream::default(), options));
    DeadLetters::new(GROUP, move |_| {
        let log = Arc::clone(&log);
        async move { Ok(Some(log)) }
    })
}

pub async fn log_with_group(partitions: u32) -> Arc<TestLog> {
    let log = Arc::new(TestLog::new(partitions));
    log.create(GROUP, &GroupStart::Start).await.unwrap();
    log
}

/// A consumer of the group that keeps trying, with short times.
pub fn consumer(log: &Arc<TestLog>, name: &str) -> ConsumerBuilder {
    Consumer::builder(Arc::clone(log))
        .group(GROUP)
        .name(name)
        .keep_failing()
        .claim_after(Duration::from_secs(6))
        .lease(Duration::from_secs(3))
        .backoff(Backoff {
            first: Duration::from_millis(100),
            max: Duration::from_secs(1),
        })
}

/// Publishes one event of a session, and says where.
pub async fn publish(log: &TestLog, session: &str) -> Position {
    let event = Event::builder(EventType::MessageAdded, session)
        .build()
        .unwrap();
    let receipt = log.append(Batch::new(vec![event])).await.unwrap();
    receipt.outcomes[0].position()
}

pub async fn publish_all(log: &TestLog, sessions: &[&str]) -> Vec<Position> {
    let mut positions = Vec::new();
    for session in sessions {
        positions.push(publish(log, session).await);
    }
    positions
}

pub async fn pending(log: &TestLog) -> Vec<PendingEntry> {
    let start = Cursor::start();
    let all = log.pending_entries(GROUP, None, &start, 10_000);
    all.await.unwrap()
}

/// An attempt to handle an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub position: Position,
    pub session: String,
    pub consumer: String,
    pub delivery_count: u64,
    pub token: Option<u64>,
    pub ok: bool,
}

/// What handlers saw, in the order in which they finished.
#[derive(Clone, Default)]
pub struct Record(Arc<watch::Sender<Vec<Seen>>>);

impl Record {
    pub fn note(&self, message: &Message, ok: bool) {
        self.0.send_modify(|list| {
            list.push(Seen {
                position: message.position,
                session: message
                    .event()
                    .map_or(String::new(), |event| event.session_id.clone()),
                consumer: message.consumer.to_string(),
                delivery_count: message.delivery_count,
                token: message.lease_token,
                ok,
            });
        });
    }

    pub fn all(&self) -> Vec<Seen> {
        self.0.borrow().clone()
    }

    /// The positions handled well.
    pub fn handled(&self) -> Vec<Position> {
        let list = self.0.borrow();
        let well = list.iter().filter(|seen| seen.ok);
        well.map(|seen| seen.position).collect()
    }

    /// Waits until so many were handled well.
    pub async fn until_handled(&self, count: usize) {
        self.until(|list| list.iter().filter(|seen| seen.ok).count() >= count)
            .await;
    }

    pub async fn until(&self, enough: impl FnMut(&Vec<Seen>) -> bool) {
        self.0.subscribe().wait_for(enough).await.unwrap();
    }

    /// The positions handled well, by session, in order.
    pub fn by_session(&self) -> BTreeMap<String, Vec<Position>> {
        let mut sessions: BTreeMap<String, Vec<Position>> = BTreeMap::new();
        for seen in self.all().into_iter().filter(|seen| seen.ok) {
            sessions
                .entry(seen.session)
                .or_default()
                .push(seen.position);
        }
        sessions
    }
}

pub type Act = Pin<Box<dyn Future<Output = Result<(), HandlerError>> + Send>>;

/// A handler that notes what it saw, once it has done what the case wants.
pub struct Noting<F> {
    record: Record,
    act: F,
}

impl<F: Fn(&Message) -> Act + Send + Sync + 'static> Noting<F> {
    pub fn new(record: &Record, act: F) -> Self {
        Self {
            record: record.clone(),
            act,
        }
    }
}

#[async_trait]
impl<F: Fn(&Message) -> Act + Send + Sync + 'static> Handler for Noting<F> {
    async fn handle(&self, message: &Message) -> Result<(), HandlerError> {
        let outcome = (self.act)(message).await;
        self.record.note(message, outcome.is_ok());
        outcome
    }
}

/// A handler to which everything is fine at once.
pub fn fine(record: &Record) -> Noting<impl Fn(&Message) -> Act + Send + Sync + 'static> {
    Noting::new(record, |_| Box::pin(async { Ok(()) }))
}

/// Never ends.
pub fn hang() -> Act {
    Box::pin(std::future::pending())
}

pub fn fail(error: &str) -> Act {
    let error = HandlerError::Retry(error.to_owned());
    Box::pin(async { Err(error) })
}

pub fn succeed() -> Act {
    Box::pin(async { Ok(()) })
}

/// How often each position was handled well.
pub fn times(positions: &[Position]) -> HashMap<Position, usize> {
    let mut times = HashMap::new();
    for position in positions {
        *times.entry(*position).or_default() += 1;
    }
    times
}

/// Every position, each once.
pub fn assert_each_once(handled: &[Position], published: &[Position]) {
    let times = times(handled);
    for position in published {
        assert_eq!(times.get(position), Some(&1), "{position}");
    }
    assert_eq!(times.len(), published.len());
}

/// Waits until nothing is pending.
pub async fn until_acknowledged(log: &TestLog) {
    while !pending(log).await.is_empty() {
        pass(Duration::from_millis(10)).await;
    }
}

/// A fixed sequence of numbers that look random.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}
