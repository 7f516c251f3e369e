//! A server: logs in memory that can be trimmed, replaced, cut off and made to wait.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use recount_conformance::{MemoryLog, MemoryOptions, MemoryStream};
use recount_core::{
    Clock as _, Cursor, Entry, EntryId, EventLog, Feed, IdRange, Limits, ManualClock, Origin,
    Partition, ReadError, ReadRange, Recorded, Registration, Standing, Timestamp, TrimLimit,
    TrimRequest,
};
use tokio::sync::watch;

/// Called with what is registered.
pub type OnRegister = Box<dyn Fn(&Cursor) + Send + Sync>;

pub struct Fake {
    pub clock: Arc<ManualClock>,
    state: Arc<Mutex<State>>,
    /// Counts what feeds have to look at: cuts, replacements.
    changes: watch::Sender<u64>,
    /// Counts the times that a stream was deleted, of which no client is told.
    moved: watch::Sender<u64>,
    pub on_register: Mutex<Option<OnRegister>>,
    /// How many entries feeds handed out.
    fed: Arc<AtomicU64>,
    /// How many feeds were asked for.
    feeds: watch::Sender<usize>,
    /// No registration ends before there were so many.
    feeds_awaited: AtomicUsize,
}

struct State {
    partitions: Vec<Stored>,
    registrations: BTreeMap<String, (Cursor, Duration)>,
    down: bool,
    /// Whether it counts what was ever added.
    counts: bool,
    /// Every registration, in order.
    registered: Vec<Cursor>,
    /// Whether it lets nobody write.
    refuses: bool,
    /// What it turns out to hold as soon as it is asked for a feed.
    at_feed: Option<Vec<Entry>>,
}

struct Stored {
    stream: MemoryStream,
    log: Arc<MemoryLog>,
    trimmed_to: Option<EntryId>,
    /// How many entries were added and removed at once.
    vanished: u64,
}

impl Fake {
    pub fn new(partitions: usize) -> Arc<Self> {
        let clock = Arc::new(ManualClock::at(1_700_000_000_000));
        let stored = (0..partitions).map(|_| {
            let stream = MemoryStream::default();
            Stored {
                log: log(&clock, &stream),
                stream,
                trimmed_to: None,
                vanished: 0,
            }
        });
        Arc::new(Self {
            state: Arc::new(Mutex::new(State {
                partitions: stored.collect(),
                registrations: BTreeMap::new(),
                down: false,
                counts: true,
                registered: Vec::new(),
                refuses: false,
                at_feed: None,
            })),
            clock,
            changes: watch::Sender::new(0),
            moved: watch::Sender::new(0),
            on_register: Mutex::new(None),
            fed: Arc::default(),
            feeds: watch::Sender::new(0),
            feeds_awaited: AtomicUsize::new(0),
        })
    }

    /// Does not tell how many entries were ever added, as servers before 7.0.
    pub fn without_counts(self: Arc<Self>) -> Arc<Self> {
        self.state.lock().counts = false;
        self
    }

    pub fn log(&self, partition: Partition) -> Arc<MemoryLog> {
        Arc::clone(&self.state.lock().partitions[partition as usize].log)
    }

    /// The stream of a partition, to be opened by itself.
    pub fn stream_of(&self, partition: Partition) -> MemoryStream {
        self.state.lock().partitions[partition as usize]
            .stream
            .clone()
    }

    pub async fn add(&self, partition: Partition, entries: Vec<Entry>) {
        let receipt = self.log(partition).append_with_ids(entries).await;
        receipt.expect("the server takes the entries");
    }

    /// Trims as Recount does, and remembers how far.
    pub async fn trim(&self, partition: Partition, min_id: EntryId) {
        let gone = self.all(partition).await;
        let gone = gone.iter().rfind(|entry| entry.id < min_id);
        self.remove(partition, min_id).await;
        if let Some(last) = gone {
            self.state.lock().partitions[partition as usize].trimmed_to = Some(last.id);
        }
    }

    /// Is given entries that are removed before anybody can have read them.
    pub fn vanish(&self, partition: Partition, count: u64) {
        self.state.lock().partitions[partition as usize].vanished += count;
    }

    /// Trims as another program does.
    pub async fn remove(&self, partition: Partition, min_id: EntryId) {
        let request = TrimRequest::exact(TrimLimit::MinId(min_id));
        self.log(partition).trim(&request).await.expect("it trims");
    }

    /// Begins a partition anew with other entries, as after a failover that lost some.
    pub async fn replace(&self, partition: Partition, entries: Vec<Entry>) {
        self.swap(partition, entries).await;
        self.cut();
    }

    /// As [`Fake::replace`], at the next moment that a feed is asked for.
    pub fn replace_at_feed(&self, entries: Vec<Entry>) {
        self.state.lock().at_feed = Some(entries);
    }

    /// Deletes a stream and begins it anew. Whoever waits for entries is told nothing.
    pub async fn delete(&self, partition: Partition, entries: Vec<Entry>) {
        self.swap(partition, entries).await;
        self.moved.send_modify(|moved| *moved += 1);
    }

    /// Refuses registrations, as a replica does.
    pub fn refuse(&self) {
        self.state.lock().refuses = true;
    }

    /// Takes its time to register a mirror: until so many feeds were asked for.
    pub fn register_after_feeds(&self, feeds: usize) {
        self.feeds_awaited.store(feeds, Ordering::SeqCst);
    }

    async fn swap(&self, partition: Partition, entries: Vec<Entry>) {
        let stream = MemoryStream::default();
        let log = log(&self.clock, &stream);
        log.append_with_ids(entries).await.expect("it takes them");
        {
            let stored = &mut self.state.lock().partitions[partition as usize];
            (stored.stream, stored.log) = (stream, log);
        }
    }

    /// Ends every feed.
    pub fn cut(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Answers nothing until `up`.
    pub fn down(&self) {
        self.state.lock().down = true;
        self.cut();
    }

    pub fn up(&self) {
        self.state.lock().down = false;
    }

    pub fn fed(&self) -> u64 {
        self.fed.load(Ordering::SeqCst)
    }

    pub fn registered(&self) -> Vec<Cursor> {
        self.state.lock().registered.clone()
    }

    pub async fn all(&self, partition: Partition) -> Vec<Entry> {
        entries(&self.log(partition), IdRange::ALL, usize::MAX).await
    }

    pub async fn tail(&self) -> Cursor {
        let mut cursor = Cursor::start();
        for partition in 0..self.partition_names().len() as Partition {
            let last = self.log(partition).tail().await.expect("a tail").get(0);
            cursor.advance(recount_core::Position {
                partition,
                entry_id: last,
            });
        }
        cursor
    }

    fn check_up(&self) -> Result<(), ReadError> {
        if self.state.lock().down {
            return Err(cut_off());
        }
        Ok(())
    }
}

fn cut_off() -> ReadError {
    ReadError::Unavailable {
        address: "fake://server".into(),
        message: "it is away".into(),
    }
}

fn log(clock: &Arc<ManualClock>, stream: &MemoryStream) -> Arc<MemoryLog> {
    let options = MemoryOptions {
        clock: Arc::clone(clock) as _,
        limits: Limits::default(),
        idempotency_window: Duration::from_mins(10),
    };
    Arc::new(MemoryLog::open(stream, options))
}

pub fn entry(recorded: &Recorded) -> Entry {
    Entry {
        id: recorded.position.entry_id,
        fields: recorded.fields(),
        revision: Some(recorded.revision).filter(|&revision| revision > 0),
    }
}

async fn entries(log: &MemoryLog, ids: IdRange, limit: usize) -> Vec<Entry> {
    let mut all = Vec::new();
    let mut range = ReadRange::new(ids).limit(limit);
    loop {
        let page = log.read(&range).await.expect("the server reads");
        all.extend(page.entries.iter().map(entry));
        match page.next.filter(|_| limit == usize::MAX) {
            Some(next) => range = range.continued(next),
            None => return all,
        }
    }
}

#[async_trait]
impl Origin for Fake {
    fn address(&self) -> String {
        "fake://server".into()
    }

    fn stream(&self) -> String {
        "events".into()
    }

    fn partition_names(&self) -> Vec<String> {
        let count = self.state.lock().partitions.len();
        (0..count).map(|n| format!("events:{{{n}}}")).collect()
    }

    async fn standing(&self, partition: Partition) -> Result<Standing, ReadError> {
        self.check_up()?;
        let info = self.log(partition).info().await?;
        let state = self.state.lock();
        let here = &info.partitions[0];
        let stored = &state.partitions[partition as usize];
        let added = here.entries_added + stored.vanished;
        Ok(Standing {
            length: here.length,
            first: here.first,
            last: here.last,
            entries_added: state.counts.then_some(added),
            trimmed_to: stored.trimmed_to,
        })
    }

    async fn entries(
        &self,
        partition: Partition,
        ids: IdRange,
        limit: usize,
    ) -> Result<Vec<Entry>, ReadError> {
        self.check_up()?;
        Ok(entries(&self.log(partition), ids, limit).await)
    }

    async fn feed(&self, partition: Partition, after: EntryId) -> Result<Box<dyn Feed>, ReadError> {
        self.check_up()?;
        self.feeds.send_modify(|feeds| *feeds += 1);
        let at_feed = self.state.lock().at_feed.take();
        if let Some(entries) = at_feed {
            self.replace(partition, entries).await;
        }
        Ok(Box::new(FakeFeed {
            fed: Arc::clone(&self.fed),
            state: Arc::clone(&self.state),
            partition,
            changes: self.changes.subscribe(),
            moved: self.moved.subscribe(),
            after,
        }))
    }

    async fn register(
        &self,
        name: &str,
        synced: &Cursor,
        lease: Duration,
    ) -> Result<(), ReadError> {
        self.check_up()?;
        if self.state.lock().refuses {
            return Err(ReadError::Storage {
                action: "registering at",
                path: "fake://server".into(),
                message: "it lets nobody write".into(),
            });
        }
        let awaited = self.feeds_awaited.load(Ordering::SeqCst);
        let mut feeds = self.feeds.subscribe();
        let asked = feeds.wait_for(|&feeds| feeds >= awaited).await;
        drop(asked.map_err(|_| cut_off())?);
        if let Some(on_register) = &*self.on_register.lock() {
            on_register(synced);
        }
        let mut state = self.state.lock();
        state.registered.push(synced.clone());
        let registration = (synced.clone(), lease);
        state.registrations.insert(name.to_owned(), registration);
        Ok(())
    }

    async fn registrations(&self) -> Result<Vec<Registration>, ReadError> {
        self.check_up()?;
        let state = self.state.lock();
        let registrations = state.registrations.iter();
        let registrations = registrations.map(|(name, (synced, lease))| Registration {
            name: name.clone(),
            synced: synced.clone(),
            lease_left_ms: lease.as_millis() as u64,
        });
        Ok(registrations.collect())
    }

    async fn now(&self) -> Result<Timestamp, ReadError> {
        Ok(Timestamp::saturating_from_millis(self.clock.now_ms()))
    }

    async fn forget(&self, name: &str) -> Result<bool, ReadError> {
        Ok(self.state.lock().registrations.remove(name).is_some())
    }
}

struct FakeFeed {
    fed: Arc<AtomicU64>,
    state: Arc<Mutex<State>>,
    partition: Partition,
    changes: watch::Receiver<u64>,
    moved: watch::Receiver<u64>,
    after: EntryId,
}

#[async_trait]
impl Feed for FakeFeed {
    async fn next(&mut self, limit: usize) -> Result<Vec<Entry>, ReadError> {
        loop {
            if self.changes.has_changed().map_err(|_| cut_off())? {
                return Err(cut_off());
            }
            self.moved.mark_unchanged();
            let log = Arc::clone(&self.state.lock().partitions[self.partition as usize].log);
            let next = entries(&log, IdRange::after(self.after), limit.min(1_000)).await;
            if let Some(last) = next.last() {
                self.after = last.id;
                self.fed.fetch_add(next.len() as u64, Ordering::SeqCst);
                return Ok(next);
            }
            let cursor = Cursor::after(self.after);
            tokio::select! {
                waited = log.wait(&cursor) => waited?,
                moved = self.moved.changed() => moved.map_err(|_| cut_off())?,
                changed = self.changes.changed() => {
                    changed.map_err(|_| cut_off())?;
                    return Err(cut_off());
                }
            }
        }
    }
}
