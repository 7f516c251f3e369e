//! Which session a run is, and whose.

use std::hash::Hasher;

use recount_core::EventId;
use serde_json::{Map, Value};
use siphasher::sip128::{Hasher128, SipHasher13};

/// Names longer than this are left to the hash, so that event ids stay within their limit.
const NAME_BYTES_MAX: usize = 72;

/// The session id of a run.
///
/// Numbers are no identity: data sets number their runs from 0, every one of them.
pub(super) fn session(
    run: &Map<String, Value>,
    messages: &[Map<String, Value>],
    index: u64,
) -> String {
    ["session_id", "conversation_id", "id"]
        .into_iter()
        .filter_map(|key| run.get(key)?.as_str())
        .find(|id| is_legal(id))
        .map_or_else(|| made_up(run, messages, index), str::to_owned)
}

fn made_up(run: &Map<String, Value>, messages: &[Map<String, Value>], index: u64) -> String {
    let named: Vec<String> = [("task", "task_id"), ("trial", "trial"), ("run", "id")]
        .into_iter()
        .filter_map(|(word, key)| Some(format!("{word}-{}", scalar(run.get(key)?)?)))
        .collect();
    let name = match named.join("-") {
        name if name.is_empty() || name.len() > NAME_BYTES_MAX => format!("run-{index}"),
        name => name,
    };
    let mut hashed = format!("{name}\0{index}");
    for message in messages {
        // A map prints its keys in order, so the order in the input does not matter.
        hashed.push('\0');
        hashed.push_str(&serde_json::to_string(message).unwrap_or_default());
    }
    format!("{name}-{}", &hash(&[&hashed])[..12])
}

/// The user a run is about.
pub(super) fn user(run: &Map<String, Value>) -> Option<String> {
    const PLACES: [&[&str]; 9] = [
        &["user_id"],
        &["user"],
        &["user", "id"],
        &["metadata", "user_id"],
        &["metadata", "user"],
        &["info", "user_id"],
        &["info", "user"],
        &["info", "task", "user_id"],
        &["task", "user_id"],
    ];
    PLACES.into_iter().find_map(|path| {
        let (first, rest) = path.split_first()?;
        let value = rest
            .iter()
            .try_fold(run.get(*first)?, |value, key| value.get(key))?;
        scalar(value)
    })
}

/// A text or whole number that may stand as an identifier.
fn scalar(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    is_legal(&text).then_some(text)
}

fn is_legal(id: &str) -> bool {
    EventId::new(id).is_ok()
}

/// What event ids of `session` begin with: itself, or its hash where it is long.
pub(super) fn prefix(session: &str) -> String {
    if session.len() <= NAME_BYTES_MAX + 16 {
        session.to_owned()
    } else {
        hash(&[session])
    }
}

/// 32 hexadecimal digits that are the same on every machine and in every version.
pub(super) fn hash(parts: &[&str]) -> String {
    let mut hasher = SipHasher13::new();
    for part in parts {
        // With its length, so that two parts cannot pass for two others.
        hasher.write(&(part.len() as u64).to_le_bytes());
        hasher.write(part.as_bytes());
    }
    format!("{:032x}", hasher.finish128().as_u128())
}
