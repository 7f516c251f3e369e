//! What the log holds and what it promises.

use recount_core::{LogInfo, PartitionInfo, ReadError, Standing};
use redis::{Cmd, Value};

use crate::error::Failed;
use crate::facts::Facts;
use crate::keys::Keys;
use crate::net::CallError;
use crate::shared::Shared;
use crate::trim;
use crate::wire::{self, Unexpected};

/// What one partition says.
struct Part {
    info: PartitionInfo,
    bytes: u64,
    window: Window,
    /// Entries that our scripts did not add.
    foreign: u64,
}

/// The remembered event ids.
#[derive(Default)]
struct Window {
    ids: u64,
    bytes: u64,
    /// When the oldest slot that is still held began.
    since_ms: Option<u64>,
}

pub(crate) async fn info(shared: &Shared) -> Result<LogInfo, ReadError> {
    let facts = Facts::ask(&shared.net).await;
    let first = &shared.partitions[0];
    let facts = facts.map_err(|error| Failed::from(error).read(&first.stream))?;
    let mut parts = Vec::new();
    for (number, keys) in shared.partitions.iter().enumerate() {
        parts.push(part(shared, keys, number as u32).await?);
    }
    let options = &shared.options;
    let mut warnings = facts.warnings();
    let foreign: u64 = parts.iter().map(|part| part.foreign).sum();
    if foreign > 0 {
        warnings.push(format!(
            "{foreign} entries were added by other programs, or without an idempotency window: revisions do \
             not count them, and sessions are not known to be complete without a mirror"
        ));
    }
    let mut details = facts.details();
    details.extend(window_details(shared, &parts));
    details.push(("foreign_entries".into(), foreign.to_string()));
    if shared.partitions.len() > 1 {
        let names: Vec<&str> = shared.partitions.iter().map(|keys| &*keys.stream).collect();
        details.push(("partition_keys".into(), names.join(" ")));
    }
    details.extend(options.retention.details());
    Ok(LogInfo {
        engine: "redis",
        stream: shared.stream.clone(),
        location: shared.net.url().to_string(),
        durability: facts.durability(options),
        durability_note: facts.note(options),
        idempotency_window_ms: options.window_ms(),
        bytes: parts
            .iter()
            .map(|part| part.bytes + part.window.bytes)
            .sum(),
        partitions: parts.into_iter().map(|part| part.info).collect(),
        details,
        warnings,
    })
}

/// What the window holds, costs, and reaches.
fn window_details(shared: &Shared, parts: &[Part]) -> Vec<(String, String)> {
    let ids: u64 = parts.iter().map(|part| part.window.ids).sum();
    let bytes: u64 = parts.iter().map(|part| part.window.bytes).sum();
    let mut details = vec![
        ("window_ids".into(), ids.to_string()),
        (
            "window_ids_max".into(),
            (shared.options.idempotency_ids_max * parts.len() as u64).to_string(),
        ),
        ("window_bytes".into(), bytes.to_string()),
    ];
    // The busiest partition forgets first.
    let since = parts.iter().filter_map(|part| part.window.since_ms).max();
    if let Some(since) = since {
        details.push(("window_since_ms".into(), since.to_string()));
    }
    details
}

async fn part(shared: &Shared, keys: &Keys, number: u32) -> Result<Part, ReadError> {
    let standing = standing(shared, keys).await?;
    let mut commands: Vec<Cmd> = keys
        .ids
        .iter()
        .map(|ids| {
            let mut length = redis::cmd("HLEN");
            length.arg(ids);
            length
        })
        .collect();
    let mut meta = redis::cmd("HMGET");
    meta.arg(&keys.meta).arg(&[
        "published",
        "removed",
        "foreign_removed",
        "since0",
        "since1",
        "since2",
    ]);
    commands.push(meta);
    let mut replies = shared.ask(keys, &commands).await?;
    let shape = |shape| shared.unexpected(keys, shape);
    let meta = wire::list(replies.pop().unwrap_or(Value::Nil)).map_err(shape)?;
    let meta: Vec<Option<u64>> = meta.iter().map(optional).collect();
    let meta = |place: usize| meta.get(place).copied().flatten();
    let (bytes, window_bytes) = memory(shared, keys).await?;
    let mut window = Window {
        bytes: window_bytes,
        ..Window::default()
    };
    for (ids, since) in replies.iter().zip(3..) {
        let ids = wire::count(ids).map_err(shape)?;
        if ids > 0 {
            window.ids += ids;
            window.since_ms = window.since_ms.into_iter().chain(meta(since)).min();
        }
    }
    let (published, removed) = (meta(0).unwrap_or(0), meta(1).unwrap_or(0));
    let foreign_removed = meta(2).unwrap_or(0);
    let held_back = match trim::needs(shared, keys).await {
        Ok(needs) => needs,
        // A user who may only read may not run scripts.
        Err(Failed::Call(CallError::Server { code, .. })) if code == "NOPERM" => Vec::new(),
        Err(failed) => return Err(failed.read(&keys.stream)),
    };
    Ok(Part {
        info: PartitionInfo {
            partition: number,
            length: standing.length,
            // Servers before 7.0 do not count: then it is what was trimmed by us, and what is there.
            entries_added: standing
                .entries_added
                .unwrap_or(standing.length + removed + foreign_removed),
            first: standing.first,
            last: standing.last,
            held_back,
        },
        bytes,
        window,
        foreign: standing
            .length
            .saturating_sub(published.saturating_sub(removed)),
    })
}

/// Bytes that the stream and its window take; nothing where the user may not ask.
async fn memory(shared: &Shared, keys: &Keys) -> Result<(u64, u64), ReadError> {
    let names = [&keys.stream, &keys.sessions].into_iter().chain(&keys.ids);
    let commands: Vec<Cmd> = names
        .map(|key| {
            let mut command = redis::cmd("MEMORY");
            command.arg("USAGE").arg(key).arg("SAMPLES").arg(20);
            command
        })
        .collect();
    let replies = match shared.ask(keys, &commands).await {
        Ok(replies) => replies,
        // The server's word, such as NOPERM.
        Err(ReadError::Storage { .. }) => return Ok((0, 0)),
        Err(error) => return Err(error),
    };
    let bytes: Vec<u64> = replies.iter().flat_map(wire::count).collect();
    let (stream, window) = bytes.split_at(2.min(bytes.len()));
    Ok((stream.iter().sum(), window.iter().sum()))
}

fn optional(value: &Value) -> Option<u64> {
    match value {
        Value::Nil => None,
        other => wire::count(other).ok(),
    }
}

/// Where a partition begins and ends.
pub(crate) async fn standing(shared: &Shared, keys: &Keys) -> Result<Standing, ReadError> {
    let mut meta = redis::cmd("HMGET");
    meta.arg(&keys.meta).arg(&["trimmed", "last"]);
    let mut stream = redis::cmd("XINFO");
    stream.arg("STREAM").arg(&keys.stream);
    let shape = |shape| shared.unexpected(keys, shape);
    let (meta, stream) = match shared.ask(keys, &[meta.clone(), stream]).await {
        Ok(replies) => {
            let [meta, stream] = <[Value; 2]>::try_from(replies)
                .map_err(|_| shape(Unexpected("an answer to each command")))?;
            (meta, Some(stream))
        }
        // The stream comes to be with its first entry.
        Err(ReadError::Storage { message, .. }) if message.contains("no such key") => {
            (shared.ask_one(keys, meta).await?, None)
        }
        Err(error) => return Err(error),
    };
    let meta = wire::list(meta).map_err(shape)?;
    let id = |place: usize| meta.get(place).and_then(|id| wire::entry_id(id).ok());
    let mut standing = match stream {
        Some(stream) => read_standing(stream).map_err(shape)?,
        None => Standing {
            length: 0,
            first: None,
            last: id(1).unwrap_or(recount_core::EntryId::MIN),
            entries_added: Some(0),
            trimmed_to: None,
        },
    };
    standing.trimmed_to = id(0);
    Ok(standing)
}

fn read_standing(reply: Value) -> Result<Standing, Unexpected> {
    const SHAPE: Unexpected = Unexpected("what XINFO says of a stream");
    let flat = wire::list(reply)?;
    let first = wire::field(&flat, "first-entry").cloned();
    let first = match first {
        Some(entry @ Value::Array(_)) => wire::entries(Value::Array(vec![entry]))?.pop(),
        _ => None,
    };
    let added = wire::field(&flat, "entries-added");
    Ok(Standing {
        length: wire::count(wire::field(&flat, "length").ok_or(SHAPE)?)?,
        first: first.map(|entry| entry.id),
        last: wire::entry_id(wire::field(&flat, "last-generated-id").ok_or(SHAPE)?)?,
        entries_added: added.map(wire::count).transpose()?,
        trimmed_to: None,
    })
}
