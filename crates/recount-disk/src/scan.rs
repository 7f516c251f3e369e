//! Reading a segment frame by frame: to index it, and to find where it ends.

use std::path::Path;

use crate::error::{Doing, Fault};
use crate::frame::{ALIGN, FOOTER, Footer, FrameHeader, HEADER, SEGMENT_HEADER, Salt};
use crate::hash::Hashes;
use crate::index::{MemoryIndex, Placed};
use crate::record::{self, Record};
use crate::storage::StorageFile;

/// How much is read at a time, unless a frame is longer.
const CHUNK: usize = 1 << 20;

/// Where a scan came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scan {
    /// The end of the last whole frame, the footer not counted.
    pub(crate) end: u64,
    pub(crate) footer: Option<Footer>,
    /// Why the bytes at `end` are no frame; none if nothing but zeros is there, or the footer.
    pub(crate) bad: Option<&'static str>,
    /// The highest offset that a frame read so far says was on stable storage.
    pub(crate) synced: u64,
}

/// Reads a segment's frames.
pub(crate) struct Scanner<'a> {
    pub(crate) file: &'a dyn StorageFile,
    pub(crate) path: &'a Path,
    pub(crate) salt: Salt,
    pub(crate) hashes: &'a Hashes,
}

impl Scanner<'_> {
    /// Adds the records of the frames from `from` up to `limit` to `index`.
    pub(crate) fn scan(
        &self,
        from: u64,
        limit: u64,
        index: &mut MemoryIndex,
    ) -> Result<Scan, Fault> {
        let mut scan = Scan {
            end: from.max(SEGMENT_HEADER as u64),
            footer: None,
            bad: None,
            synced: 0,
        };
        let mut window = Window::new(self.file, limit);
        while scan.end < limit {
            let bytes = window.frame(scan.end).doing("reading", self.path)?;
            match FrameHeader::check(bytes, self.salt, scan.end) {
                Err(what) => {
                    // Room reserved for frames to come is no damage.
                    let begins = &bytes[..bytes.len().min(HEADER)];
                    if !is_zero(begins) || !self.is_zero_to_end(scan.end)? {
                        scan.bad = Some(what);
                    }
                    break;
                }
                Ok(header) if header.footer => {
                    scan.synced = scan.synced.max(header.synced);
                    match Footer::decode(bytes, self.salt, scan.end + FOOTER as u64) {
                        Ok(footer) if footer.count == index.len() => scan.footer = Some(footer),
                        _ => scan.bad = Some("the footer does not agree with the segment"),
                    }
                    break;
                }
                Ok(header) if header.ordinal != index.len() => {
                    scan.bad = Some("a frame does not follow the one before it");
                    break;
                }
                Ok(header) => {
                    self.add(&bytes[HEADER..], &header, scan.end, index)?;
                    scan.synced = scan.synced.max(header.synced);
                    scan.end += header.frame_bytes() as u64;
                }
            }
        }
        Ok(scan)
    }

    fn add(
        &self,
        payload: &[u8],
        header: &FrameHeader,
        offset: u64,
        index: &mut MemoryIndex,
    ) -> Result<(), Fault> {
        let mut at = 0;
        for _ in 0..header.count {
            let rest = &payload[at.min(payload.len())..];
            let bytes = record::length(rest)
                .and_then(|len| rest.get(..len))
                .ok_or("a record is longer than its frame");
            let record = bytes
                .and_then(Record::unchecked)
                .map_err(|what| Fault::corrupt(self.path, offset + (HEADER + at) as u64, what))?;
            let (terms, names) = record.terms(self.hashes);
            let placed = Placed {
                offset: (offset as usize + HEADER + at) as u32,
                entry_id: record.entry_id(),
                revision: record.revision(),
            };
            let places = index.places(&terms);
            index.push(placed, &terms, places, || names.into_owned());
            at += record.len();
        }
        Ok(())
    }

    fn is_zero_to_end(&self, from: u64) -> Result<bool, Fault> {
        let mut chunk = vec![0; CHUNK];
        let mut at = from;
        loop {
            let read = self
                .file
                .read_at(&mut chunk, at)
                .doing("reading", self.path)?;
            if !is_zero(&chunk[..read]) {
                return Ok(false);
            }
            at += read as u64;
            if read < CHUNK {
                return Ok(true);
            }
        }
    }

    /// The highest offset that a valid frame anywhere behind `from` says was on stable storage.
    ///
    /// After a power failure, pages behind a hole may be there: a frame among them knows what had
    /// been synced when it was written, and so whether the hole can be explained.
    pub(crate) fn evidence_behind(&self, from: u64, len: u64) -> Result<u64, Fault> {
        let bytes = crate::storage::read_exact(self.file, from, (len - from) as usize)
            .doing("reading", self.path)?;
        let skip = (ALIGN as u64 - from % ALIGN as u64) % ALIGN as u64;
        let mut synced = 0;
        let mut at = skip as usize;
        while at + HEADER <= bytes.len() {
            match FrameHeader::check(&bytes[at..], self.salt, from + at as u64) {
                Ok(header) => {
                    synced = synced.max(header.synced);
                    at += header.frame_bytes();
                }
                Err(_) => at += ALIGN,
            }
        }
        Ok(synced)
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

/// A part of a file in memory.
struct Window<'a> {
    file: &'a dyn StorageFile,
    limit: u64,
    bytes: Vec<u8>,
    start: u64,
}

impl<'a> Window<'a> {
    fn new(file: &'a dyn StorageFile, limit: u64) -> Self {
        Self {
            file,
            limit,
            bytes: Vec::new(),
            start: 0,
        }
    }

    /// Loads `len` bytes from `offset` on, or as many as there are before the limit; says how many.
    fn load(&mut self, offset: u64, len: usize) -> std::io::Result<usize> {
        let len = len.min((self.limit - offset) as usize);
        let have =
            self.start <= offset && offset + len as u64 <= self.start + self.bytes.len() as u64;
        if !have {
            let want = len.max(CHUNK).min((self.limit - offset) as usize);
            self.bytes.resize(want, 0);
            let read = self.file.read_at(&mut self.bytes, offset)?;
            self.bytes.truncate(read);
            self.start = offset;
        }
        Ok(len.min(self.bytes.len() - (offset - self.start) as usize))
    }

    /// The frame at `offset` as its header states its length, or as much as is there.
    fn frame(&mut self, offset: u64) -> std::io::Result<&[u8]> {
        let mut len = self.load(offset, HEADER)?;
        if len == HEADER {
            let from = (offset - self.start) as usize;
            let payload = FrameHeader::payload_of(&self.bytes[from..]);
            len = self.load(offset, HEADER + payload as usize)?;
        }
        let from = (offset - self.start) as usize;
        Ok(&self.bytes[from..from + len])
    }
}
