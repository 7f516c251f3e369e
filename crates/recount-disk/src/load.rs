//! Reading what a directory holds: the floor, complete segments, tables. Changes nothing.

use std::io;
use std::sync::Arc;

use crate::dir::{StreamDir, TableKind};
use crate::error::{Doing, Fault};
use crate::floor::Floor;
use crate::frame::{FOOTER, Footer, SEGMENT_HEADER, Salt, SegmentHeader};
use crate::segment::Segment;
use crate::storage::{StorageFile, read_exact};
use crate::table::Table;
use crate::watermark::{WATERMARK_BYTES, Watermark};

/// Where the retained entries begin.
pub(crate) fn floor(dir: &StreamDir) -> Result<Floor, Fault> {
    let path = dir.floor();
    match crate::dir::read_small(&*dir.storage, &path) {
        Err(Fault::Io { missing: true, .. }) => Ok(Floor::NONE),
        Err(fault) => Err(fault),
        Ok(bytes) => Floor::decode(&bytes)
            .ok_or_else(|| Fault::corrupt(&path, 0, "it does not match its checksum")),
    }
}

/// An error unless the floor hides what was trimmed when the watermark was written, after it: it is
/// missing, or an older one.
pub(crate) fn check_floor(
    dir: &StreamDir,
    floor: &Floor,
    watermark: Option<&Watermark>,
) -> Result<(), Fault> {
    match watermark.and_then(|watermark| watermark.trimmed) {
        Some(trimmed) if trimmed > floor.trimmed => {
            let what = format!(
                "{trimmed} entries were trimmed, but it hides {}: it is missing, or an older one",
                floor.trimmed
            );
            Err(Fault::corrupt(&dir.floor(), 0, what))
        }
        _ => Ok(()),
    }
}

/// What the last writer, or the living one, says of itself. None if it cannot be read.
pub(crate) fn watermark(dir: &StreamDir) -> Option<Watermark> {
    let path = dir.watermark();
    // Read while it is being overwritten it may not match its checksum; the next attempt will.
    (0..10).find_map(|_| {
        let file = dir
            .storage
            .open(&path, crate::storage::OpenHow::Read)
            .ok()?;
        Watermark::decode(
            &read_exact(&*file, 0, WATERMARK_BYTES).ok()?,
            &dir.meta.identity,
        )
    })
}

/// What is found where a segment should be.
pub(crate) struct Found {
    pub(crate) file: Arc<dyn StorageFile>,
    pub(crate) path: std::path::PathBuf,
    pub(crate) len: u64,
    pub(crate) header: Result<SegmentHeader, &'static str>,
    /// The footer, if the file ends in one.
    pub(crate) footer: Result<Footer, &'static str>,
}

/// Looks at both ends of a segment file.
pub(crate) fn look_at(dir: &StreamDir, number: u64) -> Result<Found, Fault> {
    let (file, path) = dir.open_segment(number)?;
    let len = file.len().doing("reading", &path)?;
    let head = read_exact(&*file, 0, SEGMENT_HEADER.min(len as usize)).doing("reading", &path)?;
    let header = SegmentHeader::decode(&head, number, &dir.meta);
    let footer = match len
        .checked_sub(FOOTER as u64)
        .filter(|&at| at >= SEGMENT_HEADER as u64)
    {
        None => Err("the segment is too short for a footer"),
        Some(at) => {
            match read_exact(&*file, at, FOOTER) {
                Ok(tail) => Footer::decode(&tail, Salt::new(&dir.meta, number), len),
                // A writer cut off room that it had reserved: there was no footer.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Err("the segment became shorter")
                }
                Err(error) => return Err(error).doing("reading", &path),
            }
        }
    };
    Ok(Found {
        file,
        path,
        len,
        header,
        footer,
    })
}

/// A complete segment; an error if it is damaged or not complete.
pub(crate) fn complete(dir: &Arc<StreamDir>, number: u64) -> Result<Segment, Fault> {
    let found = look_at(dir, number)?;
    let header = found
        .header
        .map_err(|what| Fault::corrupt(&found.path, 0, what))?;
    let footer = found.footer.map_err(|what| {
        Fault::corrupt(&found.path, found.len.saturating_sub(FOOTER as u64), what)
    })?;
    Ok(Segment::complete(dir, header, footer))
}

/// An error unless `next` begins where a segment with this footer ends.
pub(crate) fn check_continues(
    dir: &StreamDir,
    before: &SegmentHeader,
    footer: &Footer,
    next: &SegmentHeader,
) -> Result<(), Fault> {
    if continues(before, footer, next) {
        return Ok(());
    }
    let path = dir.segment(next.number, crate::dir::SegmentName::Sealed);
    Err(Fault::corrupt(
        &path,
        0,
        "the segment does not follow the one before it",
    ))
}

/// Whether `next` begins where a segment with this footer ends.
pub(crate) fn continues(before: &SegmentHeader, footer: &Footer, next: &SegmentHeader) -> bool {
    let last = if footer.count == 0 {
        before.base_id
    } else {
        footer.last
    };
    next.base_entries == before.base_entries + u64::from(footer.count) && next.base_id == last
}

/// The first and the last segment that a table covers.
pub(crate) type Span = (u64, u64);

/// The widest tables that cover the most segments without overlapping; the rest is superseded.
pub(crate) fn cover(mut ranges: Vec<Span>) -> (Vec<Span>, Vec<Span>) {
    ranges.sort_unstable_by_key(|&(first, last)| (first, std::cmp::Reverse(last)));
    let mut covered = 0;
    ranges.into_iter().partition(|&(first, last)| {
        let wanted = first > covered;
        if wanted {
            covered = last;
        }
        wanted
    })
}

/// Opens the tables of these ranges; a damaged one is none.
pub(crate) fn tables(
    dir: &StreamDir,
    kind: TableKind,
    ranges: &[(u64, u64)],
) -> Result<Vec<Option<Arc<Table>>>, Fault> {
    let open = |&range| {
        let table = Table::open(dir, &dir.table(kind, range), range)?;
        Ok(table.map(Arc::new))
    };
    ranges.iter().map(open).collect()
}

#[cfg(test)]
mod tests {
    use super::cover;

    #[test]
    fn merged_tables_supersede_what_they_were_made_of() {
        let (kept, rest) = cover(vec![(1, 1), (2, 2), (1, 8), (9, 9), (8, 8), (12, 12)]);
        assert_eq!(kept, [(1, 8), (9, 9), (12, 12)]);
        assert_eq!(rest, [(1, 1), (2, 2), (8, 8)]);
    }
}
