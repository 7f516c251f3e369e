//! What the log holds and what it promises.

use recount_core::{LogInfo, PartitionInfo, ReadError, Standing};
use redis::{Cmd, Value};

use crate::facts::Facts;
use crate::keys::Keys;
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
    let facts = facts.map_err(|error| crate::error::Failed::from(error).read(&first.stream))?;
    let mut parts = Vec::new();
    for (number, keys) in shared.partitions.iter().enumerate() {
        parts.push(part(shared, keys, number as u32).await?);
    }
    let options = &shared.options;
    let mut warnings = facts.warnings();
    let foreign: u64 = parts.iter().map(|part| part.foreign).sum();
    if foreign > 0 {
        warnings.push(format!(
            "{foreign} entries were added by other programs: revisions do not count them, and sessions are \
             not known to be complete without a mirror"
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
    let memory = |key: &str| {
        let mut command = redis::cmd("MEMORY");
        command.arg("USAGE").arg(key).arg("SAMPLES").arg(20);
        command
    };
    let mut commands: Vec<Cmd> = vec![memory(&keys.stream), memory(&keys.bases)];
    for ids in &keys.ids {
        commands.push(memory(ids));
        let mut length = redis::cmd("HLEN");
        length.arg(ids);
        commands.push(length);
    }
    let mut meta = redis::cmd("HMGET");
    meta.arg(&keys.meta).arg(&[
        "published",
        "removed",
        "foreign_removed",
        "slot",
        "since0",
        "since1",
        "since2",
    ]);
    commands.push(meta);
    let replies = shared.ask(keys, &commands).await?;
    let shape = |shape| shared.unexpected(keys, shape);
    let mut counts = replies[..8].iter().map(wire::count);
    let mut count = || counts.next().unwrap_or(Ok(0)).map_err(shape);
    let bytes = count()? + count()?;
    let mut window = Window::default();
    for _ in &keys.ids {
        window.bytes += count()?;
        window.ids += count()?;
    }
    let meta = wire::list(replies[8].clone()).map_err(shape)?;
    let meta: Vec<Option<u64>> = meta.iter().map(optional).collect();
    let meta = |place: usize| meta.get(place).copied().flatten();
    window.since_ms = (4..7).filter_map(meta).min();
    let (published, removed) = (meta(0).unwrap_or(0), meta(1).unwrap_or(0));
    let foreign_removed = meta(2).unwrap_or(0);
    let needs = trim::needs(shared, keys).await;
    let held_back = needs.map_err(|failed| failed.read(&keys.stream))?;
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

fn optional(value: &Value) -> Option<u64> {
    match value {
        Value::Nil => None,
        other => wire::count(other).ok(),
    }
}

/// Where a partition begins and ends.
pub(crate) async fn standing(shared: &Shared, keys: &Keys) -> Result<Standing, ReadError> {
    let mut exists = redis::cmd("TYPE");
    exists.arg(&keys.stream);
    let mut meta = redis::cmd("HMGET");
    meta.arg(&keys.meta).arg(&["trimmed", "last"]);
    let replies = shared.ask(keys, &[exists, meta]).await?;
    let shape = |shape| shared.unexpected(keys, shape);
    let kind = wire::text(&replies[0]).map_err(shape)?;
    let meta = wire::list(replies[1].clone()).map_err(shape)?;
    let id = |place: usize| meta.get(place).and_then(|id| wire::entry_id(id).ok());
    if kind == "none" {
        return Ok(Standing {
            length: 0,
            first: None,
            last: id(1).unwrap_or(recount_core::EntryId::MIN),
            entries_added: Some(0),
            trimmed_to: id(0),
        });
    }
    let mut command = redis::cmd("XINFO");
    command.arg("STREAM").arg(&keys.stream);
    let reply = shared.ask_one(keys, command).await?;
    let mut standing = read_standing(reply).map_err(shape)?;
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
