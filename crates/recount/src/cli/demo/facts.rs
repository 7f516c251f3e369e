//! What the log tells about the demo, counted from its events alone.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use recount::payload::Payload;
use recount::{Event, EventType, Filter, IdRange, Query, ReadRange, Recount};

use super::live::Shown;
use crate::cli::error::Result;

#[derive(Default)]
pub(super) struct Facts {
    pub events: u64,
    pub by_type: BTreeMap<String, u64>,
    pub users: BTreeSet<String>,
    pub started: u64,
    /// How sessions ended, and how many did.
    pub ended: BTreeMap<String, u64>,
    /// The longest session and how long it took.
    pub longest: Option<(String, u64)>,
    pub errors: u64,
    /// Each tool's calls, by name.
    pub tools: BTreeMap<String, Tool>,
    /// The session to look at: the first with an error, else the first.
    pub session: String,
    session_has_error: bool,
    /// Between the first and the last entry.
    pub span_ms: u64,
}

#[derive(Default)]
pub(super) struct Tool {
    pub calls: u64,
    pub errors: u64,
    pub durations_ms: Vec<f64>,
}

impl Facts {
    /// Reads what was recorded between the first and the last event that was shown.
    pub async fn gather(log: &Recount, shown: &Shown) -> Result<Self> {
        let mut facts = Self {
            span_ms: shown.last.ms.saturating_sub(shown.first.ms),
            ..Self::default()
        };
        let mut events = log.events(Query {
            range: ReadRange::new(IdRange {
                start: Bound::Included(shown.first),
                end: Bound::Included(shown.last),
            }),
            filter: Filter::default(),
        });
        while let Some(recorded) = events.next().await? {
            if let Some(event) = recorded.event() {
                facts.add(event);
            }
        }
        Ok(facts)
    }

    fn add(&mut self, event: &Event) {
        self.events += 1;
        *self
            .by_type
            .entry(event.event_type.to_string())
            .or_default() += 1;
        self.users.extend(event.user_id.clone());
        let error = event.event_type == EventType::ErrorOccurred;
        if self.session.is_empty() || (error && !self.session_has_error) {
            self.session.clone_from(&event.session_id);
            self.session_has_error = error;
        }
        match Payload::of(event) {
            Ok(Payload::SessionStarted(_)) => self.started += 1,
            Ok(Payload::SessionEnded(end)) => {
                *self
                    .ended
                    .entry(end.reason.unwrap_or_default())
                    .or_default() += 1;
                let took = end.duration_ms.unwrap_or(0);
                if self
                    .longest
                    .as_ref()
                    .is_none_or(|(_, longest)| *longest < took)
                {
                    self.longest = Some((event.session_id.clone(), took));
                }
            }
            Ok(Payload::ErrorOccurred(error)) => {
                self.errors += 1;
                if let Some(tool) = error.tool {
                    self.tools.entry(tool).or_default().errors += 1;
                }
            }
            Ok(Payload::ToolReturned(answer)) => {
                let tool = self
                    .tools
                    .entry(answer.tool.unwrap_or_default())
                    .or_default();
                tool.calls += 1;
                tool.durations_ms.extend(answer.duration_ms);
            }
            _ => {}
        }
    }

    /// Calls, failed calls, and every duration, shortest first, over all tools.
    pub fn all_tools(&self) -> Tool {
        let mut all = Tool::default();
        for tool in self.tools.values() {
            all.calls += tool.calls;
            all.errors += tool.errors;
            all.durations_ms.extend(&tool.durations_ms);
        }
        all.durations_ms.sort_by(f64::total_cmp);
        all
    }
}

/// The middle one of values in order.
pub(super) fn median<T: Copy>(sorted: &[T]) -> Option<T> {
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}
