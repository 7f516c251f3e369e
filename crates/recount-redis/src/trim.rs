//! Trimming: page by page, always through the safe floor.

mod doomed;
mod plan;
mod policy;

use recount_core::{
    Direction, EntryId, HeldBack, HeldUp, Lost, TrimError, TrimReport, TrimRequest,
};

use crate::error::Failed;
use crate::keys::Keys;
use crate::read::{self, Chunk};
use crate::shared::Shared;
use crate::wire;
use doomed::Doomed;
use plan::{Goal, Plan, holding, plan};
use policy::Policy;

/// Entries removed with one call at most: it blocks the server meanwhile.
const PAGE: usize = 1_000;
/// Entries of a node of a stream, as servers are set up unless told otherwise: cheap to remove together.
const NODE: usize = 100;

/// Trims every partition.
pub(crate) async fn all(shared: &Shared, request: &TrimRequest) -> Result<TrimReport, TrimError> {
    let mut report = TrimReport::default();
    for keys in &shared.partitions {
        let one = partition(shared, keys, request)
            .await
            .map_err(|failed| failed.trim(&keys.stream))?;
        report.removed += one.removed;
        report.first = match (report.first, one.first) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        for held in one.held_back {
            if !report.held_back.contains(&held) {
                report.held_back.push(held);
            }
        }
        add_losses(&mut report.lost, one.lost);
    }
    Ok(report)
}

/// Adds what was lost by another page or in another partition.
fn add_losses(sum: &mut Vec<Lost>, more: Vec<Lost>) {
    for lost in more {
        match sum.iter_mut().find(|known| known.by == lost.by) {
            Some(known) => known.entries += lost.entries,
            None => sum.push(lost),
        }
    }
}

async fn partition(
    shared: &Shared,
    keys: &Keys,
    request: &TrimRequest,
) -> Result<TrimReport, Failed> {
    let mut report = TrimReport::default();
    // Where a page was overtaken by somebody else, everything is looked at again.
    'plan: loop {
        let policy = Policy::of(shared, keys, request.held_up).await?;
        let plan = plan(shared, keys, &policy).await?;
        let goal = Goal::new(request.limit, &plan);
        let mut from = EntryId::MIN;
        let mut looked_at = 0;
        let mut chunk = Chunk::default();
        loop {
            let page = Page::read(shared, keys, &plan, &goal, from, looked_at, &mut chunk).await?;
            report.first = page.first_kept;
            if let (true, Some(first_kept)) = (page.held, page.first_kept) {
                let before = looked_at + page.doomed.ids.len() as u64;
                let stopped = (first_kept, before);
                report.held_back = holding(shared, keys, &plan, &goal, stopped).await?;
            }
            let mut doomed = page.doomed;
            if !request.exact && page.last {
                doomed.keep_whole_nodes();
                if let Some(first) = doomed.first_spared {
                    report.first = Some(first);
                }
            }
            let count = doomed.ids.len() as u64;
            if request.dry_run {
                report.removed += count;
                add_losses(
                    &mut report.lost,
                    doomed.losses(shared, keys, &policy).await?,
                );
            } else if count > 0 {
                let Some((removed, lost)) = doomed.remove(shared, keys, &policy).await? else {
                    continue 'plan;
                };
                report.removed += removed;
                add_losses(&mut report.lost, lost);
            }
            looked_at += count;
            if page.last {
                return Ok(report);
            }
            from = page.next;
        }
    }
}

/// A page from the start of what is left.
struct Page {
    doomed: Doomed,
    first_kept: Option<EntryId>,
    /// Whether somebody needs the first entry that is kept.
    held: bool,
    last: bool,
    next: EntryId,
}

impl Page {
    async fn read(
        shared: &Shared,
        keys: &Keys,
        plan: &Plan,
        goal: &Goal,
        from: EntryId,
        looked_at: u64,
        chunk: &mut Chunk,
    ) -> Result<Self, Failed> {
        let count = chunk.size().min(PAGE);
        let ids = (from, EntryId::MAX);
        // One more: it is the first that is left.
        let command = read::range_command(&keys.stream, ids, Direction::Forward, count + 1);
        let reply = shared.net.ask(keys.slot, &command).await?;
        let entries =
            wire::entries(reply).map_err(|shape| shape.from(shared.net.address(keys.slot)))?;
        let ends = entries.len() <= count;
        let mut page = Self {
            doomed: Doomed::default(),
            first_kept: None,
            held: false,
            last: ends,
            next: from,
        };
        for (place, entry) in entries.into_iter().enumerate() {
            let wanted = match *goal {
                Goal::Excess(excess) => looked_at + (place as u64) < excess,
                Goal::Below(id) => entry.id < id,
            };
            let needed = plan.needs.iter().any(|need| need.from <= entry.id);
            if !wanted || needed || place == count {
                page.first_kept = Some(entry.id);
                page.held = wanted && needed;
                page.last |= !wanted || needed;
                page.next = entry.id;
                break;
            }
            chunk.count(&entry);
            page.doomed.add(&entry);
        }
        Ok(page)
    }
}

/// Who needs what of a partition.
pub(crate) async fn needs(shared: &Shared, keys: &Keys) -> Result<Vec<HeldBack>, Failed> {
    let policy = Policy::of(shared, keys, HeldUp::Block).await?;
    Ok(plan(shared, keys, &policy).await?.needs)
}
