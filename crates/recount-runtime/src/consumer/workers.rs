//! The tasks that call the handler: as many as are needed, and none while there is nothing to do.
//!
//! A worker lives while there is something ready. Quick handlers thus cost no task each, and slow ones get one after
//! another up to the concurrency: a worker whose handler has to wait sees that another one goes on.

use std::sync::Arc;

use tokio::task::AbortHandle;

use super::call::Batch;
use super::shared::{Shared, State};

#[derive(Default)]
pub(super) struct Workers {
    tasks: Vec<Option<AbortHandle>>,
    free: Vec<usize>,
    /// How many are not waiting for a handler.
    busy: usize,
    /// How many there are.
    alive: usize,
}

impl Workers {
    /// Ends all of them, wherever they are.
    pub fn abort(&mut self) {
        for task in self.tasks.drain(..).flatten() {
            task.abort();
        }
    }

    fn retire(&mut self, slot: usize) {
        self.busy -= 1;
        self.alive -= 1;
        self.tasks[slot] = None;
        self.free.push(slot);
    }

    /// One waits for its handler from now on, or no longer.
    fn waits(&mut self, waits: bool) {
        if waits {
            self.busy -= 1;
        } else {
            self.busy += 1;
        }
    }
}

/// Sees that somebody takes what is ready.
pub(super) fn spawn(shared: &Arc<Shared>, state: &mut State) {
    let State { workers, lanes, .. } = state;
    let wanted = lanes.ready().min(shared.threads);
    while !state.stopping && workers.busy < wanted && workers.alive < shared.settings.concurrency {
        workers.busy += 1;
        workers.alive += 1;
        let slot = workers.free.pop().unwrap_or_else(|| {
            workers.tasks.push(None);
            workers.tasks.len() - 1
        });
        let task = tokio::spawn(work(Arc::clone(shared), slot));
        workers.tasks[slot] = Some(task.abort_handle());
    }
}

async fn work(shared: Arc<Shared>, slot: usize) {
    let mut batch = Batch::default();
    while next(&shared, &mut batch, slot) {
        // The entry is in flight: should this task end here, it counts as begun and is given back.
        tokio::task::coop::consume_budget().await;
        batch.run(&shared).await;
    }
}

/// Says what became of the last batch, and takes the next one.
fn next(shared: &Arc<Shared>, batch: &mut Batch, slot: usize) -> bool {
    let now = tokio::time::Instant::now();
    let mut state = shared.state.lock();
    if state.cut {
        return false;
    }
    if batch.waited() {
        state.workers.waits(false);
    }
    let mut tell = batch.settle(shared, &mut state, now);
    let more = batch.fill(shared, &mut state, now, &mut tell);
    if !more {
        state.workers.retire(slot);
    }
    tell.turns |= state.lanes.take_came_first();
    tell.acks = batch.is_time_to_ack(&mut state, now);
    drop(state);
    tell.all(&shared.signals);
    batch.drop_spent();
    more
}

/// A worker's handler waits: somebody else may go on with what is ready.
pub(super) fn waits(shared: &Arc<Shared>) {
    let mut state = shared.state.lock();
    if state.cut {
        return;
    }
    state.workers.waits(true);
    spawn(shared, &mut state);
    let unacked = state.unacked_since.take().is_some();
    drop(state);
    if unacked {
        shared.signals.acks.notify_one();
    }
}
