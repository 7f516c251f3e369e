//! Merging neighbouring tables into one, so that a look-up meets a bounded number of them.

use std::path::Path;

use recount_core::EntryId;

use super::rows::{ID, ID_WIDE, IdBounds, SESSION, SessionRow};
use super::write::Writer;
use super::{Header, Table};
use crate::bytes::array_at;
use crate::dir::StreamDir;
use crate::error::Fault;

/// Writes the rows of `tables`, which are of one kind, to a new table at `path`.
///
/// Left out are ids recorded before `expired_before_ms`, and of a session's rows in segments before
/// `first_segment` all but the last: unless that is of a segment after `stable`, which may be lost.
pub(crate) fn merge(
    dir: &StreamDir,
    path: &Path,
    tables: &[&Table],
    expired_before_ms: u64,
    first_segment: u64,
    stable: u64,
) -> Result<(), Fault> {
    let rows_max = tables.iter().map(|table| table.header.rows).sum();
    if tables.iter().any(|table| table.header.row_len == SESSION) {
        return merge_sessions(dir, path, tables, rows_max, first_segment, stable);
    }
    // Rows that are left out may have set the bounds, which are then wider than need be.
    let mut bounds = IdBounds::NONE;
    for table in tables {
        bounds.include(&table.header.bounds);
    }
    let ms_min = bounds.ms.0;
    // A sequence that needs a wide row made its table wide; so can the distance in time.
    let wide = tables.iter().any(|table| table.header.row_len == ID_WIDE) || !bounds.is_narrow();
    let row_len = if wide { ID_WIDE } else { ID };
    let mut writer = Writer::create(dir, path, row_len, rows_max, bounds)?;
    in_order(tables, |table, row| {
        let row = table.id(row);
        if row.entry_id.ms < expired_before_ms {
            return Ok(());
        }
        writer.push(|out| row.encode(wide, ms_min, out))
    })?;
    writer.finish(true)
}

fn merge_sessions(
    dir: &StreamDir,
    path: &Path,
    tables: &[&Table],
    rows_max: u64,
    first_segment: u64,
    stable: u64,
) -> Result<(), Fault> {
    let mut writer = Writer::create(dir, path, SESSION, rows_max, IdBounds::NONE)?;
    let mut held: Option<SessionRow> = None;
    in_order(tables, |_, row| {
        let row = SessionRow::decode(row);
        if let Some(previous) = held.replace(row) {
            let superseded = previous.hash == row.hash
                && u64::from(previous.segment) < first_segment
                && u64::from(row.segment) <= stable;
            if !superseded {
                writer.push(|out| previous.encode(out))?;
            }
        }
        Ok(())
    })?;
    if let Some(last) = held {
        writer.push(|out| last.encode(out))?;
    }
    writer.finish(true)
}

/// Writes the rows of `table` that are of entries up to `last_id`, or of sessions in segments before
/// `end_segment`, to a new table at `path`.
pub(crate) fn copy_before(
    dir: &StreamDir,
    path: &Path,
    table: &Table,
    end_segment: u64,
    last_id: EntryId,
) -> Result<(), Fault> {
    let Header {
        row_len,
        rows,
        bounds,
        ..
    } = table.header;
    let mut writer = Writer::create(dir, path, row_len, rows, bounds)?;
    in_order(&[table], |table, row| {
        let keep = if row_len == SESSION {
            u64::from(SessionRow::decode(row).segment) < end_segment
        } else {
            table.id(row).entry_id <= last_id
        };
        if keep {
            writer.push(|out| out.extend_from_slice(row))?;
        }
        Ok(())
    })?;
    writer.finish(true)
}

/// Calls `each` with the rows of all tables in the order of their bytes.
fn in_order(
    tables: &[&Table],
    mut each: impl FnMut(&Table, &[u8]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut heads = tables
        .iter()
        .map(|table| Head::new(table))
        .collect::<Result<Vec<_>, _>>()?;
    loop {
        let next = heads
            .iter_mut()
            .filter(|head| head.row().is_some())
            .min_by(|a, b| a.prefix.cmp(&b.prefix).then_with(|| a.row().cmp(&b.row())));
        let Some(head) = next else {
            return Ok(());
        };
        if let Some(row) = head.row() {
            each(head.table, row)?;
        }
        head.advance()?;
    }
}

/// A place in a table.
struct Head<'a> {
    table: &'a Table,
    block: u64,
    rows: Vec<&'a [u8]>,
    at: usize,
    /// The beginning of the row: nearly always enough to order the heads by.
    prefix: u64,
}

impl<'a> Head<'a> {
    fn new(table: &'a Table) -> Result<Self, Fault> {
        let mut head = Self {
            table,
            block: 0,
            rows: Vec::new(),
            at: 0,
            prefix: 0,
        };
        head.load()?;
        Ok(head)
    }

    fn load(&mut self) -> Result<(), Fault> {
        self.at = 0;
        self.rows.clear();
        if self.block < self.table.header.blocks() {
            self.rows.extend(self.table.checked_rows(self.block)?);
        }
        self.note_prefix();
        Ok(())
    }

    fn row(&self) -> Option<&'a [u8]> {
        self.rows.get(self.at).copied()
    }

    fn advance(&mut self) -> Result<(), Fault> {
        self.at += 1;
        if self.at == self.rows.len() {
            self.block += 1;
            return self.load();
        }
        self.note_prefix();
        Ok(())
    }

    fn note_prefix(&mut self) {
        let row = self.row();
        self.prefix = row.map_or(0, |row| u64::from_be_bytes(array_at(row, 0)));
    }
}
