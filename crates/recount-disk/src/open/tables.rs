//! Bringing the files beside the segments in line with them.

use std::sync::Arc;

use recount_core::EntryId;

use super::Opening;
use crate::background::{write_index, write_tables};
use crate::dir::{Listing, SegmentName, TableKind};
use crate::error::{Doing, Fault, OpenError};
use crate::frame::Salt;
use crate::index::MemoryIndex;
use crate::load;
use crate::scan::Scanner;
use crate::segment::Segment;
use crate::shared::Tables;
use crate::table::{Table, copy_before};

impl Opening<'_> {
    /// Removes the segments below the floor, but not before their event ids and sessions stand in
    /// tables: neither the idempotency window nor revisions are shortened by a trim.
    pub(super) fn remove_trimmed(
        &self,
        segments: &[(u64, SegmentName)],
        listing: &Listing,
        tables_below: u64,
    ) -> Result<(), OpenError> {
        for &(number, name) in segments {
            // As in `remove_unsynced_tables`, unless the floor knows better.
            let synced = name == SegmentName::Sealed || number < tables_below;
            let reliable = |&(first, last): &(u64, u64)| synced || first < last;
            let in_tables = |kind| {
                let covers = |&&(first, last): &&(u64, u64)| (first..=last).contains(&number);
                let mut ranges = listing.tables(kind).iter().filter(|range| reliable(range));
                match ranges.find(covers) {
                    Some(&range) => {
                        let path = self.dir.table(kind, range);
                        Table::open(&self.dir, &path, range).map(|table| table.is_some())
                    }
                    None => Ok(false),
                }
            };
            let ids = in_tables(TableKind::Ids)?;
            let sessions = in_tables(TableKind::Sessions)?;
            if number < tables_below {
                // The segment itself was not put on stable storage: nothing is made from it. Ids that are
                // in no table are older than the window.
                if !sessions {
                    let path = self.dir.table(TableKind::Sessions, (number, number));
                    let what = "it remembers the sessions of a trimmed segment, and is missing or damaged (`recount doctor --repair` goes on without it)";
                    return Err(Fault::corrupt(&path, 0, what).into());
                }
            } else if !(ids && sessions) {
                let found = load::look_at(&self.dir, number)?;
                let scanner = Scanner {
                    file: &*found.file,
                    path: &found.path,
                    salt: Salt::new(&self.dir.meta, number),
                    hashes: &self.dir.hashes,
                };
                let mut index = MemoryIndex::default();
                scanner.scan(0, found.len, &mut index)?;
                write_tables(&self.dir, number, &index, true)?;
            }
            self.remove(&self.dir.segment(number, name));
            self.remove(&self.dir.index(number));
        }
        Ok(())
    }

    /// Removes the tables of segments that have not got their final names: they may not be on stable
    /// storage themselves, and be there in part.
    pub(super) fn remove_unsynced_tables(
        &self,
        segments: &[(u64, SegmentName)],
        listing: &Listing,
    ) -> Result<(), OpenError> {
        let mut logs = segments
            .iter()
            .filter(|(_, name)| *name == SegmentName::Log);
        let Some(&(first_log, _)) = logs.next() else {
            return Ok(());
        };
        for kind in TableKind::BOTH {
            for &(first, last) in listing.tables(kind) {
                if first == last && first >= first_log {
                    self.remove(&self.dir.table(kind, (first, last)));
                }
            }
        }
        let dir = &self.dir;
        dir.storage
            .sync_dir(&dir.path)
            .doing("syncing", &dir.path)?;
        Ok(())
    }

    /// Removes from indexes and tables what they say of segments from `open_from` on, which are
    /// not complete: after a power failure they may know of entries that are lost.
    pub(super) fn forget_lost(&self, open_from: u64, last_id: EntryId) -> Result<(), OpenError> {
        let listing = self.dir.list()?;
        for &number in listing
            .indexes
            .iter()
            .filter(|&&number| number >= open_from)
        {
            self.remove(&self.dir.index(number));
        }
        for kind in TableKind::BOTH {
            for &(first, last) in listing.tables(kind) {
                if first < open_from && last >= open_from {
                    self.cut_table(kind, (first, last), open_from, last_id)?;
                }
                if last >= open_from {
                    self.remove(&self.dir.table(kind, (first, last)));
                }
            }
        }
        Ok(())
    }

    fn cut_table(
        &self,
        kind: TableKind,
        range: (u64, u64),
        open_from: u64,
        last_id: EntryId,
    ) -> Result<(), OpenError> {
        let path = self.dir.table(kind, range);
        let Some(table) = Table::open(&self.dir, &path, range)? else {
            return Ok(());
        };
        let to = self.dir.table(kind, (range.0, open_from - 1));
        match copy_before(&self.dir, &to, &table, open_from, last_id) {
            // Then it is made anew from the records.
            Err(fault @ Fault::Corrupt { .. }) => tracing::warn!(%fault, "a damaged table"),
            other => other?,
        }
        Ok(())
    }

    /// Opens the tables, and makes those that are missing from the records, which are there from
    /// segment `first` on.
    pub(super) fn tables(
        &self,
        segments: &[Arc<Segment>],
        first: u64,
        expired_before: u64,
    ) -> Result<Tables, OpenError> {
        let listing = self.dir.list()?;
        let ids = self.open_tables(TableKind::Ids, listing.ids, first)?;
        let sessions = self.open_tables(TableKind::Sessions, listing.sessions, first)?;
        let mut tables = Tables { ids, sessions };
        let covers = |tables: &[Arc<Table>], number| {
            tables
                .iter()
                .any(|table| (table.first_segment..=table.last_segment).contains(&number))
        };
        for segment in segments {
            let Some(footer) = segment.footer() else {
                continue;
            };
            let number = segment.number();
            let expired = footer.last.ms < expired_before;
            let has_ids = expired || covers(&tables.ids, number);
            let has_sessions = covers(&tables.sessions, number);
            let has_index = listing.indexes.binary_search(&number).is_ok();
            if has_ids && has_sessions && has_index {
                continue;
            }
            let index = segment.scanned(footer)?;
            write_index(&self.dir, number, &index)?;
            if has_ids && has_sessions {
                continue;
            }
            let (ids, sessions) = write_tables(&self.dir, number, &index, true)?;
            if !covers(&tables.ids, number) {
                tables.ids.push(Arc::new(ids));
            }
            if !has_sessions {
                tables.sessions.push(Arc::new(sessions));
            }
        }
        tables.ids.sort_by_key(|table| table.first_segment);
        tables.sessions.sort_by_key(|table| table.first_segment);
        Ok(tables)
    }

    fn open_tables(
        &self,
        kind: TableKind,
        ranges: Vec<(u64, u64)>,
        first: u64,
    ) -> Result<Vec<Arc<Table>>, OpenError> {
        let (kept, superseded) = load::cover(ranges);
        let mut tables = Vec::new();
        for (range, table) in kept.iter().zip(load::tables(&self.dir, kind, &kept)?) {
            match table {
                Some(table) => tables.push(table),
                // Going on without it would shorten the window and begin revisions anew.
                None if range.0 < first => {
                    let path = self.dir.table(kind, *range);
                    let what = "it also remembers trimmed segments, of which it cannot be made again (`recount doctor --repair` goes on without it)";
                    return Err(Fault::corrupt(&path, 0, what).into());
                }
                None => {
                    let path = self.dir.table(kind, *range);
                    tracing::warn!(path = %path.display(), "the table is damaged; rebuilding it from the records");
                    let aside = path.with_extension("bad");
                    self.dir
                        .storage
                        .rename(&path, &aside)
                        .doing("renaming", &path)?;
                }
            }
        }
        for range in superseded {
            self.remove(&self.dir.table(kind, range));
        }
        Ok(tables)
    }
}
