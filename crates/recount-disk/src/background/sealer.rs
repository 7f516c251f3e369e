//! Turns the index of a complete segment into files, and removes trimmed segments.

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
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Seal(segment, index) => {
                if !seal_until_done(state, &segment, &index) {
                    return;
                }
                // The merging thread ends with this one.
                let _ = merges.send(());
            }
            Job::Remove(segments) => remove(state, &segments),
        }
    }
}

/// Seals, again and again if the disk is full. False if the log is closed before that succeeds.
fn seal_until_done(state: &State, segment: &Segment, index: &RwLock<MemoryIndex>) -> bool {
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
        let mut frozen = state.frozen.lock();
        if frozen.stuck.is_none() {
            tracing::warn!(%fault, "an index waits in memory until it can be written");
        }
        frozen.stuck = Some(fault);
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
    let bytes = build(number, index);
    file.write_at(&[std::io::IoSlice::new(&bytes)], 0)
        .doing("writing", &temporary)?;
    dir.storage
        .rename(&temporary, &path)
        .doing("renaming", &temporary)
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
    write_ids(
        &*dir.storage,
        &ids_path,
        ids.collect(),
        index.id_bounds,
        sync,
    )?;
    let sessions_path = dir.table(TableKind::Sessions, range);
    write_sessions(&*dir.storage, &sessions_path, sessions.collect(), sync)?;
    let open = |path: &std::path::Path| {
        Table::open(&*dir.storage, path, range)?
            .ok_or_else(|| Fault::corrupt(path, 0, "what was just written cannot be read"))
    };
    Ok((open(&ids_path)?, open(&sessions_path)?))
}

fn remove(state: &State, segments: &[u64]) {
    let dir = &state.shared.dir;
    for &number in segments {
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
