//! A log and its groups as one consumer sees them: calls are slow (the clock is paused), fail, or
//! succeed without saying so.

mod groups;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use recount_core::{
    AppendError, Batch, Cursor, Entry, EntryId, EventLog, LogInfo, Outcome, Page, Partition,
    Position, Query, ReadError, ReadRange, Receipt, SessionPage, SessionRead, TrimError,
    TrimReport, TrimRequest,
};

use crate::clock::pass;
use crate::history::{Group, History, Instance, What};
use crate::random::Random;

/// How likely faults are, of a thousand calls each.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// It is not done, and says so.
    pub refused: u64,
    /// It is done, and nobody learns of it.
    pub unanswered: u64,
    /// An acknowledgement finds no space left.
    pub full: u64,
    /// How long a call takes at most, each way.
    pub delay: Duration,
}

/// The faults of one round.
pub struct Sky {
    weather: Weather,
    over: AtomicBool,
}

impl Sky {
    pub fn new(weather: Weather) -> Arc<Self> {
        Arc::new(Self {
            weather,
            over: AtomicBool::new(false),
        })
    }

    /// No more faults from now on.
    pub fn clear(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    fn now(&self) -> Weather {
        if self.over.load(Ordering::Relaxed) {
            return Weather::default();
        }
        self.weather
    }
}

pub struct Faulty<S: ?Sized> {
    store: Arc<S>,
    sky: Arc<Sky>,
    history: Arc<History>,
    /// Whose view it is.
    pub group: Group,
    pub instance: Instance,
    random: Mutex<Random>,
    down: Arc<AtomicBool>,
}

/// What a fault does to a call.
enum Fault {
    Refused,
    Unanswered,
}

const ADDRESS: &str = "the store";

fn unreadable() -> ReadError {
    ReadError::Unavailable {
        address: ADDRESS.into(),
        message: "made to fail".into(),
    }
}

impl<S: ?Sized> Faulty<S> {
    pub fn new(
        store: &Arc<S>,
        sky: &Arc<Sky>,
        history: &Arc<History>,
        (group, instance): (Group, Instance),
        random: Random,
    ) -> Arc<Self> {
        Arc::new(Self {
            store: Arc::clone(store),
            sky: Arc::clone(sky),
            history: Arc::clone(history),
            group,
            instance,
            random: Mutex::new(random),
            down: Arc::default(),
        })
    }

    /// The group's letters as the same consumer sees them.
    pub fn of_letters<L>(&self, letters: L) -> Faulty<L> {
        Faulty {
            store: Arc::new(letters),
            sky: Arc::clone(&self.sky),
            history: Arc::clone(&self.history),
            group: self.group,
            instance: self.instance,
            random: Mutex::new(self.random.lock().fork()),
            down: Arc::clone(&self.down),
        }
    }

    /// Cuts the consumer off from the store, or ends that.
    pub fn cut(&self, off: bool) {
        self.down.store(off, Ordering::Relaxed);
    }

    fn is_cut(&self) -> bool {
        self.down.load(Ordering::Relaxed) && !self.sky.over.load(Ordering::Relaxed)
    }

    fn draw(&self, of_a_thousand: u64) -> bool {
        of_a_thousand > 0 && self.random.lock().below(1_000) < of_a_thousand
    }

    async fn delay(&self) {
        let longest = self.sky.now().delay;
        if !longest.is_zero() {
            let pause = self.random.lock().pause(longest);
            pass(pause).await;
        }
    }

    /// What becomes of a call, before it is made.
    async fn fault(&self) -> Option<Fault> {
        self.delay().await;
        let weather = self.sky.now();
        if self.is_cut() || self.draw(weather.refused) {
            return Some(Fault::Refused);
        }
        self.draw(weather.unanswered).then_some(Fault::Unanswered)
    }

    async fn read<T>(
        &self,
        call: impl Future<Output = Result<T, ReadError>>,
    ) -> Result<T, ReadError> {
        if self.fault().await.is_some() {
            return Err(unreadable());
        }
        call.await
    }

    /// Notes the letters that a batch added.
    fn note_letters(&self, batch: &Batch, receipt: &Receipt) {
        for (event, outcome) in batch.events.iter().zip(&receipt.outcomes) {
            let added = matches!(outcome, Outcome::Appended { .. });
            if !added || event.event_type.as_str() != "dead_letter.added" {
                continue;
            }
            let data: serde_json::Value =
                serde_json::from_str(event.data.as_str()).expect("a letter is JSON");
            let entry_id = data["entry_id"].as_str().expect("a letter names its entry");
            let entry_id: EntryId = entry_id.parse().expect("an entry id");
            let partition = data["partition"].as_u64().expect("a partition") as Partition;
            self.history.add(What::Lettered {
                group: self.group,
                position: Position {
                    partition,
                    entry_id,
                },
            });
        }
    }
}

#[async_trait]
impl<S: EventLog + ?Sized> EventLog for Faulty<S> {
    async fn append(&self, batch: Batch) -> Result<Receipt, AppendError> {
        let unavailable = || AppendError::Unavailable {
            address: ADDRESS.into(),
            message: "made to fail".into(),
        };
        let fault = self.fault().await;
        if matches!(fault, Some(Fault::Refused)) {
            return Err(unavailable());
        }
        let receipt = self.store.append(batch.clone()).await?;
        self.note_letters(&batch, &receipt);
        self.delay().await;
        if fault.is_some() || self.is_cut() {
            return Err(unavailable());
        }
        Ok(receipt)
    }

    async fn append_with_ids(&self, entries: Vec<Entry>) -> Result<Receipt, AppendError> {
        self.store.append_with_ids(entries).await
    }

    async fn read(&self, range: &ReadRange) -> Result<Page, ReadError> {
        self.read(self.store.read(range)).await
    }

    async fn query(&self, query: &Query) -> Result<Page, ReadError> {
        self.read(self.store.query(query)).await
    }

    async fn session(&self, read: &SessionRead) -> Result<SessionPage, ReadError> {
        self.read(self.store.session(read)).await
    }

    async fn wait(&self, cursor: &Cursor) -> Result<(), ReadError> {
        self.read(self.store.wait(cursor)).await
    }

    async fn tail(&self) -> Result<Cursor, ReadError> {
        self.read(self.store.tail()).await
    }

    async fn trim(&self, request: &TrimRequest) -> Result<TrimReport, TrimError> {
        self.store.trim(request).await
    }

    async fn info(&self) -> Result<LogInfo, ReadError> {
        self.read(self.store.info()).await
    }

    fn partitions(&self) -> Partition {
        self.store.partitions()
    }

    async fn close(&self) -> Result<(), AppendError> {
        // Others have it open too.
        Ok(())
    }
}
