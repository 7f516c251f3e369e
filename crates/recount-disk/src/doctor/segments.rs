//! What is wrong with a segment, by itself and between its neighbours.

use recount_core::EntryId;

use super::walk::{Hole, Walk};
use super::{Finding, Loss, Severity, files, names, words};
use crate::dir::{SegmentName, StreamDir};
use crate::error::{Doing, Fault};
use crate::floor::Floor;
use crate::frame::{SEGMENT_HEADER, Salt, SegmentHeader};
use crate::storage::{OpenHow, StorageFile};
use crate::watermark::Watermark;

/// Any ids.
pub(super) const ANY: (EntryId, EntryId) = (EntryId::MIN, EntryId::MAX);

/// A segment in memory.
pub(super) struct Case {
    pub(super) number: u64,
    pub(super) name: SegmentName,
    /// Whether there may be more in the file by now than was read.
    partial: bool,
    pub(super) bytes: Vec<u8>,
    pub(super) header: Result<SegmentHeader, &'static str>,
    pub(super) walk: Walk,
}

impl Case {
    /// Reads a segment whose ids lie in `ids`, see [`Walk::of`]; of a file that grows only its first
    /// `limit` bytes. None if it is missing.
    pub(super) fn read(
        dir: &StreamDir,
        number: u64,
        ids: (EntryId, EntryId),
        limit: Option<u64>,
    ) -> Result<Option<Self>, Fault> {
        let (file, path) = match dir.open_segment(number) {
            Err(Fault::Io { missing: true, .. }) => return Ok(None),
            other => other?,
        };
        let name = if path == dir.segment(number, SegmentName::Sealed) {
            SegmentName::Sealed
        } else {
            SegmentName::Log
        };
        let len = file.len().doing("reading", &path)?;
        let len = limit.map_or(len, |limit| len.min(limit));
        let bytes = read_up_to(&*file, len).doing("reading", &path)?;
        Ok(Some(Self {
            partial: limit.is_some(),
            ..Self::of(dir, number, name, ids, bytes)
        }))
    }

    /// The one of a segment's two files.
    pub(super) fn read_named(
        dir: &StreamDir,
        number: u64,
        name: SegmentName,
    ) -> Result<Self, Fault> {
        let path = dir.segment(number, name);
        let file = dir
            .storage
            .open(&path, OpenHow::Read)
            .doing("opening", &path)?;
        let len = file.len().doing("reading", &path)?;
        let bytes = read_up_to(&*file, len).doing("reading", &path)?;
        Ok(Self::of(dir, number, name, ANY, bytes))
    }

    /// What a segment's file holds.
    pub(super) fn of(
        dir: &StreamDir,
        number: u64,
        name: SegmentName,
        ids: (EntryId, EntryId),
        bytes: Vec<u8>,
    ) -> Self {
        let head = &bytes[..bytes.len().min(SEGMENT_HEADER)];
        Self {
            number,
            name,
            partial: false,
            header: SegmentHeader::decode(head, number, &dir.meta),
            walk: Walk::of(&bytes, Salt::new(&dir.meta, number), ids),
            bytes,
        }
    }

    pub(super) fn file(&self) -> String {
        names::segment_name(self.number, self.name)
    }
}

/// What is known around a segment.
pub(super) struct Around<'a> {
    pub(super) floor: &'a Floor,
    /// The end of the segment before; none of the first.
    pub(super) before: Option<&'a End>,
    /// The header of the next one that is there, which follows at once if its number does.
    pub(super) next: Option<&'a SegmentHeader>,
    /// Whether there are later segments at all.
    pub(super) is_last: bool,
    pub(super) watermark: Option<&'a Watermark>,
    /// Whether nothing tells how far the log was on stable storage: then all of it may have been.
    pub(super) unknown: bool,
    /// Whether the segment was read only as far as a living writer answers for.
    pub(super) living: bool,
    /// An id that no entry of segments that are gone is above, where no segment tells.
    pub(super) ids_below: EntryId,
}

impl Around<'_> {
    /// Above which id and up to which one the segment's are.
    pub(super) fn ids(&self) -> (EntryId, EntryId) {
        let after = self.before.map_or(EntryId::MIN, |before| before.last);
        (after, self.next.map_or(EntryId::MAX, |next| next.base_id))
    }
}

/// Where the log is after a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    /// How many entries were added so far, counted anew: the lost ones are left out.
    pub(super) entries: u64,
    /// The greatest id so far.
    pub(super) last: EntryId,
    /// How many were added so far, by what was written; none where nothing tells.
    pub(super) written: Option<u64>,
    /// Whether nothing is missing at the end of the segment.
    pub(super) clean: bool,
}

/// What is to be done about a segment.
pub(super) struct Verdict {
    pub(super) findings: Vec<Finding>,
    /// The header it should have.
    pub(super) header: SegmentHeader,
    /// Whether the survivors are to be written anew.
    pub(super) rewrite: bool,
    /// Where what was never on stable storage begins: the log ends there.
    pub(super) tail: Option<u64>,
    pub(super) end: End,
}

impl Case {
    /// Up to where this segment is known to have been on stable storage.
    fn evidence(&self, around: &Around<'_>) -> u64 {
        let by_watermark = match around.watermark {
            Some(mark) if mark.synced > SEGMENT_HEADER as u64 => {
                match mark.segment.cmp(&self.number) {
                    std::cmp::Ordering::Greater => u64::MAX,
                    std::cmp::Ordering::Equal => mark.synced,
                    std::cmp::Ordering::Less => 0,
                }
            }
            _ => 0,
        };
        let follows = |next: &&SegmentHeader| next.number == self.number + 1;
        let by_next = around
            .next
            .filter(follows)
            .is_some_and(|next| next.previous_synced);
        let sealed = self.name == SegmentName::Sealed;
        if around.living || around.unknown || sealed || by_next {
            return u64::MAX;
        }
        by_watermark.max(self.walk.synced)
    }

    /// How many entries were written to this segment, where the next one tells.
    fn written_by_next(&self, around: &Around<'_>) -> Option<u64> {
        let next = around.next.filter(|next| next.number == self.number + 1)?;
        let base = match &self.header {
            Ok(header) => header.base_entries,
            Err(_) => around.before?.written?,
        };
        next.base_entries.checked_sub(base)
    }

    /// Judges the segment.
    pub(super) fn judge(&mut self, around: &Around<'_>) -> Verdict {
        let by_next = self.written_by_next(around);
        if let Some(written) = by_next {
            self.walk.settle(written as u32);
        }
        let evidence = self.evidence(around);
        // Before the first entry that is left of this one comes the last of the segment before.
        let last_before = around.before.map(|before| before.last);
        let last_before = last_before.filter(|&last| last != EntryId::MIN);
        for hole in &mut self.walk.holes {
            hole.after = hole.after.or(last_before);
        }
        let mut findings = Vec::new();
        let mut tail = None;
        self.judge_holes(evidence, &mut findings, &mut tail);
        self.judge_end(around, by_next, evidence, &mut findings, &mut tail);
        let rewrite = tail.is_none()
            && findings
                .iter()
                .any(|finding| finding.severity != Severity::Notice);
        let header = self.judge_header(around, evidence, rewrite, &mut findings, &mut tail);
        let count = u64::from(self.walk.count());
        let clean = findings.iter().all(|finding| finding.lost.is_none());
        let base = match (&self.header, around.before) {
            (Ok(header), _) => Some(header.base_entries),
            (Err(_), Some(before)) => before.written,
            (Err(_), None) => Some(header.base_entries),
        };
        let adjacent = around.next.filter(|next| next.number == self.number + 1);
        let written = adjacent
            .map(|next| next.base_entries)
            .or_else(|| Some(base? + u64::from(self.walk.written()?)));
        let end = End {
            entries: header.base_entries + count,
            last: self.walk.last_id(&self.bytes).unwrap_or(header.base_id),
            written,
            clean,
        };
        Verdict {
            findings,
            header,
            rewrite,
            tail,
            end,
        }
    }

    fn judge_holes(&self, evidence: u64, findings: &mut Vec<Finding>, tail: &mut Option<u64>) {
        for hole in &self.walk.holes {
            if hole.start >= evidence {
                // Whatever comes behind it, the log ends here; unless something before is to be
                // mended, which writes all that survives anew.
                if findings.is_empty() {
                    *tail = Some(hole.start);
                }
                findings.push(self.tail_finding(hole.start, hole.what));
                return;
            }
            findings.push(self.hole_finding(hole));
        }
    }

    fn tail_finding(&self, offset: u64, what: &str) -> Finding {
        Finding::new(
            Severity::Notice,
            "unsynced_tail",
            self.file(),
            format!(
                "the log ends in an incomplete write ({what}), which was never on stable storage"
            ),
            "the next opening for writing sets the rest aside in lost-*",
        )
        .at(offset)
    }

    fn hole_finding(&self, hole: &Hole) -> Finding {
        let bytes = words::count(hole.end - hole.start, "byte", "bytes");
        if hole.lost == Some(0) {
            return Finding::new(
                Severity::Rebuildable,
                "frame",
                self.file(),
                format!("{}: {bytes}; all their records check out", hole.what),
                "--repair saves the bytes in lost-*, and writes the records in a new file",
            )
            .at(hole.start);
        }
        let lost = hole.lost.map(u64::from);
        let what = if hole.start == hole.end {
            hole.what.to_owned()
        } else {
            format!("{}: {bytes}", hole.what)
        };
        Finding::new(
            Severity::Damage,
            "records",
            self.file(),
            what,
            "restore the file from a backup; or --repair saves the bytes in lost-*, keeps every record that checks out, and goes on without the others",
        )
        .at(hole.start)
        .losing(Some(Loss::new(lost, hole.after, hole.before)))
    }

    /// What may be wrong behind the last frame.
    fn judge_end(
        &self,
        around: &Around<'_>,
        by_next: Option<u64>,
        evidence: u64,
        findings: &mut Vec<Finding>,
        tail: &mut Option<u64>,
    ) {
        let walk = &self.walk;
        let last_before = around.before.map(|before| before.last);
        let sealed = self.name == SegmentName::Sealed && !self.partial;
        let complete = sealed || !around.is_last;
        let accounted = walk.written().map(u64::from);
        let missing = match (by_next, accounted) {
            (Some(wanted), Some(have)) if have < wanted => Some(Some(wanted - have)),
            // The file is shorter than what was on stable storage.
            _ if !self.bytes.is_empty()
                && !around.living
                && !complete
                && evidence != u64::MAX
                && evidence > walk.end
                && walk
                    .holes
                    .last()
                    .is_none_or(|hole| hole.end < walk.end || hole.lost == Some(0)) =>
            {
                Some(None)
            }
            // A sealed file that ends early, and nobody says how many there were.
            (None, Some(_)) if sealed && walk.footer.is_none() && walk.bad_footer.is_none() => {
                Some(None)
            }
            _ => None,
        };
        if let Some(entries) = missing {
            if walk.end >= evidence {
                tail.get_or_insert(walk.end);
                findings.push(
                    self.tail_finding(walk.end, "records are missing before the next segment"),
                );
                return;
            }
            let hole = Hole {
                start: walk.end,
                end: walk.end,
                what: "records are missing at the segment's end",
                lost: entries.map(|entries| entries as u32),
                after: walk.last_id(&self.bytes).or(last_before),
                before: None,
            };
            findings.push(self.hole_finding(&hole));
            return;
        }
        if tail.is_some() || !complete || around.living && self.name == SegmentName::Log {
            return;
        }
        let agrees = walk.footer.as_ref().is_some_and(|footer| {
            let first = walk.first_id(&self.bytes).unwrap_or(EntryId::MIN);
            let last = walk.last_id(&self.bytes).unwrap_or(EntryId::MIN);
            !walk.holes.is_empty()
                || footer.count == walk.count() && footer.first == first && footer.last == last
        });
        if agrees {
            return;
        }
        let at = walk.bad_footer.unwrap_or(walk.end);
        findings.push(if self.name == SegmentName::Log && walk.footer.is_none() {
            Finding::new(
                Severity::Notice,
                "footer_missing",
                self.file(),
                "the segment is complete, but for its footer",
                "the next opening for writing adds it",
            )
            .at(at)
        } else {
            Finding::new(
                Severity::Rebuildable,
                "footer",
                self.file(),
                "the segment's footer is damaged; its records are complete",
                "--repair writes it anew",
            )
            .at(at)
        });
    }

    /// The header the segment should have, and what is wrong with the one it has.
    fn judge_header(
        &self,
        around: &Around<'_>,
        evidence: u64,
        rewrite: bool,
        findings: &mut Vec<Finding>,
        tail: &mut Option<u64>,
    ) -> SegmentHeader {
        let count = u64::from(self.walk.count());
        if let (Err(what), true) = (&self.header, !self.bytes.is_empty() || evidence > 0) {
            let nothing = count == 0 && self.walk.holes.is_empty();
            if nothing && evidence <= SEGMENT_HEADER as u64 && around.is_last {
                *tail = Some(0);
                findings.push(self.tail_finding(0, what));
            } else {
                findings.push(
                    Finding::new(
                        Severity::Rebuildable,
                        "segment_header",
                        self.file(),
                        *what,
                        "--repair writes it anew from the neighbours and the frames",
                    )
                    .at(0),
                );
            }
        } else if self.header.is_err() {
            *tail = Some(0);
        }
        let base = match (around.before, &self.header) {
            (Some(before), header) => {
                self.check_follows(before, header.as_ref().ok(), findings);
                return SegmentHeader {
                    number: self.number,
                    base_id: before.last,
                    base_entries: before.entries,
                    previous_synced: header
                        .as_ref()
                        .map_or(true, |header| header.previous_synced),
                };
            }
            (None, Ok(header)) => *header,
            (None, Err(_)) => self.derived(around),
        };
        if !rewrite {
            return base;
        }
        // What was trimmed stays hidden: of the lost entries, those that were trimmed go on to count
        // as added before the segment.
        let trimmed = around.floor.trimmed.saturating_sub(base.base_entries);
        let left = self.walk.survivors();
        let left = left
            .filter(|record| u64::from(record.ordinal) < trimmed)
            .count() as u64;
        SegmentHeader {
            base_entries: base.base_entries + trimmed - left,
            ..base
        }
    }

    /// The header of the first segment, when it is not to be read.
    fn derived(&self, around: &Around<'_>) -> SegmentHeader {
        let written = self.walk.written().map(u64::from);
        let next = around.next.filter(|next| next.number == self.number + 1);
        let by_next = next
            .zip(written)
            .and_then(|(next, written)| next.base_entries.checked_sub(written));
        let first = self.walk.first_id(&self.bytes);
        let untrimmed = *around.floor == Floor::NONE;
        SegmentHeader {
            number: self.number,
            base_id: match first {
                _ if untrimmed => EntryId::MIN,
                Some(first) => first.previous().unwrap_or(EntryId::MIN),
                None => next.map_or(around.ids_below, |next| next.base_id),
            },
            base_entries: if untrimmed {
                0
            } else {
                // Where nothing tells, nothing of the segment is hidden.
                by_next.unwrap_or(around.floor.trimmed)
            },
            previous_synced: true,
        }
    }

    fn check_follows(
        &self,
        before: &End,
        header: Option<&SegmentHeader>,
        findings: &mut Vec<Finding>,
    ) {
        let (Some(header), Some(written)) = (header, before.written) else {
            return;
        };
        if !before.clean || header.base_entries == written && header.base_id == before.last {
            return;
        }
        let missing = header
            .base_entries
            .checked_sub(written)
            .filter(|&missing| missing > 0);
        let finding = Finding::new(
            if missing.is_some() {
                Severity::Damage
            } else {
                Severity::Rebuildable
            },
            "does_not_follow",
            self.file(),
            "the segment does not begin where the one before it ends",
            "--repair counts its entries on from there; so it does where an earlier repair was stopped",
        )
        .at(0);
        let first = self.walk.first_id(&self.bytes);
        let lost = missing.map(|missing| Loss::new(Some(missing), Some(before.last), first));
        findings.push(finding.losing(lost));
    }
}

/// The header of the next segment that is there, if it can be read.
pub(super) fn next_header(
    dir: &StreamDir,
    numbers: &[u64],
    after: u64,
) -> Result<Option<SegmentHeader>, Fault> {
    let Some(&next) = numbers.iter().find(|&&number| number > after) else {
        return Ok(None);
    };
    let (file, path) = match dir.open_segment(next) {
        Err(Fault::Io { missing: true, .. }) => return Ok(None),
        other => other?,
    };
    let head = read_up_to(&*file, SEGMENT_HEADER as u64).doing("reading", &path)?;
    Ok(SegmentHeader::decode(&head, next, &dir.meta).ok())
}

/// The first `len` bytes of a file, or as many as there are: a writer that completes a segment cuts
/// off the room it had reserved.
fn read_up_to(file: &dyn StorageFile, len: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; len as usize];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// The end of a segment that is missing and becomes an empty one, and what is lost.
pub(super) fn missing(number: u64, around: &Around<'_>) -> (Finding, SegmentHeader, End) {
    let next = around.next;
    let header = SegmentHeader {
        number,
        base_id: match (around.before, next) {
            (Some(before), _) => before.last,
            (None, Some(next)) => next.base_id,
            (None, None) => around.ids_below,
        },
        base_entries: around
            .before
            .map_or(around.floor.trimmed, |before| before.entries),
        previous_synced: true,
    };
    let from = around
        .before
        .map_or(Some(around.floor.trimmed), |before| before.written);
    let entries = next
        .zip(from)
        .map(|(next, from)| next.base_entries.saturating_sub(from));
    let after = around
        .before
        .map(|before| before.last)
        .filter(|&last| last != EntryId::MIN);
    let finding = Finding::new(
        Severity::Damage,
        "missing_segment",
        names::segment_name(number, SegmentName::Sealed),
        format!("segment {number} is missing"),
        "restore the file from a backup; or --repair puts an empty segment in its place, so that the numbers go on",
    )
    .losing(Some(Loss::new(entries, after, None)));
    let end = End {
        entries: header.base_entries,
        last: header.base_id,
        // What is lost of several missing ones is told of the first.
        written: next.map(|next| next.base_entries),
        clean: false,
    };
    (finding, header, end)
}

pub(super) fn in_words(case: &Case, end: &End) -> String {
    let what = match (case.name, case.walk.footer.is_some()) {
        _ if case.partial => "being written",
        (SegmentName::Sealed, _) => "sealed",
        (SegmentName::Log, true) => "complete, but not known to be on stable storage",
        (SegmentName::Log, false) => "being written",
    };
    let count = words::count(u64::from(case.walk.count()), "entry", "entries");
    let ids = case
        .walk
        .first_id(&case.bytes)
        .map_or(String::new(), |first| format!(", {first} to {}", end.last));
    format!("segment {}, {what}: {count}{ids}", case.number)
}

/// The name of the file that a path leads to.
pub(super) fn file_name(path: &std::path::Path) -> String {
    files::name_of(path)
}
