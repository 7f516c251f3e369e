//! Reading the shape back, strictly, with errors in the words of whoever wrote the line.

mod wire;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use self::wire::{Raw, Wire};

use crate::{
    EntryId, Event, EventBuilder, EventType, Field, InvalidData, InvalidEntryId, InvalidEvent,
    InvalidId, InvalidTimestamp, JsonObject, Position,
};

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
pub struct EventLine {
    builder: EventBuilder,
    gives_id: bool,
}

impl EventLine {
    /// The event; a missing id or timestamp is filled in.
    pub fn into_event(self) -> Result<Event, InvalidEvent> {
        self.builder.build()
    }

    /// What the line gives, to be completed by the caller.
    pub fn into_builder(self) -> EventBuilder {
        self.builder
    }

    /// Whether the line gives the event's id.
    pub fn gives_id(&self) -> bool {
        self.gives_id
    }
}

impl Line {
    /// Reads one line.
    pub fn parse(line: &[u8]) -> Result<Self, InvalidLine> {
        let wire: Wire<'_> = serde_json::from_slice(line).map_err(|error| InvalidLine::Json {
            reason: reason(&error),
            column: error.column(),
        })?;
        let source = Source(line);
        let position = match source.text("entry_id", wire.entry_id)? {
            Some(id) => Some(Position {
                partition: source
                    .number("partition", "a whole number from 0", wire.partition)?
                    .unwrap_or(0),
                entry_id: id.parse::<EntryId>()?,
            }),
            None => None,
        };
        let body = match wire.fields {
            Some(fields) => LineBody::Fields(source.fields(fields)?),
            None => LineBody::Event(source.event(&wire)?),
        };
        Ok(Self { position, body })
    }
}

/// Why a line is not an event. Says what is wrong; [`InvalidLine::column`] says where.
#[derive(Debug, thiserror::Error)]
pub enum InvalidLine {
    /// It is no JSON object, or holds a key that an event does not have.
    #[error("{reason}")]
    Json {
        /// What is wrong.
        reason: String,
        /// Where, from 1.
        column: usize,
    },
    /// `type` or `session_id` is missing.
    #[error("the key {0:?} is missing")]
    Missing(&'static str),
    /// A value is of another kind than its key wants.
    #[error("{key} must be {wanted}, but is {found}")]
    Value {
        /// The key.
        key: &'static str,
        /// What may stand there.
        wanted: &'static str,
        /// What stands there.
        found: String,
        /// Where, from 1.
        column: usize,
    },
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
    #[error("{}", error.reason())]
    Data {
        /// What is wrong with it.
        #[source]
        error: InvalidData,
        /// Where in the line, from 1.
        column: usize,
    },
    /// A field's bytes are not hexadecimal.
    #[error("{0:?} is not a field's bytes in hexadecimal")]
    Hex(String),
}

impl InvalidLine {
    /// The column at which the line went wrong, from 1; 0 where it concerns the whole line.
    pub fn column(&self) -> usize {
        match self {
            Self::Json { column, .. } | Self::Value { column, .. } | Self::Data { column, .. } => {
                *column
            }
            _ => 0,
        }
    }
}

/// What an error of the JSON parser says, in plain words and without the place: whoever tells it
/// knows better where the text stands.
pub fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rfind(" at line ").map_or(&*text, |end| &text[..end]);
    match text {
        "expected ident" => "expected a JSON value, such as true, false or null".to_owned(),
        "expected value" => "expected a JSON value".to_owned(),
        "key must be a string" => "expected a key in double quotes".to_owned(),
        "trailing characters" => "there is more after the end of the JSON value".to_owned(),
        "recursion limit exceeded" => {
            "nested deeper than 127 levels, which is as deep as JSON may be here".to_owned()
        }
        "number out of range" => {
            "a number is out of range, which ends at about 1.8e308 on either side".to_owned()
        }
        _ => match text.strip_prefix("EOF while parsing ") {
            Some(what) => format!(
                "the JSON ends in the middle of {}",
                match what {
                    "an object" => "an object",
                    "a list" => "an array",
                    "a string" => "a string",
                    _ => "a value",
                }
            ),
            None => text.to_owned(),
        },
    }
}

/// The line that the values stand in.
struct Source<'a>(&'a [u8]);

impl Source<'_> {
    /// The column, from 1, at which `raw` begins.
    fn column(&self, raw: &RawValue) -> usize {
        raw.get()
            .as_ptr()
            .addr()
            .saturating_sub(self.0.as_ptr().addr())
            + 1
    }

    /// The column of an error within `raw`, whose own columns begin there.
    fn column_in(&self, raw: &RawValue, line: usize, column: usize) -> usize {
        match line {
            0 => self.column(raw),
            // An error at column 0 stands before the first byte.
            1 => self.column(raw) + column.saturating_sub(1),
            _ => column,
        }
    }

    fn unfit(&self, key: &'static str, wanted: &'static str, raw: &RawValue) -> InvalidLine {
        InvalidLine::Value {
            key,
            wanted,
            found: match raw.get().as_bytes().first() {
                Some(b'{') => "an object".to_owned(),
                Some(b'[') => "an array".to_owned(),
                Some(b'"') => "a string".to_owned(),
                _ => raw.get().chars().take(32).collect(),
            },
            column: self.column(raw),
        }
    }

    /// A string; none where it is not given or null.
    fn text(&self, key: &'static str, raw: Raw<'_>) -> Result<Option<String>, InvalidLine> {
        let Some(raw) = given(raw) else {
            return Ok(None);
        };
        if !raw.get().starts_with('"') {
            return Err(self.unfit(key, "a string", raw));
        }
        let text = serde_json::from_str(raw.get()).map_err(|error| InvalidLine::Json {
            reason: format!("{key}: {}", reason(&error)),
            column: self.column_in(raw, error.line(), error.column()),
        })?;
        Ok(Some(text))
    }

    /// A number or a boolean; none where it is not given or null.
    fn number<T: std::str::FromStr>(
        &self,
        key: &'static str,
        wanted: &'static str,
        raw: Raw<'_>,
    ) -> Result<Option<T>, InvalidLine> {
        given(raw)
            .map(|raw| {
                let number = raw.get().parse();
                number.map_err(|_| self.unfit(key, wanted, raw))
            })
            .transpose()
    }

    fn event(&self, wire: &Wire<'_>) -> Result<EventLine, InvalidLine> {
        let required = |key, raw| self.text(key, raw)?.ok_or(InvalidLine::Missing(key));
        let event_type = required("type", wire.event_type)?;
        let session_id = required("session_id", wire.session_id)?;
        let mut event = Event::builder(EventType::new(&event_type)?, session_id);
        let id = self.text("id", wire.id)?;
        let gives_id = id.is_some();
        if let Some(id) = id {
            event = event.id(id);
        }
        if let Some(id) = self.text("user_id", wire.user_id)? {
            event = event.user(id);
        }
        if let Some(id) = self.text("agent_id", wire.agent_id)? {
            event = event.agent(id);
        }
        if let Some(id) = self.text("trace_id", wire.trace_id)? {
            event = event.trace(id);
        }
        if let Some(id) = self.text("causation_id", wire.causation_id)? {
            event = event.causation(id);
        }
        if let Some(at) = self.text("timestamp", wire.timestamp)? {
            event = event.timestamp(at.parse()?);
        }
        let wanted = "a whole number from 1 to 4294967295";
        if let Some(version) = self.number("version", wanted, wire.version)? {
            event = event.version(version);
        }
        if let Some(replayed) = self.number("replayed", "true or false", wire.replayed)? {
            event = event.replayed(replayed);
        }
        if let Some(raw) = given(wire.data) {
            let data = JsonObject::parse(raw.get().to_owned()).map_err(|error| {
                let column = self.column_in(raw, error.line(), error.column());
                InvalidLine::Data { error, column }
            })?;
            event = event.data(data);
        }
        Ok(EventLine {
            builder: event,
            gives_id,
        })
    }

    fn fields(&self, raw: &RawValue) -> Result<Vec<Field>, InvalidLine> {
        let fields: Vec<(WireBytes, WireBytes)> =
            serde_json::from_str(raw.get()).map_err(|error| InvalidLine::Json {
                reason:
                    "fields must be a list of [name, value], each a string or {\"hex\": \"...\"}"
                        .to_owned(),
                column: self.column_in(raw, error.line(), error.column()),
            })?;
        fields
            .into_iter()
            .map(|(name, value)| Ok((name.into_bytes()?, value.into_bytes()?)))
            .collect()
    }
}

/// Null counts as not given.
fn given(raw: Raw<'_>) -> Raw<'_> {
    raw.filter(|raw| raw.get() != "null")
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
mod tests;
