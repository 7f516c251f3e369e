//! The floor, and what it must have been where it cannot be read.

use super::files::Notes;
use super::{Finding, Severity};
use crate::dir::StreamDir;
use crate::error::Fault;
use crate::floor::Floor;
use crate::load;

/// The floor to go by.
pub(super) struct Found {
    pub(super) floor: Floor,
    /// Whether it is not what the file says.
    pub(super) derived: bool,
}

/// Reads the floor; derives it from the first segment where it is damaged or missing.
pub(super) fn find(dir: &StreamDir, first: Option<u64>, notes: &mut Notes) -> Result<Found, Fault> {
    let derived = |floor| Found {
        floor,
        derived: true,
    };
    // Written after the floor with every trim, so that it tells what a floor must hide at least.
    let trimmed = load::watermark(dir).and_then(|watermark| watermark.trimmed);
    match load::floor(dir) {
        Ok(floor) if trimmed.is_some_and(|trimmed| trimmed > floor.trimmed) => {
            let floor = Floor {
                trimmed: trimmed.unwrap_or(floor.trimmed),
                segment: first.unwrap_or(floor.segment),
                tables_below: floor.tables_below,
            };
            notes.add(Finding::new(
                Severity::Rebuildable,
                "floor",
                "floor",
                format!(
                    "it is missing, or an older one: {} trimmed",
                    super::words::count(floor.trimmed, "entry was", "entries were")
                ),
                "--repair writes it anew, as the watermark knows it; nothing is lost by that",
            ));
            Ok(derived(floor))
        }
        Ok(floor) if floor == Floor::NONE && first.is_some_and(|first| first > 1) => {
            let floor = derive(dir, first, trimmed)?;
            notes.add(
                Finding::new(
                    Severity::Damage,
                    "floor_missing",
                    "floor",
                    "the log does not begin with segment 1, and no floor says that what was before is trimmed",
                    "restore what is missing from a backup; or --repair makes the first segment that is there the floor",
                )
                .losing(Some(super::Loss::new(
                    Some(floor.trimmed).filter(|&trimmed| trimmed > 0),
                    None,
                    None,
                ))),
            );
            Ok(derived(floor))
        }
        Ok(floor) => {
            if notes.has("floor") {
                notes.describe(
                    "floor",
                    format!(
                        "where the retained entries begin: {} trimmed, the rest from segment {} on",
                        super::words::count(floor.trimmed, "entry", "entries"),
                        floor.segment
                    ),
                );
            }
            Ok(Found {
                floor,
                derived: false,
            })
        }
        Err(Fault::Corrupt { offset, what, .. }) => {
            notes.add(
                Finding::new(
                    Severity::Rebuildable,
                    "floor",
                    "floor",
                    what,
                    match trimmed {
                        Some(_) => "--repair writes it anew, as the watermark knows it; nothing is lost by that",
                        None => "--repair derives it from the first segment that is there; entries of that segment that were trimmed may be visible again",
                    },
                )
                .at(offset),
            );
            Ok(derived(derive(dir, first, trimmed)?))
        }
        Err(fault) => Err(fault),
    }
}

fn derive(dir: &StreamDir, first: Option<u64>, trimmed: Option<u64>) -> Result<Floor, Fault> {
    let Some(segment) = first else {
        return Ok(Floor {
            trimmed: trimmed.unwrap_or(0),
            ..Floor::NONE
        });
    };
    let header = match load::look_at(dir, segment) {
        Ok(found) => found.header.ok(),
        Err(Fault::Io { missing: true, .. }) => None,
        Err(fault) => return Err(fault),
    };
    Ok(Floor {
        trimmed: header
            .map_or(0, |header| header.base_entries)
            .max(trimmed.unwrap_or(0)),
        segment,
        tables_below: 0,
    })
}
