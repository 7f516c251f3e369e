//! What the tests are written with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use recount_core::{
    AppendError, Batch, Event, EventLog, EventType, Outcome, Position, Query, Recorded,
};
use recount_redis::{OpenError, RedisLog, RedisOptions, RedisUrl};
use recount_testbed::until;
use tokio::task::{JoinHandle, block_in_place};

pub const STREAM: &str = "memory:events";

pub fn url(text: &str) -> RedisUrl {
    text.parse().expect("a server's URL")
}

/// Options for servers that are expected to fail: the test need not wait long for it.
pub fn impatient() -> RedisOptions {
    RedisOptions {
        deadline: Duration::from_millis(300),
        connect_timeout: Duration::from_secs(2),
        ..RedisOptions::default()
    }
}

/// Options for servers that come back, as slowly as a busy machine may be.
pub fn patient() -> RedisOptions {
    RedisOptions {
        deadline: Duration::from_mins(1),
        connect_timeout: Duration::from_secs(2),
        ..RedisOptions::default()
    }
}

pub async fn try_open(address: &str, options: RedisOptions) -> Result<RedisLog, OpenError> {
    RedisLog::open(&url(address), STREAM, options).await
}

pub async fn open(address: &str, options: RedisOptions) -> Arc<RedisLog> {
    Arc::new(try_open(address, options).await.expect("the log opens"))
}

/// Why a log does not open.
pub async fn refused(address: &str, options: RedisOptions) -> String {
    match try_open(address, options).await {
        Ok(_) => panic!("the log opens"),
        Err(error) => error.to_string(),
    }
}

pub fn event(id: &str, session: &str) -> Event {
    Event::builder(EventType::MessageAdded, session)
        .id(id)
        .build()
        .expect("a legal event")
}

pub async fn append(log: &RedisLog, id: &str) -> Result<Outcome, AppendError> {
    let receipt = log.append(event(id, "s").into()).await?;
    Ok(receipt.outcomes[0])
}

/// Everything in every partition.
pub async fn everything(log: &RedisLog) -> Vec<Recorded> {
    let mut found = Vec::new();
    for partition in 0..log.partitions() {
        let mut query = Query {
            range: recount_core::ReadRange::all(),
            filter: recount_core::Filter::default(),
        };
        query.range.partition = partition;
        loop {
            let page = log.read(&query.range).await.expect("the log is read");
            found.extend(page.entries);
            match page.next {
                Some(next) => query.range = query.range.continued(next),
                None => break,
            }
        }
    }
    found
}

/// The ids of all events.
pub async fn ids(log: &RedisLog) -> Vec<String> {
    let all = everything(log).await;
    all.iter().map(id_of).collect()
}

fn id_of(recorded: &Recorded) -> String {
    let event = recorded.event().expect("only events are published");
    event.id.as_str().to_owned()
}

/// Waits, while others go on, until `look` finds something.
pub fn wait_until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    block_in_place(|| until(what, look))
}

/// Publishers that never give up, and what they were told.
pub struct Publishers {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<Told>>,
}

/// What one publisher was told.
#[derive(Default)]
struct Told {
    events: Vec<(String, Position)>,
    /// How many of them an attempt had appended whose answer never came.
    duplicates: usize,
}

/// Events that a publisher appends at once.
const TOGETHER: usize = 5;

impl Publishers {
    /// Starts publishers, each of a session of its own: events in batches, each batch again until it is
    /// acknowledged.
    pub fn start(log: &Arc<RedisLog>, count: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let tasks = (0..count)
            .map(|publisher| {
                let (log, stop) = (Arc::clone(log), Arc::clone(&stop));
                let acknowledged = Arc::clone(&acknowledged);
                tokio::spawn(publish(log, publisher, stop, acknowledged))
            })
            .collect();
        Self {
            stop,
            acknowledged,
            tasks,
        }
    }

    /// Waits until so many more batches were acknowledged.
    pub fn go_on(&self, batches: usize) {
        let enough = self.acknowledged.load(Ordering::SeqCst) + batches;
        wait_until("publishing to go on", || {
            (self.acknowledged.load(Ordering::SeqCst) >= enough).then_some(())
        });
    }

    /// Lets each finish its batch. What was acknowledged, in the order of each session.
    pub async fn finish(self) -> Acknowledged {
        self.stop.store(true, Ordering::SeqCst);
        let mut acknowledged = Acknowledged::default();
        for task in self.tasks {
            let told = task.await.expect("the publisher ends");
            acknowledged.sessions.push(told.events);
            acknowledged.duplicates += told.duplicates;
        }
        acknowledged
    }
}

async fn publish(
    log: Arc<RedisLog>,
    publisher: usize,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
) -> Told {
    let session = format!("session-{publisher}");
    let mut told = Told::default();
    while !stop.load(Ordering::SeqCst) {
        let first = told.events.len();
        let names: Vec<String> = (first..first + TOGETHER)
            .map(|number| format!("{session}-{number}"))
            .collect();
        let events: Vec<Event> = names.iter().map(|name| event(name, &session)).collect();
        let receipt = loop {
            match log.append(Batch::new(events.clone())).await {
                Ok(receipt) => break receipt,
                // Publishing it again is safe, both say.
                Err(AppendError::Unavailable { .. } | AppendError::Unconfirmed { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        };
        let outcomes = receipt.outcomes.iter().map(|outcome| match outcome {
            Outcome::Conflict { .. } => panic!("nobody else uses these ids: {outcome:?}"),
            _ => outcome.position(),
        });
        told.events.extend(names.into_iter().zip(outcomes));
        told.duplicates += receipt.duplicates();
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
    told
}

/// What publishers were told.
#[derive(Default)]
pub struct Acknowledged {
    /// For each session, its events and where they are.
    sessions: Vec<Vec<(String, Position)>>,
    /// How many events an attempt had appended whose answer never came.
    pub duplicates: usize,
}

impl Acknowledged {
    /// How many events.
    pub fn len(&self) -> usize {
        self.sessions.iter().map(Vec::len).sum()
    }

    /// Everything acknowledged is there, where it was said to be, in order; nothing is there twice; and the
    /// index of sessions agrees.
    pub async fn verify(&self, log: &RedisLog) {
        let all = everything(log).await;
        let mut places = BTreeMap::new();
        for recorded in &all {
            let before = places.insert(id_of(recorded), recorded.position);
            assert_eq!(before, None, "{} stands twice", id_of(recorded));
        }
        for session in &self.sessions {
            for (name, position) in session {
                assert_eq!(places.get(name), Some(position), "{name} was acknowledged");
            }
            let ordered = session.is_sorted_by_key(|(_, position)| position.entry_id);
            assert!(ordered, "a session's order is that of its appends");
        }
        assert_eq!(all.len(), self.len(), "what is there was acknowledged");
        for publisher in 0..self.sessions.len() {
            self.verify_session(log, publisher, &all).await;
        }
    }

    async fn verify_session(&self, log: &RedisLog, publisher: usize, all: &[Recorded]) {
        let session = format!("session-{publisher}");
        let read = recount_core::SessionRead::last(session.clone(), usize::MAX);
        let page = log.session(&read).await.expect("the session is read");
        let expected: Vec<&Recorded> = all
            .iter()
            .filter(|recorded| {
                recorded
                    .event()
                    .is_some_and(|event| event.session_id == session)
            })
            .collect();
        assert!(page.is_complete());
        assert_eq!(page.revision, expected.len() as u64);
        let newest = &expected[expected.len() - page.entries.len()..];
        assert!(page.entries.iter().eq(newest.iter().copied()));
        let revisions = expected.iter().map(|recorded| recorded.revision);
        assert!(revisions.eq(1..=page.revision), "revisions count up");
    }

    /// What is there was published, nothing is there twice, and what each session lacks was lost in one
    /// stretch: a crash forgets the newest, and nothing in the middle.
    pub async fn verify_one_loss(&self, log: &RedisLog) {
        let there = ids(log).await;
        let found: BTreeSet<&String> = there.iter().collect();
        assert_eq!(found.len(), there.len(), "nothing stands twice");
        for session in &self.sessions {
            let kept: Vec<bool> = session
                .iter()
                .map(|(name, _)| found.contains(name))
                .collect();
            let stretches = kept.chunk_by(|a, b| a == b).filter(|run| !run[0]).count();
            assert!(stretches <= 1, "lost in {stretches} stretches");
        }
    }
}
