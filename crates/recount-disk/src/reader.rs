//! Answering reads and queries from a snapshot.

use std::collections::BTreeSet;

use recount_core::{
    Direction, Entry, EntryId, Filter, Limits, Page, Query, ReadRange, SessionPage, SessionRead,
};
use roaring::RoaringBitmap;

use crate::error::Fault;
use crate::index::Wanted;
use crate::record::Record;
use crate::shared::{Shared, Snapshot};

/// One page of the entries of `range` that pass `filter`.
pub(crate) fn page(
    shared: &Shared,
    snapshot: &Snapshot,
    range: &ReadRange,
    filter: &Filter,
) -> Result<Page, Fault> {
    let mut entries = Vec::new();
    let take = &mut |record: Record<'_>| entries.push(record.decode(0));
    let next = walk(shared, snapshot, range, filter, take)?;
    Ok(Page { entries, next })
}

/// A page of the entries of `range` as they are stored.
pub(crate) fn stored(
    shared: &Shared,
    snapshot: &Snapshot,
    range: &ReadRange,
) -> Result<Vec<Entry>, Fault> {
    let mut entries = Vec::new();
    let take = &mut |record: Record<'_>| entries.push(record.stored());
    walk(shared, snapshot, range, &Filter::default(), take)?;
    Ok(entries)
}

/// Hands one page of the entries of `range` that pass `filter` to `take`; returns where to go on.
fn walk(
    shared: &Shared,
    snapshot: &Snapshot,
    range: &ReadRange,
    filter: &Filter,
    take: &mut dyn FnMut(Record<'_>),
) -> Result<Option<EntryId>, Fault> {
    if range.partition != 0 || range.limit == 0 {
        return Ok(None);
    }
    let wanted = (!filter.is_empty()).then(|| Wanted::new(filter, &shared.dir.hashes));
    let places = places(shared, snapshot, range, wanted.as_ref())?;
    let mut reading = Reading {
        snapshot,
        range,
        wanted: wanted.as_ref(),
        take,
        taken: 0,
        last: None,
        next: None,
        bytes: 0,
        limit: range.limit.min(Limits::PAGE_ENTRIES_MAX),
    };
    match range.direction {
        Direction::Forward => reading.walk(places.into_iter())?,
        Direction::Backward => reading.walk(places.into_iter().rev())?,
    }
    Ok(reading.next)
}

/// The newest entries of a session. Where none are left, its revision is what tables and segments
/// remember of it; what is in neither yet only the writer knows.
pub(crate) fn session(
    shared: &Shared,
    snapshot: &Snapshot,
    read: &SessionRead,
) -> Result<SessionPage, Fault> {
    let Query { range, filter } = Query::session(&read.session_id);
    let first = page(shared, snapshot, &range.clone().limit(1), &filter)?;
    let Some(first) = first.entries.first() else {
        let revision = trimmed_revision(shared, snapshot, &filter)?;
        return Ok(SessionPage {
            revision,
            ..SessionPage::default()
        });
    };
    let newest = range.limit(read.last.max(1)).backward();
    let mut entries = page(shared, snapshot, &newest, &filter)?.entries;
    let revision = entries.first().map_or(0, |newest| newest.revision);
    entries.truncate(read.last);
    entries.reverse();
    Ok(SessionPage {
        entries,
        revision,
        retained_from: Some(first.revision),
        unindexed: 0,
    })
}

/// The revision of a session that has no entry any more.
fn trimmed_revision(shared: &Shared, snapshot: &Snapshot, filter: &Filter) -> Result<u64, Fault> {
    let wanted = Wanted::new(filter, &shared.dir.hashes);
    let mut revision = 0;
    if let Some((hash, _)) = wanted.session {
        let tables = shared.tables.read().clone();
        tables.session(hash, |row| revision = revision.max(row.revision))?;
    }
    // Trimmed entries lie in the first segment, if their file is still there at all.
    if let Some(segment) = snapshot.segments.first()
        && let Some(last) = segment
            .matching(&wanted)?
            .range(..snapshot.count(0))
            .next_back()
    {
        revision = revision.max(segment.reader(true)?.record(last)?.revision());
    }
    Ok(revision)
}

/// The segments worth looking into, as places in the snapshot's list, in order.
fn places(
    shared: &Shared,
    snapshot: &Snapshot,
    range: &ReadRange,
    wanted: Option<&Wanted<'_>>,
) -> Result<Vec<usize>, Fault> {
    let overlapping = snapshot.overlapping(range.ids);
    let Some((hash, _)) = wanted.and_then(|wanted| wanted.session) else {
        return Ok(overlapping.collect());
    };
    // Tables know which complete segments a session is in; of the others each is asked.
    let uncovered: Vec<bool> = {
        let tables = shared.tables.read();
        let covered = |place: &usize| tables.cover_sessions_of(snapshot.segments[*place].number());
        overlapping.clone().map(|place| !covered(&place)).collect()
    };
    let tables = shared.tables.read().clone();
    let mut found = BTreeSet::new();
    let looked_up = tables.session(hash, |row| {
        found.insert(u64::from(row.segment));
    });
    if let Err(fault @ Fault::Corrupt { .. }) = &looked_up {
        // Tables only save work. The writer sets the damaged one aside when it meets it.
        tracing::warn!(%fault, "a session is looked for in every segment");
        return Ok(overlapping.collect());
    }
    looked_up?;
    Ok(overlapping
        .zip(uncovered)
        .filter(|(place, uncovered)| {
            *uncovered || found.contains(&snapshot.segments[*place].number())
        })
        .map(|(place, _)| place)
        .collect())
}

/// Records that a filter lets pass lie far from one another: so many are touched ahead of being read, so
/// that the waits for memory overlap.
const AHEAD: usize = 64;

/// A page being filled.
struct Reading<'a> {
    snapshot: &'a Snapshot,
    range: &'a ReadRange,
    wanted: Option<&'a Wanted<'a>>,
    take: &'a mut dyn FnMut(Record<'_>),
    taken: usize,
    /// The last entry taken.
    last: Option<EntryId>,
    /// Where to go on, once that is known.
    next: Option<EntryId>,
    bytes: usize,
    limit: usize,
}

impl Reading<'_> {
    fn walk(&mut self, places: impl Iterator<Item = usize>) -> Result<(), Fault> {
        for place in places {
            match self.read_segment(place) {
                Ok(false) => {}
                Ok(true) => break,
                // What lies before damage is not held back: the page ends there, the next one fails.
                Err(Fault::Corrupt { .. }) if self.after_last().is_some() => {
                    self.next = self.after_last();
                    break;
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    /// Where to go on after the last entry of the page, if it has one.
    fn after_last(&self) -> Option<EntryId> {
        let last = self.last?;
        match self.range.direction {
            Direction::Forward => last.next(),
            Direction::Backward => last.previous(),
        }
    }

    /// Adds a segment's entries; whether the page is full.
    fn read_segment(&mut self, place: usize) -> Result<bool, Fault> {
        let Some((mut first, mut last)) = self.range.ids.inclusive() else {
            return Ok(true);
        };
        let backward = self.range.direction == Direction::Backward;
        let segment = &self.snapshot.segments[place];
        let matching = self
            .wanted
            .map(|wanted| segment.matching(wanted))
            .transpose()?;
        if matching.as_ref().is_some_and(RoaringBitmap::is_empty) {
            return Ok(false);
        }
        let count = self.snapshot.count(place);
        let mut reader = segment.reader(backward)?;
        // A range that covers the segment, as it mostly does, is not searched for in it.
        let from = if first <= segment.header.base_id {
            0
        } else {
            reader.lower_bound(first, count)?
        };
        let whole = segment
            .footer()
            .is_some_and(|footer| footer.count == count && footer.last <= last);
        let to = match last.next() {
            Some(after) if !whole => reader.bounds(after, count)?.end,
            _ => count,
        };
        let from = from.max(self.snapshot.first_retained(place));
        if from >= to {
            return Ok(false);
        }
        let mut ordinals: Box<dyn Iterator<Item = u32>> = match (&matching, backward) {
            (None, false) => Box::new(from..to),
            (None, true) => Box::new((from..to).rev()),
            (Some(matching), false) => Box::new(matching.range(from..to)),
            (Some(matching), true) => Box::new(matching.range(from..to).rev()),
        };
        if matching.is_some() {
            reader.expect_sparse();
        } else if !backward {
            let wanted = self.limit.saturating_sub(self.taken).max(1);
            let last = from.saturating_add(u32::try_from(wanted - 1).unwrap_or(u32::MAX));
            reader.expect(from, last.min(to - 1));
        }
        let mut ahead = Vec::with_capacity(AHEAD);
        loop {
            ahead.extend(ordinals.by_ref().take(AHEAD));
            if ahead.is_empty() {
                return Ok(false);
            }
            if matching.is_some() {
                reader.touch(&ahead);
            }
            for ordinal in ahead.drain(..) {
                let record = reader.record_within(ordinal, first..=last)?;
                let id = record.entry_id();
                let full = self.taken >= self.limit
                    || (self.taken > 0 && self.bytes + record.len() > Limits::PAGE_BYTES_MAX);
                // The first always has a place.
                if full {
                    self.next = Some(id);
                    return Ok(true);
                }
                match self.range.direction {
                    Direction::Forward => first = id.next().unwrap_or(EntryId::MAX),
                    Direction::Backward => last = id.previous().unwrap_or(EntryId::MIN),
                }
                self.bytes += record.len();
                self.taken += 1;
                self.last = Some(id);
                (self.take)(record);
            }
        }
    }
}
