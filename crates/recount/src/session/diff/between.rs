//! What a session did between two of its states that neither of them tells.

use std::ops::Bound;

use recount_core::payload::{ErrorOccurred, ToolCalled};
use recount_core::{EventType, IdRange, Query};
use recount_views::SessionState;

use super::Change;
use crate::session::messages::understood;
use crate::{Session, SessionError};

impl Session {
    /// The tool calls made after state `a` of this session and answered at state `b`: no state tells of calls
    /// that were answered. Nothing where `b` is not the later one.
    pub async fn calls_between(
        &self,
        a: &SessionState,
        b: &SessionState,
    ) -> Result<Vec<Change>, SessionError> {
        let Some(end) = b.position.filter(|_| a.revision < b.revision) else {
            return Ok(Vec::new());
        };
        let mut query = Query::session(&self.id);
        query.range.ids = IdRange {
            start: a.position.map_or(Bound::Unbounded, |position| {
                Bound::Excluded(position.entry_id)
            }),
            end: Bound::Included(end.entry_id),
        };
        let mut calls: Vec<Call> = Vec::new();
        let mut events = self.recount.events(query);
        while let Some(page) = events.next_page().await? {
            for recorded in &page {
                let Some(event) = understood(recorded) else {
                    continue;
                };
                match event.event_type {
                    EventType::ToolCalled => {
                        let ToolCalled { tool, call_id, .. } =
                            event.data.read().unwrap_or_default();
                        let open = b.tools.open.iter();
                        let open = open.filter_map(|call| call.position);
                        // One that is open is told by the states.
                        let told = open.into_iter().any(|at| at == recorded.position);
                        calls.push(Call {
                            tool,
                            id: call_id,
                            told,
                            failed: false,
                        });
                    }
                    EventType::ErrorOccurred => {
                        let ErrorOccurred { tool, call_id, .. } =
                            event.data.read().unwrap_or_default();
                        let meant = |call: &&mut Call| match &call_id {
                            Some(_) => call.id == call_id,
                            None => tool.is_some() && call.tool == tool,
                        };
                        if let Some(call) = calls.iter_mut().rev().find(meant) {
                            call.failed = true;
                        }
                    }
                    _ => {}
                }
            }
        }
        let calls = calls.into_iter().filter(|call| !call.told);
        Ok(calls.map(Call::change).collect())
    }
}

struct Call {
    tool: Option<String>,
    id: Option<String>,
    told: bool,
    failed: bool,
}

impl Call {
    fn change(self) -> Change {
        let Self {
            tool,
            id: call_id,
            failed,
            ..
        } = self;
        if failed {
            Change::ToolFailed { tool, call_id }
        } else {
            Change::ToolAnswered { tool, call_id }
        }
    }
}
