//! One round: publishers, consumers that come and go, and everything that may happen to them.
//! What takes time takes none: the clock is paused.

mod consumers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use recount_conformance::MemoryStream;
use recount_core::{
    Batch, Clock, Event, EventLog, EventType, GroupStart, GroupStore, HeldUp, Outcome, Position,
    TrimLimit, TrimRequest,
};
use recount_runtime::{ConsumerError, Letter, RunningConsumer};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::clock::pass;
use crate::faulty::{Faulty, Sky, Weather};
use crate::handler::Tempers;
use crate::history::{Group, History, Instance, Record, What};
use crate::partitioned::Partitioned;
use crate::plan::{Kind, Plan};
use crate::random::Random;

/// What a round leaves to be judged.
pub struct Outcomes {
    pub plan: Plan,
    pub records: Vec<Record>,
    pub letters: Vec<(Group, Position, Option<Letter>)>,
    /// What was wrong without looking at the history.
    pub complaints: Vec<String>,
}

/// Longer than any drain takes, in [`Plan::unit`]s.
const PATIENCE: u32 = 3_000;

pub struct Round<L> {
    plan: Plan,
    random: Random,
    store: Arc<Partitioned<L>>,
    clock: Arc<dyn Clock>,
    sky: Arc<Sky>,
    history: Arc<History>,
    tempers: Arc<Tempers>,
    letters: Vec<MemoryStream>,
    kills: mpsc::UnboundedSender<Instance>,
    killed: mpsc::UnboundedReceiver<Instance>,
    live: BTreeMap<Instance, Live<L>>,
    stopping: Vec<Stopping>,
    next: Instance,
    complaints: Vec<String>,
}

/// A consumer at work.
struct Live<L> {
    group: Group,
    name: String,
    running: RunningConsumer,
    view: Arc<Faulty<Partitioned<L>>>,
}

/// One that was told to stop.
struct Stopping {
    instance: Instance,
    group: Group,
    name: String,
    end: JoinHandle<Result<(), ConsumerError>>,
}

impl<L: EventLog + GroupStore> Round<L> {
    pub fn new(plan: Plan, parts: Vec<L>, clock: Arc<dyn Clock>) -> Self {
        let (kills, killed) = mpsc::unbounded_channel();
        Self {
            random: Random::new(plan.seed).fork(),
            store: Arc::new(Partitioned::new(parts)),
            clock,
            sky: Sky::new(plan.weather),
            history: Arc::new(History::new()),
            tempers: Arc::new(Tempers::new(plan.tempers.clone())),
            letters: plan
                .groups
                .iter()
                .map(|_| MemoryStream::default())
                .collect(),
            kills,
            killed,
            live: BTreeMap::new(),
            stopping: Vec::new(),
            next: 1,
            complaints: Vec::new(),
            plan,
        }
    }

    pub async fn run(mut self) -> Outcomes {
        // Before anything can be trimmed.
        for group in &self.plan.groups {
            let created = self.store.create(&group.name, &GroupStart::Start).await;
            created.expect("the group is created");
        }
        let publishers: Vec<_> = (0..self.plan.publishers).map(|n| self.publish(n)).collect();
        for group in 0..self.plan.groups.len() {
            self.start(group, false).await;
        }
        for _ in 0..self.plan.steps {
            self.step().await;
            let pause = self.random.pause(self.plan.unit * 6);
            self.pause(pause).await;
        }
        for publisher in publishers {
            publisher.await.expect("the publisher ends");
        }
        self.settle().await;
        for group in 0..self.plan.groups.len() {
            self.drain(group).await;
        }
        self.close().await
    }

    /// Lets time pass. Who is killed meanwhile is started again, as by a supervisor.
    async fn pause(&mut self, pause: Duration) {
        let end = tokio::time::Instant::now() + pause;
        loop {
            let instance = tokio::select! {
                () = tokio::time::sleep_until(end) => return,
                instance = self.killed.recv() => instance.expect("the round holds a sender"),
            };
            // It may have been stopped before it could be killed.
            if let Some(group) = self.live.get(&instance).map(|live| live.group) {
                let same_name = self.random.percent(70);
                let name = self.die(instance);
                if same_name {
                    self.start_as(group, name, false).await;
                } else {
                    self.start(group, false).await;
                }
            }
        }
    }

    async fn step(&mut self) {
        let group = self.random.below(self.plan.groups.len() as u64) as Group;
        let live: Vec<_> = self.live.keys().copied().collect();
        let chosen = self.random.pick(&live).copied();
        let (faults, kind) = (self.plan.faults(), self.plan.kind);
        match (self.random.below(12), chosen) {
            (0..4, _) => self.start(group, false).await,
            (4..6, Some(instance)) if kind != Kind::Deadly => self.stop(instance),
            (6..8, Some(instance)) if faults => {
                self.die(instance);
            }
            (8, Some(instance)) if faults => {
                let off = self.random.percent(60);
                self.live[&instance].view.cut(off);
            }
            (9, _) => self.retry_letters(group).await,
            (10, _) if kind == Kind::Resetting => {
                let view = self.own_view(group);
                let destroyed = view.destroy(&self.plan.groups[group].name).await;
                destroyed.expect("the group is destroyed");
            }
            (10 | 11, _) if kind != Kind::Resetting => self.trim().await,
            _ => {}
        }
    }

    /// The store as it is, with what is done noted.
    fn own_view(&mut self, group: Group) -> Arc<Faulty<Partitioned<L>>> {
        let calm = Sky::new(Weather::default());
        let random = self.random.fork();
        Faulty::new(&self.store, &calm, &self.history, (group, 0), random)
    }

    fn publish(&mut self, publisher: u64) -> JoinHandle<()> {
        let (events, unit) = (self.plan.events, self.plan.unit);
        let (sessions, partitions) = (self.plan.sessions, self.plan.partitions);
        let mut random = self.random.fork();
        let view = Faulty::new(&self.store, &self.sky, &self.history, (0, 0), random.fork());
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        let history = Arc::clone(&self.history);
        tokio::spawn(async move {
            for number in publisher * events..(publisher + 1) * events {
                let session = format!("s{}", random.below(sessions));
                let event = Event::builder(EventType::MessageAdded, session.as_str())
                    .id(format!("e{number}"));
                let event = event.build().expect("the event is legal");
                let position = published(&*view, event, unit).await;
                history.add(What::Published {
                    position,
                    number: Some(number),
                    session: Some(session),
                });
                if random.percent(3) {
                    let partition = random.below(u64::from(partitions)) as u32;
                    let position = store.add_noise(partition, clock.now_ms()).await;
                    history.add(What::Published {
                        position,
                        number: None,
                        session: None,
                    });
                }
                if random.percent(20) {
                    pass(random.pause(unit * 5)).await;
                }
            }
        })
    }

    async fn retry_letters(&mut self, group: Group) {
        let view = self.own_view(group);
        let letters = self.dead_letters(&view);
        let open = letters.list(None, 3).await.expect("letters are listed");
        let positions: Vec<_> = open.iter().map(|letter| letter.position).collect();
        match letters.retry(&positions, &*view).await {
            Ok(_) => {}
            // Nobody created the group again yet.
            Err(error) if error.code() == "no_group" => {}
            Err(error) => self.complaints.push(format!("retrying letters: {error}")),
        }
    }

    async fn trim(&mut self) {
        let force = self.plan.kind == Kind::Lossy && self.random.percent(50);
        let request = TrimRequest {
            held_up: if force { HeldUp::Force } else { HeldUp::Block },
            ..TrimRequest::exact(TrimLimit::MaxLength(self.random.below(50)))
        };
        self.store.trim(&request).await.expect("the trim succeeds");
        if force {
            let info = self.store.info().await.expect("info succeeds");
            for partition in info.partitions {
                let beyond = || partition.last.next().expect("an id after");
                let entry_id = partition.first.unwrap_or_else(beyond);
                self.history.add(What::Trimmed {
                    first: Position {
                        partition: partition.partition,
                        entry_id,
                    },
                });
            }
        }
    }

    /// Everything ends, and the weather clears.
    async fn settle(&mut self) {
        let live: Vec<_> = self.live.keys().copied().collect();
        for instance in live {
            if self.plan.faults() && self.random.percent(50) {
                self.die(instance);
            } else {
                self.stop(instance);
            }
        }
        self.sky.clear();
        self.tempers.mended.store(true, Ordering::Relaxed);
        for Stopping { instance, end, .. } in std::mem::take(&mut self.stopping) {
            let patience = self.plan.unit * PATIENCE;
            let complaint = match tokio::time::timeout(patience, end).await {
                Ok(Ok(Ok(()))) => continue,
                Ok(Ok(Err(error))) => error.to_string(),
                Ok(Err(panic)) => panic.to_string(),
                Err(_) => "it does not come to an end".to_owned(),
            };
            self.complaints
                .push(format!("stopping consumer {instance}: {complaint}"));
        }
        // What dead consumers had may be claimed then.
        let longest = self
            .plan
            .groups
            .iter()
            .map(|plan| plan.claim_after.max(plan.lease));
        let longest = longest.max().expect("there is a group");
        pass(longest + self.plan.unit).await;
    }

    async fn close(mut self) -> Outcomes {
        let records = self.history.take();
        let mut letters = Vec::new();
        for group in 0..self.plan.groups.len() {
            let view = self.own_view(group);
            let dead = self.dead_letters(&view);
            for record in &records {
                if let What::Lettered {
                    group: of,
                    position,
                } = record.what
                    && of == group
                {
                    let letter = dead.get(position).await;
                    let letter = letter.expect("the letter can be read");
                    letters.push((group, position, letter));
                }
            }
        }
        Outcomes {
            plan: self.plan,
            records,
            letters,
            complaints: self.complaints,
        }
    }
}

/// Publishes until it is acknowledged.
async fn published(log: &impl EventLog, event: Event, unit: Duration) -> Position {
    loop {
        match log.append(Batch::new(vec![event.clone()])).await {
            Ok(receipt) => match &receipt.outcomes[..] {
                [Outcome::Appended { position, .. } | Outcome::Duplicate { position, .. }] => {
                    return *position;
                }
                other => unreachable!("events differ: {other:?}"),
            },
            Err(error) => {
                assert_eq!(error.code(), "unavailable", "{error}");
                pass(unit / 10).await;
            }
        }
    }
}
