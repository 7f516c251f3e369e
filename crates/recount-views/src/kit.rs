//! What the tests of this crate build on: a log to be tampered with, and a view that notices everything.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use recount_core::{
    AppendError, Batch, Body, Cursor, Direction, Durability, Entry, EntryId, Event, EventLog,
    EventType, JsonObject, LogInfo, Page, PartitionInfo, Position, Query, ReadError, ReadRange,
    Receipt, Recorded, Schema, TrimError, TrimReport, TrimRequest,
};
use tokio::sync::watch;
use twox_hash::XxHash3_64;

use crate::rows::{Rows, Snapshot};
use crate::view::{Fault, View};

/// A log of several partitions, in memory, of which anything can be changed.
pub(crate) struct FakeLog {
    partitions: Mutex<Vec<Vec<Recorded>>>,
    /// Where the last id of a partition is remembered when its entry is gone.
    tails: Mutex<Cursor>,
    page_entries: usize,
    grown: watch::Sender<()>,
    pub(crate) reads: AtomicU64,
    history: AtomicU64,
}

impl FakeLog {
    pub(crate) fn new(partitions: usize, page_entries: usize) -> Arc<Self> {
        Arc::new(Self {
            partitions: Mutex::new(vec![Vec::new(); partitions]),
            tails: Mutex::default(),
            page_entries,
            grown: watch::Sender::new(()),
            reads: AtomicU64::new(0),
            history: AtomicU64::new(0),
        })
    }

    /// Adds an event with this text to the session, in the partition that the session's name ends in.
    pub(crate) fn add(&self, session: &str, text: &str) -> Position {
        let mut partitions = self.partitions.lock();
        let partition = Self::place(session, partitions.len());
        let entries = &mut partitions[partition as usize];
        let last = self.tails.lock().get(partition);
        let position = Position {
            partition,
            entry_id: EntryId::new(last.ms + 1, 0),
        };
        entries.push(recorded(position, session, text));
        self.tails.lock().advance(position);
        drop(partitions);
        self.grown.send_replace(());
        position
    }

    /// Adds `events` to a few sessions.
    pub(crate) fn fill(&self, events: usize) {
        for at in 0..events {
            self.add(&format!("s{}", at * at % 7), &format!("text {at}"));
        }
    }

    /// What a trim does: the first entries go.
    pub(crate) fn trim(&self, partition: usize, entries: usize) {
        self.partitions.lock()[partition].drain(..entries);
    }

    /// What a log never does: its last entries go.
    pub(crate) fn lose(&self, partition: usize, entries: usize) {
        let mut partitions = self.partitions.lock();
        let left = partitions[partition].len() - entries;
        partitions[partition].truncate(left);
        let last = partitions
            .iter()
            .filter_map(|entries| Some(entries.last()?.position));
        *self.tails.lock() = last.collect();
    }

    /// What a log never does either: the last entry becomes another under the same id.
    pub(crate) fn replace_last(&self, partition: usize, text: &str) {
        let mut partitions = self.partitions.lock();
        let last = partitions[partition].last_mut().unwrap();
        *last = recorded(last.position, "s0", text);
    }

    /// Another log takes the place of this one, whose ids go on above.
    pub(crate) fn renew(&self) {
        self.partitions.lock().iter_mut().for_each(Vec::clear);
        self.history.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn entries(&self, partition: usize) -> Vec<Recorded> {
        self.partitions.lock()[partition].clone()
    }

    fn place(session: &str, partitions: usize) -> u32 {
        u32::from(session.as_bytes()[session.len() - 1]) % partitions as u32
    }
}

fn recorded(position: Position, session: &str, text: &str) -> Recorded {
    let data = serde_json::json!({ "content": text });
    let event = Event::builder(EventType::MessageAdded, session)
        .id(format!("event {position} {text}"))
        .data(JsonObject::from_serialize(&data).unwrap())
        .build()
        .unwrap();
    Recorded {
        position,
        revision: 0,
        schema: Schema::AsStored,
        body: Body::Event(event),
    }
}

#[async_trait]
impl EventLog for FakeLog {
    async fn append(&self, _: Batch) -> Result<Receipt, AppendError> {
        Err(AppendError::Closed)
    }

    async fn append_with_ids(&self, _: Vec<Entry>) -> Result<Receipt, AppendError> {
        Err(AppendError::Closed)
    }

    async fn read(&self, range: &ReadRange) -> Result<Page, ReadError> {
        assert_eq!(range.direction, Direction::Forward);
        self.reads.fetch_add(1, Ordering::Relaxed);
        // As an engine does that has to wait for its disk.
        tokio::task::yield_now().await;
        let partitions = self.partitions.lock();
        let Some(entries) = partitions.get(range.partition as usize) else {
            return Ok(Page::default());
        };
        let within = entries
            .iter()
            .filter(|entry| range.ids.contains(entry.position.entry_id));
        let limit = range.limit.min(self.page_entries);
        let mut entries: Vec<_> = within.take(limit + 1).cloned().collect();
        let next = entries.get(limit).map(|next| next.position.entry_id);
        entries.truncate(limit);
        Ok(Page { entries, next })
    }

    async fn query(&self, query: &Query) -> Result<Page, ReadError> {
        self.read(&query.range).await
    }

    fn partitions(&self) -> u32 {
        self.partitions.lock().len() as u32
    }

    fn partition_of(&self, session: &str) -> u32 {
        Self::place(session, self.partitions.lock().len())
    }

    async fn wait(&self, cursor: &Cursor) -> Result<(), ReadError> {
        let mut grown = self.grown.subscribe();
        let is_there = |(): &()| {
            let partitions = self.partitions.lock();
            let mut last = partitions.iter().filter_map(|entries| entries.last());
            last.any(|last| last.position.entry_id > cursor.get(last.position.partition))
        };
        let waited = grown.wait_for(is_there).await;
        waited.map(|_| ()).map_err(|_| ReadError::Closed)
    }

    async fn tail(&self) -> Result<Cursor, ReadError> {
        Ok(self.tails.lock().clone())
    }

    async fn trim(&self, _: &TrimRequest) -> Result<TrimReport, TrimError> {
        Err(TrimError::Closed)
    }

    async fn history(&self, _: u32) -> Result<Option<u64>, ReadError> {
        Ok(Some(self.history.load(Ordering::Relaxed)))
    }

    async fn info(&self) -> Result<LogInfo, ReadError> {
        let partitions = self.partitions.lock();
        let tails = self.tails.lock();
        let of = |(partition, entries): (usize, &Vec<Recorded>)| PartitionInfo {
            partition: partition as u32,
            length: entries.len() as u64,
            entries_added: entries.len() as u64,
            first: entries.first().map(|first| first.position.entry_id),
            last: tails.get(partition as u32),
            held_back: Vec::new(),
        };
        Ok(LogInfo {
            engine: "fake",
            stream: "fake".into(),
            location: "memory".into(),
            durability: Durability::Accepted,
            durability_note: String::new(),
            idempotency_window_ms: 0,
            partitions: partitions.iter().enumerate().map(of).collect(),
            bytes: 0,
            details: Vec::new(),
            warnings: Vec::new(),
        })
    }

    async fn close(&self) -> Result<(), AppendError> {
        Ok(())
    }
}

/// A view whose rows differ as soon as an entry is left out, taken twice, or taken out of order. It keeps
/// sessions in memory until the commit. Texts that begin with `refuse`, `panic` and `long` make it fail.
pub(crate) struct Chain {
    pub(crate) name: &'static str,
    pub(crate) version: u32,
    /// Entries that this value took in.
    pub(crate) taken: u64,
    dirty: HashMap<String, (u64, u64)>,
}

impl Chain {
    pub(crate) fn new(name: &'static str, version: u32) -> Self {
        Self {
            name,
            version,
            taken: 0,
            dirty: HashMap::new(),
        }
    }
}

impl View for Chain {
    fn name(&self) -> &str {
        self.name
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn apply(&mut self, entry: &Recorded, rows: &mut Rows<'_>) -> Result<(), Fault> {
        self.taken += 1;
        let event = entry.event().unwrap();
        let data: serde_json::Value = serde_json::from_str(event.data.as_str()).unwrap();
        let text = data["content"].as_str().unwrap();
        match text.split(' ').next() {
            Some("refuse") => return Err(Fault::refused("no")),
            Some("panic") => panic!("at {text}"),
            Some("long") => rows.put(&[b'x'; 600], b"")?,
            _ => (),
        }
        let key = [b"s", event.session_id.as_bytes()].concat();
        let known = match self.dirty.get(&event.session_id) {
            Some(known) => *known,
            None => match rows.get(&key)? {
                Some(row) => postcard::from_bytes(row).unwrap(),
                None => (0, 0),
            },
        };
        let place = format!("{} {} {text}", known.1, entry.position);
        let next = (known.0 + 1, XxHash3_64::oneshot(place.as_bytes()));
        self.dirty.insert(event.session_id.clone(), next);
        // Rows of their own, with values of every size, deleted again by and by.
        let id = entry.position.entry_id.ms;
        let mut entry_key = format!("e{}/", entry.position.partition).into_bytes();
        entry_key.extend_from_slice(&id.to_be_bytes());
        let size = (id % 9001 * 37 % 9000) as usize;
        rows.put(&entry_key, &vec![text.as_bytes()[0]; size])?;
        if id.is_multiple_of(3)
            && let Some((first, _)) = rows.first(b"e")?
        {
            let first = first.to_vec();
            rows.delete(&first)?;
        }
        Ok(())
    }

    fn flush(&mut self, rows: &mut Rows<'_>) -> Result<(), Fault> {
        for (session, known) in self.dirty.drain() {
            if session.starts_with("unwritable") {
                return Err(Fault::refused("cannot be written"));
            }
            let row = postcard::to_stdvec(&known).unwrap();
            rows.put(&[b"s", session.as_bytes()].concat(), &row)?;
        }
        Ok(())
    }

    fn trimmed(&mut self, first: Position, rows: &mut Rows<'_>) -> Result<(), Fault> {
        let key = format!("trimmed {}", first.partition);
        rows.put(key.as_bytes(), first.to_string().as_bytes())?;
        Ok(())
    }
}

pub(crate) type Dump = Vec<(Vec<u8>, String)>;

/// All rows, of the values their lengths and hashes.
pub(crate) fn dump(rows: &Snapshot) -> Dump {
    let rows = rows
        .range(b"", Bound::Unbounded, Direction::Forward)
        .unwrap();
    let short = |value| format!("{} {:x}", <[u8]>::len(value), XxHash3_64::oneshot(value));
    rows.map(|row| row.map(|(key, value)| (key.to_vec(), short(value))))
        .collect::<Result<_, _>>()
        .unwrap()
}
