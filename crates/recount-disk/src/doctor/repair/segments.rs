//! Making the segments whole.

use std::io::IoSlice;
use std::sync::Arc;

use recount_core::EntryId;

use super::super::files::Notes;
use super::super::names::{self};
use super::super::segments::{Around, Case, End, Verdict, missing, next_header};
use super::super::tables::Tables;
use super::super::{Done, Loss, Severity, exam, rewrite};
use super::Repair;
use crate::dir::{SegmentName, TableKind};
use crate::error::{Doing, Fault};
use crate::floor::Floor;
use crate::frame::SegmentHeader;
use crate::load;
use crate::storage::{OpenHow, replace};
use crate::table::{Table, copy_before};

impl Repair {
    /// Makes the segments whole, oldest first. Says whether anything was changed.
    pub(super) fn segments(&mut self, floor: &Floor) -> Result<bool, Fault> {
        let dir = Arc::clone(&self.dir);
        let listing = dir.list()?;
        let numbers: Vec<u64> = listing.segments.iter().map(|&(number, _)| number).collect();
        let watermark = load::watermark(&dir);
        let mut notes = Notes::default();
        let first = numbers.first().copied().unwrap_or(floor.segment);
        let tables = Tables::check(&dir, &listing, first, &mut notes, |_| {})?;
        let ids_below = exam::ids_below(&tables);
        drop(tables);
        let all_gone = numbers.is_empty() && floor.trimmed > 0;
        let last = match numbers.last() {
            Some(&last) => last,
            None if all_gone => floor.segment,
            None => 0,
        };
        let unknown = exam::evidence_is_gone(&dir, watermark.as_ref(), &numbers)?;
        let mut end: Option<End> = None;
        let mut log_end = (last, u64::MAX);
        let mut changed = false;
        let mut open_losses = 0;
        for number in floor.segment..=last {
            let next = next_header(&dir, &numbers, number)?;
            let around = Around {
                floor,
                before: end.as_ref(),
                next: next.as_ref(),
                is_last: number >= last,
                watermark: watermark.as_ref(),
                unknown,
                living: false,
                ids_below,
            };
            let Some(mut case) = Case::read(&dir, number, around.ids(), None)? else {
                let (finding, header, after) = missing(number, &around);
                self.cut_ids(number, header.base_id)?;
                let path = dir.segment(number, SegmentName::Sealed);
                replace(&*dir.storage, &path, &rewrite::empty(&header, &dir.meta))?;
                self.done.push(Done {
                    file: finding.file,
                    what: "put an empty segment in the place of the missing one".into(),
                    lost: finding.lost,
                    saved_to: None,
                });
                changed = true;
                end = Some(after);
                continue;
            };
            if let Some(id) = case.walk.first_id(&case.bytes) {
                self.settle_before(open_losses, id);
                open_losses = self.done.len();
            }
            let verdict = case.judge(&around);
            let is_last = around.is_last;
            if verdict.rewrite {
                log_end = (number, self.rewrite(&case, &verdict, is_last)?);
                changed = true;
            } else if verdict.tail != Some(0) && case.header.as_ref() != Ok(&verdict.header) {
                self.patch(&case, &verdict)?;
                changed = true;
            }
            if !verdict.rewrite && case.name == SegmentName::Log {
                log_end = (number, verdict.tail.unwrap_or(case.bytes.len() as u64));
            } else if case.name == SegmentName::Sealed {
                log_end = (number, u64::MAX);
            }
            end = Some(verdict.end);
            if verdict.tail.is_some() {
                break;
            }
        }
        if let Some(end) = end {
            self.mend_floor(floor, &end)?;
        }
        let held = watermark.and_then(|mark| mark.lost_behind(log_end.0, log_end.1));
        if let (Some(mark), Some(_)) = (watermark, held) {
            self.rename("watermark", "watermark.bad")?;
            let last = end.map(|end| end.last).filter(|&last| last != EntryId::MIN);
            self.done.push(Done {
                file: "watermark".into(),
                what: format!(
                    "moved it to watermark.bad: it says that the log was on stable storage up to byte {} of segment {}, which is more than is left",
                    mark.synced, mark.segment
                ),
                // What is missing of a segment that is there was told with it.
                lost: (mark.segment > log_end.0).then(|| Loss::new(None, last, None)),
                saved_to: None,
            });
            changed = true;
        }
        Ok(changed)
    }

    /// What was lost since then lies before `id`.
    fn settle_before(&mut self, from: usize, id: EntryId) {
        for loss in self.done[from..]
            .iter_mut()
            .filter_map(|done| done.lost.as_mut())
        {
            loss.before = loss.before.or(Some(id));
        }
    }

    /// Writes what is left of a segment anew. Says how long it is now.
    fn rewrite(&mut self, case: &Case, verdict: &Verdict, is_last: bool) -> Result<u64, Fault> {
        let dir = Arc::clone(&self.dir);
        let mut saved = Vec::new();
        for hole in &case.walk.holes {
            let bytes = &case.bytes[hole.start as usize..hole.end as usize];
            saved.push((hole.start, self.save(case.number, hole.start, bytes)?));
        }
        // What says where the records are, and which ids they have, must not outlive them.
        self.remove(&names::index_name(case.number))?;
        self.cut_ids(case.number, verdict.header.base_id)?;
        let complete = case.name == SegmentName::Sealed || !is_last || case.walk.footer.is_some();
        let bytes = rewrite::segment(case, &verdict.header, complete, &dir.meta);
        replace(&*dir.storage, &dir.segment(case.number, case.name), &bytes)?;
        for finding in &verdict.findings {
            if finding.severity == Severity::Notice {
                continue;
            }
            let saved_to = saved
                .iter()
                .find(|(start, _)| Some(*start) == finding.offset);
            self.done.push(Done {
                file: finding.file.clone(),
                what: format!(
                    "{}; wrote every record that checks out in a new file",
                    finding.what
                ),
                lost: finding.lost.clone(),
                saved_to: saved_to.and_then(|(_, name)| name.clone()),
            });
        }
        Ok(bytes.len() as u64)
    }

    /// Overwrites a segment's header. It lies within one sector, and nobody maps it to read it: who
    /// looks at it meanwhile sees one or the other, or a checksum that does not match. Torn, it is
    /// written again by the next repair.
    fn patch(&mut self, case: &Case, verdict: &Verdict) -> Result<(), Fault> {
        let dir = &self.dir;
        let path = dir.segment(case.number, case.name);
        let bytes = SegmentHeader::encode(&verdict.header, &dir.meta);
        let file = dir
            .storage
            .open(&path, OpenHow::Write)
            .doing("opening", &path)?;
        file.write_at(&[IoSlice::new(&bytes)], 0)
            .doing("writing", &path)?;
        file.sync().doing("syncing", &path)?;
        let lost = verdict
            .findings
            .iter()
            .find(|finding| finding.code == "does_not_follow");
        let lost = lost.and_then(|finding| finding.lost.clone());
        self.done.push(Done {
            file: case.file(),
            what: "wrote its header anew: it counts on from the segment before".into(),
            lost,
            saved_to: None,
        });
        Ok(())
    }

    /// Takes the event ids of segments from `number` on out of the tables; those of the segments that
    /// are there come back from the records.
    pub(super) fn cut_ids(&mut self, number: u64, last_id: EntryId) -> Result<(), Fault> {
        for range in self.dir.list()?.ids {
            if (range.0..=range.1).contains(&number) {
                self.cut_table(TableKind::Ids, range, number, last_id)?;
            }
        }
        Ok(())
    }

    pub(super) fn cut_table(
        &mut self,
        kind: TableKind,
        range: (u64, u64),
        from: u64,
        last_id: EntryId,
    ) -> Result<(), Fault> {
        let path = self.dir.table(kind, range);
        if range.0 < from {
            let to = self.dir.table(kind, (range.0, from - 1));
            let copied = match Table::open(&self.dir, &path, range)? {
                Some(table) => copy_before(&self.dir, &to, &table, from, last_id),
                None => Err(Fault::corrupt(&path, 0, "")),
            };
            match copied {
                // Then it is dealt with as any damaged table.
                Err(Fault::Corrupt { .. }) => return Ok(()),
                other => other?,
            }
        }
        self.remove(&names::table_name(kind, range))?;
        self.sync_dir()
    }
}
