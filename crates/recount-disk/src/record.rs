//! One entry as it lies in a segment. `FORMAT.md`, "Records".

use std::borrow::Cow;

use bytes::Bytes;
use recount_core::{
    Body, Entry, EntryId, Event, EventId, EventType, Field, JsonObject, Position, Recorded, Schema,
    Timestamp, TimestampSource, codec,
};

use crate::bytes::{array_at, put_u32, put_u64, u32_at, u64_at};
use crate::hash::{self, Hashes};
use crate::table::id_prefix;

/// Bytes before a record's texts.
pub(crate) const FIXED: usize = 56;
/// Bytes before what the length counts and the checksum covers.
const PREFIX: usize = 8;
/// Where a raw record's fields begin.
pub(crate) const RAW_FIELDS: usize = 48;

const KIND: usize = 8;
const OPTIONAL: usize = 9;
const TYPE: usize = 10;
const FLAGS: usize = 11;
const VERSION: usize = 12;
const ENTRY_ID: usize = 16;
const REVISION: usize = 32;
const TIMESTAMP: usize = 40;
const LENGTHS: usize = 48;

/// Flags: the producer gave the timestamp; the event is a replay.
const GIVEN: u8 = 1;
const REPLAYED: u8 = 2;

const KIND_RAW: u8 = 0;
const KIND_EVENT: u8 = 1;

/// What the index needs to know of a record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// Hash of the event id; 0 for an undecodable entry.
    pub(crate) event_id: u128,
    /// The beginning of the event id.
    pub(crate) id_prefix: u128,
    /// Hash of the content without timestamp and id.
    pub(crate) content: u64,
    /// Hash of the given timestamp, 0 if it was filled in.
    pub(crate) timestamp: u32,
    /// Hash of the session; 0 for none.
    pub(crate) session: u128,
    /// Hash of the user; 0 for none.
    pub(crate) user: u128,
    /// The type's code; 0 for a custom one.
    pub(crate) type_code: u8,
    /// Hash of a custom type's name; 0 for a known type.
    pub(crate) custom_type: u128,
}

/// Writes `event` at the end of `out`, still without entry id, revision and checksum.
pub(crate) fn write_event(out: &mut Vec<u8>, event: &Event) {
    let start = out.len();
    out.resize(start + FIXED, 0);
    let mut lengths = [0_u8; 7];
    let type_code = type_code(&event.event_type);
    let custom = if type_code == 0 {
        event.event_type.as_str()
    } else {
        ""
    };
    let mut optional = 0;
    let mut text = |index: usize, text: &str| {
        lengths[index] = text.len() as u8;
        out.extend_from_slice(text.as_bytes());
    };
    text(0, event.id.as_str());
    text(1, &event.session_id);
    for (bit, (_, id)) in event.optional_ids().into_iter().enumerate() {
        if let Some(id) = id {
            optional |= 1 << bit;
            text(2 + bit, id);
        }
    }
    text(6, custom);
    out.extend_from_slice(event.data.as_bytes());

    let len = out.len() - start;
    let record = &mut out[start..];
    put_u32(record, 0, (len - PREFIX) as u32);
    record[KIND] = KIND_EVENT;
    record[OPTIONAL] = optional;
    record[TYPE] = type_code;
    record[FLAGS] = if event.timestamp_source == TimestampSource::Given {
        GIVEN
    } else {
        0
    } | if event.replayed { REPLAYED } else { 0 };
    put_u32(record, VERSION, event.version);
    put_u64(record, TIMESTAMP, event.timestamp.as_millis() as u64);
    record[LENGTHS..LENGTHS + 7].copy_from_slice(&lengths);
}

/// Writes the fields of an entry at the end of `out`: as an event if that keeps them byte for byte.
pub(crate) fn write_fields(out: &mut Vec<u8>, id: EntryId, fields: &[Field]) {
    if let Some(event) = codec::decode_exact(id, fields) {
        return write_event(out, &event);
    }
    let start = out.len();
    out.resize(start + RAW_FIELDS, 0);
    for (name, value) in fields {
        out.extend_from_slice(&(name.len() as u32).to_le_bytes());
        out.extend_from_slice(&(value.len() as u32).to_le_bytes());
        out.extend_from_slice(name);
        out.extend_from_slice(value);
    }
    let len = out.len() - start;
    put_u32(&mut out[start..], 0, (len - PREFIX) as u32);
    out[start + KIND] = KIND_RAW;
}

/// The checksum of all but what the writer decides, which it adds in [`stamp`].
///
/// The writer is one thread for everybody: it should not have to touch every byte.
pub(crate) fn body_checksum(record: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&record[PREFIX..ENTRY_ID]);
    crc32c::crc32c_append(crc, &record[TIMESTAMP..])
}

/// Completes a record with what the writer decides.
pub(crate) fn stamp(record: &mut [u8], id: EntryId, revision: u64, body_checksum: u32) {
    put_u64(record, ENTRY_ID, id.ms);
    put_u64(record, ENTRY_ID + 8, id.seq);
    put_u64(record, REVISION, revision);
    let crc = crc32c::crc32c_append(body_checksum, &record[ENTRY_ID..TIMESTAMP]);
    put_u32(record, 4, crc);
}

/// The checksum that a record's bytes have.
pub(crate) fn checksum(record: &[u8]) -> u32 {
    crc32c::crc32c_append(body_checksum(record), &record[ENTRY_ID..TIMESTAMP])
}

/// The length of the record at the start of `bytes`, if its whole prefix is there.
pub(crate) fn length(bytes: &[u8]) -> Option<usize> {
    (bytes.len() >= PREFIX).then(|| PREFIX + u32_at(bytes, 0) as usize)
}

/// The entry id of the record at the start of `bytes`, unchecked.
pub(crate) fn entry_id(bytes: &[u8]) -> EntryId {
    EntryId::new(u64_at(bytes, ENTRY_ID), u64_at(bytes, ENTRY_ID + 8))
}

/// A whole record.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a>(&'a [u8]);

impl<'a> Record<'a> {
    /// The record that fills `bytes`, if its shape is right and its checksum agrees.
    pub(crate) fn checked(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let record = Self::unchecked(bytes)?;
        if checksum(bytes) != u32_at(bytes, 4) {
            return Err("the record's checksum does not match");
        }
        Ok(record)
    }

    /// The record that fills `bytes`, whose checksum was found right before.
    pub(crate) fn unchecked(bytes: &'a [u8]) -> Result<Self, &'static str> {
        if length(bytes) != Some(bytes.len()) || bytes.len() < RAW_FIELDS {
            return Err("the record's length is wrong");
        }
        let record = Self(bytes);
        if record.is_raw() {
            return Ok(record);
        }
        let known = bytes.len() >= FIXED && usize::from(bytes[TYPE]) <= EventType::KNOWN.len();
        if !known || record.texts_end() > bytes.len() {
            return Err("the record's texts are longer than the record");
        }
        Ok(record)
    }

    pub(crate) fn entry_id(&self) -> EntryId {
        entry_id(self.0)
    }

    /// How many bytes the record takes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn revision(&self) -> u64 {
        u64_at(self.0, REVISION)
    }

    fn is_raw(&self) -> bool {
        self.0[KIND] == KIND_RAW
    }

    fn texts_end(&self) -> usize {
        let lengths = &self.0[LENGTHS..LENGTHS + 7];
        FIXED + lengths.iter().map(|&len| usize::from(len)).sum::<usize>()
    }

    /// The texts (id, session, user, agent, trace, causation, type name) and the data.
    fn texts(&self) -> ([&'a [u8]; 7], &'a [u8]) {
        let mut rest = &self.0[FIXED..];
        let mut texts = [&[] as &[u8]; 7];
        for (text, &len) in texts.iter_mut().zip(&self.0[LENGTHS..LENGTHS + 7]) {
            (*text, rest) = rest.split_at(usize::from(len));
        }
        (texts, rest)
    }

    /// What the index needs to know, with the names it may have to remember.
    pub(crate) fn terms(&self, hashes: &Hashes) -> (Terms, Names<'a>) {
        if self.is_raw() {
            return match self.decode(0).body {
                Body::Event(event) => terms_of_event(&event, hashes),
                Body::Undecodable(_) => (Terms::NONE, Names::default()),
            };
        }
        let (texts, _) = self.texts();
        let [id, session, user, ..] = texts;
        let terms = Terms {
            event_id: hashes.event_id(id),
            id_prefix: id_prefix(id),
            // All but the timestamp and what the writer decides.
            content: {
                let [_, optional, kind, _, v0, v1, v2, v3] = array_at(self.0, KIND);
                let head = [optional, kind, v0, v1, v2, v3, 0, 0];
                hash::content(u64::from_le_bytes(head), &self.0[LENGTHS..])
            },
            timestamp: match self.0[FLAGS] & GIVEN {
                0 => 0,
                _ => hash::timestamp(u64_at(self.0, TIMESTAMP) as i64),
            },
            session: hashes.term(b's', session),
            user: if user.is_empty() {
                0
            } else {
                hashes.term(b'u', user)
            },
            type_code: self.0[TYPE],
            custom_type: if texts[6].is_empty() {
                0
            } else {
                hashes.term(b't', texts[6])
            },
        };
        let names = Names {
            session: Cow::Borrowed(session),
            user: Cow::Borrowed(user),
            custom_type: Cow::Borrowed(texts[6]),
        };
        (terms, names)
    }

    /// The entry as readers get it.
    pub(crate) fn decode(&self, partition: u32) -> Recorded {
        let entry_id = self.entry_id();
        let body = if self.is_raw() {
            codec::decode(entry_id, self.raw_fields())
        } else {
            Body::Event(self.event())
        };
        Recorded {
            position: Position {
                partition,
                entry_id,
            },
            revision: self.revision(),
            schema: Schema::AsStored,
            body,
        }
    }

    /// The entry as a stream stores it: its fields byte for byte.
    pub(crate) fn stored(&self) -> Entry {
        let fields = if self.is_raw() {
            self.raw_fields()
        } else {
            codec::encode(&self.event())
        };
        let revision = Some(self.revision()).filter(|&revision| revision > 0);
        Entry {
            id: self.entry_id(),
            fields,
            revision,
        }
    }

    fn raw_fields(&self) -> Vec<Field> {
        let mut rest = &self.0[RAW_FIELDS..];
        let mut fields = Vec::new();
        // A checksum vouches for the lengths; a short rest ends the list all the same.
        while rest.len() >= 8 {
            let (name, value) = (u32_at(rest, 0) as usize, u32_at(rest, 4) as usize);
            rest = &rest[8..];
            if rest.len() < name + value {
                break;
            }
            fields.push((
                Bytes::copy_from_slice(&rest[..name]),
                Bytes::copy_from_slice(&rest[name..name + value]),
            ));
            rest = &rest[name + value..];
        }
        fields
    }

    fn event(&self) -> Event {
        let ([id, session, user, agent, trace, causation, custom], data) = self.texts();
        let optional =
            |bit: u8, text: &[u8]| (self.0[OPTIONAL] & (1 << bit) != 0).then(|| string(text));
        Event {
            id: EventId::new(string(id)).unwrap_or_else(|_| unreadable_id(self.entry_id())),
            event_type: match self.0[TYPE] {
                0 => EventType::Custom(string(custom).into_boxed_str()),
                code => EventType::KNOWN[usize::from(code) - 1].clone(),
            },
            session_id: string(session),
            user_id: optional(0, user),
            agent_id: optional(1, agent),
            trace_id: optional(2, trace),
            causation_id: optional(3, causation),
            timestamp: Timestamp::from_millis(u64_at(self.0, TIMESTAMP) as i64)
                .unwrap_or(Timestamp::saturating_from_millis(self.entry_id().ms)),
            timestamp_source: match self.0[FLAGS] & GIVEN {
                0 => TimestampSource::Filled,
                _ => TimestampSource::Given,
            },
            version: u32_at(self.0, VERSION),
            replayed: self.0[FLAGS] & REPLAYED != 0,
            data: JsonObject::from_checked(Bytes::copy_from_slice(data)),
        }
    }
}

/// The names behind a record's terms.
#[derive(Default)]
pub(crate) struct Names<'a> {
    pub(crate) session: Cow<'a, [u8]>,
    pub(crate) user: Cow<'a, [u8]>,
    /// Empty for a known type.
    pub(crate) custom_type: Cow<'a, [u8]>,
}

impl Names<'_> {
    pub(crate) fn into_owned(self) -> Names<'static> {
        Names {
            session: Cow::Owned(self.session.into_owned()),
            user: Cow::Owned(self.user.into_owned()),
            custom_type: Cow::Owned(self.custom_type.into_owned()),
        }
    }
}

impl Terms {
    const NONE: Self = Self {
        event_id: 0,
        id_prefix: 0,
        content: 0,
        timestamp: 0,
        session: 0,
        user: 0,
        type_code: 0,
        custom_type: 0,
    };
}

/// A foreign entry's terms are those of the event it stands for, so that both are the same event.
fn terms_of_event(event: &Event, hashes: &Hashes) -> (Terms, Names<'static>) {
    let mut bytes = Vec::new();
    write_event(&mut bytes, event);
    let (terms, names) = Record(&bytes).terms(hashes);
    (terms, names.into_owned())
}

/// The code of a type: its place in [`EventType::KNOWN`] from 1, or 0 for a custom one.
pub(crate) fn type_code(event_type: &EventType) -> u8 {
    EventType::KNOWN
        .iter()
        .position(|known| known == event_type)
        .map_or(0, |index| index as u8 + 1)
}

// Texts were checked when they came in and a checksum vouches for them since.
fn string(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn unreadable_id(entry: EntryId) -> EventId {
    // An entry id is always a legal event id.
    EventId::new(entry.to_string()).unwrap_or_else(|_| EventId::generate())
}
