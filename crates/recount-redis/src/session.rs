//! One session, read through its index: in the session's time, not the stream's.

use recount_core::{
    Direction, Entry, EntryId, Limits, Page, Query, ReadError, SessionPage, SessionRead,
};
use redis::{Cmd, Value};

use crate::keys::Keys;
use crate::read::Chunk;
use crate::shared::Shared;
use crate::wire;

/// Ids of an index that are fetched at a time where its middle is looked for.
const PROBES: u64 = 64;
/// Entries of a session that are fetched with one round trip, whatever their size.
const ONE_TRIP: usize = 512;
/// Ids of an index that are fetched at once.
const IDS_AT_ONCE: u64 = 4_096;

/// What a session's index says.
struct Index {
    length: u64,
    revision: u64,
    unindexed: u64,
}

/// The newest entries of a session, and whether they are all of it.
pub(crate) async fn newest(shared: &Shared, read: &SessionRead) -> Result<SessionPage, ReadError> {
    let partition = crate::partitions::of(shared, &read.session_id);
    let Some(keys) = shared.keys(partition) else {
        return Ok(SessionPage::default());
    };
    let list = keys.session(&read.session_id);
    let wanted = read.last.min(Limits::PAGE_ENTRIES_MAX) as i64;
    let mut commands = index_commands(keys, &list, &read.session_id);
    // Of the first one, only the revision is wanted, but the index does not have it.
    commands.push(slice(&list, 0, 0));
    commands.push(match wanted {
        0 => slice(&list, 0, 0),
        wanted => slice(&list, -wanted, -1),
    });
    let mut replies = shared.ask(keys, &commands).await?;
    let newest = replies.pop().unwrap_or(Value::Nil);
    let first = replies.pop().unwrap_or(Value::Nil);
    let shape = |shape| shared.unexpected(keys, shape);
    let index = index(replies).map_err(shape)?;
    let ids = if wanted == 0 {
        Vec::new()
    } else {
        ids(newest).map_err(shape)?
    };
    let Newest { entries, missing } = fetch_newest(shared, keys, &ids).await?;
    let retained_from = match entries.len() as u64 {
        // The first one is among them.
        length if length == index.length && length > 0 => without_hole(&entries),
        _ => {
            let first = first_kept(shared, keys, &list, first, index.length).await?;
            let kept_from = first.and_then(|entry| entry.revision);
            kept_from.max(without_hole(&entries).filter(|_| missing))
        }
    };
    Ok(SessionPage {
        entries: entries
            .into_iter()
            .map(|entry| wire::recorded(partition, entry))
            .collect(),
        revision: index.revision,
        retained_from,
        unindexed: index.unindexed,
    })
}

/// The revision from which on no entry is missing, of entries in order.
fn without_hole(entries: &[Entry]) -> Option<u64> {
    let mut from = entries.last()?.revision?;
    for entry in entries.iter().rev().skip(1) {
        match entry.revision {
            Some(revision) if revision + 1 == from => from = revision,
            _ => break,
        }
    }
    Some(from)
}

/// The first entry of the session that is kept. Where somebody else trimmed, the index still names entries
/// that are gone.
async fn first_kept(
    shared: &Shared,
    keys: &Keys,
    list: &str,
    first: Value,
    length: u64,
) -> Result<Option<Entry>, ReadError> {
    let first = ids(first).map_err(|shape| shared.unexpected(keys, shape))?;
    if let Some(entry) = fetch(shared, keys, &first).await?.pop() {
        return Ok(Some(entry));
    }
    if first.is_empty() {
        return Ok(None);
    }
    let command = crate::read::range_command(
        &keys.stream,
        (EntryId::MIN, EntryId::MAX),
        Direction::Forward,
        1,
    );
    let reply = shared.ask_one(keys, command).await?;
    let begins = wire::entries(reply).map_err(|shape| shared.unexpected(keys, shape))?;
    let Some(begins) = begins.first() else {
        return Ok(None);
    };
    let place = place_of(shared, keys, list, length, begins.id).await?;
    let reply = shared
        .ask_one(keys, slice(list, place as i64, place as i64))
        .await?;
    let ids = ids(reply).map_err(|shape| shared.unexpected(keys, shape))?;
    Ok(fetch(shared, keys, &ids).await?.pop())
}

/// The entries of a session within a range. None where the index does not know all of the stream's
/// entries, so that it has to be searched.
pub(crate) async fn page(shared: &Shared, query: &Query) -> Result<Option<Page>, ReadError> {
    let Some(session_id) = &query.filter.session_id else {
        return Ok(None);
    };
    let range = &query.range;
    let (Some(keys), Some((start, end))) = (shared.keys(range.partition), range.ids.inclusive())
    else {
        return Ok(Some(Page::default()));
    };
    let limit = range.limit.min(Limits::PAGE_ENTRIES_MAX);
    let list = keys.session(session_id);
    let replies = shared
        .ask(keys, &index_commands(keys, &list, session_id))
        .await?;
    let index = index(replies).map_err(|shape| shared.unexpected(keys, shape))?;
    if index.unindexed > 0 {
        return Ok(None);
    }
    if limit == 0 {
        return Ok(Some(Page::default()));
    }
    let first = place_of(shared, keys, &list, index.length, start).await?;
    let behind = match end.next() {
        Some(next) => place_of(shared, keys, &list, index.length, next).await?,
        None => index.length,
    };
    let page = match range.direction {
        Direction::Forward => forward(shared, keys, query, &list, (first, behind), limit).await?,
        Direction::Backward => backward(shared, keys, query, &list, (first, behind), limit).await?,
    };
    Ok(Some(page))
}

async fn forward(
    shared: &Shared,
    keys: &Keys,
    query: &Query,
    list: &str,
    (mut at, behind): (u64, u64),
    limit: usize,
) -> Result<Page, ReadError> {
    let mut page = Page::default();
    let mut chunk = Chunk::default();
    let mut bytes = 0;
    while at < behind {
        let wanted = (chunk.size() as u64).min(behind - at);
        let ids = slice_of(shared, keys, list, at, at + wanted).await?;
        for entry in fetch(shared, keys, &ids).await? {
            if page.entries.len() == limit || bytes >= Limits::PAGE_BYTES_MAX {
                page.next = Some(entry.id);
                return Ok(page);
            }
            bytes += chunk.count(&entry);
            take(&mut page, query, entry);
        }
        if page.entries.len() == limit && at + wanted < behind {
            let next = slice_of(shared, keys, list, at + wanted, at + wanted + 1).await?;
            page.next = next.first().copied();
            return Ok(page);
        }
        at += wanted;
    }
    Ok(page)
}

async fn backward(
    shared: &Shared,
    keys: &Keys,
    query: &Query,
    list: &str,
    (first, mut behind): (u64, u64),
    limit: usize,
) -> Result<Page, ReadError> {
    let mut page = Page::default();
    let mut chunk = Chunk::default();
    let mut bytes = 0;
    while first < behind {
        let wanted = (chunk.size() as u64).min(behind - first);
        let ids = slice_of(shared, keys, list, behind - wanted, behind).await?;
        for entry in fetch(shared, keys, &ids).await?.into_iter().rev() {
            if page.entries.len() == limit || bytes >= Limits::PAGE_BYTES_MAX {
                page.next = Some(entry.id);
                return Ok(page);
            }
            bytes += chunk.count(&entry);
            take(&mut page, query, entry);
        }
        behind -= wanted;
        if page.entries.len() == limit && first < behind {
            let next = slice_of(shared, keys, list, behind - 1, behind).await?;
            page.next = next.first().copied();
            return Ok(page);
        }
    }
    Ok(page)
}

fn take(page: &mut Page, query: &Query, entry: Entry) {
    let recorded = wire::recorded(query.range.partition, entry);
    if query.filter.passes(&recorded) {
        page.entries.push(recorded);
    }
}

fn index_commands(keys: &Keys, list: &str, session_id: &str) -> Vec<Cmd> {
    let mut length = redis::cmd("LLEN");
    length.arg(list);
    let mut revision = redis::cmd("HGET");
    revision.arg(&keys.revisions).arg(session_id);
    let mut counts = redis::cmd("HMGET");
    counts
        .arg(&keys.meta)
        .arg(&["published", "removed", "foreign_removed"]);
    let mut held = redis::cmd("XLEN");
    held.arg(&keys.stream);
    vec![length, revision, counts, held]
}

fn index(replies: Vec<Value>) -> Result<Index, wire::Unexpected> {
    let Ok([length, revision, counts, held]): Result<[Value; 4], _> = replies.try_into() else {
        return Err(wire::Unexpected("an answer to each command"));
    };
    let counts = wire::list(counts)?;
    let counts: Vec<u64> = counts.iter().map(wire::count).collect::<Result<_, _>>()?;
    let (published, removed) = (
        counts.first().copied().unwrap_or(0),
        counts.get(1).copied().unwrap_or(0),
    );
    Ok(Index {
        length: wire::count(&length)?,
        revision: wire::count(&revision)?,
        unindexed: wire::count(&held)?.saturating_sub(published.saturating_sub(removed)),
    })
}

fn slice(list: &str, from: i64, to: i64) -> Cmd {
    let mut command = redis::cmd("LRANGE");
    command.arg(list).arg(from).arg(to);
    command
}

fn ids(reply: Value) -> Result<Vec<EntryId>, wire::Unexpected> {
    wire::list(reply)?.iter().map(wire::entry_id).collect()
}

/// The ids at the places from `from` to before `to`.
async fn slice_of(
    shared: &Shared,
    keys: &Keys,
    list: &str,
    from: u64,
    to: u64,
) -> Result<Vec<EntryId>, ReadError> {
    let command = slice(list, from as i64, to as i64 - 1);
    let reply = shared.ask_one(keys, command).await?;
    ids(reply).map_err(|shape| shared.unexpected(keys, shape))
}

/// The place in an index of the first id that is not below `id`; its length where none is.
async fn place_of(
    shared: &Shared,
    keys: &Keys,
    list: &str,
    length: u64,
    id: EntryId,
) -> Result<u64, ReadError> {
    if id == EntryId::MIN || length == 0 {
        return Ok(0);
    }
    // Everything before `low` is below, everything from `high` on is not.
    let (mut low, mut high) = (0, length);
    while high - low > IDS_AT_ONCE {
        let step = (high - low) / PROBES;
        let probes: Vec<u64> = (1..PROBES).map(|probe| low + probe * step).collect();
        let commands: Vec<Cmd> = probes
            .iter()
            .map(|&place| {
                let mut command = redis::cmd("LINDEX");
                command.arg(list).arg(place);
                command
            })
            .collect();
        for (place, reply) in probes.into_iter().zip(shared.ask(keys, &commands).await?) {
            let found = wire::entry_id(&reply);
            // The index got shorter meanwhile: its end is not below.
            if found.is_ok_and(|found| found < id) {
                low = place + 1;
            } else {
                high = place;
                break;
            }
        }
    }
    let ids = slice_of(shared, keys, list, low, high).await?;
    Ok(low + ids.partition_point(|found| *found < id) as u64)
}

/// The newest entries of a session, in order.
struct Newest {
    entries: Vec<Entry>,
    /// Whether the index names entries among them that are gone.
    missing: bool,
}

/// The newest of these entries that fit into a page.
async fn fetch_newest(shared: &Shared, keys: &Keys, ids: &[EntryId]) -> Result<Newest, ReadError> {
    let mut chunk = Chunk::default();
    let mut parts = Vec::new();
    let (mut end, mut bytes, mut missing) = (ids.len(), 0, false);
    while end > 0 && bytes < Limits::PAGE_BYTES_MAX {
        // Mostly a session is small, and one round trip brings all of it.
        let size = match parts.is_empty() {
            true => ONE_TRIP,
            false => chunk.size(),
        };
        let begin = end.saturating_sub(size);
        let part = fetch(shared, keys, &ids[begin..end]).await?;
        missing |= part.len() < end - begin;
        bytes += part.iter().map(|entry| chunk.count(entry)).sum::<usize>();
        parts.push(part);
        end = begin;
    }
    let mut entries: Vec<Entry> = parts.into_iter().rev().flatten().collect();
    let mut spare = 0;
    while bytes > Limits::PAGE_BYTES_MAX && entries.len() - spare > 1 {
        bytes -= wire::bytes_of(&entries[spare]);
        spare += 1;
    }
    entries.drain(..spare);
    Ok(Newest { entries, missing })
}

/// The entries with these ids, in order; what was trimmed is missing.
async fn fetch(shared: &Shared, keys: &Keys, ids: &[EntryId]) -> Result<Vec<Entry>, ReadError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    // Ids of one millisecond in a row belong to one batch: nothing lies between them.
    let mut runs: Vec<(EntryId, EntryId)> = Vec::new();
    for &id in ids {
        match runs.last_mut() {
            Some((_, last)) if last.next() == Some(id) => *last = id,
            _ => runs.push((id, id)),
        }
    }
    let commands: Vec<Cmd> = runs
        .into_iter()
        .map(|(from, to)| {
            let mut command = redis::cmd("XRANGE");
            command
                .arg(&keys.stream)
                .arg(from.to_string())
                .arg(to.to_string());
            command
        })
        .collect();
    let mut entries = Vec::with_capacity(ids.len());
    for reply in shared.ask(keys, &commands).await? {
        let found = wire::entries(reply).map_err(|shape| shared.unexpected(keys, shape))?;
        entries.extend(found);
    }
    Ok(entries)
}
