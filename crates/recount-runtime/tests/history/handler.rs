//! Handlers of every temper. They are slow in virtual time: the clock is paused.

use std::collections::BTreeMap;
use std::future::pending;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use recount_core::Position;
use recount_runtime::{BatchHandler, Handler, HandlerError, Message};
use tokio::sync::mpsc;

use crate::clock::pass;
use crate::history::{Ended, Group, History, Instance, What};

/// How an event fares with its handlers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Temper {
    Good,
    Slow(Duration),
    /// It fails so many times.
    Flaky(u64),
    /// It panics so many times.
    Shaky(u64),
    /// It fails every time.
    Bad,
    /// The handler says at once that it never will succeed.
    Hopeless,
    /// It panics every time.
    Bomb,
    /// The first attempt never ends.
    Stuck,
    /// It takes the whole consumer with it.
    Killer,
}

impl Temper {
    /// Whether nothing but bad luck can make a dead letter of it, if it may be tried so often.
    pub fn succeeds_within(self, deliveries: u64) -> bool {
        match self {
            Self::Good | Self::Slow(_) => true,
            Self::Flaky(failures) | Self::Shaky(failures) => failures < deliveries,
            Self::Stuck => deliveries > 1,
            Self::Bad | Self::Hopeless | Self::Bomb | Self::Killer => false,
        }
    }
}

/// What the handlers of a round share.
pub struct Tempers {
    /// That of each event, by number; the rest are good.
    pub of: BTreeMap<u64, Temper>,
    attempts: Mutex<BTreeMap<(Group, u64), u64>>,
    /// Nothing hangs or kills any more.
    pub mended: AtomicBool,
}

impl Tempers {
    pub fn new(of: BTreeMap<u64, Temper>) -> Self {
        Self {
            of,
            attempts: Mutex::default(),
            mended: AtomicBool::new(false),
        }
    }

    pub fn of(&self, number: u64) -> Temper {
        self.of.get(&number).copied().unwrap_or(Temper::Good)
    }

    /// The how many-th attempt this is, from 1.
    fn attempt(&self, group: Group, number: u64) -> u64 {
        let mut attempts = self.attempts.lock();
        let count = attempts.entry((group, number)).or_default();
        *count += 1;
        *count
    }
}

/// The number in an event's id.
pub fn number(id: &str) -> u64 {
    let digits = id.strip_prefix('e').expect("ids begin with an e");
    digits.parse().expect("and end in a number")
}

#[derive(Clone)]
pub struct Worker {
    pub group: Group,
    pub instance: Instance,
    pub history: Arc<History>,
    pub tempers: Arc<Tempers>,
    /// Whom a killer tells.
    pub kills: mpsc::UnboundedSender<Instance>,
}

impl Worker {
    /// Handles one entry; it is in the history as soon as it begins and in any case as soon as it ends.
    async fn attempt(&self, message: &Message) -> Result<(), HandlerError> {
        self.history.add(What::Begun {
            group: self.group,
            instance: self.instance,
            position: message.position,
            count: message.delivery_count,
        });
        let mut end = End {
            worker: self,
            position: message.position,
            outcome: Ended::Dropped,
        };
        let event = message.event().expect("what is no event is not handed out");
        let number = number(event.id.as_str());
        let mended = self.tempers.mended.load(Ordering::Relaxed);
        let attempt = self.tempers.attempt(self.group, number);
        let outcome = match self.tempers.of(number) {
            Temper::Slow(pause) => {
                pass(pause).await;
                Ok(())
            }
            Temper::Flaky(failures) if attempt <= failures => failed("not yet"),
            Temper::Bad => failed("never"),
            Temper::Hopeless => Err(HandlerError::dead("hopeless")),
            // As a panic, and no message on the terminal.
            Temper::Shaky(failures) if attempt <= failures => resume_unwind(Box::new("shaken")),
            Temper::Bomb => resume_unwind(Box::new("a bomb")),
            Temper::Stuck if attempt == 1 && !mended => pending().await,
            Temper::Killer if mended => failed("still bad"),
            Temper::Killer => {
                // Nobody listens once the round is over.
                let _ = self.kills.send(self.instance);
                pending().await
            }
            _ => {
                tokio::task::yield_now().await;
                Ok(())
            }
        };
        end.outcome = match outcome {
            Ok(()) => Ended::Handled,
            Err(_) => Ended::Failed,
        };
        outcome
    }
}

fn failed(why: &str) -> Result<(), HandlerError> {
    Err(HandlerError::Retry(why.to_owned()))
}

struct End<'a> {
    worker: &'a Worker,
    position: Position,
    outcome: Ended,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.worker.history.add(What::Ended {
            group: self.worker.group,
            instance: self.worker.instance,
            position: self.position,
            outcome: self.outcome,
        });
    }
}

#[async_trait]
impl Handler for Worker {
    async fn handle(&self, message: &Message) -> Result<(), HandlerError> {
        self.attempt(message).await
    }
}

/// Entries of a batch that were handled before it was cut short.
struct Unfinished<'a> {
    worker: &'a Worker,
    handled: Vec<Position>,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        for position in self.handled.drain(..) {
            self.worker.history.add(What::Voided {
                group: self.worker.group,
                instance: self.worker.instance,
                position,
            });
        }
    }
}

#[async_trait]
impl BatchHandler for Worker {
    async fn handle(&self, messages: &[Message]) -> Vec<Result<(), HandlerError>> {
        let mut unfinished = Unfinished {
            worker: self,
            handled: Vec::new(),
        };
        let mut failed_sessions = Vec::new();
        let mut outcomes = Vec::new();
        for message in messages {
            let session = message.event().map(|event| event.session_id.as_str());
            if failed_sessions.contains(&session) {
                // It does not count, so whatever is said of it must do no harm.
                outcomes.push(Ok(()));
                continue;
            }
            let outcome = self.attempt(message).await;
            match outcome {
                Ok(()) => unfinished.handled.push(message.position),
                Err(_) => failed_sessions.push(session),
            }
            outcomes.push(outcome);
        }
        unfinished.handled.clear();
        outcomes
    }
}
