//! Turns the index of a complete segment into files, and removes trimmed segments.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use parking_lot::RwLock;

use super::State;
use crate::dir::{SegmentName, StreamDir, TableKind};
use crate::error::{Doing, Fault};
use crate::index::{MemoryIndex, build};
use crate::options::SyncMode;
use crate::segment::Segment;
use crate::storage::OpenHow;
use crate::table::{IdRow, SessionRow, Table, write_ids, write_sessions};

/// What the sealing thread is asked to do, in order.
pub(super) enum Job {
    Seal(Arc<Segment>, Arc<RwLock<MemoryIndex>>),
    /// Removes these trimmed segments. Comes after their own sealing, so their tables exist.
    Remove(Vec<u64>),
}

/// How long to wait before writing to a full disk again.
const RETRY: Duration = Duration::from_millis(200);

pub(super) fn run(state: &State, jobs: &Receiver<Job>, merges: &Sender<()>) {
    let mut queue = Queue {
        jobs,
        put_off: VecDeque::new(),
    };
    while let Some(job) = queue.next() {
        match job {
            Job::Seal(segment, index) => {
                if !seal_until_done(state, &segment, &index, &mut queue) {
                    return;
                }
                // The merging thread ends with this one.
                let _ = merges.send(());
            }
            Job::Remove(segments) => remove(state, &segments),
        }
    }
}

/// The jobs to come, and those that were looked at and put off.
struct Queue<'a> {
    jobs: &'a Receiver<Job>,
    put_off: VecDeque<Job>,
}

impl Queue<'_> {
    fn next(&mut self) -> Option<Job> {
        self.put_off.pop_front().or_else(|| self.jobs.recv().ok())
    }

    /// Removes trimmed segments before their turn: while nothing can be written for want of space,
    /// that gives some back. `first` is the first segment without tables.
    fn remove_ahead(&mut self, state: &State, first: u64) {
        self.put_off.extend(self.jobs.try_iter());
        for job in &mut self.put_off {
            if let Job::Remove(segments) = job {
                let (now, later): (Vec<u64>, _) =
                    segments.iter().partition(|&&number| number < first);
                remove(state, &now);
                *segments = later;
            }
        }
    }
}

/// Seals, again and again if the disk is full. False if the log is closed before that succeeds.
fn seal_until_done(
    state: &State,
    segment: &Segment,
    index: &RwLock<MemoryIndex>,
    queue: &mut Queue<'_>,
) -> bool {
    loop {
        let fault = match seal(state, segment, &index.read()) {
            Ok(()) => {
                // From here on the files answer.
                segment.switch_to_file_index();
                let mut frozen = state.frozen.lock();
                frozen.indexes.pop_front();
                frozen.stuck = None;
                state.room.notify_all();
                return true;
            }
            Err(fault) => fault,
        };
        queue.remove_ahead(state, segment.number());
        let mut frozen = state.frozen.lock();
        if frozen.stuck.is_none() {
            tracing::warn!(%fault, "an index waits in memory until it can be written");
        }
        frozen.stuck = Some(fault);
        frozen.failures += 1;
        state.room.notify_all();
        if frozen.closing {
            return false;
        }
        state.room.wait_for(&mut frozen, RETRY);
        if frozen.closing {
            return false;
        }
    }
}

fn seal(state: &State, segment: &Segment, index: &MemoryIndex) -> Result<(), Fault> {
    let shared = &state.shared;
    write_index(&shared.dir, segment.number(), index)?;
    let sync = shared.options.sync != SyncMode::Os;
    let (ids, sessions) = write_tables(&shared.dir, segment.number(), index, sync)?;
    let mut tables = shared.tables.write();
    tables.ids.push(Arc::new(ids));
    tables.sessions.push(Arc::new(sessions));
    state.changed();
    Ok(())
}

/// Writes the index file of a complete segment. It can always be made again, so it is not synced.
pub(crate) fn write_index(dir: &StreamDir, number: u64, index: &MemoryIndex) -> Result<(), Fault> {
    let path = dir.index(number);
    let temporary = path.with_extension("tmp");
    let file = dir
        .storage
        .open(&temporary, OpenHow::Create)
        .doing("creating", &temporary)?;
    let bytes = build(number, index, &dir.meta.identity);
    file.write_at(&[std::io::IoSlice::new(&bytes)], 0)
        .doing("writing", &temporary)?;
    dir.storage
        .rename(&temporary, &path)
        .doing("renaming", &temporary)
}

/// Puts the tables of a segment on stable storage, unless they were merged into one that is.
pub(super) fn sync_tables(dir: &StreamDir, number: u64) -> Result<(), Fault> {
    sync_table_files(dir, number)?;
    dir.storage.sync_dir(&dir.path).doing("syncing", &dir.path)
}

/// As [`sync_tables`], but for their names.
pub(crate) fn sync_table_files(dir: &StreamDir, number: u64) -> Result<(), Fault> {
    let mut kinds = TableKind::BOTH.into_iter();
    kinds.try_for_each(|kind| dir.sync_if_there(&dir.table(kind, (number, number))))
}

/// Writes and opens the tables of a complete segment.
pub(crate) fn write_tables(
    dir: &StreamDir,
    number: u64,
    index: &MemoryIndex,
    sync: bool,
) -> Result<(Table, Table), Fault> {
    let ids = index.all_event_ids().map(|(hash, slot)| IdRow {
        hash,
        content: slot.content,
        timestamp: slot.timestamp,
        entry_id: index.entry_ids[slot.ordinal as usize],
    });
    let sessions = index
        .terms
        .iter()
        .filter(|term| term.kind == b's')
        .map(|term| SessionRow {
            hash: term.hash,
            segment: number as u32,
            revision: term.revision,
        });
    let range = (number, number);
    let ids_path = dir.table(TableKind::Ids, range);
    write_ids(dir, &ids_path, ids.collect(), index.id_bounds, sync)?;
    let sessions_path = dir.table(TableKind::Sessions, range);
    write_sessions(dir, &sessions_path, sessions.collect(), sync)?;
    let open = |path: &std::path::Path| {
        Table::open(dir, path, range)?
            .ok_or_else(|| Fault::corrupt(path, 0, "what was just written cannot be read"))
    };
    Ok((open(&ids_path)?, open(&sessions_path)?))
}

fn remove(state: &State, segments: &[u64]) {
    if segments.is_empty() {
        return;
    }
    let dir = &state.shared.dir;
    for &number in segments {
        // From now on the event ids and the revisions are nowhere else.
        if state.shared.options.sync == SyncMode::Os
            && let Err(fault) = state.sync(|| sync_tables(dir, number))
        {
            tracing::warn!(%fault, "a trimmed segment stays on disk for now");
            continue;
        }
        let names = [SegmentName::Log, SegmentName::Sealed].map(|name| dir.segment(number, name));
        for path in names.into_iter().chain([dir.index(number)]) {
            match dir.storage.remove(&path).doing("removing", &path) {
                Ok(()) | Err(Fault::Io { missing: true, .. }) => {}
                // The floor already hides it; the next opening tries again.
                Err(fault) => tracing::warn!(%fault, "a trimmed segment stays on disk for now"),
            }
        }
    }
    state.changed();
}
