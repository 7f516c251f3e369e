//! Mending what an examination found.
//!
//! Every step leaves a directory that the next repair goes on from, and what a step destroys the
//! evidence of comes last: the watermark is moved only when the segments are whole.

use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;

use recount_core::EntryId;
use tokio::sync::oneshot;

use super::files::Notes;
use super::names::{self, Kind};
use super::segments::{Around, Case, End, Verdict, missing, next_header};
use super::tables::{Tables, means};
use super::{
    Done, Finding, Loss, OnProgress, Repaired, Report, Severity, exam, floor, mend, rewrite,
};
use crate::dir::{SegmentName, StreamDir, TableKind, stream_dir};
use crate::error::{Doing, Fault, OpenError};
use crate::floor::Floor;
use crate::frame::SegmentHeader;
use crate::load;
use crate::open;
use crate::options::{DiskOptions, Retention};
use crate::storage::{OpenHow, replace, replace_by};
use crate::table::{Table, copy_before};
use crate::writer::Request;

pub(super) fn repair(
    root: &Path,
    stream: &str,
    options: &DiskOptions,
    progress: OnProgress<'_>,
) -> Result<Repaired, OpenError> {
    let path = stream_dir(root, stream)?;
    // Before the lock, whose file would make a directory of what is none.
    mend::read_meta(options, root, stream)?;
    let lock = open::lock(&*options.storage, &path, options.lock_wait)?;
    let before = exam::look(root, stream, options, false, &mut *progress)?;
    let Some((meta, damaged_meta)) = mend::read_meta(options, root, stream)? else {
        return Ok(Repaired {
            done: Vec::new(),
            after: before.clone(),
            before,
        });
    };
    let mut repair = Repair {
        dir: Arc::new(StreamDir::new(Arc::clone(&options.storage), path, meta)),
        done: Vec::new(),
    };
    if damaged_meta.is_some() {
        StreamDir::write_meta(&*options.storage, &repair.dir.path, &meta)?;
        repair.did("stream.meta", "wrote it anew, as the segments prove it");
    }
    repair.temporary()?;
    repair.misnamed()?;
    repair.two_files()?;
    let floor = repair.floor()?;
    repair.superseded()?;
    let changed = repair.segments(&floor)?;
    let now = if changed || !repair.done.is_empty() {
        exam::look(root, stream, options, false, &mut *progress)?
    } else {
        before.clone()
    };
    repair.beside(&now, &floor)?;
    // Opening makes again what is missing, and may take the lock now.
    drop(lock);
    let done = repair.done;
    let refused = reopen(root, stream, options)?;
    let mut after = exam::look(root, stream, options, false, progress)?;
    after.findings.extend(refused);
    after.findings.sort_by_key(|finding| finding.severity);
    Ok(Repaired {
        before,
        done,
        after,
    })
}

/// Opens the log for writing and closes it: that makes again what is missing. What it refuses for
/// is a finding.
fn reopen(root: &Path, stream: &str, options: &DiskOptions) -> Result<Option<Finding>, OpenError> {
    let options = DiskOptions {
        // A repair trims nothing.
        retention: Retention::default(),
        ..options.clone()
    };
    let opened = match open::for_writing(root, stream, options) {
        Err(OpenError::Corrupt { path, offset, what }) => {
            let file = super::segments::file_name(Path::new(&path));
            let remedy = "restore the file from a backup";
            let finding = Finding::new(Severity::Damage, "refused", file, what, remedy);
            return Ok(Some(finding.at(offset)));
        }
        other => other?,
    };
    let (reply, answer) = oneshot::channel();
    // A thread of its own: the caller may be inside a runtime, which must not be blocked on.
    let closed = std::thread::spawn(move || {
        let sent = opened.requests.blocking_send(Request::Close(reply));
        sent.is_ok().then(|| answer.blocking_recv())
    });
    match closed.join() {
        Ok(Some(Ok(Ok(())))) => Ok(None),
        Ok(Some(Ok(Err(error)))) => Err(OpenError::Storage {
            action: "closing",
            path: root.display().to_string(),
            message: error.to_string(),
        }),
        _ => Err(OpenError::Storage {
            action: "closing",
            path: root.display().to_string(),
            message: "the writer ended early".into(),
        }),
    }
}

struct Repair {
    dir: Arc<StreamDir>,
    done: Vec<Done>,
}

impl Repair {
    fn did(&mut self, file: impl Into<String>, what: impl Into<String>) {
        self.done.push(Done {
            file: file.into(),
            what: what.into(),
            lost: None,
            saved_to: None,
        });
    }

    fn names(&self) -> Result<Vec<String>, Fault> {
        let dir = &self.dir;
        let mut names = dir.storage.list(&dir.path).doing("reading", &dir.path)?;
        names.sort();
        Ok(names)
    }

    fn sync_dir(&self) -> Result<(), Fault> {
        let path = &self.dir.path;
        self.dir.storage.sync_dir(path).doing("syncing", path)
    }

    fn remove(&self, name: &str) -> Result<(), Fault> {
        let path = self.dir.path.join(name);
        match self.dir.storage.remove(&path).doing("removing", &path) {
            Ok(()) | Err(Fault::Io { missing: true, .. }) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Fault> {
        let from = self.dir.path.join(from);
        let to = self.dir.path.join(to);
        self.dir
            .storage
            .rename(&from, &to)
            .doing("renaming", &from)?;
        self.sync_dir()
    }

    fn temporary(&mut self) -> Result<(), Fault> {
        for name in self.names()? {
            if names::kind(&name) == Kind::Temporary {
                self.remove(&name)?;
                self.did(name, "removed it");
            }
        }
        self.sync_dir()
    }

    /// A name for what is taken out of a segment that no file has.
    fn free_lost(&self, number: u64, offset: u64) -> Result<String, Fault> {
        let names = self.names()?;
        let first = super::segments::file_name(&self.dir.lost(number, offset));
        let stem = first.trim_end_matches(".bin");
        let mut further = (2..).map(|attempt| format!("{stem}-{attempt}.bin"));
        let candidates = std::iter::once(first.clone()).chain(further.by_ref().take(10_000));
        let mut free = candidates.filter(|name| !names.contains(name));
        Ok(free.next().unwrap_or(first))
    }

    /// Saves what is taken out of a segment; none if it is nothing but zeros.
    fn save(&self, number: u64, offset: u64, bytes: &[u8]) -> Result<Option<String>, Fault> {
        if super::walk::is_zero(bytes) {
            return Ok(None);
        }
        // A repair that was stopped may have saved it already.
        let stem = format!("lost-{number:010}-{offset}");
        for name in self
            .names()?
            .into_iter()
            .filter(|name| name.starts_with(&stem))
        {
            if self.dir.map(&self.dir.path.join(&name))?.as_deref() == Some(bytes) {
                return Ok(Some(name));
            }
        }
        let name = self.free_lost(number, offset)?;
        let path = self.dir.path.join(&name);
        replace_by(
            &*self.dir.storage,
            &path.with_extension("tmp"),
            &path,
            bytes,
        )?;
        Ok(Some(name))
    }

    /// Gives segments their right names.
    fn misnamed(&mut self) -> Result<(), Fault> {
        let notes = Notes::list(&self.dir)?;
        let found = mend::misnamed(&self.dir, &notes)?;
        // Out of each other's way first, under names that tell what they are.
        for misnamed in &found {
            let moved = names::moved_name(misnamed.number);
            if misnamed.name == moved {
                continue;
            }
            if self.names()?.contains(&moved) {
                let lost = self.free_lost(misnamed.number, 0)?;
                self.rename(&misnamed.name, &lost)?;
                self.done.push(Done {
                    file: misnamed.name.clone(),
                    what: format!("is segment {} once more; saved it", misnamed.number),
                    lost: None,
                    saved_to: Some(lost),
                });
            } else {
                self.rename(&misnamed.name, &moved)?;
            }
        }
        for misnamed in &found {
            let moved = names::moved_name(misnamed.number);
            let names = self.names()?;
            if !names.contains(&moved) {
                continue;
            }
            let mut both = [SegmentName::Sealed, SegmentName::Log].into_iter();
            if both.any(|name| names.contains(&names::segment_name(misnamed.number, name))) {
                let lost = self.free_lost(misnamed.number, 0)?;
                self.rename(&moved, &lost)?;
                self.done.push(Done {
                    file: misnamed.name.clone(),
                    what: format!(
                        "is segment {}, of which there is a file; saved it",
                        misnamed.number
                    ),
                    lost: None,
                    saved_to: Some(lost),
                });
                continue;
            }
            let name = if misnamed.complete {
                SegmentName::Sealed
            } else {
                SegmentName::Log
            };
            let path = self.dir.path.join(&moved);
            let file = self
                .dir
                .storage
                .open(&path, OpenHow::Read)
                .doing("opening", &path)?;
            file.sync().doing("syncing", &path)?;
            let right = names::segment_name(misnamed.number, name);
            self.rename(&moved, &right)?;
            self.did(
                misnamed.name.clone(),
                format!("gave it its right name, {right}"),
            );
        }
        Ok(())
    }

    /// Of two files of a segment, goes on with the one that holds more.
    fn two_files(&mut self) -> Result<(), Fault> {
        let names = self.names()?;
        for name in &names {
            let Kind::Segment(number, SegmentName::Log) = names::kind(name) else {
                continue;
            };
            let sealed = names::segment_name(number, SegmentName::Sealed);
            if !names.contains(&sealed) {
                continue;
            }
            let held = |name| Case::read_named(&self.dir, number, name);
            let (log, seg) = (held(SegmentName::Log)?, held(SegmentName::Sealed)?);
            let log_holds_more = log.walk.count() > seg.walk.count();
            let loser = if log_holds_more { &sealed } else { name };
            let lost = self.free_lost(number, 0)?;
            self.rename(loser, &lost)?;
            self.done.push(Done {
                file: loser.clone(),
                what: "the segment's other file holds as much or more: saved this one".into(),
                lost: None,
                saved_to: Some(lost),
            });
        }
        Ok(())
    }

    fn floor(&mut self) -> Result<Floor, Fault> {
        let first = self.dir.list()?.segments.first().map(|&(number, _)| number);
        let mut notes = Notes::list(&self.dir)?;
        let found = floor::find(&self.dir, first, &mut notes)?;
        if found.derived {
            let (_, findings) = notes.finish();
            replace(&*self.dir.storage, &self.dir.floor(), &found.floor.encode())?;
            let what = "derived it from the first segment that is there; entries of that segment that were trimmed may be visible again";
            self.done.push(Done {
                file: "floor".into(),
                what: what.into(),
                lost: findings.into_iter().find_map(|finding| finding.lost),
                saved_to: None,
            });
        }
        Ok(found.floor)
    }

    /// Removes tables that wider ones cover: none may come into force again when those are cut.
    fn superseded(&self) -> Result<(), Fault> {
        let listing = self.dir.list()?;
        for kind in TableKind::BOTH {
            for range in load::cover(listing.tables(kind).to_vec()).1 {
                self.remove(&names::table_name(kind, range))?;
            }
        }
        self.sync_dir()
    }

    /// Makes the segments whole, oldest first. Says whether anything was changed.
    fn segments(&mut self, floor: &Floor) -> Result<bool, Fault> {
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
    fn cut_ids(&mut self, number: u64, last_id: EntryId) -> Result<(), Fault> {
        for range in self.dir.list()?.ids {
            if (range.0..=range.1).contains(&number) {
                self.cut_table(TableKind::Ids, range, number, last_id)?;
            }
        }
        Ok(())
    }

    fn cut_table(
        &mut self,
        kind: TableKind,
        range: (u64, u64),
        from: u64,
        last_id: EntryId,
    ) -> Result<(), Fault> {
        let storage = &*self.dir.storage;
        let path = self.dir.table(kind, range);
        if range.0 < from {
            let to = self.dir.table(kind, (range.0, from - 1));
            let copied = match Table::open(storage, &path, range)? {
                Some(table) => copy_before(storage, &to, &table, from, last_id),
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

    /// The floor lies within what is there.
    fn mend_floor(&mut self, floor: &Floor, end: &End) -> Result<(), Fault> {
        if floor.trimmed <= end.entries {
            return Ok(());
        }
        let floor = Floor {
            trimmed: end.entries,
            ..*floor
        };
        replace(&*self.dir.storage, &self.dir.floor(), &floor.encode())?;
        self.did("floor", "moved it back to the end of the log");
        Ok(())
    }

    /// Puts aside what stands beside the segments and does not agree with them.
    fn beside(&mut self, now: &Report, floor: &Floor) -> Result<(), Fault> {
        let listing = self.dir.list()?;
        let first = listing
            .segments
            .first()
            .map_or(floor.segment, |&(number, _)| number);
        let mut cut = Vec::new();
        for finding in &now.findings {
            let name = &finding.file;
            match (finding.code, names::kind(name)) {
                ("index", Kind::Index(_)) => {
                    self.remove(name)?;
                    self.did(name.clone(), "made it again from the records");
                }
                ("watermark", _) => {
                    self.rename(name, "watermark.bad")?;
                    self.did(name.clone(), "moved it to watermark.bad");
                }
                ("table", Kind::Table(kind, range)) => {
                    let aside = name.replace(".tbl", ".bad");
                    self.rename(name, &aside)?;
                    let what = if range.0 < first {
                        format!("moved it to {aside}; {}", means(kind))
                    } else {
                        format!("moved it to {aside} and made it again from the records")
                    };
                    self.did(name.clone(), what);
                }
                ("table_rows", Kind::Table(kind, range)) if !cut.contains(name) => {
                    cut.push(name.clone());
                    let base = load::look_at(&self.dir, first)?.header;
                    let base = base.map_or(EntryId::MIN, |header| header.base_id);
                    self.cut_table(kind, range, first, base)?;
                    self.did(name.clone(), "made its rows again from the records");
                }
                _ => {}
            }
        }
        self.sync_dir()
    }
}
