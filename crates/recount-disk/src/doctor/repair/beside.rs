//! Names, the floor, and what stands beside the segments.

use std::sync::Arc;

use recount_core::EntryId;

use super::super::files::Notes;
use super::super::names::{self, Kind};
use super::super::segments::{Case, End};
use super::super::tables::means;
use super::super::{Done, Report, floor, mend};
use super::Repair;
use crate::dir::{SegmentName, TableKind};
use crate::error::{Doing, Fault};
use crate::floor::Floor;
use crate::load;
use crate::storage::{OpenHow, replace};
use crate::table::Table;

impl Repair {
    /// Gives segments their right names.
    pub(super) fn misnamed(&mut self) -> Result<(), Fault> {
        let notes = Notes::list(&self.dir)?;
        let found = mend::misnamed(&self.dir, &notes)?;
        // Out of each other's way first, under names that tell what they are.
        for misnamed in &found {
            let moved = names::moved_name(misnamed.number);
            if misnamed.name == moved {
                continue;
            }
            if self.names()?.contains(&moved) {
                let lost = self.free_lost(misnamed.number, 0);
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
                let lost = self.free_lost(misnamed.number, 0);
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
    pub(super) fn two_files(&mut self) -> Result<(), Fault> {
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
            let lost = self.free_lost(number, 0);
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

    pub(super) fn floor(&mut self) -> Result<Floor, Fault> {
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
    pub(super) fn superseded(&self) -> Result<(), Fault> {
        let listing = self.dir.list()?;
        for kind in TableKind::BOTH {
            for range in load::cover(listing.tables(kind).to_vec()).1 {
                self.remove(&names::table_name(kind, range))?;
            }
        }
        self.sync_dir()
    }

    /// The floor lies within what is there.
    pub(super) fn mend_floor(&mut self, floor: &Floor, end: &End) -> Result<(), Fault> {
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
    pub(super) fn beside(&mut self, now: &Report, floor: &Floor) -> Result<(), Fault> {
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
                // Unless it was moved already, for what it says.
                ("watermark", _) if self.done.iter().all(|done| &done.file != name) => {
                    let aside = if self.names()?.contains(name) {
                        self.rename(name, "watermark.bad")?;
                        "moved it to watermark.bad and "
                    } else {
                        ""
                    };
                    let what = format!(
                        "{aside}had a new one written; how far the log was on stable storage was not known"
                    );
                    self.did(name.clone(), what);
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
        self.trimmed_without_tables(floor)?;
        self.sync_dir()
    }

    /// Removes trimmed segments whose floor relies on their tables where these are gone: they were not put
    /// on stable storage themselves, and opening does not go by them.
    fn trimmed_without_tables(&mut self, floor: &Floor) -> Result<(), Fault> {
        let dir = Arc::clone(&self.dir);
        let listing = dir.list()?;
        for (number, name) in listing.segments {
            if number >= floor.segment.min(floor.tables_below) {
                break;
            }
            let covering = listing
                .sessions
                .iter()
                .find(|(first, last)| (*first..=*last).contains(&number));
            if let Some(&range) = covering
                && Table::open(&dir, &dir.table(TableKind::Sessions, range), range)?.is_some()
            {
                continue;
            }
            let file = super::super::segments::file_name(&dir.segment(number, name));
            self.remove(&file)?;
            let what = "removed it: it is trimmed, and what was to outlive it is gone";
            self.did(file, format!("{what}; {}", means(TableKind::Sessions)));
        }
        Ok(())
    }
}
