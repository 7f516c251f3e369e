//! Completing a segment and beginning the next.

use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use recount_core::{AppendError, EntryId};

use super::Writer;
use crate::background::Reserved;
use crate::dir::{SegmentName, StreamDir};
use crate::error::{Doing, Fault};
use crate::frame::{FOOTER, Footer, SEGMENT_HEADER, SegmentHeader};
use crate::index::MemoryIndex;
use crate::options::SyncMode;
use crate::scan::Scanner;
use crate::segment::Segment;
use crate::storage::{OpenHow, StorageFile};

/// Creates the file of a segment; its header is on stable storage afterwards if `sync`.
pub(crate) fn create_segment(
    dir: &StreamDir,
    header: &SegmentHeader,
    sync: bool,
) -> Result<Arc<dyn StorageFile>, Fault> {
    let path = dir.segment(header.number, SegmentName::Log);
    let file = dir
        .storage
        .open(&path, OpenHow::Create)
        .doing("creating", &path)?;
    file.write_at(&[IoSlice::new(&header.encode(&dir.meta))], 0)
        .doing("writing", &path)?;
    if sync {
        file.sync().doing("syncing", &path)?;
        dir.storage
            .sync_dir(&dir.path)
            .doing("syncing", &dir.path)?;
    }
    Ok(file)
}

/// Makes a reserved file the segment's.
fn begin_reserved(
    dir: &StreamDir,
    header: &SegmentHeader,
    reserved: &Reserved,
) -> Result<Arc<dyn StorageFile>, Fault> {
    let file = Arc::clone(&reserved.file);
    let path = dir.segment(header.number, SegmentName::Log);
    file.write_at(&[IoSlice::new(&header.encode(&dir.meta))], 0)
        .doing("writing", &reserved.path)?;
    file.sync().doing("syncing", &reserved.path)?;
    dir.storage
        .rename(&reserved.path, &path)
        .doing("renaming", &reserved.path)?;
    dir.storage
        .sync_dir(&dir.path)
        .doing("syncing", &dir.path)?;
    Ok(file)
}

/// The size of a stream's first segment; each later one may be twice as large, up to the option.
const FIRST_SEGMENT_BYTES: u64 = 4 << 20;

impl Writer {
    /// Begins a new segment if a frame of `bytes` has no place in this one.
    pub(super) fn roll_if_full(&mut self, bytes: usize) -> Result<(), AppendError> {
        let after = self.end + self.pending.bytes + (bytes + FOOTER) as u64;
        if after <= self.segment_bytes(self.active.number()) || self.index.read().len() == 0 {
            return Ok(());
        }
        self.flush_pending()?;
        self.check_running()?;
        self.roll().map_err(|fault| self.failed(fault))
    }

    /// How large a segment gets. The first ones are smaller, so that a small stream takes little
    /// space and a new one soon has room reserved.
    pub(super) fn segment_bytes(&self, number: u64) -> u64 {
        let doublings = number.saturating_sub(1).min(32);
        (FIRST_SEGMENT_BYTES << doublings).min(self.shared.options.segment_bytes)
    }

    /// Completes the active segment and begins the next. Everything placed is written already.
    ///
    /// The next file is created first, so that a full disk leaves the active segment as it is.
    pub(super) fn roll(&mut self) -> Result<(), Fault> {
        self.background.wait_for_room()?;
        let dir = Arc::clone(&self.shared.dir);
        let sync = self.shared.options.sync != SyncMode::Os;
        let header = SegmentHeader {
            number: self.active.number() + 1,
            base_id: self.last_id,
            base_entries: self.added,
            previous_synced: self.synced.load(Ordering::Acquire) == self.end,
        };
        let file = match self.background.take_reserved() {
            Some(reserved) => begin_reserved(&dir, &header, &reserved),
            None => create_segment(&dir, &header, sync),
        };
        let footer = self.footer();
        let file = match file.and_then(|file| self.write_footer(&footer).map(|()| file)) {
            Ok(file) => file,
            Err(fault) => {
                if let Err(worse) = self.abandon(header.number) {
                    self.stop(&worse);
                }
                return Err(fault);
            }
        };

        self.active.set_complete(footer);
        self.background.seal(&self.active, &self.index, &self.file);
        let path = dir.segment(header.number, SegmentName::Log);
        self.active = Arc::new(Segment::growing(
            &dir,
            header,
            Arc::clone(&file),
            path,
            MemoryIndex::with_room(footer.count),
        ));
        if let Some(index) = self.active.memory_index() {
            self.index = index;
        }
        self.file = file;
        self.end = SEGMENT_HEADER as u64;
        self.synced = Arc::new(AtomicU64::new(if sync { self.end } else { 0 }));
        let mut segments = self.segments.to_vec();
        segments.push(Arc::clone(&self.active));
        self.segments = Arc::new(segments);
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.publish();
        self.write_watermark()
    }

    fn write_footer(&self, footer: &Footer) -> Result<(), Fault> {
        let bytes = footer.encode(self.active.salt, self.synced.load(Ordering::Acquire));
        self.file
            .write_at(&[IoSlice::new(&bytes)], self.end)
            .and_then(|()| self.file.set_len(self.end + FOOTER as u64))
            .doing("writing", &self.segment_path())
    }

    /// Takes back the beginning of segment `number`. For good: it says where the active segment ends,
    /// which may get further frames after all.
    fn abandon(&self, number: u64) -> Result<(), Fault> {
        let dir = &self.shared.dir;
        self.file
            .set_len(self.end)
            .doing("truncating", &self.segment_path())?;
        let path = dir.segment(number, SegmentName::Log);
        match dir.storage.remove(&path).doing("removing", &path) {
            Ok(()) => dir.storage.sync_dir(&dir.path).doing("syncing", &dir.path),
            Err(Fault::Io { missing: true, .. }) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    fn footer(&self) -> Footer {
        let index = self.index.read();
        Footer {
            first: index.entry_ids.first().copied().unwrap_or(EntryId::MIN),
            last: index.entry_ids.last().copied().unwrap_or(EntryId::MIN),
            count: index.len(),
            offset: self.end,
        }
    }

    /// The index of what is written to the active segment, made anew from the file.
    pub(super) fn rescan_active(&self) -> Result<MemoryIndex, Fault> {
        let path = self.segment_path();
        let scanner = Scanner {
            file: &*self.file,
            path: &path,
            salt: self.active.salt,
            hashes: &self.shared.dir.hashes,
        };
        let mut index = MemoryIndex::default();
        let scan = scanner.scan(0, self.end, &mut index)?;
        match scan.bad {
            None => Ok(index),
            Some(what) => Err(Fault::corrupt(&path, scan.end, what)),
        }
    }
}
