//! Between an [`Event`] and the fields of a stream entry.
//!
//! Recount writes the fields `id`, `type`, `session_id`, `user_id`, `agent_id`, `trace_id`,
//! `causation_id`, `timestamp` (RFC 3339, milliseconds, UTC), `v` (the schema version), `replayed`
//! (`true` on a replay) and `data` (one JSON object), in this order, absent ones left out.
//!
//! Decoding is liberal. A producer of the flat layout puts every key of its data into a field of
//! its own and writes the time in Unix seconds; such an entry becomes the same event:
//!
//! * a field that is none of the above goes into `data`: numbers and booleans as such, anything
//!   else as text; where `data` holds the key already, `data` wins;
//! * `timestamp` may be RFC 3339, or Unix time in seconds, with decimals or not, or in
//!   milliseconds (11 digits and more before the point); without it the entry's id tells the time;
//! * `replayed` is the mark of a replay only where it is `true`, else a field as any other;
//! * without `id` the entry's own id is the event's id; without `v` the version is 1.
//!
//! What cannot be decoded keeps its fields and says why.

use bytes::Bytes;
use serde_json::{Map, Number, Value};

use crate::ids::check_id;
use crate::{
    Body, EntryId, Event, EventId, EventType, Field, JsonObject, Timestamp, TimestampSource,
    Undecodable,
};

/// The fields that a stream entry gets for `event`.
pub fn encode(event: &Event) -> Vec<Field> {
    let mut fields = Vec::with_capacity(10);
    let mut push = |name: &'static str, value: Bytes| {
        fields.push((Bytes::from_static(name.as_bytes()), value));
    };
    let text = |value: &str| Bytes::copy_from_slice(value.as_bytes());
    push("id", text(event.id.as_str()));
    push("type", text(event.event_type.as_str()));
    push("session_id", text(&event.session_id));
    for (name, id) in event.optional_ids() {
        if let Some(id) = id {
            push(name, text(id));
        }
    }
    push("timestamp", event.timestamp.to_string().into());
    push("v", event.version.to_string().into());
    if event.replayed {
        push("replayed", Bytes::from_static(REPLAYED));
    }
    push("data", event.data.as_bytes().clone());
    fields
}

/// How the field `replayed` says that it is meant.
const REPLAYED: &[u8] = b"true";

/// What the fields of the entry `id` say.
///
/// Timestamps found in a field count as given: on the wire there is no telling.
pub fn decode(id: EntryId, fields: Vec<Field>) -> Body {
    match try_decode(id, &fields) {
        Ok(event) => Body::Event(event),
        Err(reason) => Body::Undecodable(Undecodable { reason, fields }),
    }
}

/// The event that the fields of the entry `id` say and that [`encode`] makes the same fields of, byte for
/// byte; none where the fields are anything else.
pub fn decode_exact(id: EntryId, fields: &[Field]) -> Option<Event> {
    let event = try_decode(id, fields).ok()?;
    is_encoding(&event, fields).then_some(event)
}

/// Whether `fields` are what [`encode`] makes of `event`.
fn is_encoding(event: &Event, fields: &[Field]) -> bool {
    let mut left = fields.iter();
    let mut next = |name: &str, value: &[u8]| {
        left.next()
            .is_some_and(|field| field.0 == name.as_bytes() && field.1 == value)
    };
    next("id", event.id.as_str().as_bytes())
        && next("type", event.event_type.as_str().as_bytes())
        && next("session_id", event.session_id.as_bytes())
        && event
            .optional_ids()
            .into_iter()
            .all(|(name, id)| id.is_none_or(|id| next(name, id.as_bytes())))
        && next("timestamp", event.timestamp.to_string().as_bytes())
        && next("v", event.version.to_string().as_bytes())
        && (!event.replayed || next("replayed", REPLAYED))
        && next("data", event.data.as_bytes())
        && left.next().is_none()
}

fn try_decode(entry_id: EntryId, fields: &[Field]) -> Result<Event, String> {
    let mut known = Known::default();
    let mut extra = Vec::new();
    let mut replayed = false;
    for (name, value) in fields {
        match known.slot(name) {
            Some(slot) if slot.is_none() => *slot = Some(value),
            Some(_) => return Err(format!("the field {} stands twice", lossy(name))),
            None if name == &b"replayed"[..] && value == REPLAYED && !replayed => replayed = true,
            None => extra.push((name, value)),
        }
    }

    let event_type = required(known.event_type, "type")?;
    let session_id = required(known.session_id, "session_id")?;
    check_id("session_id", session_id).map_err(|error| error.to_string())?;
    let (timestamp, timestamp_source) = match known.timestamp {
        Some(value) => (
            read_timestamp(utf8(value, "timestamp")?)?,
            TimestampSource::Given,
        ),
        None => (
            Timestamp::saturating_from_millis(entry_id.ms),
            TimestampSource::Filled,
        ),
    };
    Ok(Event {
        id: match known.id {
            Some(value) => EventId::new(utf8(value, "id")?).map_err(|error| error.to_string())?,
            None => EventId::new(entry_id.to_string()).map_err(|error| error.to_string())?,
        },
        event_type: EventType::new(event_type).map_err(|error| error.to_string())?,
        session_id: session_id.to_owned(),
        user_id: optional(known.user_id, "user_id")?,
        agent_id: optional(known.agent_id, "agent_id")?,
        trace_id: optional(known.trace_id, "trace_id")?,
        causation_id: optional(known.causation_id, "causation_id")?,
        timestamp,
        timestamp_source,
        version: match known.version {
            Some(value) => read_version(utf8(value, "v")?)?,
            None => 1,
        },
        replayed,
        data: read_data(known.data, &extra)?,
    })
}

/// The fields with a meaning of their own, as they were found.
#[derive(Default)]
struct Known<'a> {
    id: Option<&'a Bytes>,
    event_type: Option<&'a Bytes>,
    session_id: Option<&'a Bytes>,
    user_id: Option<&'a Bytes>,
    agent_id: Option<&'a Bytes>,
    trace_id: Option<&'a Bytes>,
    causation_id: Option<&'a Bytes>,
    timestamp: Option<&'a Bytes>,
    version: Option<&'a Bytes>,
    data: Option<&'a Bytes>,
}

impl<'a> Known<'a> {
    fn slot(&mut self, name: &[u8]) -> Option<&mut Option<&'a Bytes>> {
        Some(match name {
            b"id" => &mut self.id,
            b"type" => &mut self.event_type,
            b"session_id" => &mut self.session_id,
            b"user_id" => &mut self.user_id,
            b"agent_id" => &mut self.agent_id,
            b"trace_id" => &mut self.trace_id,
            b"causation_id" => &mut self.causation_id,
            b"timestamp" => &mut self.timestamp,
            b"v" => &mut self.version,
            b"data" => &mut self.data,
            _ => return None,
        })
    }
}

fn required<'a>(value: Option<&'a Bytes>, name: &str) -> Result<&'a str, String> {
    utf8(
        value.ok_or_else(|| format!("the field {name} is missing"))?,
        name,
    )
}

/// An empty optional id is how flat producers write an absent one.
fn optional(value: Option<&Bytes>, name: &'static str) -> Result<Option<String>, String> {
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let id = utf8(value, name)?;
    check_id(name, id).map_err(|error| error.to_string())?;
    Ok(Some(id.to_owned()))
}

fn utf8<'a>(value: &'a Bytes, name: &str) -> Result<&'a str, String> {
    std::str::from_utf8(value).map_err(|_| format!("the field {name} is not UTF-8"))
}

fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(&name[..name.len().min(64)]).into_owned()
}

fn read_version(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(format!("the field v is {text:.32?}, not a version from 1")),
        Ok(version) => Ok(version),
    }
}

/// From this many seconds on (the year 5138), a bare number is taken for milliseconds.
const MILLISECONDS_FROM: f64 = 1e11;

fn read_timestamp(text: &str) -> Result<Timestamp, String> {
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
    if let (true, Ok(number)) = (plain, text.parse::<f64>()) {
        let ms = if number.abs() >= MILLISECONDS_FROM {
            number
        } else {
            number * 1000.0
        };
        return Timestamp::from_millis(ms.round() as i64).map_err(|_| {
            let text = text.chars().take(64).collect();
            crate::InvalidTimestamp::OutOfRange { text }.to_string()
        });
    }
    text.parse()
        .map_err(|error: crate::InvalidTimestamp| error.to_string())
}

fn read_data(data: Option<&Bytes>, extra: &[(&Bytes, &Bytes)]) -> Result<JsonObject, String> {
    let data = match data {
        Some(text) => JsonObject::parse(text.clone()).map_err(|error| error.to_string())?,
        None => JsonObject::empty(),
    };
    if extra.is_empty() {
        return Ok(data);
    }
    let mut map: Map<String, Value> = data.to_map();
    for (name, value) in extra {
        let name = utf8(name, "name of a field")?;
        let value = utf8(value, name)?;
        map.entry(name).or_insert_with(|| typed(value));
    }
    Ok(map.into())
}

/// The value of a flat field: a number or a boolean where the text is exactly one, else text.
fn typed(text: &str) -> Value {
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        // `Number` reads what JSON calls a number; `007` and `1_000` stay text.
        _ => match text.parse::<Number>() {
            Ok(number) if number.to_string() == text => Value::Number(number),
            _ => Value::String(text.to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(pairs: &[(&str, &str)]) -> Vec<Field> {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    Bytes::copy_from_slice(name.as_bytes()),
                    Bytes::copy_from_slice(value.as_bytes()),
                )
            })
            .collect()
    }

    fn event(pairs: &[(&str, &str)]) -> Event {
        match decode(EntryId::new(1_700_000_000_123, 4), fields(pairs)) {
            Body::Event(event) => event,
            Body::Undecodable(entry) => panic!("undecodable: {}", entry.reason),
        }
    }

    fn reason(pairs: &[(&str, &str)]) -> String {
        match decode(EntryId::new(1, 1), fields(pairs)) {
            Body::Event(event) => panic!("decoded: {event:?}"),
            Body::Undecodable(entry) => {
                assert_eq!(entry.fields, fields(pairs), "the fields are kept");
                entry.reason
            }
        }
    }

    #[test]
    fn the_flat_layout_becomes_the_same_event() {
        let flat = event(&[
            ("id", "e1"),
            ("type", "message.added"),
            ("session_id", "s1"),
            ("user_id", ""),
            ("timestamp", "1700000000"),
            ("role", "user"),
            ("content", "Hello"),
            ("tokens", "12"),
            ("score", "0.5"),
            ("zip", "00501"),
            ("final", "true"),
        ]);
        assert_eq!(flat.id.as_str(), "e1");
        assert_eq!(flat.event_type, EventType::MessageAdded);
        assert_eq!(flat.user_id, None);
        assert_eq!(flat.timestamp.as_millis(), 1_700_000_000_000);
        assert_eq!(
            Value::Object(flat.data.to_map()),
            serde_json::json!({
                "role": "user", "content": "Hello", "tokens": 12, "score": 0.5,
                "zip": "00501", "final": true
            })
        );
    }

    #[test]
    fn what_is_missing_comes_from_the_entry_id() {
        let bare = event(&[("type", "x.y"), ("session_id", "s1")]);
        assert_eq!(bare.id.as_str(), "1700000000123-4");
        assert_eq!(bare.timestamp.as_millis(), 1_700_000_000_123);
        assert_eq!(bare.timestamp_source, TimestampSource::Filled);
        assert_eq!((bare.version, bare.data.as_str()), (1, "{}"));
    }

    #[test]
    fn times_come_in_seconds_milliseconds_and_rfc_3339() {
        for (text, ms) in [
            ("1700000000", 1_700_000_000_000),
            ("1700000000.25", 1_700_000_000_250),
            ("1700000000250", 1_700_000_000_250),
            ("1.7e9", 1_700_000_000_000),
            ("-1", -1000),
            ("2023-11-14T22:13:20Z", 1_700_000_000_000),
            ("2023-11-14T23:13:20+01:00", 1_700_000_000_000),
        ] {
            let at = event(&[("type", "t"), ("session_id", "s"), ("timestamp", text)]).timestamp;
            assert_eq!(at.as_millis(), ms, "{text}");
        }
    }

    #[test]
    fn data_wins_over_a_flat_field_of_the_same_name() {
        let both = event(&[
            ("type", "t"),
            ("session_id", "s"),
            ("data", r#"{"a":1}"#),
            ("a", "2"),
            ("b", "3"),
        ]);
        assert_eq!(both.data.as_str(), r#"{"a":1,"b":3}"#);
    }

    #[test]
    fn what_is_no_event_says_why_and_keeps_its_fields() {
        let base = [("type", "t"), ("session_id", "s")];
        let with = |name, value| [base[0], base[1], (name, value)];
        assert_eq!(reason(&[("type", "t")]), "the field session_id is missing");
        assert_eq!(reason(&[("session_id", "s")]), "the field type is missing");
        assert_eq!(reason(&with("type", "u")), "the field type stands twice");
        assert!(reason(&with("data", "[1]")).contains("not a JSON object"));
        assert!(reason(&with("v", "0")).contains("not a version"));
        assert!(reason(&with("timestamp", "soon")).contains("RFC 3339"));
        assert!(reason(&with("timestamp", "1e300")).contains("timestamp 1e300 is out of range"));
        let far = "99999999999999999999";
        assert!(reason(&with("timestamp", far)).contains(far));
        assert!(reason(&with("id", "")).contains("empty"));
        let binary = vec![(Bytes::from_static(b"type"), Bytes::from_static(b"\xff"))];
        assert!(matches!(
            decode(EntryId::MIN, binary),
            Body::Undecodable(entry) if entry.reason == "the field type is not UTF-8"
        ));
    }

    pub(crate) fn any_event() -> impl Strategy<Value = Event> {
        let id = "[^\\p{Cc}]{1,20}";
        let known = proptest::sample::select(EventType::KNOWN);
        (
            (
                id,
                id,
                prop_oneof![
                    known,
                    "[a-z]{1,8}\\.[a-z]{1,8}".prop_map(|name| EventType::new(&name).unwrap())
                ],
            ),
            proptest::collection::vec(proptest::option::of(id), 4),
            (-62_000_000_000_000_i64..250_000_000_000_000, 1_u32..),
            proptest::collection::btree_map(".{0,8}", any_scalar(), 0..5),
        )
            .prop_map(
                |((event_id, session, event_type), ids, (ms, version), data)| {
                    let mut ids = ids.into_iter();
                    Event {
                        id: EventId::new(event_id).unwrap(),
                        event_type,
                        session_id: session,
                        user_id: ids.next().flatten(),
                        agent_id: ids.next().flatten(),
                        trace_id: ids.next().flatten(),
                        causation_id: ids.next().flatten(),
                        timestamp: Timestamp::from_millis(ms).unwrap(),
                        timestamp_source: TimestampSource::Given,
                        replayed: version % 2 == 0,
                        version,
                        data: data.into_iter().collect::<Map<_, _>>().into(),
                    }
                },
            )
    }

    fn any_scalar() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,16}".prop_map(Value::from),
        ]
    }

    proptest! {
        #[test]
        fn an_event_survives_the_wire(event in any_event()) {
            prop_assert_eq!(event.validate(&crate::Limits::default()), Ok(()));
            let fields = encode(&event);
            let bytes: usize = fields.iter().map(|(n, v)| n.len() + v.len()).sum();
            prop_assert!(event.wire_bytes().abs_diff(bytes) <= 3, "years beyond four digits print longer");
            prop_assert_eq!(decode(EntryId::new(1, 1), fields), Body::Event(event));
        }

        #[test]
        fn only_what_we_write_is_exact(event in any_event(), at in any::<usize>(), twist in 0..4) {
            let id = EntryId::new(1, 1);
            let mut fields = encode(&event);
            prop_assert_eq!(decode_exact(id, &fields), Some(event));
            let (at, last) = (at % fields.len(), fields.len() - 1);
            match twist {
                0 => fields.swap(at, (at + 1) % (last + 1)),
                1 => drop(fields.remove(at)),
                2 => fields.insert(at, (Bytes::from_static(b"extra"), Bytes::new())),
                _ => fields[at].1 = [b" ", &fields[at].1[..]].concat().into(),
            }
            let exact = match decode(id, fields.clone()) {
                Body::Event(event) if encode(&event) == fields => Some(event),
                _ => None,
            };
            prop_assert_eq!(decode_exact(id, &fields), exact);
        }

        #[test]
        fn an_event_survives_json(event in any_event()) {
            let recorded = crate::Recorded {
                position: crate::Position { partition: 2, entry_id: EntryId::new(3, 4) },
                revision: 0,
                schema: crate::Schema::AsStored,
                body: Body::Event(event.clone()),
            };
            let stored = crate::json::Line::parse(crate::json::stored_line(&recorded).as_bytes());
            let crate::json::LineBody::Fields(fields) = stored.unwrap().body else { panic!("no fields") };
            prop_assert_eq!(fields, encode(&event));
            let line = crate::json::line(&recorded);
            prop_assert!(!line.contains('\n'));
            let read = crate::json::Line::parse(line.as_bytes()).unwrap();
            prop_assert_eq!(read.position, Some(recorded.position));
            let crate::json::LineBody::Event(read) = read.body else { panic!("{line}") };
            prop_assert_eq!(read.into_event().unwrap(), event);
        }

        #[test]
        fn any_fields_decode_without_panic_and_lose_nothing(
            pairs in proptest::collection::vec(
                (proptest::sample::select(vec!["id", "type", "session_id", "timestamp", "v", "data", "other"]),
                 proptest::collection::vec(any::<u8>(), 0..12)), 0..8)
        ) {
            let fields: Vec<Field> = pairs.into_iter()
                .map(|(n, v)| (Bytes::from_static(n.as_bytes()), Bytes::from(v))).collect();
            if let Body::Undecodable(entry) = decode(EntryId::new(1, 1), fields.clone()) {
                prop_assert_eq!(entry.fields, fields);
            }
        }
    }
}
