//! Finding the end of the log after whatever happened to it.
//!
//! Pages that were not synced may reach the disk in any order, so a hole may have sound frames behind
//! it. Whether a hole is the unsynced tail or damage is decided by evidence: every frame says
//! how far the segment was on stable storage when it was written.

use std::sync::Arc;

use crate::dir::{SegmentName, StreamDir};
use crate::error::{Doing, Fault, Recovery};
use crate::frame::{Footer, SEGMENT_HEADER, Salt, SegmentHeader};
use crate::index::MemoryIndex;
use crate::load::{self, Found};
use crate::open::save;
use crate::scan::{Scan, Scanner};
use crate::segment::Segment;
use crate::storage::{OpenHow, read_exact};
use crate::watermark::Watermark;

/// What is left after recovery.
pub(crate) struct Recovered {
    /// The complete segments.
    pub(crate) segments: Vec<Arc<Segment>>,
    /// The one to go on in; none if a new one is to be begun.
    pub(crate) active: Option<Segment>,
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
        recovery: None,
    };
    let mut active = None;
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
                if let Some(growing) = recovering.log(number, &later)? {
                    active = Some(growing);
                    break;
                }
            }
        }
    }
    Ok(Recovered {
        segments: recovering.segments,
        active,
        recovery: recovering.recovery,
    })
}

struct Recovering<'a> {
    dir: &'a Arc<StreamDir>,
    watermark: Option<&'a Watermark>,
    segments: Vec<Arc<Segment>>,
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

    /// Reads a segment that may not be whole. Returns it if it is the one to go on in; if it is
    /// complete it joins the others.
    fn log(&mut self, number: u64, later: &[u64]) -> Result<Option<Segment>, Fault> {
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
                self.refuse_if_synced(&scanner, &found, next.as_ref(), 0, 0, what)?;
                self.cut(&found, number, 0, later)?;
                return Ok(None);
            }
        };
        self.check_follows(&header)?;
        let mut index = MemoryIndex::default();
        let scan = scanner.scan(0, found.len, &mut index)?;
        if let Some(footer) = scan.footer {
            return self.complete(&found, header, footer, &index).map(|()| None);
        }
        if scan.bad.is_none() {
            // Whole frames up to the end, no footer: complete if another segment goes on from here.
            let footer = footer_of(&index, &scan);
            match &next {
                Some(Found {
                    header: Ok(next), ..
                }) if load::continues(&header, &footer, next) => {
                    return self
                        .add_footer(&found, header, footer, &index)
                        .map(|()| None);
                }
                None => {
                    self.note_missing(&found, number, scan.end);
                    return Ok(Some(self.growing(header, &found, index)?));
                }
                Some(_) => {}
            }
        }
        let what = scan
            .bad
            .unwrap_or("records are missing before the next segment");
        self.refuse_if_synced(&scanner, &found, next.as_ref(), scan.end, scan.synced, what)?;
        self.cut(&found, number, scan.end, later)?;
        Ok(Some(self.growing(header, &found, index)?))
    }

    /// Fails if there is evidence that what is damaged at `offset` was on stable storage.
    fn refuse_if_synced(
        &self,
        scanner: &Scanner<'_>,
        found: &Found,
        next: Option<&Found>,
        offset: u64,
        synced: u64,
        what: &str,
    ) -> Result<(), Fault> {
        let behind = scanner.evidence_behind(offset, found.len)?;
        let by_next = matches!(next, Some(Found { header: Ok(next), .. }) if next.previous_synced);
        if by_next || synced.max(behind) > offset {
            return Err(Fault::corrupt(&found.path, offset, what));
        }
        Ok(())
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
            // A header alone says nothing that is not known.
            if bytes.is_empty() || (offset == 0 && len <= SEGMENT_HEADER as u64) {
                continue;
            }
            let aside = self.dir.lost(number, offset);
            save(&*self.dir.storage, &aside, &bytes)?;
            saved_bytes += bytes.len() as u64;
            saved_to.push(aside.display().to_string());
        }
        self.sync_dir()?;
        for &(number, offset) in parts.iter().rev() {
            let (_, path) = self.dir.open_segment(number)?;
            if offset == 0 {
                self.dir.storage.remove(&path).doing("removing", &path)?;
            } else {
                let file = self
                    .dir
                    .storage
                    .open(&path, OpenHow::Write)
                    .doing("opening", &path)?;
                file.set_len(offset).doing("truncating", &path)?;
                file.sync().doing("syncing", &path)?;
            }
        }
        self.sync_dir()?;
        let synced_to = self.missing(number, offset);
        if saved_bytes > 0 || synced_to.is_some() {
            self.recovery = Some(Recovery {
                path: found.path.display().to_string(),
                offset,
                bytes: saved_bytes,
                saved_to,
                synced_to,
            });
        }
        Ok(())
    }

    fn sync_dir(&self) -> Result<(), Fault> {
        let path = &self.dir.path;
        self.dir.storage.sync_dir(path).doing("syncing", path)
    }

    /// Reports it if the last writer had synced more than is there.
    fn note_missing(&mut self, found: &Found, number: u64, end: u64) {
        if let Some(synced) = self.missing(number, end) {
            self.recovery = Some(Recovery {
                path: found.path.display().to_string(),
                offset: end,
                bytes: 0,
                saved_to: Vec::new(),
                synced_to: Some(synced),
            });
        }
    }

    fn missing(&self, number: u64, end: u64) -> Option<u64> {
        self.watermark
            .filter(|watermark| watermark.segment == number && watermark.synced > end)
            .map(|watermark| watermark.synced)
    }

    fn growing(
        &self,
        header: SegmentHeader,
        found: &Found,
        index: MemoryIndex,
    ) -> Result<Segment, Fault> {
        let path = self.dir.segment(header.number, SegmentName::Log);
        let file = self
            .dir
            .storage
            .open(&path, OpenHow::Write)
            .doing("opening", &found.path)?;
        Ok(Segment::growing(self.dir, header, file, path, index))
    }

    fn add_footer(
        &mut self,
        found: &Found,
        header: SegmentHeader,
        footer: Footer,
        index: &MemoryIndex,
    ) -> Result<(), Fault> {
        let salt = Salt::new(&self.dir.meta, header.number);
        let file = self
            .dir
            .storage
            .open(&found.path, OpenHow::Write)
            .doing("opening", &found.path)?;
        let bytes = footer.encode(salt, 0);
        file.write_at(&[std::io::IoSlice::new(&bytes)], footer.offset)
            .doing("writing", &found.path)?;
        self.complete(found, header, footer, index)
    }

    /// Puts a complete segment on stable storage and gives it its final name.
    fn complete(
        &mut self,
        found: &Found,
        header: SegmentHeader,
        footer: Footer,
        index: &MemoryIndex,
    ) -> Result<(), Fault> {
        let to = self.dir.segment(header.number, SegmentName::Sealed);
        found.file.sync().doing("syncing", &found.path)?;
        crate::background::write_index(self.dir, header.number, index)?;
        self.dir
            .storage
            .rename(&found.path, &to)
            .doing("renaming", &found.path)?;
        self.sync_dir()?;
        self.segments
            .push(Arc::new(Segment::complete(self.dir, header, footer)));
        Ok(())
    }
}

fn footer_of(index: &MemoryIndex, scan: &Scan) -> Footer {
    let none = recount_core::EntryId::MIN;
    Footer {
        first: index.entry_ids.first().copied().unwrap_or(none),
        last: index.entry_ids.last().copied().unwrap_or(none),
        count: index.len(),
        offset: scan.end,
    }
}
