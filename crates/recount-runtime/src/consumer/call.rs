//! Calls of the handler, and what becomes of the entries then.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use recount_core::Timestamp;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::grave::Grave;
use super::handler::HandlerError;
use super::message::Message;
use super::shared::{Shared, Signals, State};
use super::work::Work;
use super::workers;
use crate::{Attempt, Reason};

/// What a worker has in hand.
#[derive(Default)]
pub(super) struct Batch {
    taken: Vec<Taken>,
    messages: Vec<Message>,
    outcomes: Vec<Outcome>,
    /// Messages of entries that are done with: dropped outside of the lock.
    spent: Vec<Message>,
    waited: bool,
}

struct Taken {
    at: usize,
    grave: Option<Box<Grave>>,
}

/// What became of an entry.
enum Outcome {
    Done,
    Failed {
        error: String,
        panicked: bool,
    },
    /// It is given up.
    Dead(Box<Grave>),
    /// Its letter is written.
    Buried,
    /// Something else failed: the same again, after a while.
    Later(Option<Box<Grave>>),
    /// It is tried again by itself.
    Alone,
}

/// Who is to be told.
#[derive(Default)]
pub(super) struct Tell {
    pub acks: bool,
    pub turns: bool,
    pub rests: bool,
    pub leases: bool,
    pub room: bool,
    pub end: bool,
}

impl Tell {
    pub fn all(&self, signals: &Signals) {
        for (tell, signal) in [
            (self.acks, &signals.acks),
            (self.turns, &signals.turns),
            (self.rests, &signals.rests),
            (self.leases, &signals.leases),
            (self.room, &signals.room),
            (self.end, &signals.end),
        ] {
            if tell {
                signal.notify_one();
            }
        }
    }
}

/// A worker that has more to do tells of what is done once there is this much of it, or it is this old.
const ACKS_AT_ONCE: usize = 64;
const ACKS_LATEST: Duration = Duration::from_millis(1);
/// How many attempts are remembered, the newest of them.
const ATTEMPTS_MAX: usize = crate::Letter::ATTEMPTS_MAX;

impl Shared {
    /// Whether whoever acknowledges is to be told now: at the latest when this worker is going to wait.
    pub fn is_time_to_ack(
        &self,
        state: &mut State,
        now: Instant,
        more: bool,
        batch: &Batch,
    ) -> bool {
        let unacked = state.lanes.unacked();
        if unacked == 0 {
            return false;
        }
        let since = *state.unacked_since.get_or_insert(now);
        let tell = !more || batch.buries() || unacked >= ACKS_AT_ONCE || now - since >= ACKS_LATEST;
        if tell {
            state.unacked_since = None;
        }
        tell
    }
}

impl Batch {
    pub fn waited(&mut self) -> bool {
        std::mem::take(&mut self.waited)
    }

    pub fn drop_spent(&mut self) {
        self.spent.clear();
    }

    fn buries(&self) -> bool {
        self.taken
            .first()
            .is_some_and(|taken| taken.grave.is_some())
    }

    /// Takes what may be handled in one call. Returns whether there is anything.
    pub fn fill(
        &mut self,
        shared: &Shared,
        state: &mut State,
        now: Instant,
        tell: &mut Tell,
    ) -> bool {
        if state.stopping {
            return false;
        }
        while let Some(at) = state.lanes.take() {
            if !shared.may_begin(state, at, now, tell) {
                continue;
            }
            self.push(state, at);
            break;
        }
        let Some(first) = self.taken.first() else {
            return false;
        };
        let size = match &shared.work {
            Work::Each(_) => 1,
            Work::Batches(_, size) => *size,
        };
        if size > 1 && first.grave.is_none() && !state.lanes.item(first.at).alone {
            self.fill_up(shared, state, now, tell, size);
        }
        true
    }

    fn fill_up(
        &mut self,
        shared: &Shared,
        state: &mut State,
        now: Instant,
        tell: &mut Tell,
        size: usize,
    ) {
        let mut last = self.taken.last().map(|taken| taken.at);
        while self.taken.len() < size {
            // Those behind it in its lane first, so that they are in order.
            let next = last.and_then(|at| state.lanes.take_follower(at));
            let Some(at) = next.or_else(|| state.lanes.take_companion()) else {
                return;
            };
            last = Some(at);
            if shared.may_begin(state, at, now, tell) {
                self.push(state, at);
            } else {
                last = None;
            }
        }
    }

    fn push(&mut self, state: &mut State, at: usize) {
        let item = state.lanes.item(at);
        let grave = item.grave.take().map(|mut grave| {
            grave.attempts.append(&mut item.attempts);
            grave.first_delivered = grave.first_delivered.or(item.first_delivered);
            grave
        });
        self.taken.push(Taken { at, grave });
        // What is ready has its message here.
        self.messages.extend(item.message.take());
    }

    /// Calls the handler, or writes the letter.
    pub async fn run(&mut self, shared: &Arc<Shared>) {
        if let Some(grave) = self.taken.first_mut().and_then(|taken| taken.grave.take()) {
            let outcome = self.bury(shared, grave).await;
            self.outcomes.push(outcome);
            return;
        }
        let begun = Instant::now();
        let called = match &shared.work {
            Work::Each(handler) => {
                let message = &self.messages[0];
                let call = caught(shared, &mut self.waited, || handler.handle(message)).await;
                call.map(|outcome| self.outcomes.push(outcome.into()))
            }
            Work::Batches(handler, _) => {
                let messages = &self.messages[..];
                let call = caught(shared, &mut self.waited, || handler.handle(messages)).await;
                call.map(|outcomes| {
                    self.outcomes
                        .extend(outcomes.into_iter().map(Outcome::from));
                })
            }
        };
        shared.counters.latency.record(begun.elapsed(), 1);
        let panicked = called.is_err();
        let error = match called {
            Err(panic) => panic,
            Ok(()) if self.outcomes.len() == self.taken.len() => return,
            Ok(()) => format!(
                "the handler returned {} outcomes for {} entries",
                self.outcomes.len(),
                self.taken.len()
            ),
        };
        if panicked {
            shared.counters.panicked.add(1);
        }
        self.outcomes.clear();
        if self.taken.len() == 1 {
            self.outcomes.push(Outcome::Failed { error, panicked });
        } else {
            self.outcomes
                .extend(self.taken.iter().map(|_| Outcome::Alone));
        }
    }

    async fn bury(&mut self, shared: &Arc<Shared>, grave: Box<Grave>) -> Outcome {
        let letter = grave.letter(&self.messages[0]);
        let Some(letters) = &shared.settings.dead_letters else {
            return Outcome::Done;
        };
        match waiting(shared, &mut self.waited, letters.add(letter)).await {
            Ok(()) => Outcome::Buried,
            Err(error) => {
                shared.counters.failed_calls.add(1);
                tracing::warn!(group = &*shared.group, %error, "a dead letter could not be written, and is written again");
                Outcome::Later(Some(grave))
            }
        }
    }

    /// Says what became of each entry.
    pub fn settle(&mut self, shared: &Shared, state: &mut State, now: Instant) -> Tell {
        let mut tell = Tell::default();
        let mut stuck = None;
        let outcomes = self.outcomes.drain(..);
        for ((taken, message), outcome) in self
            .taken
            .drain(..)
            .zip(self.messages.drain(..))
            .zip(outcomes)
        {
            let at = taken.at;
            tell.turns |= state.lanes.clear(at);
            let lane = state.lanes.lane(at);
            let outcome = match outcome {
                // It follows one that failed.
                _ if stuck == Some(lane) => {
                    state.lanes.item(at).message = Some(message);
                    state.lanes.put_back(at);
                    continue;
                }
                outcome => outcome,
            };
            match outcome {
                Outcome::Done | Outcome::Buried => {
                    let counters = &shared.counters;
                    match outcome {
                        Outcome::Buried => {
                            counters.dead.add(1);
                            if shared.settings.in_sequence {
                                state.close_off(at, &message, now);
                            }
                        }
                        _ => counters.handled.add(1),
                    }
                    state.lanes.finish(at);
                    self.spent.push(message);
                    continue;
                }
                _ => stuck = Some(lane),
            }
            if !shared.may_begin(state, at, now, &mut tell) {
                self.spent.push(message);
                continue;
            }
            shared.settle_failed(state, at, message, outcome, now, &mut tell);
        }
        tell.end = state.stopping && state.lanes.counts().in_flight == 0;
        tell
    }
}

impl Shared {
    /// Whether handling of the one at `at`, which is in flight, may begin or go on: not in a partition that this
    /// consumer does not hold. Everything of that partition is dropped then.
    fn may_begin(&self, state: &mut State, at: usize, now: Instant, tell: &mut Tell) -> bool {
        if !self.settings.ordered {
            return true;
        }
        let partition = state.lanes.item(at).position.partition;
        let hold = state.holds.get_mut(&partition);
        if hold.as_ref().is_some_and(|hold| hold.is_good(now)) {
            return true;
        }
        let position = state.lanes.forget(at);
        let mut dropped = state.lanes.cancel_partition(partition);
        dropped.push(position);
        if let Some(hold) = hold {
            if hold.releasing {
                hold.left.append(&mut dropped);
            } else {
                hold.fresh = true;
            }
        }
        tell.leases = true;
        tell.room = true;
        tell.turns = true;
        false
    }

    fn settle_failed(
        &self,
        state: &mut State,
        at: usize,
        mut message: Message,
        outcome: Outcome,
        now: Instant,
        tell: &mut Tell,
    ) {
        let settings = &self.settings;
        let item = state.lanes.item(at);
        let grave = match outcome {
            Outcome::Failed { error, panicked } => {
                item.failures += 1;
                if item.attempts.len() == ATTEMPTS_MAX {
                    item.attempts.remove(0);
                }
                item.attempts.push(Attempt {
                    at: Timestamp::now(),
                    consumer: self.name.to_string(),
                    delivery_count: message.delivery_count,
                    error: error.clone(),
                });
                let last = message.delivery_count >= settings.max_deliveries;
                if settings.dead_letters.is_none() || !last {
                    self.counters.retried.add(1);
                    message.delivery_count += 1;
                    let until = now + settings.backoff.delay(item.failures);
                    item.message = Some(message);
                    state.lanes.rest(at, until);
                    tell.rests = true;
                    return;
                }
                let reason = match panicked {
                    true => Reason::Panic,
                    false => Reason::MaxDeliveries,
                };
                Some(Box::new(Grave::new(reason, error)))
            }
            Outcome::Dead(grave) => {
                if settings.dead_letters.is_none() {
                    // There is no place for it: tried again, as everything else.
                    let error = grave.error;
                    let failed = Outcome::Failed {
                        error,
                        panicked: false,
                    };
                    return self.settle_failed(state, at, message, failed, now, tell);
                }
                if grave.reason == Reason::Handler {
                    item.attempts.push(Attempt {
                        at: Timestamp::now(),
                        consumer: self.name.to_string(),
                        delivery_count: message.delivery_count,
                        error: grave.error.clone(),
                    });
                }
                Some(grave)
            }
            Outcome::Later(grave) => {
                item.failures += 1;
                item.grave = grave;
                item.message = Some(message);
                let until = now + Backoff::STORE.delay(item.failures);
                state.lanes.rest(at, until);
                tell.rests = true;
                return;
            }
            Outcome::Alone => {
                item.alone = true;
                None
            }
            Outcome::Done | Outcome::Buried => None,
        };
        item.grave = grave;
        item.message = Some(message);
        state.lanes.put_back(at);
    }
}

impl From<Result<(), HandlerError>> for Outcome {
    fn from(result: Result<(), HandlerError>) -> Self {
        match result {
            Ok(()) => Self::Done,
            Err(HandlerError::Retry(error)) => Self::Failed {
                error,
                panicked: false,
            },
            Err(HandlerError::Dead(error)) => {
                Self::Dead(Box::new(Grave::new(Reason::Handler, error)))
            }
        }
    }
}

/// What an async trait's method returns.
type Call<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Calls a handler. A panic of it is an error.
async fn caught<'a, T>(
    shared: &Arc<Shared>,
    waited: &mut bool,
    call: impl FnOnce() -> Call<'a, T>,
) -> Result<T, String> {
    let mut call = catch_unwind(AssertUnwindSafe(call)).map_err(panic_text)?;
    let polled = poll_fn(|context| {
        let poll = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(context)));
        match poll {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(outcome)) => Poll::Ready(Ok(outcome)),
            Err(panic) => Poll::Ready(Err(panic_text(panic))),
        }
    });
    waiting(shared, waited, polled).await
}

/// Sees that others go on once `future` has to wait.
async fn waiting<T>(shared: &Arc<Shared>, waited: &mut bool, future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    poll_fn(|context| {
        let poll = future.as_mut().poll(context);
        if poll.is_pending() && !*waited {
            *waited = true;
            workers::waits(shared);
        }
        poll
    })
    .await
}

fn panic_text(panic: Box<dyn Any + Send>) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    format!(
        "the handler panicked: {}",
        text.as_deref().unwrap_or("without a message")
    )
}
