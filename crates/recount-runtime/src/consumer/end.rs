//! The life of a consumer: its tasks, and how they end.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::error::ConsumerError;
use super::running::{ConsumerReport, Ended};
use super::shared::{Halt, Shared};

/// How long what is left may be given back for once the time to stop is over.
const GRACE: Duration = Duration::from_secs(5);

type Tasks = JoinSet<Result<(), Halt>>;

/// Consumes until the consumer is to stop, has nothing left, or cannot go on.
pub(super) async fn run(shared: Arc<Shared>) -> Ended {
    let mut reading = Tasks::new();
    if shared.settings.ordered {
        reading.spawn(Arc::clone(&shared).feed_ordered());
    } else {
        reading.spawn(Arc::clone(&shared).feed());
    }
    reading.spawn(Arc::clone(&shared).suspects());
    reading.spawn(Arc::clone(&shared).wake());
    let mut keeping = Tasks::new();
    keeping.spawn(Arc::clone(&shared).acknowledge());
    keeping.spawn(Arc::clone(&shared).heartbeat());
    if shared.settings.ordered {
        keeping.spawn(Arc::clone(&shared).keep_leases());
    }
    let ended = tokio::select! {
        Some(ended) = reading.join_next() => ended,
        Some(ended) = keeping.join_next() => ended,
        () = shared.stopped() => Ok(Err(Halt::Stopping)),
    };
    let failed = match ended {
        Ok(Ok(()) | Err(Halt::Stopping)) => None,
        Ok(Err(Halt::Failed(error))) => Some(error),
        // A bug of ours, or the runtime is shut down: a report would say that all is well.
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Some(ConsumerError::Aborted {
            group: shared.group.to_string(),
            consumer: shared.name.to_string(),
        }),
    };
    let stopped = stop(&shared, reading, keeping, failed.is_none()).await;
    match failed {
        None => stopped,
        Some(error) => Err(error),
    }
}

/// Lets handlers finish, gives back what is left, and forgets the consumer.
async fn stop(
    shared: &Arc<Shared>,
    mut reading: Tasks,
    mut keeping: Tasks,
    healthy: bool,
) -> Ended {
    let deadline = Instant::now() + shared.settings.stop_within;
    shared.stopping.send_replace(true);
    shared.state.lock().stopping = true;
    // Calls that are under way still bring entries, which are then given back with the others.
    let read = async { while reading.join_next().await.is_some() {} };
    let _ = tokio::time::timeout_at(deadline, read).await;
    reading.shutdown().await;
    let handled = settled(shared, &mut keeping, |counts| counts.in_flight == 0);
    let _ = tokio::time::timeout_at(deadline, handled).await;
    let cut_off = shared.cut();
    let last = deadline.max(Instant::now()) + GRACE;
    let mut failed = None;
    // A consumer that failed may have nobody left who acknowledges.
    if healthy {
        let acked = settled(shared, &mut keeping, |counts| counts.finished == 0);
        if let Ok(Err(error)) = tokio::time::timeout_at(last, acked).await {
            failed = Some(error);
        }
    }
    keeping.shutdown().await;
    let removed = match tokio::time::timeout_at(last, hand_in(shared)).await {
        Ok(Ok(removed)) => removed,
        Ok(Err(Halt::Failed(error))) => {
            failed = Some(error);
            false
        }
        // The group cannot be reached: what is left is taken over once it was idle long enough.
        Ok(Err(Halt::Stopping)) | Err(_) => false,
    };
    match failed {
        Some(error) => Err(error),
        None => Ok(ConsumerReport {
            group: shared.group.to_string(),
            consumer: shared.name.to_string(),
            metrics: shared.metrics(),
            cut_off: cut_off as u64,
            removed,
        }),
    }
}

/// Waits until the counts are as wanted, or one of the tasks that keep things going fails.
async fn settled(
    shared: &Shared,
    keeping: &mut Tasks,
    wanted: impl Fn(super::lanes::Counts) -> bool,
) -> Result<(), ConsumerError> {
    // A worker may have kept back what it finished.
    shared.signals.acks.notify_one();
    while !wanted(shared.state.lock().lanes.counts()) {
        tokio::select! {
            () = shared.signals.end.notified() => {}
            Some(ended) = keeping.join_next() => {
                if let Ok(Err(Halt::Failed(error))) = ended {
                    return Err(error);
                }
            }
        }
    }
    Ok(())
}

/// Gives back what was read and not handled, and what was held. Returns whether the group forgot the consumer.
async fn hand_in(shared: &Shared) -> Result<bool, Halt> {
    let (unfinished, holds) = {
        let mut state = shared.state.lock();
        (state.lanes.unfinished(), std::mem::take(&mut state.holds))
    };
    shared.give_back(&unfinished).await?;
    for (partition, hold) in holds {
        shared.give_back(&hold.left).await?;
        shared.release(partition, hold.token).await?;
    }
    // Refused where something is still pending for it: it stays then, with what it owns.
    let removed = shared
        .groups
        .delete_consumer(&shared.group, &shared.name, None)
        .await;
    Ok(removed.is_ok())
}
