//! What groups still need of the log, for trims.

use recount_core::{EntryId, HeldBack, HeldUp, Lost};

use super::Groups;
use super::state::Group;
use crate::error::Fault;
use crate::shared::Snapshot;

/// A group as a trim sees it.
pub(crate) struct Need {
    name: String,
    /// How many entries, from the first ever added, it was delivered or passed over.
    delivered: u64,
    /// Up to which id.
    cursor: EntryId,
    /// The first of its entries that a trim would take from it: how many lie before it, and its id.
    first: Option<(u64, EntryId)>,
    idle_ms: Option<u64>,
}

impl Need {
    /// What keeps a trim from going on, if this does.
    pub(crate) fn held_back(&self) -> Option<HeldBack> {
        let (_, from) = self.first?;
        Some(HeldBack {
            by: self.by(),
            from,
        })
    }

    /// How far a trim may go; none as far as this is concerned.
    pub(crate) fn limit(&self) -> Option<u64> {
        self.first.map(|(before, _)| before)
    }

    /// Whether a trim respects it.
    pub(crate) fn holds_up(&self, policy: HeldUp) -> bool {
        match policy {
            HeldUp::Block => true,
            HeldUp::Force => false,
            HeldUp::ExpireGroupsAfter(ms) => self.idle_ms.is_none_or(|idle| idle <= ms),
        }
    }

    fn by(&self) -> String {
        format!("group {}", self.name)
    }
}

impl Groups {
    /// What the groups need of what `snapshot` shows, by name.
    pub(crate) fn needs(&self, snapshot: &Snapshot, now_ms: u64) -> Result<Vec<Need>, Fault> {
        self.refresh()?;
        if self.read(|state| state.groups.is_empty()) {
            return Ok(Vec::new());
        }
        let first_id = snapshot.first_id()?;
        let seen = |group: &Group| {
            let retained = first_id.and_then(|first| group.pending.range(first..).next());
            let pending = retained.map(|(id, _)| *id);
            let idle_ms = group.idle_ms(now_ms);
            (group.name.to_string(), group.cursor, pending, idle_ms)
        };
        let groups: Vec<_> = self.read(|state| state.by_name().map(seen).collect());
        let needs = groups.into_iter().map(|(name, cursor, pending, idle_ms)| {
            let delivered = snapshot.entries_through(cursor)?.max(snapshot.trimmed);
            let undelivered = snapshot.id_of(delivered)?.map(|id| (delivered, id));
            let pending = match pending {
                Some(id) => Some((snapshot.entries_below(id)?, id)),
                None => None,
            };
            let first = [undelivered, pending].into_iter().flatten().min();
            Ok(Need {
                name,
                delivered,
                cursor,
                first,
                idle_ms,
            })
        });
        needs.collect()
    }

    /// What a group loses where everything before the entry `target`, counted from the first ever added, is
    /// trimmed; none if nothing.
    pub(crate) fn lost(
        &self,
        need: &Need,
        snapshot: &Snapshot,
        target: u64,
    ) -> Result<Option<Lost>, Fault> {
        let undelivered = target.saturating_sub(need.delivered);
        let from = snapshot.first_id()?.unwrap_or(EntryId::MAX);
        let to = snapshot.id_of(target)?.unwrap_or(EntryId::MAX);
        // What lies behind the cursor counts as undelivered.
        let to = to.min(need.cursor.next().unwrap_or(EntryId::MAX));
        let pending = |group: &Group| group.pending.range(from.min(to)..to).count() as u64;
        let pending = self.read(|state| state.group(&need.name).map(|(_, group)| pending(group)));
        let entries = undelivered + pending.unwrap_or(0);
        Ok((entries > 0).then(|| Lost {
            by: need.by(),
            entries,
        }))
    }
}
