//! Whether a tool failed.

use serde_json::{Map, Value};

/// How much of a result's text is repeated as the error's message; the result has all of it.
const MESSAGE_CHARS_MAX: usize = 1_000;

pub(super) struct Failure {
    pub message: String,
    pub code: Option<String>,
}

/// The failure that a tool's message reports, if it does.
pub(super) fn of(message: &Map<String, Value>, content: &Value) -> Option<Failure> {
    let text = text(content);
    let parsed = match content {
        Value::String(text) if text.trim_start().starts_with('{') => {
            serde_json::from_str::<Value>(text).ok()
        }
        Value::Object(_) => Some(content.clone()),
        _ => None,
    };
    let result = parsed.as_ref().and_then(Value::as_object);

    let error = result
        .and_then(|result| result.get("error"))
        .filter(|error| !is_nothing(error));
    if let Some(error) = error {
        return Some(Failure {
            message: cut(&describe(error)),
            code: error
                .get("code")
                .or_else(|| result?.get("code"))
                .and_then(Value::as_str)
                .map(str::to_owned),
        });
    }
    let flagged = |object: &Map<String, Value>| object.get("is_error") == Some(&Value::Bool(true));
    let failed =
        flagged(message) || result.is_some_and(flagged) || text.trim_start().starts_with("Error");
    failed.then(|| Failure {
        message: cut(text.trim()),
        code: None,
    })
}

/// What stands in an `error` field when there was none.
fn is_nothing(error: &Value) -> bool {
    match error {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn describe(error: &Value) -> String {
    match error {
        Value::String(text) => text.clone(),
        _ => match error.get("message").and_then(Value::as_str) {
            Some(message) => message.to_owned(),
            None => error.to_string(),
        },
    }
}

/// The text of a content: itself, its text parts, or its JSON.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(parts) => {
            let texts: Vec<&str> = parts
                .iter()
                .filter_map(|part| part.get("text")?.as_str())
                .collect();
            texts.join("\n")
        }
        _ => content.to_string(),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MESSAGE_CHARS_MAX).collect()
}
