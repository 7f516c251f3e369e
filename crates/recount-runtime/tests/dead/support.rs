//! What the cases share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use recount_conformance::{MemoryLog, MemoryOptions, MemoryStream};
use recount_core::{
    AppendError, Batch, Cursor, Entry, Event, EventLog, EventType, GroupStart, GroupStore, Limits,
    LogInfo, ManualClock, Outcome, Page, Partition, Position, Query, ReadError, ReadRange, Receipt,
    Timestamp, TrimError, TrimReport, TrimRequest,
};
use recount_runtime::{Access, Attempt, DeadLetters, NewLetter, Reason};
use tokio::sync::Barrier;

pub const GROUP: &str = "audit";

pub fn options() -> MemoryOptions {
    MemoryOptions {
        clock: Arc::new(ManualClock::at(1_000)),
        limits: Limits::default(),
        idempotency_window: Duration::from_hours(1),
    }
}

pub fn dead_options() -> MemoryOptions {
    MemoryOptions {
        limits: DeadLetters::limits(&Limits::default()),
        ..options()
    }
}

/// A stream with a group that was delivered everything and has acknowledged it.
pub struct Desk {
    pub log: Arc<MemoryLog>,
    /// The stream of letters. It is there once somebody wrote to it.
    pub letters: MemoryStream,
    pub positions: Vec<Position>,
}

impl Desk {
    /// With an event of each of these sessions.
    pub async fn with(sessions: &[&str]) -> Self {
        let events = sessions.iter().enumerate();
        Self::holding(events.map(|(n, session)| event(n, session)).collect()).await
    }

    pub async fn holding(events: Vec<Event>) -> Self {
        let log = MemoryLog::open(&MemoryStream::default(), options());
        log.create(GROUP, &GroupStart::Start).await.unwrap();
        let receipt = log.append(Batch::new(events)).await.unwrap();
        let positions: Vec<_> = receipt.outcomes.iter().map(Outcome::position).collect();
        log.read_new(GROUP, "c", 1_000).await.unwrap();
        log.ack(GROUP, &positions).await.unwrap();
        Self {
            log: Arc::new(log),
            letters: MemoryStream::default(),
            positions,
        }
    }

    /// The letters, as a process sees them that has just started.
    pub fn letters(&self) -> DeadLetters {
        self.letters_with(dead_options())
    }

    pub fn letters_with(&self, options: MemoryOptions) -> DeadLetters {
        let stream = self.letters.clone();
        over(Arc::new(MemoryLog::open(&stream, options)))
    }

    pub async fn letter(&self, n: usize) -> NewLetter {
        let page = self.log.read(&ReadRange::all()).await.unwrap();
        let position = self.positions[n];
        let entry = page.entries.into_iter().find(|e| e.position == position);
        NewLetter {
            position,
            entry,
            reason: Reason::MaxDeliveries,
            error: "the ledger is closed".into(),
            attempts: vec![attempt(1, "the ledger is closed")],
            consumer: "c".into(),
            delivery_count: 5,
            first_delivered: None,
        }
    }

    /// As [`Desk::letter`], for an entry that follows an earlier one.
    pub async fn follower(&self, n: usize) -> NewLetter {
        NewLetter {
            reason: Reason::InSequence,
            attempts: Vec::new(),
            ..self.letter(n).await
        }
    }

    /// What is pending in the group.
    pub async fn pending(&self) -> Vec<Position> {
        let from = Cursor::start();
        let pending = self.log.pending_entries(GROUP, None, &from, 100);
        let pending = pending.await.unwrap();
        pending.into_iter().map(|entry| entry.position).collect()
    }
}

pub fn over(log: Arc<dyn EventLog>) -> DeadLetters {
    DeadLetters::new(GROUP, move |_: Access| {
        let log = Arc::clone(&log);
        async move { Ok(Some(log)) }
    })
}

pub fn event(n: usize, session: &str) -> Event {
    Event::builder(EventType::MessageAdded, session)
        .id(format!("e{n}"))
        .timestamp(Timestamp::saturating_from_millis(1))
        .user("ada")
        .trace("t1")
        .build()
        .unwrap()
}

pub fn attempt(n: u64, error: &str) -> Attempt {
    Attempt {
        at: Timestamp::saturating_from_millis(n),
        consumer: "c".into(),
        delivery_count: n,
        error: error.into(),
    }
}

pub async fn open_positions(letters: &DeadLetters) -> Vec<Position> {
    let open = letters.list(None, 1_000).await.unwrap();
    assert_eq!(letters.count().await.unwrap(), open.len() as u64);
    open.into_iter().map(|letter| letter.position).collect()
}

/// A log that stops taking appends after some, and spreads sessions over two partitions if it is asked to.
pub struct Trying {
    pub parts: Vec<MemoryLog>,
    pub appends_left: AtomicUsize,
    pub meeting: Option<Meeting>,
}

/// Where the first two appends wait for each other.
pub struct Meeting {
    came: AtomicUsize,
    both: Barrier,
}

impl Default for Meeting {
    fn default() -> Self {
        Self {
            came: AtomicUsize::new(0),
            both: Barrier::new(2),
        }
    }
}

impl Trying {
    pub fn of(stream: &MemoryStream, appends_left: usize) -> Self {
        Self {
            parts: vec![MemoryLog::open(stream, dead_options())],
            appends_left: AtomicUsize::new(appends_left),
            meeting: None,
        }
    }

    pub fn two_partitions() -> Self {
        let part = || MemoryLog::open(&MemoryStream::default(), dead_options());
        Self {
            parts: vec![part(), part()],
            appends_left: AtomicUsize::new(usize::MAX),
            meeting: None,
        }
    }
}

fn moved(mut page: Page, partition: Partition) -> Page {
    for entry in &mut page.entries {
        entry.position.partition = partition;
    }
    page
}

#[async_trait]
impl EventLog for Trying {
    async fn append(&self, batch: Batch) -> Result<Receipt, AppendError> {
        let left = self
            .appends_left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        if left.is_err() {
            return Err(AppendError::Closed);
        }
        if let Some(meeting) = &self.meeting
            && meeting.came.fetch_add(1, Ordering::SeqCst) < 2
        {
            meeting.both.wait().await;
        }
        let partition = self.partition_of(&batch.events[0].session_id);
        self.parts[partition as usize].append(batch).await
    }

    async fn append_with_ids(&self, entries: Vec<Entry>) -> Result<Receipt, AppendError> {
        self.parts[0].append_with_ids(entries).await
    }

    async fn read(&self, range: &ReadRange) -> Result<Page, ReadError> {
        let in_part = ReadRange {
            partition: 0,
            ..range.clone()
        };
        let page = self.parts[range.partition as usize].read(&in_part).await?;
        Ok(moved(page, range.partition))
    }

    async fn query(&self, query: &Query) -> Result<Page, ReadError> {
        self.parts[0].query(query).await
    }

    fn partitions(&self) -> u32 {
        self.parts.len() as u32
    }

    fn partition_of(&self, session_id: &str) -> Partition {
        session_id.len() as u32 % self.partitions()
    }

    async fn wait(&self, cursor: &Cursor) -> Result<(), ReadError> {
        self.parts[0].wait(cursor).await
    }

    async fn tail(&self) -> Result<Cursor, ReadError> {
        self.parts[0].tail().await
    }

    async fn trim(&self, request: &TrimRequest) -> Result<TrimReport, TrimError> {
        self.parts[0].trim(request).await
    }

    async fn info(&self) -> Result<LogInfo, ReadError> {
        self.parts[0].info().await
    }

    async fn close(&self) -> Result<(), AppendError> {
        self.parts[0].close().await
    }
}
