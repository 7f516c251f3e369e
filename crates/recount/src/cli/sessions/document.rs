//! A session in a list, as JSON: the names are those of `recount state --json`.

use recount::{Position, SessionList, SessionStanding, SessionState, SessionStatus, Timestamp};
use serde_json::{Value, json};

pub(super) fn document(state: &SessionState, list: &SessionList) -> Value {
    let reason = match &state.status {
        SessionStatus::Ended { reason } => reason.as_deref(),
        _ => None,
    };
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let entry_id = |at: Option<Position>| at.map(|at| at.entry_id.to_string());
    let tools = &state.tools;
    json!({
        "session_id": state.session_id,
        "forked_from": state.forked_from.as_ref().map(|from| json!({
            "session_id": from.session_id,
            "entry_id": entry_id(from.position),
            "revision": from.revision,
        })),
        "user_id": state.user_id,
        "agent_id": state.agent_id,
        "status": SessionStanding::of(state, list.now, list.idle_after_ms).as_str(),
        "ended_reason": reason,
        "reward": state.reward,
        "failed": state.is_failed(),
        "first_happened": time(state.first_happened),
        "last_happened": time(state.last_happened),
        "duration_ms": duration_ms(state),
        "revision": state.revision,
        "entry_id": entry_id(state.position),
        "partition": state.position.map(|position| position.partition),
        "events": state.events,
        "types": state.types,
        "messages_added": state.messages_added,
        "message_count": state.message_count,
        "tokens": {
            "in": state.tokens.input,
            "out": state.tokens.output,
            "total": state.tokens.total,
        },
        "cost": state.cost,
        "errors": state.errors,
        "searches": state.searches,
        "summaries": state.summaries,
        "clears": state.clears,
        "tools": {
            "called": tools.called,
            "returned": tools.returned,
            "failed": tools.failed,
        },
    })
}

/// From the first thing that happened to the last.
pub(super) fn duration_ms(state: &SessionState) -> Option<u64> {
    let (first, last) = (state.first_happened?, state.last_happened?);
    u64::try_from(last.as_millis().saturating_sub(first.as_millis())).ok()
}
