//! An event's payload: a JSON object kept as the text it arrived in.

use std::fmt;

use bytes::Bytes;
use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A JSON object, kept as text.
///
/// Building a tree of values costs more than reading the bytes from disk, so the text is checked
/// once, when it comes in, and parsed only by those who look inside. What passes the check always
/// parses: depth, numbers and escapes are within what [`serde_json`] accepts. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct JsonObject(Bytes);

impl JsonObject {
    /// The object `{}`.
    pub fn empty() -> Self {
        Self(Bytes::from_static(b"{}"))
    }

    /// Takes `text` if it is one JSON object and nothing else.
    pub fn parse(text: impl Into<Bytes>) -> Result<Self, InvalidData> {
        let text = text.into();
        let mut json = serde_json::Deserializer::from_slice(&text);
        Check { top: true }
            .deserialize(&mut json)
            .and_then(|()| json.end())
            .map_err(InvalidData)?;
        Ok(Self(trimmed(&text)))
    }

    /// Writes `value` as JSON; it must become an object.
    pub fn from_serialize(value: &impl Serialize) -> Result<Self, InvalidData> {
        Self::parse(serde_json::to_vec(value).map_err(InvalidData)?)
    }

    /// Takes bytes that went through [`JsonObject::parse`] before, as those of an engine's own
    /// checksummed records did, without checking them again.
    pub fn from_checked(text: Bytes) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("{}")
    }

    /// The text's bytes.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The object as a tree.
    pub fn to_map(&self) -> Map<String, Value> {
        self.read().unwrap_or_default()
    }

    /// Reads the object into `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, InvalidData> {
        serde_json::from_slice(&self.0).map_err(InvalidData)
    }
}

impl Default for JsonObject {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Map<String, Value>> for JsonObject {
    fn from(map: Map<String, Value>) -> Self {
        Self(Value::Object(map).to_string().into())
    }
}

impl fmt::Debug for JsonObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is not a JSON object; says the line and the column.
#[derive(Debug, thiserror::Error)]
pub struct InvalidData(#[source] serde_json::Error);

impl fmt::Display for InvalidData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason())?;
        match self.line() {
            0 => Ok(()),
            line => write!(f, " at line {line} column {}", self.column()),
        }
    }
}

impl InvalidData {
    /// What is wrong, without the place.
    pub fn reason(&self) -> String {
        format!(
            "data is not a JSON object: {}",
            crate::json::reason(&self.0)
        )
    }

    /// The line at which the text went wrong, from 1; 0 where it is not known.
    pub fn line(&self) -> usize {
        self.0.line()
    }

    /// The column at which the text went wrong, from 1, where it is known.
    pub fn column(&self) -> usize {
        self.0.column()
    }
}

fn trimmed(text: &Bytes) -> Bytes {
    let inside = text.trim_ascii();
    if inside.len() == text.len() {
        text.clone()
    } else {
        text.slice_ref(inside)
    }
}

/// Walks a value with `serde_json`'s own rules and keeps nothing of it.
struct Check {
    top: bool,
}

impl<'de> DeserializeSeed<'de> for Check {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl Check {
    fn scalar<E: serde::de::Error>(&self, what: &str) -> Result<(), E> {
        if self.top {
            return Err(E::custom(format_args!(
                "found {what} where an object must stand"
            )));
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Check {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.scalar("a boolean")
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.scalar("a number")
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        self.scalar("a number")
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.scalar("a number")
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        self.scalar("a string")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.scalar("null")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if self.top {
            return Err(A::Error::custom(
                "found an array where an object must stand",
            ));
        }
        while items.next_element_seed(Check { top: false })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while fields.next_key_seed(Check { top: false })?.is_some() {
            fields.next_value_seed(Check { top: false })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_pass_and_keep_their_text() {
        let data = JsonObject::parse(" {\"a\": [1, 2.50, \"\\u00e9\"]}\n").unwrap();
        assert_eq!(data.as_str(), "{\"a\": [1, 2.50, \"\\u00e9\"]}");
        assert_eq!(data.to_map()["a"][1], 2.5);
    }

    #[test]
    fn whatever_would_not_parse_later_is_refused_now() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
        for bad in [
            "",
            "[]",
            "1",
            "null",
            "\"x\"",
            "{",
            "{}{}",
            "{\"a\":1e999}",
            "{\"a\":\"\\ud800\"}",
            "{1:2}",
            &deep,
        ] {
            assert!(JsonObject::parse(bad.to_owned()).is_err(), "{bad}");
        }
        assert!(JsonObject::parse(&b"{\"a\":\"\xff\"}"[..]).is_err());
    }

    #[test]
    fn the_error_names_the_column() {
        let error = JsonObject::parse("{\"a\": nope}").unwrap_err();
        assert_eq!(error.column(), 8);
        assert!(error.to_string().contains("line 1 column 8"), "{error}");
    }
}
