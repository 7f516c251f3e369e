//! Three consumer groups on the live stream; of two consumers that share one, one is killed.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use owo_colors::Style;
use recount::{
    GroupStart, Handler, HandlerError, Message, Position, Recount, RunningConsumer, async_trait,
};
use tokio::time::{Instant, sleep};

use super::live::Shown;
use super::paint::Paint;
use crate::cli::error::{Failure, Result};
use crate::cli::output::{Output, count, thousands};

/// The groups of the mission, and who consumes them.
const CONSUMERS: [(&str, &str); 4] = [
    ("analytics", "analytics-1"),
    ("analytics", VICTIM),
    ("audit", "audit-1"),
    ("debugger", "debugger-1"),
];
/// The consumer that is killed.
const VICTIM: &str = "analytics-2";
/// How many events it handles before it hangs.
const LAST_OF_VICTIM: usize = 8;
/// How many it may have in hand.
const IN_HAND: usize = 3;
/// How long its events are left to it.
const CLAIM_AFTER: Duration = Duration::from_millis(500);
/// How long an event takes a consumer.
const WORK: Duration = Duration::from_millis(10);
/// Longer than any machine takes.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The consumers of the demo.
pub(super) struct Groups {
    log: Recount,
    workers: Vec<Worker>,
}

struct Worker {
    group: &'static str,
    name: &'static str,
    /// None once it was killed.
    running: Option<RunningConsumer>,
    work: Work,
}

/// What a consumer did.
#[derive(Clone, Default)]
struct Work {
    handled: Arc<Mutex<HashSet<Position>>>,
    taken_over: Arc<Mutex<usize>>,
    hangs: bool,
}

#[async_trait]
impl Handler for Work {
    async fn handle(&self, message: &Message) -> Result<(), HandlerError> {
        if self.hangs && locked(&self.handled).len() >= LAST_OF_VICTIM {
            std::future::pending::<()>().await;
        }
        sleep(WORK).await;
        if message.delivery_count > 1 {
            *locked(&self.taken_over) += 1;
        }
        locked(&self.handled).insert(message.position);
        Ok(())
    }
}

fn locked<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Groups {
    /// Starts the consumers: what is recorded from now on is theirs.
    pub(super) async fn start(log: &Recount) -> Result<Self> {
        let mut workers = Vec::new();
        for (group, name) in CONSUMERS {
            let work = Work {
                hangs: name == VICTIM,
                ..Work::default()
            };
            let running = log
                .consumer(group)?
                .name(name)
                .create_from(GroupStart::End)
                .concurrency(IN_HAND)
                .buffer(IN_HAND)
                .claim_after(CLAIM_AFTER)
                .start(work.clone())
                .await?;
            workers.push(Worker {
                group,
                name,
                running: Some(running),
                work,
            });
        }
        Ok(Self {
            log: log.clone(),
            workers,
        })
    }

    /// Kills one of the consumers, waits until the others have finished what it left, and tells.
    pub(super) async fn finish(
        mut self,
        shown: &Shown,
        paint: &Paint,
        output: &mut Output,
    ) -> Result {
        output.line(paint.heading(
            "GROUPS",
            "three groups followed the same stream; consumers of a group share it",
        ))?;
        output.flush()?;
        let victim = self.workers.iter_mut().find(|worker| worker.name == VICTIM);
        let left_behind = match victim.and_then(|victim| victim.running.take()) {
            // Dropped, not stopped: as a process that is killed, it gives nothing back.
            Some(running) => running.metrics().in_flight,
            None => 0,
        };
        self.wait_until_done().await?;
        for worker in &self.workers {
            let handled = locked(&worker.work.handled).len() as u64;
            let taken_over = *locked(&worker.work.taken_over) as u64;
            let fate = match &worker.running {
                None => format!(", then killed with {left_behind} in hand"),
                Some(_) if taken_over > 0 => {
                    format!(
                        ", {} of them left behind by {VICTIM}",
                        thousands(taken_over)
                    )
                }
                Some(_) => String::new(),
            };
            output.line(format_args!(
                "{:10} {:12} {:>12}{fate}",
                worker.group,
                worker.name,
                count(handled, "event")
            ))?;
        }
        let events = shown.delays.len();
        let groups: HashSet<_> = self.workers.iter().map(|worker| worker.group).collect();
        let whole = groups
            .iter()
            .filter(|group| self.handled_by(group, shown) == events)
            .count();
        let verdict = format!(
            "{whole} of {} groups handled every one of the {events} events; nothing is pending",
            groups.len()
        );
        let style = if whole == groups.len() {
            Style::new().green()
        } else {
            Style::new().red()
        };
        output.line(paint.styled(&verdict, style))?;
        for worker in &mut self.workers {
            if let Some(running) = worker.running.take() {
                running.stop().await?;
            }
        }
        Ok(())
    }

    /// How many of this demo's events a group's consumers handled among them.
    fn handled_by(&self, group: &str, shown: &Shown) -> usize {
        let mut handled = HashSet::new();
        for worker in self.workers.iter().filter(|worker| worker.group == group) {
            let seen = locked(&worker.work.handled);
            let of_this_demo = seen
                .iter()
                .filter(|position| (shown.first..=shown.last).contains(&position.entry_id));
            handled.extend(of_this_demo.copied());
        }
        handled.len()
    }

    async fn wait_until_done(&self) -> Result {
        let groups = self.log.groups()?;
        let began = Instant::now();
        loop {
            let list = groups.groups().await?;
            let ours = list
                .iter()
                .filter(|info| CONSUMERS.iter().any(|(group, _)| *group == info.name));
            let left: u64 = ours.map(|info| info.pending + info.lag()).sum();
            if left == 0 {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                return Err(Failure::new(format!(
                    "{} still to be handled after {} s",
                    count(left, "event"),
                    PATIENCE.as_secs()
                )));
            }
            sleep(LOOK_EVERY).await;
        }
    }
}
