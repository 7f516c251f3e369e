//! The tables: each by itself, and which segments they cover.

use super::files::Notes;
use super::{Finding, Severity, names, words};
use crate::dir::{Listing, StreamDir, TableKind};
use crate::error::{Doing, Fault};
use crate::load;
use crate::table::Table;

/// The tables in force, of both kinds.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) ids: Vec<Checked>,
    pub(super) sessions: Vec<Checked>,
}

/// A table whose every part was checked.
pub(super) struct Checked {
    pub(super) range: (u64, u64),
    /// None if it is damaged.
    pub(super) table: Option<Table>,
    /// The smallest ms of the entries its rows are of.
    pub(super) ms_min: u64,
}

/// What it means that a table is lost which also covers segments that are gone.
const MEANS: &str = "what it remembers of trimmed segments cannot be made again: event ids recorded there may be accepted again";
const MEANS_SESSIONS: &str = "what it remembers of trimmed segments cannot be made again: the revisions of sessions found only there start anew";

pub(super) fn means(kind: TableKind) -> &'static str {
    match kind {
        TableKind::Ids => MEANS,
        TableKind::Sessions => MEANS_SESSIONS,
    }
}

impl Tables {
    /// Opens and checks the tables. Those from segment `first` on can be made again.
    pub(super) fn check(
        dir: &StreamDir,
        listing: &Listing,
        first: u64,
        notes: &mut Notes,
        mut looked_at: impl FnMut(&str),
    ) -> Result<Self, Fault> {
        let mut tables = Self::default();
        for kind in TableKind::BOTH {
            let (kept, superseded) = load::cover(listing.tables(kind).to_vec());
            for range in superseded {
                notes.add(Finding::new(
                    Severity::Notice,
                    "superseded",
                    names::table_name(kind, range),
                    "a wider table holds the same rows",
                    "the next opening for writing removes it",
                ));
            }
            for range in kept {
                let name = names::table_name(kind, range);
                let checked = check(dir, kind, range, first, notes)?;
                looked_at(&name);
                tables.of_mut(kind).extend(checked);
            }
        }
        Ok(tables)
    }

    pub(super) fn of(&self, kind: TableKind) -> &[Checked] {
        match kind {
            TableKind::Ids => &self.ids,
            TableKind::Sessions => &self.sessions,
        }
    }

    fn of_mut(&mut self, kind: TableKind) -> &mut Vec<Checked> {
        match kind {
            TableKind::Ids => &mut self.ids,
            TableKind::Sessions => &mut self.sessions,
        }
    }

    /// The table that a segment's rows stand in.
    pub(super) fn covering(&self, kind: TableKind, segment: u64) -> Option<&Checked> {
        let covers = |table: &&Checked| (table.range.0..=table.range.1).contains(&segment);
        self.of(kind).iter().find(covers)
    }
}

fn check(
    dir: &StreamDir,
    kind: TableKind,
    range: (u64, u64),
    first: u64,
    notes: &mut Notes,
) -> Result<Option<Checked>, Fault> {
    let name = names::table_name(kind, range);
    let opened = match Table::open(dir, &dir.table(kind, range), range) {
        // Merged into a wider one meanwhile, or it cannot be read: that it covers its segments is
        // known all the same.
        Err(Fault::Io { missing: true, .. }) => {
            let path = dir.table(kind, range);
            let listed = dir.storage.list(&dir.path).doing("reading", &path)?;
            let unreadable = listed.contains(&name).then_some(Checked {
                range,
                table: None,
                ms_min: 0,
            });
            return Ok(unreadable);
        }
        other => other?,
    };
    let verified = match &opened {
        None => Err((
            0,
            "its header is damaged, or its length is wrong".to_owned(),
        )),
        Some(table) if table.is_of(kind) => match table.verify() {
            Err(Fault::Corrupt { offset, what, .. }) => Err((offset, what)),
            other => Ok(other?),
        },
        Some(_) => Err((0, "it is a table of another kind".to_owned())),
    };
    match verified {
        Ok(verified) => {
            let rows = words::count(verified.rows, "row", "rows");
            notes.describe(&name, format!("{}: {rows}", names::words(&name)));
            Ok(Some(Checked {
                range,
                table: opened,
                ms_min: verified.ms_min,
            }))
        }
        Err((offset, what)) => {
            notes.describe(&name, format!("{}: damaged", names::words(&name)));
            let finding = if range.0 < first {
                let remedy = format!(
                    "restore the file from a backup; or --repair sets it aside and goes on without it: {}",
                    means(kind)
                );
                Finding::new(Severity::Damage, "table", name, what, remedy)
            } else {
                let remedy = "--repair sets it aside and makes it again from the records";
                Finding::new(Severity::Rebuildable, "table", name, what, remedy)
            };
            notes.add(finding.at(offset));
            Ok(Some(Checked {
                range,
                table: None,
                ms_min: 0,
            }))
        }
    }
}
