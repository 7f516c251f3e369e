//! What stands beside the segments against what stands in them.

use std::collections::HashMap;

use super::files::Notes;
use super::segments::Case;
use super::tables::Tables;
use super::{Finding, Severity, names, words};
use crate::dir::{SegmentName, StreamDir, TableKind};
use crate::error::Fault;
use crate::frame::Footer;
use crate::index::{FileIndex, MemoryIndex};
use crate::table::{SessionRow, id_key, session_key};

/// Goes from segment to segment, oldest first.
pub(super) struct Cross<'a> {
    pub(super) dir: &'a StreamDir,
    pub(super) tables: &'a Tables,
    /// Event ids recorded before this need not be remembered.
    pub(super) expired_before: u64,
    /// Whether a writer may be about to write what is missing.
    pub(super) living: bool,
    /// Whether entries are missing of what was looked at so far.
    pub(super) incomplete: bool,
    /// Revisions of sessions in segments that no table covers.
    recent: HashMap<u128, u64>,
    /// Whether what came before is known of every session.
    all_known: bool,
}

impl<'a> Cross<'a> {
    pub(super) fn new(
        dir: &'a StreamDir,
        tables: &'a Tables,
        first: u64,
        expired_before: u64,
        living: bool,
    ) -> Self {
        let gone = (1..first).all(|number| {
            let covering = tables.covering(TableKind::Sessions, number);
            covering.is_some_and(|covering| covering.table.is_some())
        });
        Self {
            dir,
            tables,
            expired_before,
            living,
            incomplete: false,
            recent: HashMap::new(),
            all_known: gone,
        }
    }

    /// Checks a segment's order, and its index and tables if it is complete and sound.
    pub(super) fn check(&mut self, case: &Case, notes: &mut Notes) -> Result<(), Fault> {
        let mut order = Order::default();
        let index = case
            .walk
            .index(&case.bytes, &self.dir.hashes, |terms, record| {
                order.add(terms.session, record.revision(), record.entry_id());
            });
        self.check_order(case, &order, notes)?;
        let number = case.number;
        let covered = self.tables.covering(TableKind::Sessions, number);
        match covered {
            Some(covering) => self.all_known &= covering.table.is_some(),
            None => self
                .recent
                .extend(order.last.iter().map(|(&session, &at)| (session, at))),
        }
        let sound = case.walk.holes.is_empty();
        if let (Some(footer), true) = (&case.walk.footer, sound)
            && footer.count == index.len()
        {
            self.check_index(case, footer, &index, notes)?;
            self.check_ids(case, footer, &index, notes)?;
            self.check_sessions(case, &index, notes)?;
        }
        Ok(())
    }

    fn check_order(&self, case: &Case, order: &Order, notes: &mut Notes) -> Result<(), Fault> {
        if let Some(id) = order.unordered {
            notes.add(Finding::new(
                Severity::Damage,
                "id_order",
                case.file(),
                format!("entry {id} does not come after the one before it"),
                "restore the file from a backup: a repair leaves the records as they are",
            ));
        }
        let (mut back, mut skipped) = (order.back, order.skipped);
        for (&session, &first) in &order.first {
            match self.revision_before(session, case.number)? {
                Some(before) if first <= before => back += 1,
                Some(before) if first > before + 1 => skipped += 1,
                None if self.all_known && first > 1 => skipped += 1,
                _ => {}
            }
        }
        if back > 0 {
            let sessions = words::count(back, "session's revision", "sessions' revisions");
            notes.add(Finding::new(
                Severity::Damage,
                "revision_order",
                case.file(),
                format!("{sessions} stand twice or go back"),
                "restore the file from a backup: a repair leaves the records as they are",
            ));
        }
        // Where entries are missing now, that is told by itself.
        if skipped > 0 && !self.incomplete {
            let sessions = words::count(skipped, "session skips", "sessions skip");
            notes.add(Finding::new(
                Severity::Notice,
                "revision_gap",
                case.file(),
                format!("{sessions} revisions: entries were lost to an earlier repair"),
                "nothing: revisions never move",
            ));
        }
        Ok(())
    }

    /// The revision a session was at before a segment, if anything tells.
    fn revision_before(&self, session: u128, segment: u64) -> Result<Option<u64>, Fault> {
        if let Some(&revision) = self.recent.get(&session) {
            return Ok(Some(revision));
        }
        let key = session_key(session);
        for checked in self.tables.sessions.iter().rev() {
            let (Some(table), true) = (&checked.table, checked.range.0 < segment) else {
                continue;
            };
            let mut last = None;
            table.find(&key, |row| {
                let row = SessionRow::decode(row);
                if u64::from(row.segment) < segment {
                    last = Some(row.revision);
                }
            })?;
            if last.is_some() {
                return Ok(last);
            }
        }
        Ok(None)
    }

    fn check_index(
        &self,
        case: &Case,
        footer: &Footer,
        index: &MemoryIndex,
        notes: &mut Notes,
    ) -> Result<(), Fault> {
        let name = names::index_name(case.number);
        let remedy = "--repair makes it again from the records, as an opening does that needs it";
        let finding =
            |what: &str| Finding::new(Severity::Rebuildable, "index", name.clone(), what, remedy);
        let Some(bytes) = self.dir.map(&self.dir.index(case.number))? else {
            if case.name == SegmentName::Sealed && !self.living {
                notes.add(Finding {
                    severity: Severity::Notice,
                    remedy: "the next opening for writing makes it from the records".into(),
                    ..finding("the segment's index is missing")
                });
            }
            return Ok(());
        };
        match FileIndex::open(bytes, case.number, footer.count, &self.dir.meta.identity) {
            None => notes.add(finding("the index is damaged, or of another segment")),
            Some(file) if !file.agrees_with(index) => {
                notes.add(finding("the index does not agree with the records"));
            }
            Some(_) => {}
        }
        Ok(())
    }

    fn check_ids(
        &self,
        case: &Case,
        footer: &Footer,
        index: &MemoryIndex,
        notes: &mut Notes,
    ) -> Result<(), Fault> {
        if footer.last.ms < self.expired_before {
            return Ok(());
        }
        let Some(checked) = self.covering(case, TableKind::Ids, notes) else {
            return Ok(());
        };
        let Some(table) = &checked.table else {
            return Ok(());
        };
        // Merging leaves out what is outside the window: a window that was shorter then explains
        // that ids are missing which are older than all that are there.
        let merged = checked.range.0 < checked.range.1;
        let from = if merged {
            self.expired_before.max(checked.ms_min)
        } else {
            self.expired_before
        };
        let mut missing = 0;
        for (hash, slot) in index.all_event_ids() {
            let entry_id = index.entry_ids[slot.ordinal as usize];
            if entry_id.ms < from {
                continue;
            }
            let mut found = false;
            table.find(&id_key(hash), |row| {
                let row = table.id(row);
                found |= row.entry_id == entry_id
                    && row.content == slot.content
                    && row.timestamp == slot.timestamp;
            })?;
            missing += u64::from(!found);
        }
        note_missing(TableKind::Ids, checked.range, case, missing, notes);
        Ok(())
    }

    fn check_sessions(
        &self,
        case: &Case,
        index: &MemoryIndex,
        notes: &mut Notes,
    ) -> Result<(), Fault> {
        let Some(checked) = self.covering(case, TableKind::Sessions, notes) else {
            return Ok(());
        };
        let Some(table) = &checked.table else {
            return Ok(());
        };
        let mut missing = 0;
        for term in index.terms.iter().filter(|term| term.kind == b's') {
            let mut found = false;
            table.find(&session_key(term.hash), |row| {
                let row = SessionRow::decode(row);
                // Higher where a repair lost the last of them: revisions are not given out again.
                found |= u64::from(row.segment) == case.number && row.revision >= term.revision;
            })?;
            missing += u64::from(!found);
        }
        note_missing(TableKind::Sessions, checked.range, case, missing, notes);
        Ok(())
    }

    /// The table that a segment's rows must stand in.
    fn covering(
        &self,
        case: &Case,
        kind: TableKind,
        notes: &mut Notes,
    ) -> Option<&super::tables::Checked> {
        let covering = self.tables.covering(kind, case.number);
        if covering.is_none() && case.name == SegmentName::Sealed && !self.living {
            notes.add(Finding::new(
                Severity::Notice,
                "missing_table",
                names::table_name(kind, (case.number, case.number)),
                format!("no table covers segment {}", case.number),
                "the next opening for writing makes it from the records",
            ));
        }
        covering
    }
}

fn note_missing(kind: TableKind, range: (u64, u64), case: &Case, missing: u64, notes: &mut Notes) {
    if missing == 0 {
        return;
    }
    let rows = words::count(missing, "row", "rows");
    notes.add(Finding::new(
        Severity::Rebuildable,
        "table_rows",
        names::table_name(kind, range),
        format!("{rows} of segment {} are missing or wrong", case.number),
        "--repair makes them again from the records",
    ));
}

/// What the records of a segment say one after another.
#[derive(Default)]
struct Order {
    first: HashMap<u128, u64>,
    last: HashMap<u128, u64>,
    back: u64,
    skipped: u64,
    id: Option<recount_core::EntryId>,
    unordered: Option<recount_core::EntryId>,
}

impl Order {
    fn add(&mut self, session: u128, revision: u64, id: recount_core::EntryId) {
        if self.id.is_some_and(|last| id <= last) {
            self.unordered.get_or_insert(id);
        }
        self.id = Some(id);
        if session == 0 {
            return;
        }
        match self.last.insert(session, revision) {
            None => _ = self.first.insert(session, revision),
            Some(before) if revision <= before => self.back += 1,
            Some(before) if revision > before + 1 => self.skipped += 1,
            Some(_) => {}
        }
    }
}
