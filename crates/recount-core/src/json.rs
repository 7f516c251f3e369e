//! The one JSON shape of a recorded event, everywhere: exports, `--json`, HTTP, fed commands.
//!
//! ```json
//! {"entry_id":"1526919030474-0","partition":0,"id":"e1","type":"message.added","session_id":"s1",
//!  "user_id":"u1","timestamp":"2018-05-21T15:30:30.474Z","version":1,"data":{"role":"user"}}
//! ```
//!
//! `user_id`, `agent_id`, `trace_id` and `causation_id` are absent when unset. An entry that is no
//! event has `undecodable` (the reason) and `fields` instead, a list of name and value pairs; bytes
//! that are not UTF-8 stand as `{"hex": "..."}`. Lists are one object a line (NDJSON).
//!
//! Reading takes the same shape; of an event only `type` and `session_id` are required.

use std::fmt::Write as _;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Body, EntryId, Event, EventBuilder, EventType, Field, InvalidData, InvalidEntryId,
    InvalidEvent, InvalidId, InvalidTimestamp, JsonObject, Partition, Position, Recorded,
};

/// `recorded` as one line of JSON, without the line's end.
pub fn line(recorded: &Recorded) -> String {
    let mut out = String::with_capacity(256);
    let Position {
        partition,
        entry_id,
    } = recorded.position;
    let _ = write!(out, r#"{{"entry_id":"{entry_id}","partition":{partition}"#);
    match &recorded.body {
        Body::Event(event) => write_event(&mut out, event),
        Body::Undecodable(entry) => {
            text(&mut out, "undecodable", &entry.reason);
            out.push_str(r#","fields":["#);
            for (i, (name, value)) in entry.fields.iter().enumerate() {
                out.push_str(if i == 0 { "[" } else { ",[" });
                bytes(&mut out, name);
                out.push(',');
                bytes(&mut out, value);
                out.push(']');
            }
            out.push(']');
        }
    }
    out.push('}');
    out
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

/// A line as it was read.
#[derive(Debug)]
pub struct Line {
    /// Where the event was recorded, if the line says so.
    pub position: Option<Position>,
    /// What it holds.
    pub body: LineBody,
}

/// What a line holds.
#[derive(Debug)]
// A line lives for a moment: boxing the event would cost an allocation for every line read.
#[expect(clippy::large_enum_variant)]
pub enum LineBody {
    /// An event; finishing it fills in what the line left out.
    Event(EventLine),
    /// The fields of an entry that could not be decoded.
    Fields(Vec<Field>),
}

/// An event as a line gives it; id and timestamp may still be missing.
#[derive(Debug)]
pub struct EventLine(EventBuilder);

impl EventLine {
    /// The event; a missing id or timestamp is filled in.
    pub fn into_event(self) -> Result<Event, InvalidEvent> {
        self.0.build()
    }

    /// What the line gives, to be completed by the caller.
    pub fn into_builder(self) -> EventBuilder {
        self.0
    }
}

impl Line {
    /// Reads one line.
    pub fn parse(line: &[u8]) -> Result<Self, InvalidLine> {
        let wire: Wire<'_> = serde_json::from_slice(line).map_err(InvalidLine::Json)?;
        let position = match &wire.entry_id {
            Some(id) => Some(Position {
                partition: wire.partition,
                entry_id: id.parse::<EntryId>()?,
            }),
            None => None,
        };
        let body = match wire.fields {
            Some(fields) => LineBody::Fields(
                fields
                    .into_iter()
                    .map(|(name, value)| Ok((name.into_bytes()?, value.into_bytes()?)))
                    .collect::<Result<_, InvalidLine>>()?,
            ),
            None => LineBody::Event(wire.into_event()?),
        };
        Ok(Self { position, body })
    }
}

/// Why a line is not an event.
#[derive(Debug, thiserror::Error)]
pub enum InvalidLine {
    /// It is not the JSON expected; says the line and the column.
    #[error("{0}")]
    Json(#[source] serde_json::Error),
    /// `type` or `session_id` is missing.
    #[error("the key {0:?} is missing")]
    Missing(&'static str),
    /// An identifier is not legal.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// The entry id is none.
    #[error(transparent)]
    EntryId(#[from] InvalidEntryId),
    /// The timestamp is not RFC 3339 or out of range.
    #[error(transparent)]
    Timestamp(#[from] InvalidTimestamp),
    /// The data is not an object.
    #[error(transparent)]
    Data(#[from] InvalidData),
    /// A field's bytes are not hexadecimal.
    #[error("{0:?} is not a field's bytes in hexadecimal")]
    Hex(String),
    /// The event as a whole is not legal.
    #[error(transparent)]
    Event(#[from] InvalidEvent),
}

impl InvalidLine {
    /// The column at which the line went wrong, from 1; 0 where it concerns the whole line.
    pub fn column(&self) -> usize {
        match self {
            Self::Json(error) => error.column(),
            _ => 0,
        }
    }
}

#[derive(Deserialize)]
struct Wire<'a> {
    entry_id: Option<String>,
    #[serde(default)]
    partition: Partition,
    id: Option<String>,
    #[serde(rename = "type")]
    event_type: Option<String>,
    session_id: Option<String>,
    user_id: Option<String>,
    agent_id: Option<String>,
    trace_id: Option<String>,
    causation_id: Option<String>,
    timestamp: Option<String>,
    version: Option<u32>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    fields: Option<Vec<(WireBytes, WireBytes)>>,
}

impl Wire<'_> {
    fn into_event(self) -> Result<EventLine, InvalidLine> {
        let event_type = self.event_type.ok_or(InvalidLine::Missing("type"))?;
        let session_id = self.session_id.ok_or(InvalidLine::Missing("session_id"))?;
        let mut event = Event::builder(EventType::new(&event_type)?, session_id);
        if let Some(id) = self.id {
            event = event.id(id);
        }
        if let Some(id) = self.user_id {
            event = event.user(id);
        }
        if let Some(id) = self.agent_id {
            event = event.agent(id);
        }
        if let Some(id) = self.trace_id {
            event = event.trace(id);
        }
        if let Some(id) = self.causation_id {
            event = event.causation(id);
        }
        if let Some(at) = self.timestamp {
            event = event.timestamp(at.parse()?);
        }
        if let Some(version) = self.version {
            event = event.version(version);
        }
        if let Some(data) = self.data {
            event = event.data(JsonObject::parse(data.get().to_owned())?);
        }
        Ok(EventLine(event))
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WireBytes {
    Text(String),
    Hex { hex: String },
}

impl WireBytes {
    fn into_bytes(self) -> Result<Bytes, InvalidLine> {
        let hex = match self {
            Self::Text(text) => return Ok(text.into()),
            Self::Hex { hex } => hex,
        };
        let digits: Option<Vec<u8>> = hex
            .chars()
            .map(|c| c.to_digit(16).map(|digit| digit as u8))
            .collect();
        match digits {
            Some(digits) if digits.len() % 2 == 0 => Ok(digits
                .chunks(2)
                .map(|pair| pair[0] << 4 | pair[1])
                .collect()),
            _ => Err(InvalidLine::Hex(hex)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Undecodable;

    #[test]
    fn an_undecodable_entry_keeps_its_bytes() {
        let recorded = Recorded {
            position: Position {
                partition: 0,
                entry_id: EntryId::new(7, 1),
            },
            revision: 0,
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
    fn errors_name_the_key_or_the_column() {
        let error = |line: &str| Line::parse(line.as_bytes()).unwrap_err();
        assert_eq!(
            error(r#"{"type":"t"}"#).to_string(),
            r#"the key "session_id" is missing"#
        );
        assert_eq!(error(r#"{"type":"t",}"#).column(), 13);
        assert!(
            error(r#"{"type":"","session_id":"s"}"#)
                .to_string()
                .contains("type is empty")
        );
        assert!(matches!(
            error(r#"{"type":"t","session_id":"s","data":[]}"#),
            InvalidLine::Data(_)
        ));
        assert!(matches!(
            error(r#"{"type":"t","session_id":"s","timestamp":"12 May"}"#),
            InvalidLine::Timestamp(_)
        ));
        assert!(matches!(
            error(r#"{"entry_id":"1-x","type":"t","session_id":"s"}"#),
            InvalidLine::EntryId(_)
        ));
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
            body: Body::Event(event),
        };
        assert!(line(&recorded).ends_with("\"data\":{ \"a\":  \"x\\ny\"}}"));
    }
}
