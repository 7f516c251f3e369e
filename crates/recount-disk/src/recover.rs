//! Finding the end of the log after whatever happened to it.
//!
//! Pages that were not synced may reach the disk in any order, so a hole may have sound frames behind
//! it. Whether a hole is the unsynced tail or damage is decided by evidence: every frame says
//! how far the segment was on stable storage when it was written, and the watermark how far it was last.

use std::io::IoSlice;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::dir::{SegmentName, StreamDir};
use crate::error::{Doing, Fault, Recovery};
use crate::frame::{FOOTER, Footer, SEGMENT_HEADER, Salt, SegmentHeader};
use crate::index::MemoryIndex;
use crate::load::{self, Found};
use crate::open::save;
use crate::scan::{Scan, Scanner};
use crate::segment::Segment;
use crate::storage::{OpenHow, StorageFile, read_exact};
use crate::watermark::Watermark;

/// What is left after recovery.
pub(crate) struct Recovered {
    /// The complete segments.
    pub(crate) segments: Vec<Arc<Segment>>,
    /// The one to go on in, and from where; none if a new one is to be begun.
    pub(crate) active: Option<(Segment, u64)>,
    pub(crate) recovery: Option<Recovery>,
}

/// Checks the segments and makes whole what a crash left half done.
pub(crate) fn recover(
    dir: &Arc<StreamDir>,
    numbers: &[(u64, SegmentName)],
    watermark: Option<&Watermark>,
) -> Result<Recovered, Fault> {
    let mut recovering = Recovering {
        dir,
        watermark,
        segments: Vec::new(),
        active: None,
        recovery: None,
    };
    for (index, &(number, name)) in numbers.iter().enumerate() {
        let later: Vec<u64> = numbers[index + 1..]
            .iter()
            .map(|&(number, _)| number)
            .collect();
        match name {
            SegmentName::Sealed => {
                let segment = load::complete(dir, number)?;
                recovering.push(segment)?;
            }
            SegmentName::Log => {
                if recovering.log(number, &later)? == Went::End {
                    break;
                }
            }
        }
    }
    if recovering.active.is_none()
        && let Some(last) = watermark
    {
        let path = dir.segment(last.segment, SegmentName::Log);
        let number = numbers.last().map_or(0, |&(number, _)| number);
        recovering.refuse_if_lost(&path, number, u64::MAX)?;
    }
    Ok(Recovered {
        segments: recovering.segments,
        active: recovering.active,
        recovery: recovering.recovery,
    })
}

/// What became of a segment that was not known to be whole.
#[derive(PartialEq, Eq)]
enum Went {
    /// It is complete, and has joined the others.
    Complete,
    /// The log ends in it, which makes it the active one, or before it.
    End,
}

struct Recovering<'a> {
    dir: &'a Arc<StreamDir>,
    watermark: Option<&'a Watermark>,
    segments: Vec<Arc<Segment>>,
    active: Option<(Segment, u64)>,
    recovery: Option<Recovery>,
}

impl Recovering<'_> {
    fn push(&mut self, segment: Segment) -> Result<(), Fault> {
        self.check_follows(&segment.header)?;
        self.segments.push(Arc::new(segment));
        Ok(())
    }

    fn check_follows(&self, header: &SegmentHeader) -> Result<(), Fault> {
        match self
            .segments
            .last()
            .and_then(|last| Some((last, last.footer()?)))
        {
            Some((last, footer)) => load::check_continues(self.dir, &last.header, footer, header),
            None => Ok(()),
        }
    }

    /// Reads a segment that may not be whole.
    fn log(&mut self, number: u64, later: &[u64]) -> Result<Went, Fault> {
        let found = load::look_at(self.dir, number)?;
        let next = match later.first() {
            Some(&next) => Some(load::look_at(self.dir, next)?),
            None => None,
        };
        let salt = Salt::new(&self.dir.meta, number);
        let scanner = Scanner {
            file: &*found.file,
            path: &found.path,
            salt,
            hashes: &self.dir.hashes,
        };
        let header = match found.header {
            Ok(header) => header,
            Err(what) => {
                refuse_if_synced(&scanner, found.len, next.as_ref(), 0, 0, what)?;
                self.refuse_if_lost(&found.path, number, 0)?;
                self.cut(&found, number, 0, later)?;
                return Ok(Went::End);
            }
        };
        self.check_follows(&header)?;
        let mut index = MemoryIndex::default();
        let scan = scanner.scan(0, found.len, &mut index)?;
        if let Some(footer) = scan.footer {
            return self.complete(&found, header, footer, &index, scan.synced);
        }
        // Another segment goes on where the whole frames end. All that can be missing or torn is the
        // footer, which is not synced before the next segment begins.
        let footer = footer_of(&index, scan.end);
        if let Some(Found {
            header: Ok(next), ..
        }) = &next
            && load::continues(&header, &footer, next)
        {
            self.write_footer(&found, number, &footer)?;
            return self.complete(&found, header, footer, &index, scan.synced);
        }
        if scan.bad.is_none() && next.is_none() {
            self.refuse_if_lost(&found.path, number, scan.end)?;
            return self.go_on(header, &found, index, &scan);
        }
        let what = scan
            .bad
            .unwrap_or("records are missing before the next segment");
        let (end, synced) = (scan.end, scan.synced);
        refuse_if_synced(&scanner, found.len, next.as_ref(), end, synced, what)?;
        self.refuse_if_lost(&found.path, number, scan.end)?;
        self.cut(&found, number, scan.end, later)?;
        self.go_on(header, &found, index, &scan)
    }

    /// Sets aside everything from `offset` of segment `number` on, then cuts it off.
    fn cut(&mut self, found: &Found, number: u64, offset: u64, later: &[u64]) -> Result<(), Fault> {
        let mut saved_to = Vec::new();
        let mut saved_bytes = 0;
        let mut parts = vec![(number, offset)];
        parts.extend(later.iter().map(|&number| (number, 0)));
        for &(number, offset) in &parts {
            let (file, path) = self.dir.open_segment(number)?;
            let len = file.len().doing("reading", &path)?;
            let bytes =
                read_exact(&*file, offset, (len - offset) as usize).doing("reading", &path)?;
            // Reserved room is nothing to keep, and a header alone says nothing that is not known.
            let used = bytes
                .iter()
                .rposition(|&byte| byte != 0)
                .map_or(0, |at| at + 1);
            let bytes = &bytes[..used];
            if bytes.is_empty() || (offset == 0 && len <= SEGMENT_HEADER as u64) {
                continue;
            }
            let aside = self.dir.new_lost(number, offset);
            save(&*self.dir.storage, &aside, bytes)?;
            saved_bytes += bytes.len() as u64;
            saved_to.push(aside.display().to_string());
        }
        self.sync_dir()?;
        for &(number, offset) in parts.iter().rev() {
            let (_, path) = self.dir.open_segment(number)?;
            if offset == 0 {
                self.dir.storage.remove(&path).doing("removing", &path)?;
            } else {
                let file = self.open_to_write(&path)?;
                file.set_len(offset).doing("truncating", &path)?;
                file.sync().doing("syncing", &path)?;
            }
        }
        self.sync_dir()?;
        if saved_bytes > 0 {
            self.recovery = Some(Recovery {
                path: found.path.display().to_string(),
                offset,
                bytes: saved_bytes,
                saved_to,
                no_watermark: None,
                groups: Vec::new(),
            });
        }
        Ok(())
    }

    fn sync_dir(&self) -> Result<(), Fault> {
        let path = &self.dir.path;
        self.dir.storage.sync_dir(path).doing("syncing", path)
    }

    /// Fails if the last writer had put more on stable storage than the log holds if it ends in
    /// segment `number` at `end`.
    fn refuse_if_lost(&self, path: &Path, number: u64, end: u64) -> Result<(), Fault> {
        match self
            .watermark
            .and_then(|last| last.lost_behind(number, end))
        {
            Some(what) => {
                // A segment that is missing is so from its first byte on.
                let offset = if end == u64::MAX { 0 } else { end };
                Err(Fault::corrupt(path, offset, what))
            }
            None => Ok(()),
        }
    }

    /// Makes a segment the one that is written from now on.
    fn go_on(
        &mut self,
        header: SegmentHeader,
        found: &Found,
        index: MemoryIndex,
        scan: &Scan,
    ) -> Result<Went, Fault> {
        let by_watermark = self
            .watermark
            .filter(|watermark| watermark.segment == header.number)
            .map_or(0, |watermark| watermark.synced);
        let path = found.path.clone();
        let file = self.open_to_write(&path)?;
        make_stable(&*file, &path, scan.synced.max(by_watermark)..scan.end)?;
        let segment = Segment::growing(self.dir, header, file, path, index);
        self.active = Some((segment, scan.end));
        Ok(Went::End)
    }

    fn write_footer(&self, found: &Found, number: u64, footer: &Footer) -> Result<(), Fault> {
        let salt = Salt::new(&self.dir.meta, number);
        let path = &found.path;
        let file = self.open_to_write(path)?;
        let bytes = footer.encode(salt, 0);
        file.write_at(&[IoSlice::new(&bytes)], footer.offset)
            .doing("writing", path)
    }

    fn open_to_write(&self, path: &Path) -> Result<Arc<dyn StorageFile>, Fault> {
        let storage = &self.dir.storage;
        storage.open(path, OpenHow::Write).doing("opening", path)
    }

    /// Puts a complete segment on stable storage and gives it its final name.
    fn complete(
        &mut self,
        found: &Found,
        header: SegmentHeader,
        footer: Footer,
        index: &MemoryIndex,
        synced: u64,
    ) -> Result<Went, Fault> {
        let to = self.dir.segment(header.number, SegmentName::Sealed);
        let end = footer.offset + FOOTER as u64;
        let file = self.open_to_write(&found.path)?;
        // Reserved room may still stand behind the footer, or part of a torn one.
        if file.len().doing("reading", &found.path)? > end {
            file.set_len(end).doing("truncating", &found.path)?;
        }
        make_stable(&*file, &found.path, synced..end)?;
        crate::background::write_index(self.dir, header.number, index)?;
        self.dir
            .storage
            .rename(&found.path, &to)
            .doing("renaming", &found.path)?;
        self.sync_dir()?;
        self.segments
            .push(Arc::new(Segment::complete(self.dir, header, footer)));
        Ok(Went::Complete)
    }
}

/// Fails if there is evidence that what is damaged at `offset` of a file of `len` bytes was on stable
/// storage.
pub(crate) fn refuse_if_synced(
    scanner: &Scanner<'_>,
    len: u64,
    next: Option<&Found>,
    offset: u64,
    synced: u64,
    what: &str,
) -> Result<(), Fault> {
    let behind = scanner.evidence_behind(offset, len)?;
    let by_next = matches!(next, Some(Found { header: Ok(next), .. }) if next.previous_synced);
    if by_next || synced.max(behind) > offset {
        return Err(Fault::corrupt(scanner.path, offset, what));
    }
    Ok(())
}

/// Puts part of a segment on stable storage.
///
/// What was read may be in the system's memory alone, and a sync that failed in an earlier process
/// may have made the system forget that: no later sync would write it. So it is written again.
fn make_stable(file: &dyn StorageFile, path: &Path, range: Range<u64>) -> Result<(), Fault> {
    let mut at = range.start;
    while at < range.end {
        let len = (range.end - at).min(1 << 20);
        let bytes = read_exact(file, at, len as usize).doing("reading", path)?;
        file.write_at(&[IoSlice::new(&bytes)], at)
            .doing("writing", path)?;
        at += len;
    }
    file.sync().doing("syncing", path)
}

/// The footer of a segment whose frames end at `end`.
pub(crate) fn footer_of(index: &MemoryIndex, end: u64) -> Footer {
    let none = recount_core::EntryId::MIN;
    Footer {
        first: index.entry_ids.first().copied().unwrap_or(none),
        last: index.entry_ids.last().copied().unwrap_or(none),
        count: index.len(),
        offset: end,
    }
}
