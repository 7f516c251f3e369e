//! What the handles, the writer and its helpers share.

use std::sync::Arc;

use parking_lot::RwLock;
use recount_core::{EntryId, IdRange};
use tokio::sync::watch;

use crate::buffers::Buffers;
use crate::dir::StreamDir;
use crate::error::Fault;
use crate::groups::Groups;
use crate::options::DiskOptions;
use crate::segment::Segment;
use crate::table::{SessionRow, Table, session_key};

/// State that every part of an open log sees.
pub(crate) struct Shared {
    pub(crate) dir: Arc<StreamDir>,
    pub(crate) stream: String,
    pub(crate) options: DiskOptions,
    /// What readers see; sending one wakes those who wait.
    pub(crate) snapshots: watch::Sender<Snapshot>,
    pub(crate) tables: RwLock<Tables>,
    pub(crate) buffers: Buffers,
    pub(crate) groups: Groups,
}

/// What readers see: fixed once taken, whatever is appended or trimmed afterwards.
#[derive(Clone)]
pub(crate) struct Snapshot {
    /// Oldest first; the last one grows.
    pub(crate) segments: Arc<Vec<Arc<Segment>>>,
    /// How many records of the last segment may be read.
    pub(crate) visible: u32,
    /// How many entries, from the first ever added, are trimmed.
    pub(crate) trimmed: u64,
    /// How many entries were ever added.
    pub(crate) added: u64,
    /// The greatest id ever given out.
    pub(crate) last_id: EntryId,
    pub(crate) closed: bool,
}

/// The tables that cover complete segments, oldest first.
#[derive(Clone, Default)]
pub(crate) struct Tables {
    pub(crate) ids: Vec<Arc<Table>>,
    pub(crate) sessions: Vec<Arc<Table>>,
}

impl Tables {
    /// Calls `each` with the rows of a session.
    pub(crate) fn session(
        &self,
        hash: u128,
        mut each: impl FnMut(SessionRow),
    ) -> Result<(), Fault> {
        let key = session_key(hash);
        for table in &self.sessions {
            table.find(&key, |row| each(SessionRow::decode(row)))?;
        }
        Ok(())
    }

    /// Whether the event ids and the sessions of a segment stand in tables.
    pub(crate) fn cover(&self, segment: u64) -> bool {
        let covers =
            |table: &Arc<Table>| (table.first_segment..=table.last_segment).contains(&segment);
        self.ids.iter().any(covers) && self.sessions.iter().any(covers)
    }

    /// Whether the sessions of a segment stand in a table.
    pub(crate) fn cover_sessions_of(&self, segment: u64) -> bool {
        self.sessions
            .iter()
            .any(|table| (table.first_segment..=table.last_segment).contains(&segment))
    }
}

impl Snapshot {
    /// How many entries are retained.
    pub(crate) fn length(&self) -> u64 {
        self.added - self.trimmed
    }

    /// Whether there is an entry after `id`.
    pub(crate) fn has_after(&self, id: EntryId) -> bool {
        self.length() > 0 && self.last_id > id
    }

    /// How many records of the segment at `index` of the list may be read.
    pub(crate) fn count(&self, index: usize) -> u32 {
        match self.segments[index].footer() {
            Some(footer) if index + 1 < self.segments.len() => footer.count,
            _ => self.visible,
        }
    }

    /// The segments that may hold ids of a range, as places in the list.
    pub(crate) fn overlapping(&self, ids: IdRange) -> std::ops::Range<usize> {
        let Some((first, last)) = ids.inclusive() else {
            return 0..0;
        };
        // A segment's ids lie above its own base and up to the next one's.
        let from = self
            .segments
            .partition_point(|segment| segment.header.base_id < first);
        let to = self
            .segments
            .partition_point(|segment| segment.header.base_id < last);
        from.saturating_sub(1)..to
    }

    /// The ordinal of the first retained record of the segment at `index`.
    pub(crate) fn first_retained(&self, index: usize) -> u32 {
        let before = self.segments[index].header.base_entries;
        self.trimmed
            .saturating_sub(before)
            .min(u64::from(self.count(index))) as u32
    }

    /// The place and ordinal of the entry that is `index`-th of all ever added, from 0.
    pub(crate) fn locate(&self, index: u64) -> Option<(usize, u32)> {
        let place = self
            .segments
            .partition_point(|segment| segment.header.base_entries <= index)
            .checked_sub(1)?;
        let ordinal = index - self.segments[place].header.base_entries;
        (ordinal < u64::from(self.count(place))).then_some((place, ordinal as u32))
    }

    /// The id of the first retained entry.
    pub(crate) fn first_id(&self) -> Result<Option<EntryId>, Fault> {
        self.id_of(self.trimmed)
    }

    /// The id of the entry that is `index`-th of all ever added, from 0.
    pub(crate) fn id_of(&self, index: u64) -> Result<Option<EntryId>, Fault> {
        let Some((place, ordinal)) = self.locate(index) else {
            return Ok(None);
        };
        let mut reader = self.segments[place].reader(false)?;
        reader.expect_sparse();
        reader.id_of(ordinal).map(Some)
    }

    /// The place of the segment that holds `id`, if one does.
    pub(crate) fn place_of(&self, id: EntryId) -> Option<usize> {
        // A segment's ids lie above its own base.
        let behind = |segment: &Arc<Segment>| segment.header.base_id < id;
        self.segments.partition_point(behind).checked_sub(1)
    }

    /// How many entries, from the first ever added, have ids below `id`. Of those whose files are removed
    /// nobody knows: it is none, or all that were before the first segment.
    pub(crate) fn entries_below(&self, id: EntryId) -> Result<u64, Fault> {
        let Some(place) = self.place_of(id) else {
            return Ok(0);
        };
        let segment = &self.segments[place];
        let mut reader = segment.reader(false)?;
        reader.expect_sparse();
        let ordinal = reader.lower_bound(id, self.count(place))?;
        Ok(segment.header.base_entries + u64::from(ordinal))
    }

    /// The same with `id` itself.
    pub(crate) fn entries_through(&self, id: EntryId) -> Result<u64, Fault> {
        match id.next() {
            _ if id >= self.last_id => Ok(self.added),
            Some(next) => self.entries_below(next),
            None => Ok(self.added),
        }
    }
}
