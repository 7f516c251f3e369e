//! What a trim knows before it begins: how far it is to go, and who is in the way.

use recount_core::{EntryId, HeldBack, TrimLimit};
use redis::Value;

use super::policy::Policy;
use crate::error::Failed;
use crate::keys::Keys;
use crate::scripts::{self, COUNT, PLAN};
use crate::shared::Shared;
use crate::wire::{self, Unexpected};

/// What a partition's trim knows before it begins.
pub(super) struct Plan {
    pub(super) length: u64,
    pub(super) now_ms: u64,
    pub(super) needs: Vec<HeldBack>,
}

pub(super) async fn plan(shared: &Shared, keys: &Keys, policy: &Policy) -> Result<Plan, Failed> {
    let command = policy.call(&PLAN, keys);
    let reply = shared.net.run(keys.slot, &PLAN, &command).await?;
    read_plan(reply).map_err(|shape| shape.from(shared.net.address(keys.slot)))
}

fn read_plan(reply: Value) -> Result<Plan, Unexpected> {
    let Ok([length, now, needs]): Result<[Value; 3], _> = wire::list(reply)?.try_into() else {
        return Err(Unexpected("a plan"));
    };
    Ok(Plan {
        length: wire::count(&length)?,
        now_ms: wire::count(&now)?,
        needs: read_needs(needs)?,
    })
}

fn read_needs(needs: Value) -> Result<Vec<HeldBack>, Unexpected> {
    wire::list(needs)?
        .chunks_exact(2)
        .map(|pair| {
            Ok(HeldBack {
                by: wire::lossy(&pair[0])?,
                from: wire::entry_id(&pair[1])?,
            })
        })
        .collect()
}

/// What is to be kept.
pub(super) enum Goal {
    /// So many from the start may go.
    Excess(u64),
    /// Everything below may go.
    Below(EntryId),
}

impl Goal {
    pub(super) fn new(limit: TrimLimit, plan: &Plan) -> Self {
        match limit {
            TrimLimit::MaxLength(length) => Self::Excess(plan.length.saturating_sub(length)),
            TrimLimit::MinId(id) => Self::Below(id),
            TrimLimit::MaxAgeMs(age) => match plan.now_ms.checked_sub(age) {
                // Recorded exactly that long ago is too old.
                Some(oldest) => Self::Below(EntryId::new(oldest.saturating_add(1), 0)),
                None => Self::Below(EntryId::MIN),
            },
        }
    }
}

/// Entries counted at most to tell whether somebody needs one that a limit on the length would remove; where
/// that many do not tell, it is taken to be so.
const COUNTED_MAX: u64 = 10_000;

/// Who needs what would be removed, where a trim stopped at an entry with so many before it.
pub(super) async fn holding(
    shared: &Shared,
    keys: &Keys,
    plan: &Plan,
    goal: &Goal,
    (first_kept, before): (EntryId, u64),
) -> Result<Vec<HeldBack>, Failed> {
    let mut holding = Vec::new();
    for need in &plan.needs {
        let holds = match *goal {
            _ if need.from <= first_kept => true,
            Goal::Below(id) => need.from < id,
            Goal::Excess(excess) => {
                let left = excess.saturating_sub(before);
                let mut command = scripts::call(&COUNT, &[&keys.stream]);
                command
                    .arg(first_kept.to_string())
                    .arg(need.from.previous().unwrap_or(EntryId::MIN).to_string())
                    .arg(left.min(COUNTED_MAX));
                let reply = shared.net.run(keys.slot, &COUNT, &command).await?;
                let counted = wire::list(reply)
                    .and_then(|parts| wire::count(parts.first().unwrap_or(&Value::Nil)));
                let address = || shared.net.address(keys.slot);
                counted.map_err(|shape| shape.from(address()))? < left
            }
        };
        if holds {
            holding.push(need.clone());
        }
    }
    Ok(holding)
}
