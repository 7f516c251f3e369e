//! Messages, as they are shown.

use recount::StateMessage;
use serde_json::{Map, Value, json};

use crate::cli::output::one_line;

/// The message's own fields, and where it is.
pub(super) fn document(message: &StateMessage) -> Value {
    let mut fields = match json!(message.message) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    let place = [
        ("session_id", json!(message.session_id)),
        ("revision", json!(message.revision)),
        ("entry_id", json!(message.position.entry_id.to_string())),
        ("partition", json!(message.position.partition)),
        ("happened", json!(message.happened.to_string())),
    ];
    for (name, value) in place {
        fields.insert(name.to_owned(), value);
    }
    Value::Object(fields)
}

/// `user: Hello`, on one line.
pub(super) fn said(message: &StateMessage) -> String {
    let role = message.message.role.as_deref().unwrap_or("message");
    let said = match message.text() {
        Some(text) => format!("{role}: {text}"),
        None => role.to_owned(),
    };
    one_line(&said).into_owned()
}
