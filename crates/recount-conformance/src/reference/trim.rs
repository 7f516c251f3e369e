//! Trimming a stream in memory.

use recount_core::{HeldBack, TrimLimit, TrimReport, TrimRequest};

use super::state::Log;

impl Log {
    /// Trims to the limit, or as far as `needs` allow. Approximate trims are exact here.
    pub fn trim(&mut self, request: &TrimRequest, clock_ms: u64, needs: &[HeldBack]) -> TrimReport {
        let asked = match request.limit {
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
        };
        let held_back: Vec<HeldBack> = needs
            .iter()
            .filter(|need| self.count_below(need.from) < asked)
            .cloned()
            .collect();
        let removed = held_back
            .iter()
            .map(|need| self.count_below(need.from))
            .min()
            .unwrap_or(asked);
        let first = self
            .entries
            .get(removed)
            .map(|entry| entry.position.entry_id);
        if !request.dry_run {
            self.entries.drain(..removed);
        }
        TrimReport {
            removed: removed as u64,
            first,
            held_back,
        }
    }
}
