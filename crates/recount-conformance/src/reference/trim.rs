//! Trimming a stream in memory.

use recount_core::{HeldBack, HeldUp, Lost, TrimLimit, TrimReport, TrimRequest};

use super::groups::Group;
use super::state::{Log, State};

impl State {
    /// Trims to the limit, or as far as those allow who still need something. Approximate trims are exact
    /// here.
    pub fn trim(&mut self, request: &TrimRequest, clock_ms: u64) -> TrimReport {
        let asked = self.log.count_beyond(request.limit, clock_ms);
        let (holding, losing): (Vec<_>, Vec<_>) = self
            .groups
            .iter()
            .partition(|(_, group)| holds_up(group, request.held_up, clock_ms));
        let held_back: Vec<HeldBack> = holding
            .into_iter()
            .filter_map(|(name, group)| {
                let from = group.first_needed(&self.log)?;
                (self.log.count_below(from) < asked).then(|| HeldBack {
                    by: format!("group {name}"),
                    from,
                })
            })
            .collect();
        let removed = held_back
            .iter()
            .map(|held| self.log.count_below(held.from))
            .min()
            .unwrap_or(asked);
        let lost = losing
            .into_iter()
            .map(|(name, group)| Lost {
                by: format!("group {name}"),
                entries: group.needed_of(&self.log.entries[..removed]),
            })
            .filter(|lost| lost.entries > 0)
            .collect();
        let first = self
            .log
            .entries
            .get(removed)
            .map(|entry| entry.position.entry_id);
        if !request.dry_run {
            self.log.entries.drain(..removed);
        }
        TrimReport {
            removed: removed as u64,
            first,
            held_back,
            lost,
        }
    }
}

impl Log {
    /// How many entries lie beyond a limit.
    fn count_beyond(&self, limit: TrimLimit, clock_ms: u64) -> usize {
        match limit {
            TrimLimit::MaxLength(length) => self
                .entries
                .len()
                .saturating_sub(usize::try_from(length).unwrap_or(usize::MAX)),
            TrimLimit::MinId(id) => self.count_below(id),
            // By the clock alone: an id from the future makes no other entry older.
            TrimLimit::MaxAgeMs(age) => self.entries.partition_point(|entry| {
                let passed = clock_ms.checked_sub(entry.position.entry_id.ms);
                passed.is_some_and(|passed| passed >= age)
            }),
        }
    }
}

fn holds_up(group: &Group, policy: HeldUp, now_ms: u64) -> bool {
    match policy {
        HeldUp::Block => true,
        HeldUp::Force => false,
        HeldUp::ExpireGroupsAfter(ms) => group.idle_ms(now_ms).is_none_or(|idle| idle <= ms),
    }
}
