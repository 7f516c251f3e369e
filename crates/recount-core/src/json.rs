//! The one JSON shape of a recorded event, everywhere: exports, `--json`, HTTP, fed commands.
//!
//! ```json
//! {"entry_id":"1526919030474-0","partition":0,"id":"e1","type":"message.added","session_id":"s1",
//!  "user_id":"u1","timestamp":"2018-05-21T15:30:30.474Z","version":1,"data":{"role":"user"}}
//! ```
//!
//! `user_id`, `agent_id`, `trace_id` and `causation_id` are absent when unset; `"replayed":true` stands
//! before the data of a replay. Where the data is not as it was stored, or of a version that nobody
//! here knows, the data is followed by `stored_version` or `schema` ([`Schema`]). An entry that is no
//! event has `undecodable` (the reason) and `fields` instead, a list of name and value pairs; bytes
//! that are not UTF-8 stand as `{"hex": "..."}`. Lists are one object a line (NDJSON).
//!
//! Reading takes the same shape; of an event only `type` and `session_id` are required. A key that
//! is not named above is an error: nothing that was given is dropped silently.

mod read;

use std::fmt::Write as _;

use crate::{Body, Event, Field, Position, Recorded, Schema};

pub use self::read::{EventLine, InvalidLine, Line, LineBody, reason};

/// `recorded` as one line of JSON, without the line's end.
pub fn line(recorded: &Recorded) -> String {
    let mut out = begun(recorded.position);
    match &recorded.body {
        Body::Event(event) => {
            write_event(&mut out, event);
            write_schema(&mut out, &recorded.schema);
        }
        Body::Undecodable(entry) => {
            text(&mut out, "undecodable", &entry.reason);
            write_fields(&mut out, &entry.fields);
        }
    }
    out.push('}');
    out
}

/// The entry of `recorded` as the stream stores it: its fields, in one line of JSON. It can be read
/// back like any other line.
pub fn stored_line(recorded: &Recorded) -> String {
    let mut out = begun(recorded.position);
    write_fields(&mut out, &recorded.fields());
    out.push('}');
    out
}

/// The beginning of a line: where the entry is.
fn begun(position: Position) -> String {
    let mut out = String::with_capacity(256);
    let Position {
        partition,
        entry_id,
    } = position;
    let _ = write!(out, r#"{{"entry_id":"{entry_id}","partition":{partition}"#);
    out
}

fn write_fields(out: &mut String, fields: &[Field]) {
    out.push_str(r#","fields":["#);
    for (i, (name, value)) in fields.iter().enumerate() {
        out.push_str(if i == 0 { "[" } else { ",[" });
        bytes(out, name);
        out.push(',');
        bytes(out, value);
        out.push(']');
    }
    out.push(']');
}

fn write_event(out: &mut String, event: &Event) {
    text(out, "id", event.id.as_str());
    text(out, "type", event.event_type.as_str());
    text(out, "session_id", &event.session_id);
    for (name, id) in event.optional_ids() {
        if let Some(id) = id {
            text(out, name, id);
        }
    }
    let _ = write!(
        out,
        r#","timestamp":"{}","version":{}"#,
        event.timestamp, event.version
    );
    if event.replayed {
        out.push_str(r#","replayed":true"#);
    }
    out.push_str(r#","data":"#);
    // Data keeps its text, but a line is a line: outside strings JSON allows line ends as space,
    // inside strings they are escaped, so they can be replaced blindly.
    let data = event.data.as_str();
    if data.contains(['\n', '\r']) {
        out.extend(
            data.chars()
                .map(|c| if matches!(c, '\n' | '\r') { ' ' } else { c }),
        );
    } else {
        out.push_str(data);
    }
}

fn write_schema(out: &mut String, schema: &Schema) {
    match schema {
        Schema::AsStored => {}
        Schema::Upcast { from } => {
            let _ = write!(out, r#","stored_version":{from}"#);
        }
        unknown => text(out, "schema", &unknown.to_string()),
    }
}

fn text(out: &mut String, name: &str, value: &str) {
    let _ = write!(out, r#","{name}":"#);
    string(out, value);
}

fn string(out: &mut String, value: &str) {
    // Writing a string into a string cannot fail.
    out.push_str(&serde_json::to_string(value).unwrap_or_default());
}

fn bytes(out: &mut String, value: &[u8]) {
    if let Ok(value) = std::str::from_utf8(value) {
        return string(out, value);
    }
    out.push_str(r#"{"hex":""#);
    for byte in value {
        let _ = write!(out, "{byte:02x}");
    }
    out.push_str(r#""}"#);
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{EntryId, EventType, JsonObject, Undecodable};

    #[test]
    fn an_undecodable_entry_keeps_its_bytes() {
        let recorded = Recorded {
            position: Position {
                partition: 0,
                entry_id: EntryId::new(7, 1),
            },
            revision: 0,
            schema: Schema::AsStored,
            body: Body::Undecodable(Undecodable {
                reason: "the field type is missing".into(),
                fields: vec![
                    (Bytes::from_static(b"a"), Bytes::from_static(b"\xff\x00")),
                    (Bytes::from_static(b"b"), Bytes::from_static(b"text")),
                ],
            }),
        };
        let line = line(&recorded);
        assert_eq!(
            line,
            r#"{"entry_id":"7-1","partition":0,"undecodable":"the field type is missing","fields":[["a",{"hex":"ff00"}],["b","text"]]}"#
        );
        let LineBody::Fields(fields) = Line::parse(line.as_bytes()).unwrap().body else {
            panic!("not fields");
        };
        let Body::Undecodable(entry) = recorded.body else {
            unreachable!()
        };
        assert_eq!(fields, entry.fields);
    }

    #[test]
    fn a_line_is_one_line_whatever_the_data_looks_like() {
        let event = Event::builder(EventType::MessageAdded, "s")
            .id("e")
            .data(JsonObject::parse("{\n\"a\":\r\n\"x\\ny\"}").unwrap())
            .build()
            .unwrap();
        let recorded = Recorded {
            position: Position {
                partition: 0,
                entry_id: EntryId::new(1, 0),
            },
            revision: 1,
            schema: Schema::AsStored,
            body: Body::Event(event),
        };
        assert!(line(&recorded).ends_with("\"data\":{ \"a\":  \"x\\ny\"}}"));
    }
}
