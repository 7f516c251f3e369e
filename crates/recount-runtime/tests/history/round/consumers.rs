//! Consumers that start, stop, die and drain.

use std::sync::Arc;
use std::time::Duration;

use recount_conformance::{MemoryLog, MemoryOptions};
use recount_core::{EventLog, GroupStart, GroupStore, Limits};
use recount_runtime::{Backoff, Consumer, ConsumerBuilder, DeadLetters};

use super::{Live, PATIENCE, Round, Stopping};
use crate::faulty::Faulty;
use crate::handler::Worker;
use crate::history::{Group, Instance, What};
use crate::partitioned::Partitioned;
use crate::plan::GroupPlan;

impl<L: EventLog + GroupStore> Round<L> {
    /// Starts a consumer of a group, if it has not as many as it may.
    pub async fn start(&mut self, group: Group, drain: bool) {
        let live = self.live.values().filter(|live| live.group == group);
        let mut taken: Vec<&str> = live.map(|live| live.name.as_str()).collect();
        if taken.len() >= self.plan.groups[group].consumers {
            return;
        }
        let stopping = self.stopping.iter();
        let stopping = stopping.filter(|stop| stop.group == group && !stop.end.is_finished());
        taken.extend(stopping.map(|stop| stop.name.as_str()));
        let mut names = (0..).map(|n| format!("w{n}"));
        let name = names.find(|name| !taken.contains(&name.as_str()));
        self.start_as(group, name.expect("there are names enough"), drain)
            .await;
    }

    pub async fn start_as(&mut self, group: Group, name: String, drain: bool) {
        let instance = self.next;
        self.next += 1;
        let random = self.random.fork();
        let view = Faulty::new(
            &self.store,
            &self.sky,
            &self.history,
            (group, instance),
            random,
        );
        let worker = Worker {
            group,
            instance,
            history: Arc::clone(&self.history),
            tempers: Arc::clone(&self.tempers),
            kills: self.kills.clone(),
        };
        self.history.add(What::Started { group, instance });
        let plan = &self.plan.groups[group];
        let builder = self.builder(plan, &view).name(&name).drain(drain);
        let started = match plan.batch {
            None => builder.start(worker).await,
            Some(size) => builder.start_batch(worker, size).await,
        };
        match started {
            Ok(running) => {
                let live = Live {
                    group,
                    name,
                    running,
                    view,
                };
                self.live.insert(instance, live);
            }
            Err(error) if error.code() == "unavailable" && self.plan.faults() => {
                self.history.add(What::Died { instance });
            }
            Err(error) => self
                .complaints
                .push(format!("consumer {instance} does not start: {error}")),
        }
    }

    fn builder(&self, plan: &GroupPlan, view: &Arc<Faulty<Partitioned<L>>>) -> ConsumerBuilder {
        let unit = self.plan.unit;
        Consumer::builder(Arc::clone(view))
            .group(&plan.name)
            .create_from(GroupStart::Start)
            .concurrency(plan.concurrency)
            .buffer(plan.buffer)
            .ordered(plan.ordered)
            .lease(plan.lease)
            .claim_after(plan.claim_after)
            .max_deliveries(plan.max_deliveries)
            .backoff(Backoff {
                first: unit / 5,
                max: unit * 2,
            })
            .in_sequence(plan.in_sequence)
            .stop_within(unit * 4)
            .dead_letters(self.dead_letters(view))
    }

    /// The letters of a group, through a consumer's view.
    pub fn dead_letters(&self, view: &Faulty<Partitioned<L>>) -> DeadLetters {
        let stream = self.letters[view.group].clone();
        let options = MemoryOptions {
            clock: Arc::clone(&self.clock),
            limits: DeadLetters::limits(&Limits::default()),
            idempotency_window: Duration::from_hours(24),
        };
        let log: Arc<dyn EventLog> = Arc::new(view.of_letters(MemoryLog::open(&stream, options)));
        DeadLetters::new(&self.plan.groups[view.group].name, move |_| {
            let log = Arc::clone(&log);
            async move { Ok(Some(log)) }
        })
    }

    pub fn stop(&mut self, instance: Instance) {
        let live = self.live.remove(&instance).expect("it is at work");
        let history = Arc::clone(&self.history);
        let Live {
            group,
            name,
            running,
            ..
        } = live;
        let end = tokio::spawn(async move {
            let ended = running.stop().await;
            history.add(What::Stopped { instance });
            ended.map(drop)
        });
        self.stopping.push(Stopping {
            instance,
            group,
            name,
            end,
        });
    }

    /// Drops a consumer. Returns its name.
    pub fn die(&mut self, instance: Instance) -> String {
        let live = self.live.remove(&instance).expect("it is at work");
        self.history.add(What::Died { instance });
        live.name
    }

    pub async fn drain(&mut self, group: Group) {
        self.start_as(group, "drain".to_owned(), true).await;
        let Some((instance, live)) = self.live.pop_first() else {
            return;
        };
        let patience = self.plan.unit * PATIENCE;
        match tokio::time::timeout(patience, live.running.finished()).await {
            Ok(Ok(_)) => self.history.add(What::Stopped { instance }),
            Ok(Err(error)) => self.complaints.push(format!("draining: {error}")),
            Err(_) => self.complaints.push(format!(
                "group {group} is not drained: {:?}",
                live.running.metrics()
            )),
        }
        let name = &self.plan.groups[group].name;
        let infos = self.store.groups().await.expect("the groups are known");
        let info = infos.into_iter().find(|info| info.name == *name);
        match info {
            Some(info) if info.pending == 0 && info.lag() == 0 => {}
            info => self
                .complaints
                .push(format!("after its drain, group {group} is {info:?}")),
        }
    }
}
