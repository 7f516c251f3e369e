//! The keys of a line: which there are, and what to say of any other.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A value as it is written, if it is given.
pub(super) type Raw<'a> = Option<&'a RawValue>;

/// The keys that may stand in a line, with their values as they are written.
#[derive(Default)]
pub(super) struct Wire<'a> {
    pub(super) entry_id: Raw<'a>,
    pub(super) partition: Raw<'a>,
    /// Says why an entry is no event. Decoding its fields finds that out again.
    undecodable: Raw<'a>,
    pub(super) fields: Raw<'a>,
    pub(super) id: Raw<'a>,
    pub(super) event_type: Raw<'a>,
    pub(super) session_id: Raw<'a>,
    pub(super) user_id: Raw<'a>,
    pub(super) agent_id: Raw<'a>,
    pub(super) trace_id: Raw<'a>,
    pub(super) causation_id: Raw<'a>,
    pub(super) timestamp: Raw<'a>,
    pub(super) version: Raw<'a>,
    pub(super) replayed: Raw<'a>,
    /// How the data came to be what it is. It is taken as it stands.
    stored_version: Raw<'a>,
    schema: Raw<'a>,
    pub(super) data: Raw<'a>,
}

impl<'a> Wire<'a> {
    fn slot(&mut self, key: &str) -> Option<&mut Raw<'a>> {
        Some(match key {
            "entry_id" => &mut self.entry_id,
            "partition" => &mut self.partition,
            "undecodable" => &mut self.undecodable,
            "fields" => &mut self.fields,
            "id" => &mut self.id,
            "type" => &mut self.event_type,
            "session_id" => &mut self.session_id,
            "user_id" => &mut self.user_id,
            "agent_id" => &mut self.agent_id,
            "trace_id" => &mut self.trace_id,
            "causation_id" => &mut self.causation_id,
            "timestamp" => &mut self.timestamp,
            "version" => &mut self.version,
            "replayed" => &mut self.replayed,
            "stored_version" => &mut self.stored_version,
            "schema" => &mut self.schema,
            "data" => &mut self.data,
            _ => return None,
        })
    }
}

impl<'de> Deserialize<'de> for Wire<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(WireVisitor)
    }
}

struct WireVisitor;

impl WireVisitor {
    fn no_object<T, E: serde::de::Error>(found: &str) -> Result<T, E> {
        Err(E::custom(format_args!(
            "an event must be a JSON object, but this is {found}"
        )))
    }
}

impl<'de> Visitor<'de> for WireVisitor {
    type Value = Wire<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Self::no_object("a boolean")
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Self::Value, E> {
        Self::no_object("a number")
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Self::Value, E> {
        Self::no_object("a number")
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Self::no_object("a number")
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Self::Value, E> {
        Self::no_object("a string")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Self::no_object("null")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Self::no_object("an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut wire = Wire::default();
        while let Some(slot) = map.next_key_seed(Key(&mut wire))? {
            *slot = Some(map.next_value()?);
        }
        Ok(wire)
    }
}

/// Finds the place for a key's value.
struct Key<'s, 'a>(&'s mut Wire<'a>);

impl<'de, 's, 'a> DeserializeSeed<'de> for Key<'s, 'a> {
    type Value = &'s mut Raw<'a>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'s, 'a> Visitor<'_> for Key<'s, 'a> {
    type Value = &'s mut Raw<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Self::Value, E> {
        match self.0.slot(key) {
            Some(Some(_)) => Err(E::custom(format_args!("the key {key:?} stands twice"))),
            Some(slot) => Ok(slot),
            None => Err(E::custom(unknown(key))),
        }
    }
}

/// What to say of a key that an event does not have.
fn unknown(key: &str) -> String {
    let shown: String = key.chars().take(64).collect();
    match meant(key) {
        Some(meant) => format!("unknown key {shown:?}: did you mean {meant}?"),
        None => format!(
            "unknown key {shown:?}: an event has id, type, session_id, user_id, agent_id, trace_id, causation_id, timestamp, version and data; what is your own goes into data"
        ),
    }
}

/// The key that was probably meant.
fn meant(key: &str) -> Option<&'static str> {
    let letters = key.chars().filter(char::is_ascii_alphanumeric);
    let letters: String = letters.map(|c| c.to_ascii_lowercase()).collect();
    Some(match &*letters {
        "entryid" => "entry_id",
        "partition" => "partition",
        "id" | "eventid" | "uuid" => "id",
        "type" | "eventtype" | "event" | "kind" => "type",
        "session" | "sessionid" | "sid" => "session_id",
        "user" | "userid" | "uid" => "user_id",
        "agent" | "agentid" => "agent_id",
        "trace" | "traceid" => "trace_id",
        "causation" | "causationid" | "cause" | "causeid" => "causation_id",
        "timestamp" | "time" | "ts" | "datetime" | "createdat" => "timestamp",
        "version" | "v" | "schemaversion" => "version",
        "data" | "payload" | "body" => "data",
        _ => return None,
    })
}
