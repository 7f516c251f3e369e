//! What becomes of entries once their call is over.

use recount_core::Timestamp;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::call::Batch;
use super::grave::Grave;
use super::handler::HandlerError;
use super::message::Message;
use super::shared::{Shared, Signals, State};
use crate::{Attempt, Reason};

/// What became of an entry.
pub(super) enum Outcome {
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
#[expect(clippy::struct_excessive_bools, reason = "a set of signals")]
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

/// How many attempts are remembered, the newest of them.
const ATTEMPTS_MAX: usize = crate::Letter::ATTEMPTS_MAX;

impl Batch {
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
                            state.lanes.item(at).buried = true;
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
            tell.turns |= state.lanes.clear(at);
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
    pub fn may_begin(&self, state: &mut State, at: usize, now: Instant, tell: &mut Tell) -> bool {
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
                let reason = if panicked {
                    Reason::Panic
                } else {
                    Reason::MaxDeliveries
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
