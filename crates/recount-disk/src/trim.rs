//! How far a trim goes. It changes nothing: that is the writer's part.

use recount_core::{EntryId, TrimLimit, TrimReport, TrimRequest};

use crate::error::Fault;
use crate::shared::Snapshot;

/// What a trim comes to.
pub(crate) struct Plan {
    /// How many entries, from the first ever added, are trimmed afterwards.
    pub(crate) target: u64,
    pub(crate) report: TrimReport,
}

/// How far `request` goes in a log of which `snapshot` is seen at `now_ms`.
pub(crate) fn plan(snapshot: &Snapshot, request: &TrimRequest, now_ms: u64) -> Result<Plan, Fault> {
    let exact = match request.limit {
        TrimLimit::MaxLength(length) => snapshot.added.saturating_sub(length),
        TrimLimit::MinId(id) => entries_below(snapshot, id)?,
        TrimLimit::MaxAgeMs(age) => match now_ms.checked_sub(age) {
            Some(ms) => entries_below(snapshot, EntryId::new(ms.saturating_add(1), 0))?,
            None => 0,
        },
    };
    let target = if request.exact {
        exact
    } else {
        segment_start(snapshot, exact)
    };
    let target = target.clamp(snapshot.trimmed, snapshot.added);
    let after = Snapshot {
        trimmed: target,
        ..snapshot.clone()
    };
    Ok(Plan {
        target,
        report: TrimReport {
            removed: target - snapshot.trimmed,
            // Read beforehand: a trim that fails removes nothing.
            first: after.first_id()?,
            // Nothing registers a need for entries of this engine yet.
            held_back: Vec::new(),
        },
    })
}

/// How many entries, from the first ever added, have ids below `id`.
fn entries_below(snapshot: &Snapshot, id: EntryId) -> Result<u64, Fault> {
    let place = snapshot
        .segments
        .partition_point(|segment| segment.header.base_id < id);
    let Some(place) = place.checked_sub(1) else {
        return Ok(0);
    };
    let segment = &snapshot.segments[place];
    let ordinal = segment
        .reader(false)?
        .lower_bound(id, snapshot.count(place))?;
    Ok(segment.header.base_entries + u64::from(ordinal))
}

/// The greatest start of a segment that is not beyond `target`.
fn segment_start(snapshot: &Snapshot, target: u64) -> u64 {
    snapshot
        .segments
        .iter()
        .map(|segment| segment.header.base_entries)
        .filter(|&start| start <= target)
        .max()
        .unwrap_or(0)
}
