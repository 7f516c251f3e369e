//! Writing `groups.log` anew beside the calls that go on.

use super::journal::{Journal, REWRITE_MIN, take_place, temporary};
use super::keeper::Core;
use super::snapshot;
use crate::error::{Doing, Fault};

/// Writes a snapshot of the state, and what was written meanwhile behind it, to a new file.
///
/// If that fails the old file stays: it is tried again once that has grown on.
pub(super) fn rewrite(core: &Core) {
    if let Err(fault) = attempt(core) {
        tracing::warn!(%fault, "the consumer groups' file could not be written anew");
        // Removed at the next opening at the latest.
        let _ = core.dir.storage.remove(&temporary(&core.dir));
        if let Some(journal) = &mut core.inner.lock().journal {
            journal.since = None;
            journal.rewrite_at = journal.end + REWRITE_MIN;
        }
    }
}

fn attempt(core: &Core) -> Result<(), Fault> {
    let dir = &core.dir;
    let (bytes, number) = {
        let mut inner = core.inner.lock();
        let inner = &mut *inner;
        let Some(journal) = inner.journal.as_mut().filter(|_| inner.stopped.is_none()) else {
            return Ok(());
        };
        journal.since = Some(Vec::new());
        let number = journal.number + 1;
        (snapshot::file(&inner.state, &dir.meta, number), number)
    };
    let mut next = Journal::prepare(dir, &bytes, number)?;
    let written = {
        let mut inner = core.inner.lock();
        let inner = &mut *inner;
        let Some(journal) = inner.journal.as_mut().filter(|_| inner.stopped.is_none()) else {
            return Ok(());
        };
        let since = journal.since.take().unwrap_or_default();
        next.append_all(&since, &temporary(dir))?;
        // From here on it is the file. None of what was written since the snapshot was told to be on
        // stable storage: that is this thread's to say.
        take_place(dir)?;
        *journal = next;
        inner.written
    };
    let placed = dir.storage.sync_dir(&dir.path);
    match placed.doing("syncing", &dir.path) {
        Ok(()) => core.sync_now(),
        // Which of the two files a power failure leaves is not known.
        Err(fault) => core.failed(&fault),
    }
    tracing::debug!(written, "the consumer groups' file was written anew");
    Ok(())
}
