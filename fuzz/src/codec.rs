//! Any fields are an entry.

use bytes::Bytes;
use recount::{Body, EntryId, Field, TimestampSource, codec};

const NAMES: [&str; 12] = [
    "id",
    "type",
    "session_id",
    "user_id",
    "agent_id",
    "trace_id",
    "causation_id",
    "timestamp",
    "v",
    "replayed",
    "data",
    "content",
];

/// The first 9 bytes make the entry id. Then fields: a byte that chooses the name, one that says how
/// long the value is (times 4 from 128 on), the value. From 12 on the name's length stands there,
/// and the name before the value.
pub fn run(data: &[u8]) {
    let mut rest = data;
    let ms = u64::from_le_bytes(std::array::from_fn(|_| byte(&mut rest)));
    let id = EntryId::new(ms, u64::from(byte(&mut rest)));
    let mut fields: Vec<Field> = Vec::new();
    while !rest.is_empty() {
        let name = usize::from(byte(&mut rest));
        let name = match NAMES.get(name) {
            Some(name) => Bytes::from_static(name.as_bytes()),
            None => Bytes::copy_from_slice(take(&mut rest, name - NAMES.len())),
        };
        let len = usize::from(byte(&mut rest));
        let len = if len < 128 { len } else { 4 * len };
        fields.push((name, Bytes::copy_from_slice(take(&mut rest, len))));
    }
    match codec::decode(id, fields.clone()) {
        Body::Undecodable(entry) => {
            assert_eq!(entry.fields, fields, "nothing is lost");
            assert!(!entry.reason.is_empty());
        }
        Body::Event(mut event) => {
            let wire = codec::encode(&event);
            let bytes: usize = wire
                .iter()
                .map(|(name, value)| name.len() + value.len())
                .sum();
            assert!(event.wire_bytes().abs_diff(bytes) <= 3, "{event:?}");
            // On the wire every timestamp is given.
            event.timestamp_source = TimestampSource::Given;
            assert_eq!(codec::decode(id, wire), Body::Event(event));
        }
    }
}

fn byte(rest: &mut &[u8]) -> u8 {
    take(rest, 1).first().copied().unwrap_or(0)
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(len.min(rest.len()));
    *rest = left;
    taken
}
