//! The thread that syncs `groups.log` and writes it anew when it has grown.

use std::time::Instant;

use super::keeper::Core;
use super::rewrite;
use crate::error::Doing;
use crate::options::SyncMode;

/// What the thread is to do.
#[derive(Default)]
pub(super) struct Todo {
    /// When the file is to be synced.
    due: Option<Instant>,
    rewrite: bool,
    pub(super) closing: bool,
}

/// How far the frames of this life are on stable storage.
#[derive(Debug, Default)]
pub(super) struct Synced {
    pub(super) written: u64,
    pub(super) failed: Option<String>,
}

enum Work {
    Sync,
    Rewrite,
    End,
}

impl Core {
    /// Notes that a frame was written, and whether the file has grown enough to be written anew.
    pub(super) fn has_written(&self, grown: bool) {
        let mut todo = self.todo.lock();
        let due = match self.sync {
            SyncMode::Interval(every) if todo.due.is_none() => Some(Instant::now() + every),
            // Whoever wrote it asks for the sync.
            SyncMode::Interval(_) | SyncMode::Always | SyncMode::Os => None,
        };
        if due.is_some() || (grown && !todo.rewrite) {
            todo.due = due.or(todo.due);
            todo.rewrite |= grown;
            drop(todo);
            self.wake.notify_one();
        }
    }

    /// Asks for a sync at once.
    pub(super) fn hurry(&self) {
        self.todo.lock().due = Some(Instant::now());
        self.wake.notify_one();
    }

    fn next(&self) -> Work {
        let mut todo = self.todo.lock();
        loop {
            if todo.closing {
                return Work::End;
            }
            if std::mem::take(&mut todo.rewrite) {
                return Work::Rewrite;
            }
            match todo.due {
                None => self.wake.wait(&mut todo),
                Some(due) if due <= Instant::now() => {
                    todo.due = None;
                    return Work::Sync;
                }
                Some(due) => drop(self.wake.wait_until(&mut todo, due)),
            }
        }
    }

    /// Puts what was written until now on stable storage.
    pub(super) fn sync_now(&self) {
        let (file, number, end, written) = {
            let inner = self.inner.lock();
            if let Some(reason) = inner.stopped.clone() {
                // Whoever waits learns of it.
                self.synced
                    .send_modify(|synced| synced.failed = Some(reason));
                return;
            }
            let Some(journal) = &inner.journal else {
                return;
            };
            let file = std::sync::Arc::clone(&journal.file);
            (file, journal.number, journal.end, inner.written)
        };
        let path = self.dir.groups();
        match file.sync().doing("syncing", &path) {
            Ok(()) => {
                let mut inner = self.inner.lock();
                if let Some(journal) = &mut inner.journal
                    && journal.number == number
                {
                    journal.synced = journal.synced.max(end);
                }
                drop(inner);
                self.is_synced(written);
            }
            // What is on stable storage is unknown from here on: no later sync can tell.
            Err(fault) => self.failed(&fault),
        }
    }

    /// Stops the groups, and tells whoever waits.
    pub(super) fn failed(&self, fault: &crate::error::Fault) {
        self.inner.lock().stop(fault);
        self.synced
            .send_modify(|synced| synced.failed = Some(fault.to_string()));
    }
}

/// Works until the groups are closed.
pub(super) fn run(core: &Core) {
    loop {
        match core.next() {
            Work::Sync => core.sync_now(),
            Work::Rewrite => rewrite::rewrite(core),
            Work::End => {
                // Whoever waits for a sync gets it.
                core.sync_now();
                return;
            }
        }
    }
}
