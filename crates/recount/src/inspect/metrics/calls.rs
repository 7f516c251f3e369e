//! How long tools and searches took.

use std::collections::HashMap;

use recount_core::{Event, EventType, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::CallLatency;

/// Calls without an answer that are kept at most; of more, the answers have to tell how long they took.
const OPEN_MAX: usize = 100_000;

/// What tells how long calls took, as events go by.
#[derive(Default)]
pub(super) struct Calls {
    open: HashMap<(String, String), Timestamp>,
    sum_ms: f64,
    answered: u64,
}

/// The data's fields that are about it; of other types than documented they count as absent.
#[derive(Deserialize)]
struct Facts {
    #[serde(default)]
    tool: Value,
    #[serde(default)]
    call_id: Value,
    #[serde(default)]
    duration_ms: Value,
}

impl Facts {
    /// What a call and its answer have in common.
    fn key(&self, event: &Event) -> Option<(String, String)> {
        let id = self.call_id.as_str().or(self.tool.as_str())?;
        Some((event.session_id.clone(), id.to_owned()))
    }
}

impl Calls {
    pub(super) fn take(&mut self, event: &Event) {
        let known = matches!(
            event.event_type,
            EventType::ToolCalled | EventType::ToolReturned | EventType::SearchPerformed
        );
        if !known {
            return;
        }
        let Ok(facts) = serde_json::from_str::<Facts>(event.data.as_str()) else {
            return;
        };
        match event.event_type {
            EventType::ToolCalled => {
                if let Some(key) = facts.key(event)
                    && self.open.len() < OPEN_MAX
                {
                    self.open.insert(key, event.timestamp);
                }
            }
            _ => {
                let called = match event.event_type {
                    EventType::ToolReturned => {
                        facts.key(event).and_then(|key| self.open.remove(&key))
                    }
                    _ => None,
                };
                let told = facts.duration_ms.as_f64();
                let between = || {
                    let ms = event.timestamp.as_millis() - called?.as_millis();
                    Some(ms as f64)
                };
                if let Some(ms) = told.or_else(between).filter(|&ms| ms >= 0.0) {
                    self.sum_ms += ms;
                    self.answered += 1;
                }
            }
        }
    }

    pub(super) fn latency(&self) -> CallLatency {
        CallLatency {
            calls: self.answered,
            average_ms: (self.answered > 0).then(|| self.sum_ms / self.answered as f64),
        }
    }
}
