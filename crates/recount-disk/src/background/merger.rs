//! Keeps the number of tables small.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

use super::State;
use crate::dir::TableKind;
use crate::error::Fault;
use crate::shared::{Snapshot, Tables};
use crate::table::{Table, merge, set_aside};

/// So many neighbours of one size become one table.
const FAN_IN: usize = 8;

pub(super) fn run(state: &State, signals: &Receiver<()>) {
    while signals.recv().is_ok() {
        for kind in [TableKind::Ids, TableKind::Sessions] {
            if let Err(fault) = tidy(state, kind) {
                tracing::warn!(%fault, "tables could not be merged");
                if let Fault::Corrupt { .. } = fault {
                    let first = first_segment(&state.shared.snapshots.borrow());
                    set_aside(&*state.shared.dir.storage, &fault, first);
                    state.fail(&fault);
                }
            }
        }
    }
}

fn tidy(state: &State, kind: TableKind) -> Result<(), Fault> {
    let expired_before = expired_before_ms(state);
    if kind == TableKind::Ids {
        drop_expired(state, expired_before);
    }
    loop {
        // A statement of its own: the lock must not be held while merging.
        let run = due(of(&state.shared.tables.read(), kind));
        match run {
            Some(run) => merge_run(state, kind, &run, expired_before)?,
            None => return Ok(()),
        }
    }
}

fn expired_before_ms(state: &State) -> u64 {
    // By the last entry, not by the clock: that may step back, and what is dropped is gone.
    let last_ms = state.shared.snapshots.borrow().last_id.ms;
    let window = state.shared.options.idempotency_window;
    last_ms.saturating_sub(window.as_millis() as u64)
}

/// Removes tables whose every id is outside the idempotency window.
fn drop_expired(state: &State, expired_before: u64) {
    let expired: Vec<Arc<Table>> = {
        let mut tables = state.shared.tables.write();
        let (expired, kept) = tables
            .ids
            .drain(..)
            .partition(|table| table.recorded_before(expired_before));
        tables.ids = kept;
        expired
    };
    remove(state, &expired);
}

/// The oldest run of neighbours that is to be merged.
fn due(tables: &[Arc<Table>]) -> Option<Vec<Arc<Table>>> {
    let level = |table: &Table| (table.last_segment - table.first_segment + 1).ilog(FAN_IN as u64);
    tables
        .windows(FAN_IN)
        .find(|run| run.iter().all(|table| level(table) == level(&run[0])))
        .map(<[_]>::to_vec)
}

fn merge_run(
    state: &State,
    kind: TableKind,
    run: &[Arc<Table>],
    expired_before: u64,
) -> Result<(), Fault> {
    let shared = &state.shared;
    let dir = &shared.dir;
    let range = (run[0].first_segment, run[run.len() - 1].last_segment);
    let path = dir.table(kind, range);
    let first_segment = first_segment(&shared.snapshots.borrow());
    let inputs: Vec<&Table> = run.iter().map(|table| &**table).collect();
    let stable = state.stable.load(Ordering::Acquire);
    merge(dir, &path, &inputs, expired_before, first_segment, stable)?;
    let merged = Table::open(dir, &path, range)?
        .ok_or_else(|| Fault::corrupt(&path, 0, "what was just written cannot be read"))?;
    {
        let mut tables = shared.tables.write();
        let list = of_mut(&mut tables, kind);
        let at = list.partition_point(|table| table.last_segment < range.0);
        list.splice(at..at + run.len(), [Arc::new(merged)]);
    }
    state.changed();
    remove(state, run);
    Ok(())
}

fn first_segment(snapshot: &Snapshot) -> u64 {
    snapshot
        .segments
        .first()
        .map_or(0, |segment| segment.number())
}

fn remove(state: &State, tables: &[Arc<Table>]) {
    for table in tables {
        if let Err(error) = state.shared.dir.storage.remove(table.path()) {
            // The next opening prefers the merged table and removes this one.
            tracing::warn!(%error, path = %table.path().display(), "a merged table stays on disk for now");
        }
    }
}

fn of(tables: &Tables, kind: TableKind) -> &[Arc<Table>] {
    match kind {
        TableKind::Ids => &tables.ids,
        TableKind::Sessions => &tables.sessions,
    }
}

fn of_mut(tables: &mut Tables, kind: TableKind) -> &mut Vec<Arc<Table>> {
    match kind {
        TableKind::Ids => &mut tables.ids,
        TableKind::Sessions => &mut tables.sessions,
    }
}
