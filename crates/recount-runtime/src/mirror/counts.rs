//! How many entries the server had counted when it was known how many of them the mirror has.
//!
//! Servers count what they were ever given. What was removed before it was mirrored shows as soon as
//! both end at the same entry again, or nothing up to the mirror's end is left there.

use std::fs;
use std::path::PathBuf;

use recount_core::{EntryId, Standing};
use serde::{Deserialize, Serialize};

/// Both counts at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    /// Where the mirror ended.
    pub(crate) last: EntryId,
    /// How many entries the server had been given up to there.
    pub(crate) theirs: u64,
    /// How many entries the mirror had been given.
    pub(crate) ours: u64,
}

/// What tells how many entries never came to the mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// So many; where both end at the same entry, or the server begins after the mirror's end.
    Known(u64),
    Unknown,
}

impl Count {
    /// Whether the server has been given fewer entries than it must have been, had it not begun anew or
    /// lost some; by when the mirror had been given `ours`.
    pub(crate) fn began_anew(self, standing: &Standing, ours: u64) -> bool {
        // What it holds came after what was counted, if all of it has greater ids.
        let held = match standing.first {
            Some(first) if first > self.last => standing.length,
            _ => 0,
        };
        // So did what was mirrored since.
        let mirrored = ours.saturating_sub(self.ours);
        let added = standing.entries_added;
        added.is_some_and(|added| added < self.theirs + held.max(mirrored))
    }

    /// What is missing of what the server was given since, if it holds `after` entries that the mirror
    /// is still to get, and the mirror was given `ours` in all.
    pub(crate) fn missing(self, standing: &Standing, ours: u64, after: u64) -> Missing {
        let Some(theirs) = standing.entries_added else {
            return Missing::Unknown;
        };
        let Some(mirrored) = ours.checked_sub(self.ours) else {
            // A crash took what was counted.
            return Missing::Unknown;
        };
        let given = theirs.checked_sub(self.theirs);
        given
            .and_then(|given| given.checked_sub(mirrored + after))
            .map_or(Missing::Unknown, Missing::Known)
    }
}

/// The counts of all partitions, in a file that may be lost.
pub(crate) struct Counts {
    path: PathBuf,
    known: Vec<Option<Count>>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    last: String,
    theirs: u64,
    ours: u64,
}

impl Counts {
    pub(crate) fn load(path: PathBuf, partitions: usize) -> Self {
        let lines: Vec<Option<Line>> = fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let count = |line: Line| {
            Some(Count {
                last: line.last.parse().ok()?,
                theirs: line.theirs,
                ours: line.ours,
            })
        };
        let mut known: Vec<_> = lines.into_iter().map(|line| line.and_then(count)).collect();
        known.resize(partitions, None);
        Self { path, known }
    }

    pub(crate) fn get(&self, partition: usize) -> Option<Count> {
        self.known[partition]
    }

    /// Remembers a count, or that there is none. Without the file gaps are only found by other signs.
    pub(crate) fn set(&mut self, partition: usize, count: Option<Count>) {
        if self.known[partition] == count {
            return;
        }
        self.known[partition] = count;
        let line = |count: &Count| Line {
            last: count.last.to_string(),
            theirs: count.theirs,
            ours: count.ours,
        };
        let lines: Vec<_> = self
            .known
            .iter()
            .map(|count| count.as_ref().map(line))
            .collect();
        let temporary = self.path.with_extension("tmp");
        let saved = serde_json::to_vec(&lines)
            .map_err(std::io::Error::from)
            .and_then(|bytes| fs::write(&temporary, bytes))
            .and_then(|()| fs::rename(&temporary, &self.path));
        if let Err(error) = saved {
            tracing::warn!(%error, path = %self.path.display(), "the mirror's counts are not kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: Count = Count {
        last: EntryId::new(5, 0),
        theirs: 100,
        ours: 60,
    };

    fn standing(entries_added: Option<u64>) -> Standing {
        Standing {
            length: 3,
            first: None,
            last: EntryId::new(9, 0),
            entries_added,
            trimmed_to: None,
        }
    }

    #[test]
    fn what_was_given_and_neither_mirrored_nor_there_is_missing() {
        let missing = |added, ours, after| COUNT.missing(&standing(added), ours, after);
        assert_eq!(missing(Some(110), 65, 3), Missing::Known(2));
        assert_eq!(missing(Some(108), 65, 3), Missing::Known(0));
        assert_eq!(missing(Some(99), 65, 3), Missing::Unknown);
        assert_eq!(missing(Some(107), 65, 3), Missing::Unknown);
        assert_eq!(missing(Some(110), 59, 3), Missing::Unknown);
        assert_eq!(missing(None, 65, 3), Missing::Unknown);
    }

    #[test]
    fn a_server_that_counts_less_began_anew() {
        let anew = |added, first, ours| {
            let standing = Standing {
                first: Some(EntryId::new(first, 0)),
                ..standing(added)
            };
            COUNT.began_anew(&standing, ours)
        };
        assert!(anew(Some(99), 1, 60) && !anew(Some(100), 1, 60) && !anew(None, 1, 60));
        // Three came since and are there, or five came and were mirrored.
        assert!(anew(Some(102), 6, 60) && !anew(Some(103), 6, 60));
        assert!(anew(Some(104), 6, 65) && !anew(Some(105), 6, 65));
    }

    #[test]
    fn counts_are_kept_and_may_be_lost() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("counts.json");
        let mut counts = Counts::load(path.clone(), 2);
        assert_eq!(counts.get(1), None);
        counts.set(1, Some(COUNT));
        let kept = Counts::load(path.clone(), 3);
        assert_eq!([0, 1, 2].map(|p| kept.get(p)), [None, Some(COUNT), None]);
        fs::write(&path, "{").unwrap();
        assert_eq!(Counts::load(path, 2).get(1), None);
    }
}
