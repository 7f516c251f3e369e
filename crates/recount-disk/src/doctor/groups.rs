//! The consumer groups: what is wrong with `groups.log`, and mending it.

use recount_core::EntryId;

use super::files::{Notes, name_of};
use super::repair::Repair;
use super::{Done, Finding, Severity, words};
use crate::dir::StreamDir;
use crate::error::Fault;
use crate::groups;

const FILE: &str = "groups.log";

/// Looks at the groups of a log that ends at `tail`, beside its writer if it is `alive`.
pub(super) fn check(
    dir: &StreamDir,
    tail: Option<EntryId>,
    alive: bool,
    notes: &mut Notes,
) -> Result<(), Fault> {
    // A living writer delivers while the log is looked at.
    let tail = tail.filter(|_| !alive);
    let Some(found) = groups::examine(dir, tail)? else {
        return Ok(());
    };
    notes.describe(
        FILE,
        format!(
            "{}, {}",
            words::count(found.groups, "consumer group", "consumer groups"),
            words::count(found.pending, "pending entry", "pending entries")
        ),
    );
    match found.bad {
        Some((offset, bad)) if bad.was_synced => notes.add(
            Finding::new(
                Severity::Damage,
                "groups",
                FILE,
                bad.what,
                "restore the file from a backup; or --repair goes back to what the groups were before that: what they acknowledged since is delivered again",
            )
            .at(offset),
        ),
        Some((offset, _)) if !alive => notes.add(
            Finding::new(
                Severity::Notice,
                "groups_tail",
                FILE,
                "it ends in an incomplete write",
                "the next opening for writing sets it aside; at worst, entries are delivered again",
            )
            .at(offset),
        ),
        // A frame is on its way.
        Some(_) | None => {}
    }
    for name in found.ahead {
        notes.add(Finding::new(
            Severity::Notice,
            "groups_ahead",
            FILE,
            format!("group {name} was delivered entries that the log does not hold any more"),
            "the next opening for writing moves it back to the end of the log",
        ));
    }
    Ok(())
}

impl Repair {
    /// Goes back to what the groups were before the damage.
    pub(super) fn groups(&mut self) -> Result<(), Fault> {
        if let Some(mended) = groups::mend(&self.dir)? {
            let left = words::count(mended.groups, "group", "groups");
            let what = if mended.offset == 0 {
                "no group could be read: wrote it anew without any; create them again, each where it \
                 was (recount groups create)"
                    .into()
            } else {
                format!(
                    "wrote it anew as it was before byte {}, with {left}; what was acknowledged since is \
                     delivered again, groups created since are gone",
                    words::thousands(mended.offset)
                )
            };
            self.done.push(Done {
                file: FILE.into(),
                what,
                lost: None,
                saved_to: Some(name_of(&mended.saved_to)),
            });
        }
        Ok(())
    }
}
