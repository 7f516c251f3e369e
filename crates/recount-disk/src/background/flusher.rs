//! Syncs: the active segment in intervals, and complete segments, which then get their final name.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::State;
use super::reserve::Reserved;
use crate::dir::SegmentName;
use crate::error::{Doing, Fault};
use crate::options::SyncMode;
use crate::storage::StorageFile;

/// What was written to the active segment and not synced.
pub(super) struct Dirty {
    pub(super) file: Arc<dyn StorageFile>,
    pub(super) synced: Arc<AtomicU64>,
    pub(super) end: u64,
    pub(super) every: Duration,
}

/// The syncing thread and what it is to do.
pub(super) struct Flusher {
    state: Arc<State>,
    todo: Mutex<Todo>,
    wake: Condvar,
    /// How many complete segments may wait to be synced until the log is closed.
    seals_left_alone: usize,
}

/// In mode `os` the operating system is left to write complete segments in its own time, up to this
/// many: after a crash, those are read whole at the next opening.
const SEALS_LEFT_TO_THE_SYSTEM: usize = 32;

#[derive(Default)]
struct Todo {
    dirty: Option<Dirty>,
    /// When the dirty segment is to be synced.
    due: Option<Instant>,
    seals: VecDeque<(u64, Arc<dyn StorageFile>)>,
    /// How much of the next segment is to be reserved, and how large it will be.
    room_wanted: (u64, u64),
    /// What is reserved; nothing while it is being extended.
    reserved: Option<Reserved>,
    /// Set when reserving failed, until the next segment begins.
    no_room: bool,
    closing: bool,
}

impl Todo {
    fn lacks_room(&self) -> bool {
        let reserved = self.reserved.as_ref().map_or(0, Reserved::len);
        !self.no_room && reserved < self.room_wanted.0
    }
}

enum Work {
    Seal(u64, Arc<dyn StorageFile>),
    Sync(Dirty),
    Reserve(Option<Reserved>, u64),
    End,
}

impl Flusher {
    pub(super) fn new(state: Arc<State>) -> Self {
        let seals_left_alone = match state.shared.options.sync {
            SyncMode::Os => SEALS_LEFT_TO_THE_SYSTEM,
            SyncMode::Always | SyncMode::Interval(_) => 0,
        };
        Self {
            state,
            todo: Mutex::default(),
            wake: Condvar::new(),
            seals_left_alone,
        }
    }

    pub(super) fn dirty(&self, dirty: Dirty) {
        let mut todo = self.todo.lock();
        let every = dirty.every;
        todo.dirty = Some(dirty);
        if todo.due.is_none() {
            todo.due = Some(Instant::now() + every);
            self.wake.notify_one();
        }
    }

    pub(super) fn seal(&self, number: u64, file: Arc<dyn StorageFile>) {
        self.todo.lock().seals.push_back((number, file));
        self.wake.notify_one();
    }

    /// Asks for room in the next segment's file, which will take `segment_bytes`.
    pub(super) fn want_room(&self, wanted: u64, segment_bytes: u64) {
        let mut todo = self.todo.lock();
        todo.room_wanted = (wanted, segment_bytes);
        if todo.lacks_room() {
            self.wake.notify_one();
        }
    }

    /// The file reserved for the next segment, if there is one.
    pub(super) fn take_reserved(&self) -> Option<Reserved> {
        let mut todo = self.todo.lock();
        todo.room_wanted = (0, 0);
        todo.no_room = false;
        todo.reserved.take()
    }

    pub(super) fn close(&self) {
        self.todo.lock().closing = true;
        self.wake.notify_one();
    }

    /// Works until closed. The writer itself syncs the active segment then.
    pub(super) fn run(&self) {
        loop {
            let done = match self.next() {
                Work::End => return,
                Work::Seal(number, file) => {
                    self.state.sync(|| self.sync_and_rename(number, &*file))
                }
                Work::Sync(dirty) => self.state.sync(|| self.sync(&dirty)),
                Work::Reserve(reserved, segment_bytes) => {
                    self.reserve(reserved, segment_bytes);
                    Ok(())
                }
            };
            if let Err(fault) = done {
                self.state.fail(&fault);
            }
        }
    }

    fn next(&self) -> Work {
        let mut todo = self.todo.lock();
        loop {
            let due = todo.closing || todo.seals.len() > self.seals_left_alone;
            if due && let Some((number, file)) = todo.seals.pop_front() {
                return Work::Seal(number, file);
            }
            if todo.closing {
                if let Some(reserved) = todo.reserved.take() {
                    self.discard(reserved);
                }
                return Work::End;
            }
            if todo.lacks_room() {
                let (_, segment_bytes) = todo.room_wanted;
                return Work::Reserve(todo.reserved.take(), segment_bytes);
            }
            match todo.due {
                None => self.wake.wait(&mut todo),
                Some(due) if due <= Instant::now() => {
                    todo.due = None;
                    if let Some(dirty) = todo.dirty.take() {
                        return Work::Sync(dirty);
                    }
                }
                Some(due) => drop(self.wake.wait_until(&mut todo, due)),
            }
        }
    }

    /// Extends what is reserved. Not having room is no failure: the next segment grows instead.
    fn reserve(&self, reserved: Option<Reserved>, segment_bytes: u64) {
        let dir = &self.state.shared.dir;
        let extended = match reserved {
            Some(reserved) => Ok(reserved),
            None => Reserved::create(dir),
        }
        .and_then(|mut reserved| match reserved.extend(segment_bytes) {
            Ok(()) => Ok(reserved),
            Err(fault) => {
                self.discard(reserved);
                Err(fault)
            }
        });
        let mut todo = self.todo.lock();
        match extended {
            Ok(reserved) => todo.reserved = Some(reserved),
            Err(fault) => {
                tracing::debug!(%fault, "no room is reserved for the next segment");
                todo.no_room = true;
            }
        }
    }

    fn discard(&self, reserved: Reserved) {
        let path = reserved.path.clone();
        drop(reserved);
        // Left behind it is removed at the next opening.
        let _ = self.state.shared.dir.storage.remove(&path);
    }

    fn sync(&self, dirty: &Dirty) -> Result<(), Fault> {
        dirty
            .file
            .sync()
            .doing("syncing the active segment in", &self.state.shared.dir.path)?;
        dirty.synced.fetch_max(dirty.end, Ordering::AcqRel);
        Ok(())
    }

    fn sync_and_rename(&self, number: u64, file: &dyn StorageFile) -> Result<(), Fault> {
        let dir = &self.state.shared.dir;
        let from = dir.segment(number, SegmentName::Log);
        let to = dir.segment(number, SegmentName::Sealed);
        file.sync().doing("syncing", &from)?;
        if self.state.shared.options.sync == SyncMode::Os {
            // In this mode nobody synced the tables; the final name says that they can be relied on.
            super::sync_tables(dir, number)?;
        }
        // Only with all before it: one may have failed.
        let _ = self.state.stable.compare_exchange(
            number - 1,
            number,
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        match dir.storage.rename(&from, &to).doing("renaming", &from) {
            // Trimmed and removed meanwhile.
            Err(Fault::Io { missing: true, .. }) => Ok(()),
            Err(fault) => Err(fault),
            Ok(()) => dir.storage.sync_dir(&dir.path).doing("syncing", &dir.path),
        }
    }
}
