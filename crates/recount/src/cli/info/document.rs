//! What the log holds, for programs: everything that people are shown, in numbers and names.

use recount::{LogInfo, PartitionInfo};
use serde_json::{Map, Value, json};

use super::{facts, partitions, sentence, window};
use crate::cli::settings::Settings;

/// One document. `keys` are the partitions' by number, where a server has them.
pub(super) fn document(
    info: &LogInfo,
    streams: Option<&[String]>,
    keys: Option<&[String]>,
    settings: &Settings,
) -> Value {
    let mut promise = json!({
        "durability": info.durability.to_string(),
        "note": sentence(&info.durability_note),
    });
    if !settings.on_server() {
        promise["fsync"] = settings.sync().to_string().into();
    }
    let partitions = info.partitions.iter();
    let partitions = partitions.map(|partition| partition_document(info, partition, keys));
    json!({
        "engine": info.engine,
        "location": info.location,
        "stream": info.stream,
        "streams": streams,
        "length": info.length(),
        "bytes": info.bytes,
        "if_published_from_here": promise,
        "idempotency_window_ms": info.idempotency_window_ms,
        "window_at_this_rate": window::at_this_rate(info).map(|window| json!({
            "ids": window.ids,
            "bytes": window.bytes,
            "ids_a_second": window.ids_a_second,
        })),
        "partitions": partitions.collect::<Vec<_>>(),
        "mirror": partitions::mirror(info),
        "details": details(info),
        "warnings": info.warnings,
    })
}

/// The engine's own facts that stand nowhere else.
fn details(info: &LogInfo) -> Map<String, Value> {
    let facts = facts(info).filter(|(name, _)| !partitions::is_structured(name));
    let typed = facts.map(|(name, value)| {
        let value = match (value.parse::<u64>(), value.parse::<bool>()) {
            (Ok(number), _) => json!(number),
            (_, Ok(switch)) => json!(switch),
            _ => json!(value),
        };
        (name.clone(), value)
    });
    typed.collect()
}

fn partition_document(info: &LogInfo, partition: &PartitionInfo, keys: Option<&[String]>) -> Value {
    let held_back = partition.held_back.iter();
    let mut document = json!({
        "partition": partition.partition,
        "length": partition.length,
        "entries_added": partition.entries_added,
        "first": partition.first.map(|id| id.to_string()),
        "last": partition.last.to_string(),
        "held_back": held_back
            .map(|held| json!({"by": held.by, "from": held.from.to_string()}))
            .collect::<Vec<_>>(),
    });
    if let Some(key) = keys.and_then(|keys| keys.get(partition.partition as usize)) {
        document["key"] = json!(key);
        document["tag"] = json!(tag(&info.stream, key));
    }
    document
}

/// What tells a partition's key from those of the others; none where there is only one, the stream itself.
fn tag<'a>(stream: &str, key: &'a str) -> Option<&'a str> {
    let tag = key.strip_prefix(stream)?.strip_prefix(":{")?;
    tag.strip_suffix('}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_what_a_partition_has_of_its_own() {
        assert_eq!(tag("memory:events", "memory:events:{a7}"), Some("a7"));
        assert_eq!(tag("{t}:x", "{t}:x:{3}"), Some("3"));
        assert_eq!(tag("memory:events", "memory:events"), None);
    }
}
