//! Writing a table: rows in order, block by block, then the filter, then the header.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::filter::{Building, blocks_for};
use super::rows::{ID, ID_WIDE, IdBounds, IdRow, SESSION, SessionRow};
use super::{BLOCK, BLOCK_DATA, HEADER, Header, bound};
use crate::dir::StreamDir;
use crate::error::{Doing, Fault};
use crate::storage::{OpenHow, StorageFile};

/// Full blocks are written this many at a time.
const BLOCKS_A_WRITE: usize = 64;

/// A table being written under a temporary name.
pub(super) struct Writer<'a> {
    dir: &'a StreamDir,
    path: &'a Path,
    temporary: PathBuf,
    file: Arc<dyn StorageFile>,
    header: Header,
    key_len: usize,
    filter: Building,
    /// The block being filled, behind full ones that were not written yet.
    pending: Vec<u8>,
    block_start: usize,
    offset: u64,
}

impl<'a> Writer<'a> {
    /// Begins a table of at most `rows_max` rows of `row_len` bytes.
    pub(super) fn create(
        dir: &'a StreamDir,
        path: &'a Path,
        row_len: usize,
        rows_max: u64,
        bounds: IdBounds,
    ) -> Result<Self, Fault> {
        let temporary = path.with_extension("tmp");
        let file = dir
            .storage
            .open(&temporary, OpenHow::Create)
            .doing("creating", &temporary)?;
        let filter_blocks = blocks_for(rows_max);
        Ok(Self {
            dir,
            path,
            temporary,
            file,
            header: Header {
                row_len,
                rows: 0,
                bounds,
                filter_blocks,
            },
            key_len: if row_len == SESSION { 16 } else { 10 },
            filter: Building::new(filter_blocks),
            pending: Vec::with_capacity(BLOCK * BLOCKS_A_WRITE),
            block_start: 0,
            offset: BLOCK as u64,
        })
    }

    /// Adds a row; rows come in order.
    pub(super) fn push(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> Result<(), Fault> {
        if self.pending.len() - self.block_start + self.header.row_len > BLOCK_DATA {
            self.close_block();
            if self.pending.len() >= BLOCK * BLOCKS_A_WRITE {
                self.flush()?;
            }
        }
        let start = self.pending.len();
        encode(&mut self.pending);
        debug_assert_eq!(self.pending.len() - start, self.header.row_len);
        self.filter.add(&self.pending[start..start + self.key_len]);
        self.header.rows += 1;
        Ok(())
    }

    fn close_block(&mut self) {
        self.pending.resize(self.block_start + BLOCK_DATA, 0);
        let crc = crc32c::crc32c(&self.pending[self.block_start..]);
        self.pending.extend_from_slice(&crc.to_le_bytes());
        self.block_start = self.pending.len();
    }

    fn flush(&mut self) -> Result<(), Fault> {
        self.file
            .write_at(&[IoSlice::new(&self.pending)], self.offset)
            .doing("writing", &self.temporary)?;
        self.offset += self.pending.len() as u64;
        self.pending.clear();
        self.block_start = 0;
        Ok(())
    }

    /// Completes the table under its own name, on stable storage if `sync`.
    pub(super) fn finish(mut self, sync: bool) -> Result<(), Fault> {
        if self.pending.len() > self.block_start {
            self.close_block();
        }
        self.flush()?;
        let mut head = [0; BLOCK];
        head[..HEADER].copy_from_slice(&self.header.encode(bound(self.dir, self.path)));
        self.file
            .write_at(&[IoSlice::new(&self.filter.finish())], self.offset)
            .and_then(|()| self.file.write_at(&[IoSlice::new(&head)], 0))
            .doing("writing", &self.temporary)?;
        if sync {
            self.file.sync().doing("syncing", &self.temporary)?;
        }
        self.dir
            .storage
            .rename(&self.temporary, self.path)
            .doing("renaming", &self.temporary)?;
        match self.path.parent() {
            Some(dir) if sync => self.dir.storage.sync_dir(dir).doing("syncing", dir),
            _ => Ok(()),
        }
    }
}

/// Writes a table of event ids; `rows` need not be sorted.
pub(crate) fn write_ids(
    dir: &StreamDir,
    path: &Path,
    mut rows: Vec<IdRow>,
    bounds: IdBounds,
    sync: bool,
) -> Result<(), Fault> {
    rows.sort_unstable_by_key(|row| (row.hash, row.entry_id));
    let ms_min = bounds.ms.0;
    let wide = !rows.iter().all(|row| row.is_narrow(ms_min));
    let row_len = if wide { ID_WIDE } else { ID };
    let mut writer = Writer::create(dir, path, row_len, rows.len() as u64, bounds)?;
    for row in rows {
        writer.push(|out| row.encode(wide, ms_min, out))?;
    }
    writer.finish(sync)
}

/// Writes a table of sessions; `rows` need not be sorted.
pub(crate) fn write_sessions(
    dir: &StreamDir,
    path: &Path,
    mut rows: Vec<SessionRow>,
    sync: bool,
) -> Result<(), Fault> {
    rows.sort_unstable_by_key(|row| (row.hash, row.segment));
    let mut writer = Writer::create(dir, path, SESSION, rows.len() as u64, IdBounds::NONE)?;
    for row in rows {
        writer.push(|out| row.encode(out))?;
    }
    writer.finish(sync)
}
