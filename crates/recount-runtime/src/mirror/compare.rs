//! Whether the server still has what was mirrored, and whether anything came between.

use std::cmp::Ordering;
use std::ops::Bound;

use recount_core::{
    Entry, EntryId, EventLog, IdRange, Origin, Partition, ReadError, ReadRange, Standing,
};
use recount_disk::DiskLog;

use super::counts::{Count, Missing};
use super::tail::Trouble;

/// So many of the mirror's last entries are compared with the server's.
const COMPARED: usize = 64;
/// Looking further back, at most so many at a time.
const PAGE_MAX: usize = 2_048;

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The mirror goes on where it ends.
    GoesOn,
    /// Entries after the mirror's last were removed; how many, and whether that is certain.
    Gap { missing: Option<u64>, certain: bool },
    /// The server no longer has what was mirrored after `common`.
    Diverged { common: EntryId, cause: String },
}

/// What is compared: a partition on the server and its mirror.
pub(crate) struct Comparison<'a> {
    pub(crate) origin: &'a dyn Origin,
    pub(crate) partition: Partition,
    pub(crate) log: &'a DiskLog,
    pub(crate) known: Known,
    pub(crate) standing: &'a Standing,
}

impl Comparison<'_> {
    pub(crate) async fn find(&self) -> Result<Finding, Trouble> {
        if self.known.tail == EntryId::MIN {
            return Ok(Finding::GoesOn);
        }
        let (tail, standing) = (self.known.tail, self.standing);
        let contradiction = self.known.contradiction(self.standing);
        if let Some(cause) = &contradiction
            && standing.last < tail
        {
            return self.diverged(cause.clone(), false).await;
        }
        match standing.first {
            Some(first) if first <= tail => match self.difference(first).await? {
                Some(cause) => self.diverged(cause, false).await,
                // What both have came after the server had begun anew.
                None => match contradiction {
                    Some(cause) => self.diverged(cause, true).await,
                    None => Ok(Finding::GoesOn),
                },
            },
            _ => match self.nothing_left() {
                Err(cause) => self.diverged(cause, true).await,
                Ok(finding) => Ok(finding),
            },
        }
    }

    /// What the server has otherwise than the mirror, of the mirror's last entries from `first` on.
    async fn difference(&self, first: EntryId) -> Result<Option<String>, Trouble> {
        let newest = ReadRange::new(between(first, self.known.tail))
            .backward()
            .limit(COMPARED);
        let mut ours = self.ours(&newest).await?;
        ours.reverse();
        let Some(from) = ours.first().map(|entry| entry.id) else {
            return Ok(None);
        };
        let theirs = self.theirs(from, self.known.tail, COMPARED + 1).await?;
        let mut left = theirs.iter().peekable();
        let mut lost = None;
        for entry in &ours {
            let Some(their) = left.next_if(|their| their.id <= entry.id) else {
                lost.get_or_insert(entry.id);
                continue;
            };
            match their.id.cmp(&entry.id) {
                Ordering::Less => return Ok(Some(issued_again(their.id))),
                _ if !same(their, entry) => {
                    return Ok(Some(format!("entry {} has other content there", entry.id)));
                }
                // What is missing before one that is there was deleted by itself.
                _ => lost = None,
            }
        }
        if let Some(their) = left.next() {
            return Ok(Some(issued_again(their.id)));
        }
        Ok(lost.map(|id| format!("entry {id} is no longer there, nor is any mirrored after it")))
    }

    /// What follows where the server holds nothing up to the mirror's end; the cause, where it began anew.
    fn nothing_left(&self) -> Result<Finding, String> {
        let standing = self.standing;
        if let Some(cause) = self.known.contradiction(self.standing) {
            return Err(cause);
        }
        let missing = match self.known.count {
            Some(count) => count.missing(standing, self.known.ours, standing.length),
            None => Missing::Unknown,
        };
        Ok(match missing {
            _ if self.never_removed() => {
                return Err(
                    "the server never removed an entry, but has none of the mirror's".into(),
                );
            }
            Missing::Known(0) => Finding::GoesOn,
            Missing::Known(missing) => Finding::Gap {
                missing: Some(missing),
                certain: true,
            },
            Missing::Unknown => match standing.trimmed_to {
                Some(trimmed) if trimmed > self.known.tail => Finding::Gap {
                    missing: None,
                    certain: true,
                },
                Some(trimmed) if trimmed == self.known.tail => Finding::GoesOn,
                _ if standing.last == self.known.tail => Finding::GoesOn,
                _ => Finding::Gap {
                    missing: None,
                    certain: false,
                },
            },
        })
    }

    /// Whether the server holds every entry it was ever given, as it counts them.
    fn never_removed(&self) -> bool {
        let Standing {
            length,
            entries_added,
            ..
        } = *self.standing;
        length > 0 && entries_added == Some(length)
    }

    async fn diverged(&self, cause: String, anew: bool) -> Result<Finding, Trouble> {
        let common = if anew {
            EntryId::MIN
        } else {
            self.last_common().await?
        };
        Ok(Finding::Diverged { common, cause })
    }

    /// The last of the mirror's entries that the server has, or had before it trimmed it.
    async fn last_common(&self) -> Result<EntryId, Trouble> {
        // Above the last id the server knows of nothing.
        let mut ids = IdRange::ALL.up_to(self.standing.last.min(self.known.tail));
        let mut limit = COMPARED;
        loop {
            let ours = self
                .ours(&ReadRange::new(ids).backward().limit(limit))
                .await?;
            let (Some(newest), Some(oldest)) = (ours.first(), ours.last()) else {
                return Ok(EntryId::MIN);
            };
            let theirs = self.theirs(oldest.id, newest.id, usize::MAX).await?;
            for entry in &ours {
                if self.standing.first.is_none_or(|first| entry.id < first) {
                    let never_there = self.never_removed();
                    return Ok(if never_there { EntryId::MIN } else { entry.id });
                }
                let found = theirs.binary_search_by_key(&entry.id, |their| their.id);
                if found.is_ok_and(|at| same(&theirs[at], entry)) {
                    return Ok(entry.id);
                }
            }
            ids.end = Bound::Excluded(oldest.id);
            limit = (limit * 4).min(PAGE_MAX);
        }
    }

    async fn ours(&self, range: &ReadRange) -> Result<Vec<Entry>, Trouble> {
        self.log.entries(range).await.map_err(Trouble::Local)
    }

    /// The server's entries of a range, at most about `enough`.
    async fn theirs(
        &self,
        first: EntryId,
        last: EntryId,
        enough: usize,
    ) -> Result<Vec<Entry>, Trouble> {
        let mut all: Vec<Entry> = Vec::new();
        let mut ids = between(first, last);
        while all.len() < enough {
            let limit = (enough - all.len()).min(PAGE_MAX);
            let page = self.origin.entries(self.partition, ids, limit).await;
            let page = page.map_err(Trouble::Origin)?;
            let Some(end) = page.last().map(|entry| entry.id) else {
                break;
            };
            ids.start = Bound::Excluded(end);
            all.extend(page);
        }
        Ok(all)
    }
}

fn between(first: EntryId, last: EntryId) -> IdRange {
    IdRange {
        start: Bound::Included(first),
        end: Bound::Included(last),
    }
}

/// What is known of a partition before the server is asked.
pub(crate) struct Known {
    /// The mirror's last id, and how many entries it was given.
    pub(crate) tail: EntryId,
    pub(crate) ours: u64,
    /// What was counted the last time both ended at the same entry.
    pub(crate) count: Option<Count>,
}

impl Known {
    /// What the server's word alone says against it, if it lost what it had by then.
    pub(crate) fn contradiction(&self, standing: &Standing) -> Option<String> {
        let last = standing.last;
        if last < self.tail {
            return Some(format!(
                "the server's last id is {last}, below the mirror's"
            ));
        }
        let count = self.count?;
        let anew = count.began_anew(standing, self.ours);
        anew.then(|| "the server counts fewer entries than it did before".into())
    }
}

/// Whether two entries of one id hold the same.
fn same(theirs: &Entry, ours: &Entry) -> bool {
    theirs.fields == ours.fields
}

fn issued_again(id: EntryId) -> String {
    format!("entry {id} is there, which came after the mirror had later ones")
}

/// The mirror's last id.
pub(crate) async fn tail_of(log: &DiskLog) -> Result<EntryId, ReadError> {
    Ok(log.tail().await?.get(0))
}
