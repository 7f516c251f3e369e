//! Between what a server answers and what the contract hands out.

use bytes::Bytes;
use recount_core::{Entry, EntryId, Field, Partition, Position, Recorded, Schema, codec};
use redis::Value;

/// The field that an entry of ours begins with: which entry of its session it is.
pub(crate) const REVISION: &str = "_revision";

/// The answer is not of the shape that the command has.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unexpected(pub(crate) &'static str);

/// Entries as `XRANGE` lists them.
pub(crate) fn entries(reply: Value) -> Result<Vec<Entry>, Unexpected> {
    match reply {
        Value::Array(items) => items
            .into_iter()
            // An entry that was deleted under a reader stands as nil.
            .filter(|item| *item != Value::Nil)
            .map(entry)
            .collect(),
        Value::Nil => Ok(Vec::new()),
        _ => Err(Unexpected("entries")),
    }
}

/// The entries of one stream as `XREAD` answers; none where it came to the end of its time.
pub(crate) fn read_reply(reply: Value) -> Result<Vec<Entry>, Unexpected> {
    let Value::Array(mut streams) = reply else {
        return match reply {
            Value::Nil => Ok(Vec::new()),
            _ => Err(Unexpected("streams")),
        };
    };
    match streams.pop() {
        Some(Value::Array(mut pair)) if pair.len() == 2 => {
            entries(pair.pop().unwrap_or(Value::Nil))
        }
        None => Ok(Vec::new()),
        Some(_) => Err(Unexpected("a stream and its entries")),
    }
}

/// An id and its fields.
pub(crate) fn entry(item: Value) -> Result<Entry, Unexpected> {
    const SHAPE: Unexpected = Unexpected("an id and fields");
    let Value::Array(pair) = item else {
        return Err(SHAPE);
    };
    let Ok([id, fields]): Result<[Value; 2], _> = pair.try_into() else {
        return Err(SHAPE);
    };
    let id = text(&id)?.parse::<EntryId>().map_err(|_| SHAPE)?;
    let Value::Array(flat) = fields else {
        return Err(SHAPE);
    };
    let mut fields: Vec<Field> = Vec::with_capacity(flat.len() / 2);
    let mut revision = None;
    let mut flat = flat.into_iter();
    while let (Some(name), Some(value)) = (flat.next(), flat.next()) {
        let (Value::BulkString(name), Value::BulkString(value)) = (name, value) else {
            return Err(SHAPE);
        };
        if fields.is_empty() && revision.is_none() && name == REVISION.as_bytes() {
            revision = number(&value);
            if revision.is_some() {
                continue;
            }
        }
        fields.push((Bytes::from(name), Bytes::from(value)));
    }
    Ok(Entry {
        id,
        fields,
        revision,
    })
}

/// A number as the scripts write it.
fn number(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits
        .then(|| std::str::from_utf8(text).ok()?.parse().ok())
        .flatten()
}

/// What a reader is handed of an entry.
pub(crate) fn recorded(partition: Partition, entry: Entry) -> Recorded {
    Recorded {
        position: Position {
            partition,
            entry_id: entry.id,
        },
        revision: entry.revision.unwrap_or(0),
        schema: Schema::AsStored,
        body: codec::decode(entry.id, entry.fields),
    }
}

/// Bytes of an entry's fields.
pub(crate) fn bytes_of(entry: &Entry) -> usize {
    let size = |(name, value): &Field| name.len() + value.len();
    entry.fields.iter().map(size).sum()
}

/// A reply that is text, or a number.
pub(crate) fn text(value: &Value) -> Result<String, Unexpected> {
    match value {
        Value::BulkString(bytes) => {
            String::from_utf8(bytes.clone()).map_err(|_| Unexpected("text in UTF-8"))
        }
        Value::SimpleString(text) => Ok(text.clone()),
        Value::Int(number) => Ok(number.to_string()),
        Value::Okay => Ok("OK".to_owned()),
        _ => Err(Unexpected("text")),
    }
}

/// The same of a name that others chose: what is no text in it is shown as replaced.
pub(crate) fn lossy(value: &Value) -> Result<String, Unexpected> {
    match value {
        Value::BulkString(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        other => text(other),
    }
}

/// A reply that is a number from 0, perhaps written as text.
pub(crate) fn count(value: &Value) -> Result<u64, Unexpected> {
    match value {
        Value::Int(number) => Ok(u64::try_from(*number).unwrap_or(0)),
        Value::Nil => Ok(0),
        other => text(other)?.parse().map_err(|_| Unexpected("a number")),
    }
}

/// A reply that is an entry id.
pub(crate) fn entry_id(value: &Value) -> Result<EntryId, Unexpected> {
    text(value)?.parse().map_err(|_| Unexpected("an entry id"))
}

/// A reply that is a list.
pub(crate) fn list(value: Value) -> Result<Vec<Value>, Unexpected> {
    match value {
        Value::Array(items) => Ok(items),
        Value::Nil => Ok(Vec::new()),
        _ => Err(Unexpected("a list")),
    }
}

/// The value of `name` in a flat list of names and values.
pub(crate) fn field<'a>(flat: &'a [Value], name: &str) -> Option<&'a Value> {
    flat.chunks_exact(2)
        .find(|pair| matches!(&pair[0], Value::BulkString(found) if found == name.as_bytes()))
        .map(|pair| &pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn reply(id: &str, fields: &[&str]) -> Value {
        let fields = fields.iter().map(|text| bulk(text)).collect();
        Value::Array(vec![Value::Array(vec![bulk(id), Value::Array(fields)])])
    }

    fn only(reply: Value) -> Entry {
        let mut found = entries(reply).expect("entries");
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    #[test]
    fn the_revision_is_taken_off_the_front_only() {
        let ours = only(reply("5-1", &["_revision", "7", "type", "x"]));
        assert_eq!((ours.revision, ours.fields.len()), (Some(7), 1));
        let bare = only(reply("5-1", &["_revision", "0"]));
        assert_eq!((bare.revision, bare.fields.len()), (Some(0), 0));
        for foreign in [
            vec!["type", "x", "_revision", "7"],
            vec!["_revision", "seven", "type", "x"],
            vec!["_revision", "", "type", "x"],
        ] {
            let found = only(reply("5-1", &foreign));
            assert_eq!((found.revision, found.fields.len()), (None, 2));
        }
        let twice = only(reply("5-1", &["_revision", "1", "_revision", "2"]));
        assert_eq!((twice.revision, twice.fields.len()), (Some(1), 1));
    }

    #[test]
    fn other_shapes_are_refused() {
        assert!(entries(Value::Int(1)).is_err());
        assert!(entries(Value::Array(vec![bulk("1-1")])).is_err());
        assert!(entries(reply("one", &["a", "b"])).is_err());
        assert_eq!(read_reply(Value::Nil), Ok(Vec::new()));
    }
}
