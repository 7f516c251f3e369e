//! A log and its groups as one consumer sees them: calls are slow, fail, or succeed without saying so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use recount_core::{
    AppendError, Batch, Claim, ClaimRequest, ConsumerInfo, Cursor, Delivery, Entry, EntryId,
    EventLog, GroupError, GroupInfo, GroupStart, GroupStore, LeaseAnswer, LeaseRequest, LogInfo,
    Page, Partition, PendingEntry, PendingSummary, Position, Query, ReadError, ReadRange, Receipt,
    SessionPage, SessionRead, TrimError, TrimReport, TrimRequest,
};

use crate::history::{Group, History, Instance, Moment, What};
use crate::random::Random;

pub trait Store: EventLog + GroupStore {}
impl<T: EventLog + GroupStore> Store for T {}

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

fn unavailable() -> GroupError {
    GroupError::Unavailable {
        address: ADDRESS.into(),
        message: "made to fail".into(),
    }
}

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
            tokio::time::sleep(pause).await;
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

    /// Makes a call, faults or not. What it did is noted even where nobody is told.
    async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, GroupError>>,
        note: impl FnOnce(&T, Moment),
    ) -> Result<T, GroupError> {
        let fault = self.fault().await;
        if matches!(fault, Some(Fault::Refused)) {
            return Err(unavailable());
        }
        let asked = self.history.now();
        let answer = call.await?;
        note(&answer, asked);
        self.delay().await;
        if fault.is_some() || self.is_cut() {
            return Err(unavailable());
        }
        Ok(answer)
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

    fn note_deliveries(&self, deliveries: &[Delivery], asked: Moment) {
        for delivery in deliveries {
            self.history.add(What::Delivered {
                group: self.group,
                instance: self.instance,
                position: delivery.position,
                asked,
                count: delivery.delivery_count,
            });
        }
    }

    /// Notes the letters that a batch holds.
    fn note_letters(&self, batch: &Batch) {
        for event in &batch.events {
            if event.event_type.as_str() != "dead_letter.added" {
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
        self.note_letters(&batch);
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

    async fn close(&self) -> Result<(), AppendError> {
        // Others have it open too.
        Ok(())
    }
}

#[async_trait]
impl<S: Store + ?Sized> GroupStore for Faulty<S> {
    async fn create(&self, group: &str, start: &GroupStart) -> Result<(), GroupError> {
        self.call(self.store.create(group, start), |(), _| ()).await
    }

    async fn set_position(&self, group: &str, start: &GroupStart) -> Result<(), GroupError> {
        self.call(self.store.set_position(group, start), |(), _| ())
            .await
    }

    async fn destroy(&self, group: &str) -> Result<bool, GroupError> {
        let group_number = self.group;
        let destroyed = || What::Destroyed {
            group: group_number,
        };
        self.history.add(destroyed());
        let answer = self.store.destroy(group).await;
        self.history.add(destroyed());
        answer
    }

    async fn groups(&self) -> Result<Vec<GroupInfo>, GroupError> {
        self.call(self.store.groups(), |_, _| ()).await
    }

    async fn read_new(
        &self,
        group: &str,
        consumer: &str,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        self.call(self.store.read_new(group, consumer, count), |new, asked| {
            self.note_deliveries(new, asked)
        })
        .await
    }

    async fn read_pending(
        &self,
        group: &str,
        consumer: &str,
        after: &Cursor,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        let read = self.store.read_pending(group, consumer, after, count);
        self.call(read, |again, asked| self.note_deliveries(again, asked))
            .await
    }

    async fn ack(&self, group: &str, positions: &[Position]) -> Result<usize, GroupError> {
        if self.draw(self.sky.now().full) {
            return Err(GroupError::Full {
                path: "groups.log".into(),
            });
        }
        self.call(self.store.ack(group, positions), |_, asked| {
            for position in positions {
                self.history.add(What::Acked {
                    group: self.group,
                    instance: self.instance,
                    position: *position,
                    asked,
                });
            }
        })
        .await
    }

    async fn touch(
        &self,
        group: &str,
        consumer: &str,
        positions: &[Position],
    ) -> Result<Vec<Position>, GroupError> {
        self.call(self.store.touch(group, consumer, positions), |_, _| ())
            .await
    }

    async fn nack(
        &self,
        group: &str,
        consumer: &str,
        positions: &[Position],
        delay_ms: u64,
    ) -> Result<usize, GroupError> {
        let given_back = self.store.nack(group, consumer, positions, delay_ms);
        self.call(given_back, |_, _| ()).await
    }

    async fn requeue(
        &self,
        group: &str,
        positions: &[Position],
    ) -> Result<Vec<Position>, GroupError> {
        // Before it is done: somebody may handle it at once.
        for position in positions {
            self.history.add(What::Requeued {
                group: self.group,
                position: *position,
            });
        }
        self.call(self.store.requeue(group, positions), |_, _| ())
            .await
    }

    async fn pending(&self, group: &str) -> Result<PendingSummary, GroupError> {
        self.call(self.store.pending(group), |_, _| ()).await
    }

    async fn pending_entries(
        &self,
        group: &str,
        consumer: Option<&str>,
        after: &Cursor,
        count: usize,
    ) -> Result<Vec<PendingEntry>, GroupError> {
        let entries = self.store.pending_entries(group, consumer, after, count);
        self.call(entries, |_, _| ()).await
    }

    async fn claim(
        &self,
        group: &str,
        request: &ClaimRequest,
        positions: &[Position],
    ) -> Result<Vec<Delivery>, GroupError> {
        let claim = self.store.claim(group, request, positions);
        self.call(claim, |claimed, asked| self.note_deliveries(claimed, asked))
            .await
    }

    async fn auto_claim(
        &self,
        group: &str,
        request: &ClaimRequest,
        after: &Cursor,
        count: usize,
    ) -> Result<Claim, GroupError> {
        let claim = self.store.auto_claim(group, request, after, count);
        self.call(claim, |claim, asked| {
            self.note_deliveries(&claim.deliveries, asked)
        })
        .await
    }

    async fn consumers(&self, group: &str) -> Result<Vec<ConsumerInfo>, GroupError> {
        self.call(self.store.consumers(group), |_, _| ()).await
    }

    async fn delete_consumer(
        &self,
        group: &str,
        consumer: &str,
        hand_over_to: Option<&str>,
    ) -> Result<u64, GroupError> {
        let deleted = self.store.delete_consumer(group, consumer, hand_over_to);
        self.call(deleted, |_, _| ()).await
    }

    async fn lease(&self, group: &str, request: &LeaseRequest) -> Result<LeaseAnswer, GroupError> {
        self.call(self.store.lease(group, request), |_, _| ()).await
    }

    async fn release(
        &self,
        group: &str,
        consumer: &str,
        partition: Partition,
        token: u64,
    ) -> Result<bool, GroupError> {
        let released = self.store.release(group, consumer, partition, token);
        self.call(released, |_, _| ()).await
    }

    async fn read_leased(
        &self,
        group: &str,
        consumer: &str,
        partition: Partition,
        token: u64,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        let read = self
            .store
            .read_leased(group, consumer, partition, token, count);
        self.call(read, |new, asked| self.note_deliveries(new, asked))
            .await
    }
}
