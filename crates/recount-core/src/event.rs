//! What a producer records.

use crate::ids::check_id;
use crate::{EventId, EventType, InvalidId, JsonObject, Limits, Timestamp};

/// One thing that happened to an agent's memory. Immutable once appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The idempotency key.
    pub id: EventId,
    /// What kind of thing happened.
    pub event_type: EventType,
    /// The session it happened in, 1 to 128 bytes. Events of one session keep their order.
    pub session_id: String,
    /// The user it happened for, 1 to 128 bytes.
    pub user_id: Option<String>,
    /// The agent that did it, 1 to 128 bytes.
    pub agent_id: Option<String>,
    /// The distributed trace it belongs to (an OpenTelemetry trace id, say), 1 to 128 bytes.
    pub trace_id: Option<String>,
    /// The id of the event that caused it, 1 to 128 bytes.
    pub causation_id: Option<String>,
    /// When it happened, by the producer's word. When it was *recorded* is the entry id.
    pub timestamp: Timestamp,
    /// Whether the producer gave the timestamp or the library filled it in.
    pub timestamp_source: TimestampSource,
    /// The schema version of `data`, from 1.
    pub version: u32,
    /// Whether this is a replay of an event recorded before. Not part of the content: a replay is the
    /// same event.
    pub replayed: bool,
    /// The payload.
    pub data: JsonObject,
}

/// Where an event's timestamp comes from. Only given ones count when contents are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimestampSource {
    /// The producer gave it.
    Given,
    /// The library took the time at which the event was built.
    Filled,
}

impl Event {
    /// Starts an event; id, timestamp and version are filled in unless given.
    ///
    /// ```
    /// use recount_core::{Event, EventType, JsonObject};
    ///
    /// let event = Event::builder(EventType::MessageAdded, "s1")
    ///     .user("u1")
    ///     .data(JsonObject::parse(r#"{"role":"user","content":"Hello"}"#)?)
    ///     .build()?;
    /// assert_eq!(event.version, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder(event_type: EventType, session_id: impl Into<String>) -> EventBuilder {
        EventBuilder {
            id: None,
            event_type,
            session_id: session_id.into(),
            user_id: None,
            agent_id: None,
            trace_id: None,
            causation_id: None,
            timestamp: None,
            version: 1,
            replayed: false,
            data: JsonObject::empty(),
        }
    }

    /// The identifiers that may be absent, with their names on the wire.
    pub fn optional_ids(&self) -> [(&'static str, Option<&str>); 4] {
        [
            ("user_id", self.user_id.as_deref()),
            ("agent_id", self.agent_id.as_deref()),
            ("trace_id", self.trace_id.as_deref()),
            ("causation_id", self.causation_id.as_deref()),
        ]
    }

    /// Checks everything an append checks of one event.
    pub fn validate(&self, limits: &Limits) -> Result<(), InvalidEvent> {
        if let EventType::Custom(name) = &self.event_type {
            check_id("type", name)?;
        }
        check_id("session_id", &self.session_id)?;
        for (field, id) in self.optional_ids() {
            if let Some(id) = id {
                check_id(field, id)?;
            }
        }
        if self.version == 0 {
            return Err(InvalidEvent::Version);
        }
        let bytes = self.wire_bytes();
        if bytes > limits.event_bytes_max {
            return Err(InvalidEvent::TooLarge {
                bytes,
                bytes_max: limits.event_bytes_max,
            });
        }
        Ok(())
    }

    /// The sum of the lengths of its stream field names and values.
    pub fn wire_bytes(&self) -> usize {
        // "id", "type", "session_id", "timestamp" with 24 digits, "v", "data"
        const NAMES: usize = 2 + 4 + 10 + 9 + 24 + 1 + 4;
        let optional: usize = self
            .optional_ids()
            .iter()
            .filter_map(|(name, id)| id.map(|id| name.len() + id.len()))
            .sum();
        NAMES
            + self.id.as_str().len()
            + self.event_type.as_str().len()
            + self.session_id.len()
            + self.version.checked_ilog10().unwrap_or(0) as usize
            + 1
            + if self.replayed {
                "replayedtrue".len()
            } else {
                0
            }
            + self.data.as_bytes().len()
            + optional
    }
}

/// Builds an [`Event`]; see [`Event::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct EventBuilder {
    id: Option<String>,
    event_type: EventType,
    session_id: String,
    user_id: Option<String>,
    agent_id: Option<String>,
    trace_id: Option<String>,
    causation_id: Option<String>,
    timestamp: Option<Timestamp>,
    version: u32,
    replayed: bool,
    data: JsonObject,
}

impl EventBuilder {
    /// The idempotency key; a `UUIDv7` unless given.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// The user it happened for.
    pub fn user(mut self, id: impl Into<String>) -> Self {
        self.user_id = Some(id.into());
        self
    }

    /// The agent that did it.
    pub fn agent(mut self, id: impl Into<String>) -> Self {
        self.agent_id = Some(id.into());
        self
    }

    /// The trace it belongs to.
    pub fn trace(mut self, id: impl Into<String>) -> Self {
        self.trace_id = Some(id.into());
        self
    }

    /// The id of the event that caused it.
    pub fn causation(mut self, id: impl Into<String>) -> Self {
        self.causation_id = Some(id.into());
        self
    }

    /// When it happened; now unless given.
    pub fn timestamp(mut self, at: Timestamp) -> Self {
        self.timestamp = Some(at);
        self
    }

    /// The schema version of the data; 1 unless given.
    pub fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// Whether it is a replay of an event recorded before.
    pub fn replayed(mut self, replayed: bool) -> Self {
        self.replayed = replayed;
        self
    }

    /// The payload; `{}` unless given.
    pub fn data(mut self, data: JsonObject) -> Self {
        self.data = data;
        self
    }

    /// The event, with every field checked.
    pub fn build(self) -> Result<Event, InvalidEvent> {
        let event = Event {
            id: self
                .id
                .map_or_else(|| Ok(EventId::generate()), EventId::new)?,
            event_type: self.event_type,
            session_id: self.session_id,
            user_id: self.user_id,
            agent_id: self.agent_id,
            trace_id: self.trace_id,
            causation_id: self.causation_id,
            timestamp: self.timestamp.unwrap_or_else(Timestamp::now),
            timestamp_source: match self.timestamp {
                Some(_) => TimestampSource::Given,
                None => TimestampSource::Filled,
            },
            version: self.version,
            replayed: self.replayed,
            data: self.data,
        };
        event.validate(&Limits {
            event_bytes_max: usize::MAX,
            ..Limits::default()
        })?;
        Ok(event)
    }
}

/// Why an event cannot be recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEvent {
    /// One of its identifiers is not legal.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// Its version is 0.
    #[error("version is 0: schema versions count from 1")]
    Version,
    /// It is larger than the limit.
    #[error(
        "the event is {bytes} bytes, at most {bytes_max} are allowed (limits.event_bytes): store the large part elsewhere and record a reference to it"
    )]
    TooLarge {
        /// How large it is on the wire.
        bytes: usize,
        /// The limit in force.
        bytes_max: usize,
    },
}
