//! The one JSON shape of a session's state.

use recount_core::{Position, Timestamp};
use recount_views::{Lineage, OpenCall, SessionState, SessionStatus};
use serde_json::{Map, Value, json};

use super::{At, SessionAt, StateMessage};

impl SessionAt {
    /// A session in which nothing happens for so long is idle.
    pub const IDLE_AFTER_MS: u64 = 30 * 60 * 1_000;

    /// The state as one JSON document. A session that goes on may be idle `now`; one that is looked at in
    /// its past is not.
    pub fn document(&self, now: Timestamp) -> Value {
        let state = &self.state;
        let reason = match &state.status {
            SessionStatus::Ended { reason } => reason.as_deref(),
            _ => None,
        };
        let mut document = json!({
            "session_id": state.session_id,
            "forked_from": state.forked_from.as_ref().map(lineage),
            "user_id": state.user_id,
            "agent_id": state.agent_id,
            "status": self.status(now),
            "ended_reason": reason,
            "reward": state.reward,
            "first_happened": time(state.first_happened),
            "last_happened": time(state.last_happened),
            "complete": self.is_complete(),
            "first_revision": state.first_revision,
            "revision": state.revision,
            "entry_id": entry_id(state.position),
            "partition": state.position.map(|position| position.partition),
            "events": state.events,
            "events_of_unknown_versions": state.future,
            "types": state.types,
            "tokens": tokens(state),
            "cost": state.cost,
            "errors": state.errors,
            "last_error": self.last_error,
            "last_error_entry_id": entry_id(state.last_error),
            "searches": state.searches,
            "summaries": state.summaries,
            "summary": self.summary,
            "summary_entry_id": entry_id(state.summary),
            "clears": state.clears,
            "cleared_entry_id": entry_id(state.cleared),
            "tools": tools(state),
            "open_calls": state.tools.open.iter().map(open_call).collect::<Vec<_>>(),
            "messages_added": state.messages_added,
            "message_count": state.message_count,
            "messages_complete": self.messages.complete,
            "messages_missing": self.messages.missing,
        });
        // Put in as it is: the macro would copy it.
        document["messages"] = self.messages.messages.iter().map(message).collect();
        document
    }

    /// `unknown`, `active`, `idle` or `ended`.
    pub fn status(&self, now: Timestamp) -> &'static str {
        match &self.state.status {
            SessionStatus::Unknown => "unknown",
            SessionStatus::Active
                if self.at == At::Now && self.state.is_idle(now, Self::IDLE_AFTER_MS) =>
            {
                "idle"
            }
            SessionStatus::Active => "active",
            SessionStatus::Ended { .. } => "ended",
        }
    }
}

fn lineage(from: &Lineage) -> Value {
    json!({
        "session_id": from.session_id,
        "entry_id": entry_id(from.position),
        "partition": from.position.map(|position| position.partition),
        "revision": from.revision,
        "complete": from.complete,
    })
}

fn tokens(state: &SessionState) -> Value {
    json!({
        "in": state.tokens.input,
        "out": state.tokens.output,
        "total": state.tokens.total,
    })
}

fn tools(state: &SessionState) -> Value {
    let tools = &state.tools;
    json!({
        "called": tools.called,
        "returned": tools.returned,
        "failed": tools.failed,
        "unasked": tools.unasked,
        "duration_ms": tools.duration_ms,
        "timed": tools.timed,
    })
}

fn open_call(call: &OpenCall) -> Value {
    json!({
        "call_id": call.call_id,
        "tool": call.tool,
        "entry_id": entry_id(call.position),
        "happened": time(call.happened),
        "failed": call.failed,
    })
}

/// The message's own fields, and where it is.
fn message(message: &StateMessage) -> Value {
    let mut fields = match json!(message.message) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    let place = [
        ("session_id", json!(message.session_id)),
        ("revision", json!(message.revision)),
        ("entry_id", json!(message.position.entry_id.to_string())),
        ("happened", json!(message.happened.to_string())),
    ];
    for (name, value) in place {
        fields.insert(name.to_owned(), value);
    }
    Value::Object(fields)
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

fn entry_id(position: Option<Position>) -> Option<String> {
    position.map(|position| position.entry_id.to_string())
}
