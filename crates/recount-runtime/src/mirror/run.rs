//! Whose turn it is: maintaining the mirror, or following who does.

use std::sync::Arc;
use std::time::Duration;

use recount_core::{EventLog, Partition, ReadError};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::MirrorError;
use super::REPLACED_WITHIN;
use super::backoff::Backoff;
use super::keep::Keeper;
use super::local;
use super::place::Turn;
use super::progress::Role;
use super::shared::Shared;
use super::tail;
use super::task::joined;

/// How long the maintainer may take to create a mirror that is opened elsewhere at the same time.
const CREATION_MAX: Duration = Duration::from_secs(10);
/// How often it is looked for then, and after a partition was replaced.
const CREATION_LOOK: Duration = Duration::from_millis(20);

/// Opens the mirror's logs; with the lock, if this process maintains it.
pub(crate) async fn begin(shared: &Shared) -> Result<Option<Turn>, MirrorError> {
    let began = Instant::now();
    loop {
        if let Some(turn) = shared.place.try_turn()? {
            let logs = local::open(&shared.place, &shared.names, &shared.disk).await?;
            take_up(shared, logs, Role::Maintainer).await?;
            return Ok(Some(turn));
        }
        match follow(shared).await {
            Ok(true) => return Ok(None),
            Ok(false) => {}
            // A partition may have been put in another's place while it was opened.
            Err(_) if began.elapsed() < REPLACED_WITHIN => {}
            Err(error) => return Err(error),
        }
        if began.elapsed() >= CREATION_MAX {
            return Err(MirrorError::Unfinished {
                path: shared.place.dir().display().to_string(),
            });
        }
        sleep(CREATION_LOOK).await;
    }
}

/// Opens the logs to read them; false if they are not all there.
async fn follow(shared: &Shared) -> Result<bool, MirrorError> {
    // Before the logs: what is set aside afterwards is seen later.
    shared.remember_aside();
    shared.refresh_incidents();
    match local::follow(&shared.place, &shared.names, &shared.disk).await? {
        Some(logs) => {
            take_up(shared, logs, Role::Follower).await?;
            Ok(true)
        }
        None => Ok(false),
    }
}

async fn take_up(
    shared: &Shared,
    logs: Vec<Arc<recount_disk::DiskLog>>,
    role: Role,
) -> Result<(), MirrorError> {
    let taken = shared.set_logs(logs, role).await;
    taken.map_err(|error| MirrorError::from_read(&shared.place, &error))
}

/// Keeps the mirror until it is closed.
pub(crate) async fn run(shared: Arc<Shared>, turn: Option<Turn>) {
    let mut turn = turn;
    let mut backoff = Backoff::new();
    loop {
        let ended = match turn.take() {
            Some(turn) => {
                let ended = maintain(&shared).await;
                drop(turn);
                ended
            }
            None => {
                tokio::select! {
                    () = shared.closing() => Ok(()),
                    ended = watch(&shared) => ended,
                }
            }
        };
        if shared.status.borrow().closing {
            return;
        }
        if let Err(error) = ended {
            tracing::error!(%error, "the mirror was interrupted");
            shared.trouble(error);
            shared.status.send_modify(|status| status.role = None);
        }
        // Until the logs are open again, or it is somebody else's turn.
        turn = loop {
            tokio::select! {
                () = shared.closing() => return,
                () = async { if shared.status.borrow().trouble.is_some() { backoff.wait().await } } => {}
            }
            match begin(&shared).await {
                Ok(turn) => break turn,
                Err(error) => shared.trouble(error.into()),
            }
        };
    }
}

/// Mirrors until the mirror is closed, or its disk fails. The logs are closed afterwards.
async fn maintain(shared: &Arc<Shared>) -> Result<(), ReadError> {
    let ended = match Keeper::start(shared).await {
        Ok(keeper) => mirror(shared, &keeper).await,
        Err(error) => Err(error),
    };
    for log in shared.logs() {
        if let Err(error) = log.close().await {
            tracing::warn!(%error, "closing the mirror");
        }
    }
    ended
}

async fn mirror(shared: &Arc<Shared>, keeper: &Arc<Keeper>) -> Result<(), ReadError> {
    let mut tasks = JoinSet::new();
    for partition in 0..shared.names.len() as Partition {
        let (shared, keeper) = (Arc::clone(shared), Arc::clone(keeper));
        tasks.spawn(tail::mirror(shared, keeper, partition));
    }
    let ended = tokio::select! {
        ended = all(&mut tasks) => ended,
        Err(error) = keeper.run() => Err(error),
    };
    tasks.shutdown().await;
    ended?;
    keeper.finish().await;
    Ok(())
}

/// Returns once every task has ended, or one has failed.
async fn all(tasks: &mut JoinSet<Result<(), ReadError>>) -> Result<(), ReadError> {
    while let Some(ended) = tasks.join_next().await {
        joined(ended).await?;
    }
    Ok(())
}

/// Looks whether the maintainer is gone, or replaced a partition; returns when it is to be opened anew.
async fn watch(shared: &Shared) -> Result<(), ReadError> {
    loop {
        sleep(shared.look_every).await;
        shared.refresh_incidents();
        if shared.is_aside() {
            return Ok(());
        }
        shared.follow_progress().await;
        if let Some(turn) = shared.place.try_turn()? {
            // Taken again once the logs are opened; whoever is faster has it.
            drop(turn);
            return Ok(());
        }
    }
}
