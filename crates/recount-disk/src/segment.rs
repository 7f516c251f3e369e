//! One segment of the log, being written or complete.

use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};
use recount_core::EntryId;
use roaring::RoaringBitmap;

use crate::dir::StreamDir;
use crate::error::{Doing, Fault};
use crate::frame::{FOOTER, Footer, Salt, SegmentHeader};
use crate::index::{FileIndex, MemoryIndex, Postings, Wanted, build};
use crate::record::{self, Record};
use crate::scan::Scanner;
use crate::storage::{Map, StorageFile};

/// A segment and what is known of it.
pub(crate) struct Segment {
    pub(crate) header: SegmentHeader,
    pub(crate) salt: Salt,
    dir: Arc<StreamDir>,
    /// The open file and the name it was opened by; opened when needed.
    file: Mutex<Option<(Arc<dyn StorageFile>, PathBuf)>>,
    /// Set once the segment is complete.
    footer: OnceLock<Footer>,
    /// The data of a complete segment.
    map: OnceLock<Map>,
    index: RwLock<Index>,
}

/// Where a segment's index is.
#[derive(Clone)]
pub(crate) enum Index {
    /// Not needed so far.
    Unloaded,
    /// In memory, and growing unless the segment is complete.
    Memory(Arc<RwLock<MemoryIndex>>),
    /// In a file.
    File(Arc<FileIndex>),
}

impl Segment {
    /// A segment that is being written or followed.
    pub(crate) fn growing(
        dir: &Arc<StreamDir>,
        header: SegmentHeader,
        file: Arc<dyn StorageFile>,
        path: PathBuf,
        index: MemoryIndex,
    ) -> Self {
        Self {
            header,
            salt: Salt::new(&dir.meta, header.number),
            dir: Arc::clone(dir),
            file: Mutex::new(Some((file, path))),
            footer: OnceLock::new(),
            map: OnceLock::new(),
            index: RwLock::new(Index::Memory(Arc::new(RwLock::new(index)))),
        }
    }

    /// A complete segment that nobody has looked into yet.
    pub(crate) fn complete(dir: &Arc<StreamDir>, header: SegmentHeader, footer: Footer) -> Self {
        Self {
            header,
            salt: Salt::new(&dir.meta, header.number),
            dir: Arc::clone(dir),
            file: Mutex::new(None),
            footer: OnceLock::from(footer),
            map: OnceLock::new(),
            index: RwLock::new(Index::Unloaded),
        }
    }

    pub(crate) fn number(&self) -> u64 {
        self.header.number
    }

    /// What the footer says; none while the segment grows.
    pub(crate) fn footer(&self) -> Option<&Footer> {
        self.footer.get()
    }

    /// Notes that the segment is complete. Its file may get another name from now on.
    pub(crate) fn set_complete(&self, footer: Footer) {
        // Set once by whoever completes it; a second time says the same.
        let _ = self.footer.set(footer);
    }

    /// Replaces the index in memory by the one in the file, if that can be read.
    pub(crate) fn switch_to_file_index(&self) {
        if let Some(footer) = self.footer()
            && let Some(index) = self.read_index_file(footer.count)
        {
            *self.index.write() = Index::File(Arc::new(index));
            // The map serves from now on; an open file would cost a descriptor a segment.
            *self.file.lock() = None;
        }
    }

    pub(crate) fn has_memory_index(&self) -> bool {
        matches!(*self.index.read(), Index::Memory(_))
    }

    pub(crate) fn memory_index(&self) -> Option<Arc<RwLock<MemoryIndex>>> {
        match &*self.index.read() {
            Index::Memory(index) => Some(Arc::clone(index)),
            Index::Unloaded | Index::File(_) => None,
        }
    }

    /// The index, loaded or rebuilt from the records if need be.
    fn index(&self) -> Result<Index, Fault> {
        let loaded = self.index.read().clone();
        let (Index::Unloaded, Some(footer)) = (&loaded, self.footer()) else {
            return Ok(loaded);
        };
        let index = match self.read_index_file(footer.count) {
            Some(index) => index,
            None => self.rebuilt_index(footer)?,
        };
        let index = Index::File(Arc::new(index));
        *self.index.write() = index.clone();
        Ok(index)
    }

    fn read_index_file(&self, count: u32) -> Option<FileIndex> {
        let path = self.dir.index(self.number());
        let bytes = self.dir.map(&path).ok().flatten()?;
        let index = FileIndex::open(bytes, self.number(), count, &self.dir.meta.identity);
        if index.is_none() {
            tracing::warn!(path = %path.display(), "the index is damaged; rebuilding it from the records");
        }
        index
    }

    fn rebuilt_index(&self, footer: &Footer) -> Result<FileIndex, Fault> {
        let bytes = build(
            self.number(),
            &self.scanned(footer)?,
            &self.dir.meta.identity,
        );
        let path = self.dir.index(self.number());
        let identity = &self.dir.meta.identity;
        let opened = FileIndex::open(Map::Memory(bytes), self.number(), footer.count, identity);
        opened.ok_or_else(|| {
            Fault::corrupt(
                &path,
                0,
                "the rebuilt index does not agree with the segment",
            )
        })
    }

    /// The index of a complete segment, made from its records, every frame of which is checked.
    pub(crate) fn scanned(&self, footer: &Footer) -> Result<MemoryIndex, Fault> {
        let (file, path) = self.file()?;
        let mut index = MemoryIndex::default();
        let scanner = Scanner {
            file: &*file,
            path: &path,
            salt: self.salt,
            hashes: &self.dir.hashes,
        };
        let scan = scanner.scan(0, footer.offset + FOOTER as u64, &mut index)?;
        if scan.footer.as_ref() == Some(footer) {
            return Ok(index);
        }
        Err(Fault::corrupt(
            &path,
            scan.end,
            scan.bad.unwrap_or("records are missing"),
        ))
    }

    pub(crate) fn file(&self) -> Result<(Arc<dyn StorageFile>, PathBuf), Fault> {
        let mut file = self.file.lock();
        if let Some((file, path)) = &*file {
            return Ok((Arc::clone(file), path.clone()));
        }
        let opened = self.dir.open_segment(self.number())?;
        // A complete segment is mapped on first use; its descriptor need not stay open.
        if self.footer().is_none() {
            *file = Some(opened.clone());
        }
        Ok(opened)
    }

    fn map(&self, footer: &Footer) -> Result<&Map, Fault> {
        if let Some(map) = self.map.get() {
            return Ok(map);
        }
        let (file, path) = self.file()?;
        // The footer itself may be missing where nobody has completed the segment since a crash.
        let len = footer.offset;
        if file.len().doing("reading", &path)? < len {
            return Err(Fault::corrupt(
                &path,
                len,
                "the file is shorter than its footer says",
            ));
        }
        let map = file.map(len).doing("mapping", &path)?;
        Ok(self.map.get_or_init(|| map))
    }

    /// A reader of this segment's records; `backward` if mostly towards its start.
    pub(crate) fn reader(&self, backward: bool) -> Result<RecordReader<'_>, Fault> {
        let source = match self.footer() {
            Some(footer) => Source::Map(self.map(footer)?),
            None => Source::File(Buffer {
                file: self.file()?.0,
                bytes: Vec::new(),
                start: 0,
                backward,
                window: WINDOW,
            }),
        };
        Ok(RecordReader {
            segment: self,
            index: self.index()?,
            source,
        })
    }

    /// Which of the first `count` records pass a filter.
    pub(crate) fn matching(&self, wanted: &Wanted<'_>) -> Result<RoaringBitmap, Fault> {
        Ok(match self.index()? {
            Index::File(index) => index.matching(wanted),
            Index::Memory(index) => index.read().matching(wanted),
            Index::Unloaded => RoaringBitmap::new(),
        })
    }

    fn path(&self) -> PathBuf {
        match &*self.file.lock() {
            Some((_, path)) => path.clone(),
            None => self
                .dir
                .segment(self.number(), crate::dir::SegmentName::Sealed),
        }
    }
}

/// Reads records by ordinal.
pub(crate) struct RecordReader<'a> {
    segment: &'a Segment,
    index: Index,
    source: Source<'a>,
}

enum Source<'a> {
    Map(&'a Map),
    File(Buffer),
}

/// How much of a growing segment is read at a time.
const WINDOW: usize = 128 << 10;
/// The same where only some of its records are wanted.
const SPARSE_WINDOW: usize = 4 << 10;
/// Of a record that is to be read soon, so many lines of memory are asked for.
const TOUCHED_LINES: usize = 6;
const LINE: usize = 64;

impl RecordReader<'_> {
    /// The ordinal of the first of `count` records whose id is not below `id`; `count` if none is.
    ///
    /// Where damaged records leave that open, it is the first of them.
    pub(crate) fn lower_bound(&mut self, id: EntryId, count: u32) -> Result<u32, Fault> {
        Ok(self.bounds(id, count)?.start)
    }

    /// As [`RecordReader::lower_bound`], with all the damaged records that may be it.
    pub(crate) fn bounds(&mut self, id: EntryId, count: u32) -> Result<Range<u32>, Fault> {
        if let Index::Memory(index) = &self.index {
            let index = index.read();
            let at = index.entry_ids[..count as usize].partition_point(|&at| at < id) as u32;
            return Ok(at..at);
        }
        let (mut low, mut high) = ((0, None), (count, None));
        while low.0 < high.0 {
            match self.probe(low.0..high.0)? {
                Some((at, found)) if found < id => low = (at + 1, Some(found)),
                Some((at, found)) => high = (at, Some(found)),
                None => break,
            }
        }
        // Only damaged records are left. Their ids lie between those of their neighbours.
        Ok(if high.1 == Some(id) {
            high.0..high.0
        } else if low.1.is_some_and(|below: EntryId| below.next() == Some(id)) {
            low.0..low.0
        } else {
            low.0..high.0
        })
    }

    /// The id of the record with this ordinal.
    pub(crate) fn id_of(&mut self, ordinal: u32) -> Result<EntryId, Fault> {
        if let Index::Memory(index) = &self.index {
            return Ok(index.read().entry_ids[ordinal as usize]);
        }
        Ok(self.record(ordinal)?.entry_id())
    }

    /// The ordinal and the id of the undamaged record nearest to the middle of `among`.
    fn probe(&mut self, among: Range<u32>) -> Result<Option<(u32, EntryId)>, Fault> {
        let middle = among.start + (among.end - among.start) / 2;
        for at in (middle..among.end).chain((among.start..middle).rev()) {
            match self.record(at) {
                Ok(record) => return Ok(Some((at, record.entry_id()))),
                Err(Fault::Corrupt { .. }) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(None)
    }

    /// The record with this ordinal, whose id must lie within `ids`: whoever goes by ids would otherwise
    /// go astray.
    pub(crate) fn record_within(
        &mut self,
        ordinal: u32,
        ids: RangeInclusive<EntryId>,
    ) -> Result<Record<'_>, Fault> {
        let segment = self.segment;
        let offset = u64::from(self.offset(ordinal));
        let record = self.record(ordinal)?;
        if ids.contains(&record.entry_id()) {
            return Ok(record);
        }
        let what = "the record's entry id is out of order";
        Err(Fault::corrupt(&segment.path(), offset, what))
    }

    fn offset(&self, ordinal: u32) -> u32 {
        match &self.index {
            Index::Memory(index) => index.read().offsets[ordinal as usize],
            Index::File(index) if ordinal < index.count() => index.offset(ordinal),
            Index::File(_) | Index::Unloaded => u32::MAX,
        }
    }

    /// Says that the records `first` to `last` are to be read: where a growing segment holds them, no more
    /// than they take is read.
    pub(crate) fn expect(&mut self, first: u32, last: u32) {
        if let Source::File(_) = self.source {
            let bytes = self.offset(last).saturating_sub(self.offset(first)) as usize;
            if let Source::File(buffer) = &mut self.source {
                buffer.window = (bytes + SPARSE_WINDOW).min(WINDOW);
            }
        }
    }

    /// Says that the records to be read lie far from one another.
    pub(crate) fn expect_sparse(&mut self) {
        if let Source::File(buffer) = &mut self.source {
            buffer.window = SPARSE_WINDOW;
        }
    }

    /// Loads the beginnings of records that are about to be read, all at once: one after the other, each
    /// would wait for memory anew.
    pub(crate) fn touch(&self, ordinals: &[u32]) {
        if let Source::Map(map) = &self.source {
            let mut touched = 0;
            for &ordinal in ordinals {
                let at = self.offset(ordinal) as usize;
                for line in 0..TOUCHED_LINES {
                    touched ^= map.get(at + line * LINE).copied().unwrap_or(0);
                }
            }
            // Else the loads would be left out.
            std::hint::black_box(touched);
        }
    }

    /// The record with this ordinal, checked.
    pub(crate) fn record(&mut self, ordinal: u32) -> Result<Record<'_>, Fault> {
        let offset = self.offset(ordinal);
        let segment = self.segment;
        let bytes = match &mut self.source {
            Source::Map(map) => {
                let rest = map.get(offset as usize..).unwrap_or_default();
                record::length(rest).and_then(|len| rest.get(..len))
            }
            Source::File(buffer) => buffer
                .record(u64::from(offset))
                .doing("reading", &segment.path())?,
        };
        bytes
            .ok_or("a record is incomplete")
            .and_then(Record::checked)
            .map_err(|what| Fault::corrupt(&segment.path(), u64::from(offset), what))
    }
}

/// Part of a growing file.
struct Buffer {
    file: Arc<dyn StorageFile>,
    bytes: Vec<u8>,
    start: u64,
    backward: bool,
    /// How much is read at a time.
    window: usize,
}

impl Buffer {
    /// The bytes of the record at `offset`, read together with its neighbourhood.
    fn record(&mut self, offset: u64) -> std::io::Result<Option<&[u8]>> {
        if self.whole_record(offset).is_none() {
            let from = if self.backward {
                offset.saturating_sub((self.window - self.window / 8) as u64)
            } else {
                offset
            };
            self.fill(from, self.window)?;
            if self.whole_record(offset).is_none() {
                // A long record, or one at the window's end.
                self.fill(offset, self.window)?;
                if let Some(len) = record::length(&self.bytes) {
                    self.fill(offset, len)?;
                }
            }
        }
        Ok(self.whole_record(offset).map(|range| &self.bytes[range]))
    }

    fn whole_record(&self, offset: u64) -> Option<Range<usize>> {
        let from = offset.checked_sub(self.start)? as usize;
        let len = record::length(self.bytes.get(from..)?)?;
        (from + len <= self.bytes.len()).then_some(from..from + len)
    }

    fn fill(&mut self, from: u64, len: usize) -> std::io::Result<()> {
        self.bytes.resize(len, 0);
        let read = self.file.read_at(&mut self.bytes, from)?;
        self.bytes.truncate(read);
        self.start = from;
        Ok(())
    }
}
