//! What happens behind the writer's back: indexes and tables of complete segments, their sync, the
//! merging of tables, the removal of trimmed segments.
//!
//! None of it decides what is in the log. A crash at any point leaves work that the next opening
//! does again.

mod flusher;
mod merger;
mod reserve;
mod sealer;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};

use parking_lot::{Condvar, Mutex, RwLock};

pub(crate) use reserve::Reserved;
use sealer::sync_tables;
pub(crate) use sealer::{sync_table_files, write_index, write_tables};

use crate::error::{Doing, Fault};
use crate::index::MemoryIndex;
use crate::options::SyncMode;
use crate::segment::Segment;
use crate::shared::Shared;
use crate::storage::StorageFile;
use flusher::{Dirty, Flusher};
use sealer::Job;

/// Indexes that may wait in memory for their files; each is some ten megabytes.
const FROZEN_MAX: usize = 3;

/// The helpers of one writer.
pub(crate) struct Background {
    state: Arc<State>,
    flusher: Arc<Flusher>,
    jobs: Sender<Job>,
    threads: Vec<JoinHandle<()>>,
    sync: SyncMode,
}

/// What the helpers share.
pub(crate) struct State {
    shared: Arc<Shared>,
    changes: Arc<AtomicU64>,
    frozen: Mutex<Frozen>,
    /// Signalled when a frozen index left, or cannot.
    room: Condvar,
    /// The last segment that is on stable storage with all before it.
    stable: AtomicU64,
    /// The last complete segment up to which the records are on stable storage because somebody asked
    /// for it.
    asked: AtomicU64,
    /// Held by whoever puts something on stable storage that was written before.
    syncing: Mutex<()>,
    /// Why the writer must stop.
    failure: Mutex<Option<String>>,
}

#[derive(Default)]
struct Frozen {
    /// Indexes of complete segments that are in no file yet, oldest first.
    indexes: VecDeque<Arc<RwLock<MemoryIndex>>>,
    /// Why the oldest cannot be written, as long as it cannot.
    stuck: Option<Fault>,
    /// How often writing one failed.
    failures: u64,
    closing: bool,
}

/// Lets producers and the writer go first: this thread's work is for later, and what it may fall
/// behind is bounded.
fn step_back() {
    // Elsewhere a priority is the whole process's. Without the right to lower it, it stays.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 10);
}

impl State {
    /// Notes why the writer must stop; the first reason stays.
    fn fail(&self, fault: &Fault) {
        self.failure.lock().get_or_insert_with(|| fault.to_string());
    }

    /// Puts on stable storage what was written before, unless such a thing failed already: the system may
    /// have forgotten what it was to write then, and a later sync succeeds without it. One at a
    /// time, so that nobody's success hides another's failure.
    pub(crate) fn sync<T>(&self, sync: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        let _alone = self.syncing.lock();
        if let Some(reason) = self.failure.lock().clone() {
            return Err(Fault::Io {
                action: "syncing",
                path: self.shared.dir.path.display().to_string(),
                message: format!("not after an earlier failure ({reason})"),
                full: false,
                missing: false,
            });
        }
        sync().inspect_err(|fault| {
            if fault.is_failed_sync() {
                self.fail(fault);
            }
        })
    }

    /// Notes that the records of the segments up to this one are on stable storage.
    pub(crate) fn synced_up_to(&self, segment: u64) {
        self.asked.fetch_max(segment, Ordering::AcqRel);
    }

    /// Tells followers that the directory changed.
    fn changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }
}

impl Background {
    pub(crate) fn start(shared: &Arc<Shared>, changes: &Arc<AtomicU64>) -> Result<Self, Fault> {
        let active = shared
            .snapshots
            .borrow()
            .segments
            .last()
            .map_or(0, |active| active.number());
        let state = Arc::new(State {
            shared: Arc::clone(shared),
            changes: Arc::clone(changes),
            frozen: Mutex::default(),
            room: Condvar::new(),
            // When a log is opened, all but the active segment are.
            stable: AtomicU64::new(active.saturating_sub(1)),
            asked: AtomicU64::new(0),
            syncing: Mutex::new(()),
            failure: Mutex::new(None),
        });
        let flusher = Arc::new(Flusher::new(Arc::clone(&state)));
        let (jobs, job_queue) = channel();
        let (merges, merge_queue) = channel();
        let mut threads = Vec::new();
        let mut spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let thread = Builder::new().name(format!("recount-{name}")).spawn(work);
            thread
                .doing("starting a thread for", &shared.dir.path)
                .map(|thread| threads.push(thread))
        };
        let sealing = Arc::clone(&state);
        spawn(
            "seal",
            Box::new(move || {
                step_back();
                sealer::run(&sealing, &job_queue, &merges);
            }),
        )?;
        let merging = Arc::clone(&state);
        spawn(
            "merge",
            Box::new(move || {
                step_back();
                merger::run(&merging, &merge_queue);
            }),
        )?;
        let flushing = Arc::clone(&flusher);
        spawn("sync", Box::new(move || flushing.run()))?;
        Ok(Self {
            state,
            flusher,
            jobs,
            threads,
            sync: shared.options.sync,
        })
    }

    /// Why the writer must stop, if it must.
    pub(crate) fn failure(&self) -> Option<String> {
        self.state.failure.lock().clone()
    }

    /// Does what puts on stable storage what was written before; see [`State::sync`].
    pub(crate) fn sync<T>(&self, sync: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        self.state.sync(sync)
    }

    /// The last complete segment whose records are on stable storage with all before it.
    pub(crate) fn synced_up_to(&self) -> u64 {
        let state = &self.state;
        let stable = state.stable.load(Ordering::Acquire);
        stable.max(state.asked.load(Ordering::Acquire))
    }

    /// What the helpers share, for whoever syncs beside the writer.
    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.state)
    }

    /// The indexes that are in no file yet, oldest first.
    pub(crate) fn frozen(&self) -> Vec<Arc<RwLock<MemoryIndex>>> {
        self.state.frozen.lock().indexes.iter().cloned().collect()
    }

    /// Waits until another index may be frozen; fails if that cannot be, as on a full disk.
    pub(crate) fn wait_for_room(&self) -> Result<(), Fault> {
        let mut frozen = self.state.frozen.lock();
        let failures = frozen.failures;
        while frozen.indexes.len() >= FROZEN_MAX {
            if let Some(fault) = &frozen.stuck
                && frozen.failures > failures
            {
                return Err(fault.clone());
            }
            // There may be space again since the last attempt.
            self.state.room.notify_all();
            self.state.room.wait(&mut frozen);
        }
        Ok(())
    }

    /// Takes over a segment that was completed.
    pub(crate) fn seal(
        &self,
        segment: &Arc<Segment>,
        index: &Arc<RwLock<MemoryIndex>>,
        file: &Arc<dyn StorageFile>,
    ) {
        self.state
            .frozen
            .lock()
            .indexes
            .push_back(Arc::clone(index));
        self.send(Job::Seal(Arc::clone(segment), Arc::clone(index)));
        self.flusher.seal(segment.number(), Arc::clone(file));
    }

    /// Removes the files of trimmed segments, once their tables are written.
    pub(crate) fn remove(&self, segments: Vec<u64>) {
        self.send(Job::Remove(segments));
    }

    fn send(&self, job: Job) {
        // The receiver lives until `finish`; a panic there is reported on joining.
        if self.jobs.send(job).is_err() {
            self.state
                .failure
                .lock()
                .get_or_insert_with(|| "the sealing thread ended early".into());
        }
    }

    /// Notes that `file` was written up to `end`, to be synced when the mode says so.
    pub(crate) fn written(&self, file: &Arc<dyn StorageFile>, synced: &Arc<AtomicU64>, end: u64) {
        if let SyncMode::Interval(every) = self.sync {
            self.flusher.dirty(Dirty {
                file: Arc::clone(file),
                synced: Arc::clone(synced),
                end,
                every,
            });
        }
    }

    /// Notes how full the active segment is, so that there is room for the next one in time.
    pub(crate) fn filled(&self, end: u64, segment: u64, next_segment: u64) {
        let wanted = reserve::wanted(end, segment, next_segment);
        if wanted > 0 {
            self.flusher.want_room(wanted, next_segment);
        }
    }

    /// The file reserved for the next segment, if there is one.
    pub(crate) fn take_reserved(&self) -> Option<Reserved> {
        self.flusher.take_reserved()
    }

    /// Ends the helpers when they have done what they were given.
    ///
    /// What could not be written to index files is made from the records at the next opening.
    pub(crate) fn finish(&mut self) {
        // Without a sender the sealing thread ends, and the merging thread with it.
        self.jobs = channel().0;
        self.state.frozen.lock().closing = true;
        self.state.room.notify_all();
        // The syncing thread, which was started last, ends last: it finds every table written.
        let syncing = self.threads.pop();
        self.threads.drain(..).for_each(join);
        self.flusher.close();
        syncing.into_iter().for_each(join);
    }
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!("a background thread of the log panicked");
    }
}
