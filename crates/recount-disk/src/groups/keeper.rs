//! The groups of a stream in the process that writes it.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use recount_core::{EntryId, GroupError, ReadError};
use tokio::sync::watch;

use super::change::Change;
use super::flusher::{self, Synced, Todo};
use super::journal::Journal;
use super::load::{self, Loaded};
use super::state::State;
use crate::dir::StreamDir;
use crate::error::{Doing, Fault};
use crate::open::save;
use crate::options::{DiskOptions, SyncMode};
use crate::storage::OpenHow;

/// How long calls go on without a look whether the file is still in its place.
const CHECK_EVERY: Duration = Duration::from_millis(10);

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

pub(super) struct Inner {
    pub(super) state: State,
    /// None until the file is written the first time in this life, if there was none or the last life did
    /// not end in order.
    pub(super) journal: Option<Journal>,
    /// The number of the file that was found.
    number: u64,
    /// What stands behind its last whole frame, from where on, until that is set aside.
    torn: Option<(u64, Vec<u8>)>,
    /// Whether the file tells that this life began.
    began: bool,
    /// The log's last id when it did.
    tail: EntryId,
    /// How many frames were written in this life.
    pub(super) written: u64,
    closed: bool,
    /// Why nothing more is written.
    pub(super) stopped: Option<String>,
    checked_at: Instant,
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
    let mut inner = Inner {
        state: State::default(),
        journal: None,
        number: 0,
        torn: None,
        began: false,
        tail,
        written: 0,
        closed: false,
        stopped: None,
        checked_at: Instant::now(),
    };
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

impl Inner {
    /// Takes in what the file holds.
    fn take_in(
        &mut self,
        dir: &StreamDir,
        bytes: &[u8],
        notes: &mut Vec<String>,
    ) -> Result<(), Fault> {
        let path = dir.groups();
        let Loaded {
            state,
            header,
            end,
            bad,
        } = load::load(bytes, &dir.meta).map_err(|what| Fault::corrupt(&path, 0, what))?;
        if let Some(bad) = bad.filter(|bad| bad.was_synced) {
            return Err(Fault::corrupt(&path, end, bad.what));
        }
        self.state = state;
        self.number = header.number;
        let ended = self.state.ended && bad.is_none();
        let ahead = self.state.ahead_of(self.tail);
        for name in &ahead {
            notes.push(format!(
                "group {name} had been delivered entries that the log lost: it goes on after {}",
                self.tail
            ));
        }
        let begin = Change::Begin { tail: self.tail };
        applied(self.state.apply(&begin));
        if ended && ahead.is_empty() {
            let file = dir
                .storage
                .open(&path, OpenHow::Write)
                .doing("opening", &path)?;
            self.journal = Some(Journal::going_on(
                file,
                dir,
                header.number,
                end,
                header.snapshot,
            ));
            return Ok(());
        }
        if bad.is_none() && ahead.is_empty() {
            return Ok(());
        }
        self.torn = Some((end, bytes[end as usize..].to_vec()));
        match self.write_anew(dir, notes) {
            // There may be space by the time something changes; until then the file stays as it is.
            Err(fault @ Fault::Io { full: true, .. }) if ahead.is_empty() => {
                tracing::warn!(%fault, "the consumer groups' file is written anew later");
                Ok(())
            }
            done => done,
        }
    }

    /// Writes the state to a new file.
    fn write_anew(&mut self, dir: &StreamDir, notes: &mut Vec<String>) -> Result<(), Fault> {
        if let Some((end, torn)) = &self.torn
            && torn.iter().any(|&byte| byte != 0)
        {
            let lost = dir.new_lost_groups(self.number, *end);
            save(&*dir.storage, &lost, torn)?;
            let note = format!(
                "{} ended in an incomplete write: {} bytes from byte {end} on were set aside in {}; at worst, entries are delivered again",
                dir.groups().display(),
                torn.len(),
                lost.display()
            );
            notes.push(note);
        }
        self.torn = None;
        self.journal = Some(Journal::write_anew(dir, &self.state, self.number + 1)?);
        // What the file holds is this life's.
        self.began = true;
        Ok(())
    }

    /// The number of the last file there was.
    fn number(&self) -> u64 {
        let journal = self.journal.as_ref();
        journal.map_or(self.number, |journal| journal.number)
    }

    /// Writes changes as one frame, and applies them.
    fn commit(&mut self, dir: &StreamDir, mut changes: Vec<Change<'_>>) -> Result<(), GroupError> {
        self.check_open()?;
        self.write(dir, &mut changes).map_err(|fault| {
            if fault.is_failed_sync() || matches!(fault, Fault::Corrupt { .. }) {
                self.stop(&fault)
            } else {
                group_error(fault)
            }
        })?;
        for change in &changes {
            applied(self.state.apply(change));
        }
        self.written += 1;
        Ok(())
    }

    fn write(&mut self, dir: &StreamDir, changes: &mut [Change<'_>]) -> Result<(), Fault> {
        let path = dir.groups();
        if self.journal.is_none() {
            self.write_anew(dir, &mut Vec::new())?;
        }
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        if self.checked_at.elapsed() >= CHECK_EVERY {
            if !journal.file.still_stands().doing("checking", &path)? {
                let what = "it was removed or replaced while it was being written";
                return Err(Fault::corrupt(&path, 0, what));
            }
            self.checked_at = Instant::now();
        }
        if self.began {
            return journal.append(changes, &path);
        }
        // The state began this life when it was opened; the file is told now.
        let begin = [Change::Begin { tail: self.tail }];
        let with_begin: Vec<Change<'_>> =
            begin.into_iter().chain(changes.iter().cloned()).collect();
        journal.append(&with_begin, &path)?;
        self.began = true;
        Ok(())
    }

    fn check_open(&self) -> Result<(), GroupError> {
        if self.closed {
            return Err(ReadError::Closed.into());
        }
        match &self.stopped {
            Some(reason) => Err(GroupError::Stopped {
                reason: reason.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Stops writing for good.
    pub(super) fn stop(&mut self, fault: &Fault) -> GroupError {
        let reason = fault.to_string();
        tracing::error!(%reason, "the consumer groups can no longer be written");
        self.stopped = Some(reason.clone());
        GroupError::Stopped { reason }
    }
}

/// A change is made for the state it is applied to.
fn applied(done: Option<()>) {
    assert!(
        done.is_some(),
        "a change of the groups does not fit their state"
    );
}

pub(super) fn group_error(fault: Fault) -> GroupError {
    match fault {
        Fault::Io {
            path, full: true, ..
        } => GroupError::Full { path },
        Fault::Io {
            action,
            path,
            message,
            ..
        } => GroupError::Storage {
            action,
            path,
            message,
        },
        corrupt @ Fault::Corrupt { .. } => GroupError::Read(corrupt.into()),
    }
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

impl Inner {
    fn end(&mut self, dir: &StreamDir) -> Result<(), Fault> {
        if self.stopped.is_some() {
            return Ok(());
        }
        if self.state.groups.values().any(|group| group.untold) {
            // The times of calls and of pending entries as they are, told once.
            self.state.ended = true;
            match Journal::write_anew(dir, &self.state, self.number() + 1) {
                Ok(_) => return Ok(()),
                Err(fault) if fault.is_failed_sync() => return Err(fault),
                Err(fault) => {
                    tracing::debug!(%fault, "the last calls of consumers are not written down");
                }
            }
        }
        let path = dir.groups();
        let Some(journal) = self.journal.as_mut().filter(|_| self.began) else {
            return Ok(());
        };
        let end = journal.end;
        journal.append(&[Change::End], &path)?;
        journal
            .file
            .sync()
            .doing("syncing", &path)
            .inspect_err(|_| {
                // Nobody knows what is on stable storage: the next opening writes it all anew.
                journal.take_back(end);
            })
    }
}
