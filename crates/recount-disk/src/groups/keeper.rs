//! The groups of a stream in the process that writes it.

use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};
use recount_core::{EntryId, GroupError, ReadError};
use tokio::sync::watch;

use super::change::Change;
use super::flusher::{self, Synced, Todo};
use super::inner::{Inner, group_error};
use super::load;
use super::state::State;
use crate::dir::StreamDir;
use crate::error::{Doing, Fault};
use crate::options::{DiskOptions, SyncMode};

/// Keeps the groups.
pub(crate) struct Keeper {
    pub(super) core: Arc<Core>,
    /// The thread that syncs, once there is something to sync.
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the calls and the syncing thread share.
pub(super) struct Core {
    pub(super) dir: Arc<StreamDir>,
    pub(super) sync: SyncMode,
    pub(super) inner: Mutex<Inner>,
    pub(super) todo: Mutex<Todo>,
    pub(super) wake: Condvar,
    pub(super) synced: watch::Sender<Synced>,
}

/// What an opening gives.
pub(crate) struct Opened {
    pub(crate) keeper: Keeper,
    /// What it had to set aside or undo, in a sentence each.
    pub(crate) notes: Vec<String>,
}

/// A frame that is not known to be on stable storage.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket(u64);

/// Opens the groups of a log that ends at `tail`.
pub(crate) fn open(
    dir: &Arc<StreamDir>,
    options: &DiskOptions,
    tail: EntryId,
) -> Result<Opened, Fault> {
    let mut inner = Inner::new(tail);
    let mut notes = Vec::new();
    if let Some(bytes) = load::bytes(dir)? {
        inner.take_in(dir, &bytes, &mut notes)?;
    }
    let core = Core {
        dir: Arc::clone(dir),
        sync: options.groups_sync,
        inner: Mutex::new(inner),
        todo: Mutex::default(),
        wake: Condvar::new(),
        synced: watch::Sender::default(),
    };
    let keeper = Keeper {
        core: Arc::new(core),
        thread: Mutex::new(None),
    };
    Ok(Opened { keeper, notes })
}

impl Keeper {
    /// Looks at the state.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.core.inner.lock().state)
    }

    /// Decides under the lock what changes, writes that and applies it. What is not written, `plan` may
    /// change itself.
    pub(super) fn change<'a, T>(
        &self,
        plan: impl FnOnce(&mut State) -> Result<(Vec<Change<'a>>, T), GroupError>,
    ) -> Result<(T, Option<Ticket>), GroupError> {
        let core = &self.core;
        let mut inner = core.inner.lock();
        inner.check_open()?;
        let (changes, answer) = plan(&mut inner.state)?;
        if changes.is_empty() {
            return Ok((answer, None));
        }
        self.start_thread()?;
        inner.commit(&core.dir, changes)?;
        let written = inner.written;
        let grown = inner
            .journal
            .as_ref()
            .is_some_and(|journal| journal.end > journal.rewrite_at && journal.since.is_none());
        drop(inner);
        core.has_written(grown);
        Ok((answer, Some(Ticket(written))))
    }

    /// Returns once a frame is as safe as the mode promises; an `urgent` one, as what is handed out a second
    /// time, is on stable storage then unless that is left to the system.
    pub(super) async fn settle(
        &self,
        ticket: Option<Ticket>,
        urgent: bool,
    ) -> Result<(), GroupError> {
        let core = &self.core;
        let waits = match core.sync {
            SyncMode::Always => true,
            SyncMode::Interval(_) => urgent,
            SyncMode::Os => false,
        };
        let Some(Ticket(wanted)) = ticket.filter(|_| waits) else {
            return Ok(());
        };
        let mut synced = core.synced.subscribe();
        core.hurry();
        let seen = synced
            .wait_for(|synced| synced.written >= wanted || synced.failed.is_some())
            .await;
        match seen {
            Ok(synced) if synced.written >= wanted => Ok(()),
            Ok(synced) => Err(GroupError::Stopped {
                reason: synced.failed.clone().unwrap_or_default(),
            }),
            Err(_) => Err(ReadError::Closed.into()),
        }
    }

    fn start_thread(&self) -> Result<(), GroupError> {
        let mut thread = self.thread.lock();
        if thread.is_none() {
            let core = Arc::clone(&self.core);
            let spawned = std::thread::Builder::new()
                .name("recount-groups".into())
                .spawn(move || flusher::run(&core))
                .doing("starting a thread for", &self.core.dir.path);
            *thread = Some(spawned.map_err(group_error)?);
        }
        Ok(())
    }

    /// Ends this life in order: nothing is written from then on.
    pub(crate) fn close(&self) {
        let core = &self.core;
        core.inner.lock().closed = true;
        core.todo.lock().closing = true;
        core.wake.notify_all();
        let thread = self.thread.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that syncs consumer groups panicked");
        }
        let ended = core.inner.lock().end(&core.dir);
        if let Err(fault) = ended {
            tracing::warn!(%fault, "the consumer groups could not be closed in order; what is pending may be delivered again");
        }
    }
}

impl Core {
    /// Says what of the frames written is on stable storage.
    pub(super) fn is_synced(&self, written: u64) {
        self.synced
            .send_modify(|synced| synced.written = synced.written.max(written));
    }
}
