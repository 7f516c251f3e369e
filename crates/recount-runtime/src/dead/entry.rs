//! The entry that a letter holds, as JSON.

use std::fmt::Write as _;

use recount_core::{Body, Recorded, Undecodable, json};
use serde::Serialize;

/// `recorded` in the one JSON shape, and never more than twice as long as its fields and a bit: an
/// undecodable entry's bytes stand as hexadecimal digits where as text they would take more.
pub(super) fn line(recorded: &Recorded) -> String {
    match &recorded.body {
        Body::Event(_) => json::line(recorded),
        Body::Undecodable(entry) => undecodable(recorded, entry),
    }
}

#[derive(Serialize)]
struct Line<'a> {
    entry_id: String,
    partition: u32,
    undecodable: &'a str,
    fields: Vec<(Value, Value)>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Value {
    Text(String),
    Hex { hex: String },
}

impl Value {
    fn new(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) if escaped_len(text) <= 2 * bytes.len() => Self::Text(text.to_owned()),
            _ => Self::Hex { hex: hex(bytes) },
        }
    }
}

fn undecodable(recorded: &Recorded, entry: &Undecodable) -> String {
    let fields = entry.fields.iter();
    let line = Line {
        entry_id: recorded.position.entry_id.to_string(),
        partition: recorded.position.partition,
        undecodable: &entry.reason,
        fields: fields
            .map(|(name, value)| (Value::new(name), Value::new(value)))
            .collect(),
    };
    // Of strings and numbers: nothing in it can fail.
    serde_json::to_string(&line).unwrap_or_default()
}

/// How long a text is within quotes: control characters take six bytes, quotes and the like two.
fn escaped_len(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        0x08 | b'\t' | b'\n' | 0x0c | b'\r' | b'"' | b'\\' => 2,
        0..=0x1f => 6,
        _ => 1,
    };
    text.bytes().map(escaped).sum()
}

fn hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing into a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
