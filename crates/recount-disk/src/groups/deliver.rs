//! Reading the entries that are delivered.

use recount_core::{EntryId, Filter, IdRange, Limits, ReadRange, Recorded};

use crate::error::Fault;
use crate::reader;
use crate::shared::{Shared, Snapshot};

/// So few entries are read where the call is made, not on a thread for file work: handing the work over
/// would take longer than it does.
const FEW: usize = 16;

/// Whether `count` entries after `id` are read at once: few are, and those of the active segment, which the
/// system holds in memory.
pub(super) fn at_hand(snapshot: &Snapshot, id: EntryId, count: usize) -> bool {
    let active = snapshot.segments.last();
    count <= FEW || active.is_none_or(|active| active.header.base_id <= id)
}

/// Up to `count` entries after `id`.
pub(super) fn after(
    shared: &Shared,
    snapshot: &Snapshot,
    id: EntryId,
    count: usize,
) -> Result<Vec<Recorded>, Fault> {
    let range = ReadRange::new(IdRange::after(id)).limit(count.min(Limits::PAGE_ENTRIES_MAX));
    let page = reader::page(shared, snapshot, &range, &Filter::default())?;
    Ok(page.entries)
}

/// The entries with these ids, which are in order; none in place of one that was trimmed.
pub(super) fn named(snapshot: &Snapshot, ids: &[EntryId]) -> Result<Vec<Option<Recorded>>, Fault> {
    let mut found = Vec::with_capacity(ids.len());
    let mut rest = ids;
    while let Some(&first) = rest.first() {
        let Some(place) = snapshot.place_of(first) else {
            found.push(None);
            rest = &rest[1..];
            continue;
        };
        let in_place = |id: &&EntryId| snapshot.place_of(**id) == Some(place);
        let here = rest.iter().take_while(in_place).count();
        in_segment(snapshot, place, &rest[..here], &mut found)?;
        rest = &rest[here..];
    }
    Ok(found)
}

fn in_segment(
    snapshot: &Snapshot,
    place: usize,
    ids: &[EntryId],
    found: &mut Vec<Option<Recorded>>,
) -> Result<(), Fault> {
    let count = snapshot.count(place);
    let retained = snapshot.first_retained(place);
    let mut reader = snapshot.segments[place].reader(false)?;
    reader.expect_sparse();
    // Mostly they are neighbours.
    let mut next = retained;
    for &id in ids {
        let is_next = next < count && reader.id_of(next)? == id;
        let ordinal = if is_next {
            next
        } else {
            reader.lower_bound(id, count)?
        };
        let there = ordinal >= retained && ordinal < count && reader.id_of(ordinal)? == id;
        found.push(if there {
            Some(reader.record_within(ordinal, id..=id)?.decode(0))
        } else {
            None
        });
        next = ordinal.saturating_add(1);
    }
    Ok(())
}
