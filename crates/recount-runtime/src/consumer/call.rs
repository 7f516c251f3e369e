//! Calls of the handler, and what becomes of the entries then.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::grave::Grave;
use super::message::Message;
use super::settle::{Outcome, Tell};
use super::shared::{Shared, State};
use super::work::Work;
use super::workers;

/// What a worker has in hand.
#[derive(Default)]
pub(super) struct Batch {
    pub taken: Vec<Taken>,
    pub messages: Vec<Message>,
    pub outcomes: Vec<Outcome>,
    /// Messages of entries that are done with: dropped outside of the lock.
    pub spent: Vec<Message>,
    waited: bool,
}

pub(super) struct Taken {
    pub at: usize,
    grave: Option<Box<Grave>>,
}

/// A worker that has more to do tells of what is done once there is this much of it, or it is this old.
const ACKS_AT_ONCE: usize = 64;
const ACKS_LATEST: Duration = Duration::from_millis(1);
impl Batch {
    pub fn waited(&mut self) -> bool {
        std::mem::take(&mut self.waited)
    }

    pub fn drop_spent(&mut self) {
        self.spent.clear();
    }

    /// Whether whoever acknowledges is to be told now: at the latest when this worker is going to wait.
    pub fn is_time_to_ack(&self, state: &mut State, now: Instant) -> bool {
        let unacked = state.lanes.unacked();
        if unacked == 0 {
            return false;
        }
        let since = *state.unacked_since.get_or_insert(now);
        let waits = self.taken.is_empty() || self.buries();
        let tell = waits || unacked >= ACKS_AT_ONCE || now - since >= ACKS_LATEST;
        if tell {
            state.unacked_since = None;
        }
        tell
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
                shared.counters.failed(&error);
                tracing::warn!(group = &*shared.group, %error, "a dead letter could not be written, and is written again");
                Outcome::Later(Some(grave))
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
    let mut call = catch_unwind(AssertUnwindSafe(call)).map_err(|panic| panic_text(&*panic))?;
    let polled = poll_fn(|context| {
        let poll = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(context)));
        match poll {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(outcome)) => Poll::Ready(Ok(outcome)),
            Err(panic) => Poll::Ready(Err(panic_text(&*panic))),
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

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    format!(
        "the handler panicked: {}",
        text.as_deref().unwrap_or("without a message")
    )
}
