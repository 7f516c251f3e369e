//! How far a trim goes. It changes nothing: that is the writer's part.

use recount_core::{EntryId, TrimLimit, TrimReport, TrimRequest};

use crate::error::Fault;
use crate::groups::{Groups, Need};
use crate::shared::Snapshot;

/// What a trim comes to.
pub(crate) struct Plan {
    /// How many entries, from the first ever added, are trimmed afterwards.
    pub(crate) target: u64,
    pub(crate) report: TrimReport,
}

/// How far `request` goes in a log of which `snapshot` is seen at `now_ms`, whose entries `groups` may
/// still need.
pub(crate) fn plan(
    snapshot: &Snapshot,
    groups: &Groups,
    request: &TrimRequest,
    now_ms: u64,
) -> Result<Plan, Fault> {
    let limit = match request.limit {
        TrimLimit::MaxLength(length) => snapshot.added.saturating_sub(length),
        TrimLimit::MinId(id) => snapshot.entries_below(id)?,
        TrimLimit::MaxAgeMs(age) => match now_ms.checked_sub(age) {
            Some(ms) => snapshot.entries_below(EntryId::new(ms.saturating_add(1), 0))?,
            None => 0,
        },
    };
    let reach = |target: u64| {
        let target = if request.exact {
            target
        } else {
            segment_start(snapshot, target)
        };
        target.clamp(snapshot.trimmed, snapshot.added)
    };
    let asked = reach(limit);
    let mut report = TrimReport::default();
    let mut target = asked;
    if asked > snapshot.trimmed {
        let needs = groups.needs(snapshot, now_ms)?;
        let (holding, losing): (Vec<Need>, Vec<Need>) = needs
            .into_iter()
            .partition(|need| need.holds_up(request.held_up));
        for need in holding {
            if let Some(limit) = need.limit().filter(|&limit| limit < asked) {
                target = target.min(reach(limit));
                report.held_back.extend(need.held_back());
            }
        }
        for need in losing {
            report.lost.extend(groups.lost(&need, snapshot, target)?);
        }
    }
    let after = Snapshot {
        trimmed: target,
        ..snapshot.clone()
    };
    report.removed = target - snapshot.trimmed;
    // Read beforehand: a trim that fails removes nothing.
    report.first = after.first_id()?;
    Ok(Plan { target, report })
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
