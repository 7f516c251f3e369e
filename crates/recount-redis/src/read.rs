//! Reading: ranges, and queries that scan.

use recount_core::{Direction, Entry, EntryId, Filter, Limits, Page, ReadError, ReadRange};
use redis::Cmd;

use crate::keys::Keys;
use crate::shared::Shared;
use crate::wire;

/// Entries asked for at first; how many later follows from their size.
const CHUNK_FIRST: usize = 128;
/// Entries asked for at a time at most.
const CHUNK_MAX: usize = 5_000;
/// Entries a query looks at before it says where to go on.
const SCANNED_MAX: usize = 10_000;

/// `XRANGE`, or `XREVRANGE` where the direction says so.
pub(crate) fn range_command(
    stream: &str,
    (start, end): (EntryId, EntryId),
    direction: Direction,
    count: usize,
) -> Cmd {
    let (name, from, to) = match direction {
        Direction::Forward => ("XRANGE", start, end),
        Direction::Backward => ("XREVRANGE", end, start),
    };
    let mut command = redis::cmd(name);
    command
        .arg(stream)
        .arg(from.to_string())
        .arg(to.to_string())
        .arg("COUNT")
        .arg(count);
    command
}

/// The entries of a range, at most a page of them, that pass `filter`.
pub(crate) async fn page(
    shared: &Shared,
    range: &ReadRange,
    filter: &Filter,
) -> Result<Page, ReadError> {
    let limit = range.limit.min(Limits::PAGE_ENTRIES_MAX);
    let (Some(keys), Some(mut left)) = (shared.keys(range.partition), range.ids.inclusive()) else {
        return Ok(Page::default());
    };
    if limit == 0 {
        return Ok(Page::default());
    }
    let mut page = Page::default();
    let mut bytes = 0;
    let mut chunk = Chunk::default();
    loop {
        // One more than wanted tells whether to go on.
        let wanted = if filter.is_empty() {
            limit - page.entries.len() + 1
        } else {
            CHUNK_MAX
        };
        let count = chunk.size().min(wanted);
        let found = fetch(shared, keys, left, range.direction, count).await?;
        let exhausted = found.len() < count;
        for entry in found {
            if page.entries.len() == limit || bytes >= Limits::PAGE_BYTES_MAX {
                page.next = Some(entry.id);
                return Ok(page);
            }
            let size = chunk.count(&entry);
            let rest = after(left, entry.id, range.direction);
            let recorded = wire::recorded(range.partition, entry);
            if filter.passes(&recorded) {
                bytes += size;
                page.entries.push(recorded);
            }
            match rest {
                Some(rest) => left = rest,
                None => return Ok(page),
            }
        }
        if exhausted {
            return Ok(page);
        }
        if chunk.entries >= SCANNED_MAX && !filter.is_empty() {
            page.next = Some(match range.direction {
                Direction::Forward => left.0,
                Direction::Backward => left.1,
            });
            return Ok(page);
        }
    }
}

/// How many entries to ask for, so that an answer stays about as large as a page.
#[derive(Default)]
pub(crate) struct Chunk {
    pub(crate) entries: usize,
    bytes: usize,
}

impl Chunk {
    pub(crate) fn size(&self) -> usize {
        match self.entries {
            0 => CHUNK_FIRST,
            entries => {
                let mean = (self.bytes / entries).max(1);
                (Limits::PAGE_BYTES_MAX / mean).clamp(1, CHUNK_MAX)
            }
        }
    }

    /// Takes an entry into account; its bytes.
    pub(crate) fn count(&mut self, entry: &Entry) -> usize {
        let bytes = wire::bytes_of(entry);
        self.entries += 1;
        self.bytes += bytes;
        bytes
    }
}

/// What is left of a range once `id` was seen; none where nothing is.
fn after(
    (start, end): (EntryId, EntryId),
    id: EntryId,
    direction: Direction,
) -> Option<(EntryId, EntryId)> {
    let left = match direction {
        Direction::Forward => (id.next()?, end),
        Direction::Backward => (start, id.previous()?),
    };
    (left.0 <= left.1).then_some(left)
}

/// The first entries of a range.
pub(crate) async fn fetch(
    shared: &Shared,
    keys: &Keys,
    ids: (EntryId, EntryId),
    direction: Direction,
    count: usize,
) -> Result<Vec<Entry>, ReadError> {
    let command = range_command(&keys.stream, ids, direction, count);
    let reply = shared.ask_one(keys, command).await?;
    wire::entries(reply).map_err(|shape| shared.unexpected(keys, shape))
}
