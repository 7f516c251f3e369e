//! Consumers while servers crash, answers are lost, groups vanish and entries are trimmed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use recount_core::{
    Cursor, Delivery, EventLog, GroupError, GroupStart, GroupStore, HeldUp, Origin, Position,
    TrimLimit, TrimRequest,
};
use recount_redis::{RedisLog, RedisOptions};
use recount_testbed::{Cluster, Flavor, Proxy, Server};
use tokio::task::JoinHandle;

use crate::kit::{Publishers, append, everything, open, patient, wait_until};

const GROUP: &str = "audit";
const ALWAYS: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

/// What consumers did.
#[derive(Default)]
struct History {
    handled: BTreeSet<Position>,
    acknowledged: BTreeSet<Position>,
    /// What was handled after it was acknowledged.
    too_late: Vec<Position>,
    /// How often a call's outcome was not known.
    unknown: usize,
}

/// Consumers that never give up.
struct Consumers {
    stop: Arc<AtomicBool>,
    history: Arc<Mutex<History>>,
    batches: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<()>>,
}

impl Consumers {
    fn start(log: &Arc<RedisLog>, count: usize) -> Self {
        let (stop, batches) = (Arc::default(), Arc::default());
        let history = Arc::default();
        let consumer = |number: usize| Consumer {
            log: Arc::clone(log),
            name: format!("c{number}"),
            stop: Arc::clone(&stop),
            history: Arc::clone(&history),
            batches: Arc::clone(&batches),
        };
        let tasks = (0..count)
            .map(consumer)
            .map(|one| tokio::spawn(one.consume()));
        Self {
            tasks: tasks.collect(),
            stop,
            history,
            batches,
        }
    }

    /// Waits until so many more batches were handled.
    fn go_on(&self, batches: usize) {
        let enough = self.batches.load(Ordering::SeqCst) + batches;
        wait_until("consuming to go on", || {
            (self.batches.load(Ordering::SeqCst) >= enough).then_some(())
        });
    }

    /// Lets each finish what there is.
    async fn finish(self) -> History {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.expect("the consumer ends");
        }
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut history)
    }
}

struct Consumer {
    log: Arc<RedisLog>,
    name: String,
    stop: Arc<AtomicBool>,
    history: Arc<Mutex<History>>,
    batches: Arc<AtomicUsize>,
}

impl Consumer {
    /// Its own first, also after a call whose outcome is not known; then what is new.
    async fn consume(self) {
        let mut own_first = true;
        loop {
            let stopping = self.stop.load(Ordering::SeqCst);
            let read = if own_first {
                let start = Cursor::start();
                self.log.read_pending(GROUP, &self.name, &start, 7).await
            } else {
                self.log.read_new(GROUP, &self.name, 7).await
            };
            match read {
                Ok(deliveries) if deliveries.is_empty() && own_first => own_first = false,
                Ok(deliveries) if deliveries.is_empty() && stopping => return,
                Ok(deliveries) => self.handle(&deliveries).await,
                Err(GroupError::Unavailable { .. }) => {
                    self.unknown();
                    own_first = true;
                }
                Err(error) => panic!("{error}"),
            }
            tokio::task::yield_now().await;
        }
    }

    async fn handle(&self, deliveries: &[Delivery]) {
        let positions: Vec<_> = deliveries.iter().map(|one| one.position).collect();
        {
            let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
            for position in &positions {
                if history.acknowledged.contains(position) {
                    history.too_late.push(*position);
                }
                history.handled.insert(*position);
            }
        }
        while let Err(error) = self.log.ack(GROUP, &positions).await {
            assert!(matches!(error, GroupError::Unavailable { .. }), "{error}");
            self.unknown();
        }
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.acknowledged.extend(positions);
        self.batches.fetch_add(1, Ordering::SeqCst);
    }

    fn unknown(&self) {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.unknown += 1;
    }
}

impl History {
    /// Everything that is there was handled, nothing after it was acknowledged, and nothing is left.
    async fn verify(&self, log: &RedisLog) {
        let all = everything(log).await;
        let all: BTreeSet<_> = all.iter().map(|recorded| recorded.position).collect();
        assert_eq!(self.handled, all);
        assert_eq!(self.too_late, [], "handled after it was acknowledged");
        let groups = log.groups().await.expect("listed");
        assert_eq!((groups[0].pending, groups[0].lag()), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_handled_over_crashes_of_the_server() {
    // Once each where a crash may tear what the server is writing, as with publishing.
    for (flavor, times) in [
        (Flavor::Redis60, 1),
        (Flavor::Redis70, 1),
        (Flavor::Redis82, 1),
        (Flavor::Valkey9, 3),
    ] {
        let mut server = Server::start(flavor, &ALWAYS);
        let log = open(&server.url(), patient()).await;
        log.create(GROUP, &GroupStart::Start)
            .await
            .expect("created");
        let publishers = Publishers::start(&log, 2);
        let consumers = Consumers::start(&log, 3);
        for _ in 0..times {
            consumers.go_on(20);
            wait_until("the server to restart", || {
                server.kill();
                server.restart();
                Some(())
            });
        }
        consumers.go_on(20);
        let published = publishers.finish().await;
        let history = consumers.finish().await;
        assert!(history.handled.len() >= published.len(), "{flavor:?}");
        history.verify(&log).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_answer_held_is_found_with_what_is_pending() {
    for (flavor, seed) in [(Flavor::Redis60, 5), (Flavor::Redis82, 6)] {
        let server = Server::start(flavor, &[]);
        let direct = open(&server.url(), patient()).await;
        direct
            .create(GROUP, &GroupStart::Start)
            .await
            .expect("created");
        let publishers = Publishers::start(&direct, 2);
        let proxy = Proxy::start(server.port(), seed, 6_000);
        let log = open(&proxy.url(), patient()).await;
        proxy.begin();
        let consumers = Consumers::start(&log, 3);
        wait_until("enough cuts", || {
            consumers.go_on(5);
            (proxy.cuts() >= 20).then_some(())
        });
        proxy.end();
        publishers.finish().await;
        let history = consumers.finish().await;
        assert!(history.unknown > 0, "{flavor:?}: answers were cut off");
        history.verify(&direct).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_handled_while_slots_move() {
    for flavor in [Flavor::Redis62, Flavor::Valkey9] {
        let cluster = Cluster::start(flavor, &[]);
        let options = RedisOptions {
            partitions: Some(3),
            ..patient()
        };
        let log = open(&cluster.url(), options).await;
        log.create(GROUP, &GroupStart::Start)
            .await
            .expect("created");
        let publishers = Publishers::start(&log, 4);
        let consumers = Consumers::start(&log, 3);
        for name in &log.partition_names() {
            let slot = cluster.slot_of(name);
            let to = (cluster.master_of(slot) + 1) % 3;
            consumers.go_on(10);
            cluster.migrate_slot(slot, to, 1, || {});
            consumers.go_on(10);
        }
        publishers.finish().await;
        consumers.finish().await.verify(&log).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_gone_is_made_again_where_it_was() {
    for flavor in [Flavor::Redis60, Flavor::Redis70, Flavor::Valkey9] {
        let server = Server::start(flavor, &[]);
        let log = open(&server.url(), patient()).await;
        log.create(GROUP, &GroupStart::Start)
            .await
            .expect("created");
        let mut all = Vec::new();
        for number in 0..6 {
            let appended = append(&log, &format!("e{number}")).await;
            all.push(appended.expect("appended").position());
        }
        let read = log.read_new(GROUP, "a", 4).await.expect("read");
        assert_eq!(log.ack(GROUP, &all[..2]).await, Ok(2));
        let destroy = ["XGROUP", "DESTROY", crate::kit::STREAM, GROUP];
        server.command(&destroy).assert_fine();
        let positions: Vec<_> = read.iter().map(|one| one.position).collect();
        let errors = [
            log.read_new(GROUP, "a", 4).await.err(),
            log.ack(GROUP, &positions[2..]).await.err(),
            log.touch(GROUP, "a", &positions[2..]).await.err(),
            log.nack(GROUP, "a", &positions[2..], 0).await.err(),
        ];
        for error in errors {
            assert!(
                matches!(error, Some(GroupError::NoGroup { .. })),
                "{error:?}"
            );
        }
        let last = GroupStart::After(Cursor::after(all[1].entry_id));
        log.create(GROUP, &last).await.expect("created");
        let again = log.read_new(GROUP, "a", 9).await.expect("read");
        let again: Vec<_> = again.iter().map(|one| one.position).collect();
        assert_eq!(again, all[2..], "{flavor:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trims_past_a_consumer_cost_it_what_they_say_and_no_more() {
    for flavor in [Flavor::Redis60, Flavor::Redis62, Flavor::Redis82] {
        let server = Server::start(flavor, &[]);
        let log = open(&server.url(), patient()).await;
        log.create(GROUP, &GroupStart::Start)
            .await
            .expect("created");
        let mut all = Vec::new();
        for number in 0..10 {
            let appended = append(&log, &format!("e{number}")).await;
            all.push(appended.expect("appended").position());
        }
        log.read_new(GROUP, "a", 4).await.expect("read");
        assert_eq!(log.ack(GROUP, &all[..1]).await, Ok(1));
        let request = TrimRequest {
            held_up: HeldUp::Force,
            dry_run: true,
            ..TrimRequest::exact(TrimLimit::MaxLength(4))
        };
        let foretold = log.trim(&request).await.expect("looked at");
        let report = log
            .trim(&TrimRequest {
                dry_run: false,
                ..request
            })
            .await
            .expect("trimmed");
        assert_eq!(report, foretold, "{flavor:?}");
        // Three of them were pending, and two it had not been handed.
        assert_eq!((report.removed, report.lost[0].entries), (6, 5));
        let own = log.read_pending(GROUP, "a", &Cursor::start(), 9).await;
        let own = own.expect("read");
        assert_eq!(own.len(), 3, "{flavor:?}");
        assert!(own.iter().all(|one| one.entry.is_none()));
        let rest = log.read_new(GROUP, "a", 9).await.expect("read");
        let rest: Vec<_> = rest.iter().map(|one| one.position).collect();
        assert_eq!(rest, all[6..]);
        assert_eq!(log.ack(GROUP, &all).await, Ok(7));
        assert_eq!(log.groups().await.expect("listed")[0].lag(), 0);
    }
}
