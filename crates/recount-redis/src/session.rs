//! One session, read through its index: in the session's time, not the stream's.
//!
//! The index is the ids of the session's entries: the newest beside its revision, older ones in a list.
//! Both are read in one transaction, for ids move from the one to the other.

use recount_core::{
    Direction, Entry, EntryId, Limits, Page, Query, ReadError, SessionPage, SessionRead,
};
use redis::{Cmd, Value};

use crate::error::Failed;
use crate::keys::Keys;
use crate::net::Call;
use crate::partitions;
use crate::read::{self, Chunk};
use crate::shared::Shared;
use crate::wire::{self, Unexpected};

/// Ids of a list that are asked for with what else is known of a session.
const OLDER_AT_ONCE: u64 = 1_024;
/// Places of a list that are looked at with one round trip, where one is looked for.
const PROBES: u64 = 64;
/// Entries of a session that are fetched with one round trip, whatever their size.
const ONE_TRIP: usize = 512;

/// A session's index, read in part.
struct Index {
    /// Ids of the list that were asked for.
    older: Vec<EntryId>,
    /// How many the list has.
    older_length: u64,
    newest: Vec<EntryId>,
    revision: u64,
    /// Entries of the stream that are in no index.
    unindexed: u64,
}

/// A session to be read.
struct Reading<'a> {
    shared: &'a Shared,
    keys: &'a Keys,
    session_id: &'a str,
    list: String,
}

/// The newest entries of a session, and whether they are all of it.
pub(crate) async fn newest(shared: &Shared, read: &SessionRead) -> Result<SessionPage, ReadError> {
    let partition = partitions::of(shared, &read.session_id);
    let Some(reading) = Reading::new(shared, partition, &read.session_id) else {
        return Ok(SessionPage::default());
    };
    let wanted = read.last.min(Limits::PAGE_ENTRIES_MAX);
    let index = reading.index((-(wanted.max(1) as i64), -1)).await?;
    let ids: Vec<EntryId> = index.older.iter().chain(&index.newest).copied().collect();
    let all = ids.len() as u64 == index.older_length + index.newest.len() as u64;
    let ids = &ids[ids.len() - wanted.min(ids.len())..];
    let Newest { entries, missing } = reading.fetch_newest(ids).await?;
    let has_first = all && entries.len() as u64 == index.older_length + index.newest.len() as u64;
    let retained_from = if has_first && !entries.is_empty() {
        without_hole(&entries)
    } else {
        let first = reading.first_kept(&index).await?;
        let kept_from = first.and_then(|entry| entry.revision);
        kept_from.max(without_hole(&entries).filter(|_| missing))
    };
    let recorded = |entry| wire::recorded(partition, entry);
    Ok(SessionPage {
        entries: entries.into_iter().map(recorded).collect(),
        revision: index.revision,
        retained_from,
        unindexed: index.unindexed,
    })
}

/// The entries of a session within a range. None where the indexes do not know all of the stream's
/// entries, so that it has to be searched.
pub(crate) async fn page(shared: &Shared, query: &Query) -> Result<Option<Page>, ReadError> {
    let Some(session_id) = &query.filter.session_id else {
        return Ok(None);
    };
    let range = &query.range;
    let reading = Reading::new(shared, range.partition, session_id);
    let (Some(reading), Some(ids)) = (reading, range.ids.inclusive()) else {
        return Ok(Some(Page::default()));
    };
    let limit = range.limit.min(Limits::PAGE_ENTRIES_MAX);
    if limit == 0 {
        return Ok(Some(Page::default()));
    }
    // One more than wanted is where the next page begins.
    let (ids, unindexed) = reading.ids(ids, range.direction, limit + 1).await?;
    if unindexed > 0 {
        return Ok(None);
    }
    let mut page = Page::default();
    let mut chunk = Chunk::default();
    let (mut taken, mut bytes) = (0, 0);
    while taken < ids.len() {
        if taken >= limit || bytes >= Limits::PAGE_BYTES_MAX {
            page.next = Some(ids[taken]);
            break;
        }
        let end = (taken + chunk.size()).min(limit).min(ids.len());
        for entry in reading.fetch(&ids[taken..end], range.direction).await? {
            if bytes >= Limits::PAGE_BYTES_MAX {
                page.next = Some(entry.id);
                return Ok(Some(page));
            }
            bytes += chunk.count(&entry);
            let recorded = wire::recorded(range.partition, entry);
            if query.filter.passes(&recorded) {
                page.entries.push(recorded);
            }
        }
        taken = end;
    }
    Ok(Some(page))
}

impl<'a> Reading<'a> {
    fn new(shared: &'a Shared, partition: u32, session_id: &'a str) -> Option<Self> {
        let keys = shared.keys(partition)?;
        Some(Self {
            shared,
            keys,
            session_id,
            list: keys.session(session_id),
        })
    }

    /// What is known of the session, with the ids of the list between two places.
    async fn index(&self, (from, to): (i64, i64)) -> Result<Index, ReadError> {
        let mut state = redis::cmd("HGET");
        state.arg(&self.keys.sessions).arg(self.session_id);
        let mut length = redis::cmd("LLEN");
        length.arg(&self.list);
        let mut older = redis::cmd("LRANGE");
        older.arg(&self.list).arg(from).arg(to);
        let mut counts = redis::cmd("HMGET");
        counts.arg(&self.keys.meta).arg(&["published", "removed"]);
        let mut held = redis::cmd("XLEN");
        held.arg(&self.keys.stream);
        let commands = [state, length, older, counts, held];
        let call = Call {
            atomic: true,
            ..Call::of(&commands)
        };
        let answered = self.shared.net.call(self.keys.slot, call).await;
        let replies = answered.map_err(|error| Failed::from(error).read(&self.keys.stream))?;
        read_index(replies).map_err(|shape| self.unexpected(shape))
    }

    /// The first ids of a range, at most `wanted`, in a direction; and how many entries no index knows.
    async fn ids(
        &self,
        (start, end): (EntryId, EntryId),
        direction: Direction,
        wanted: usize,
    ) -> Result<(Vec<EntryId>, u64), ReadError> {
        let mut index = self.index((0, OLDER_AT_ONCE as i64 - 1)).await?;
        let mut before = None;
        while index.older.len() as u64 != index.older_length {
            // Only the part of a long list where the range begins.
            let (from, to) = match direction {
                Direction::Forward => {
                    let place = self.place_of(index.older_length, start).await?;
                    (place.saturating_sub(1), place + wanted as u64)
                }
                Direction::Backward => {
                    let place = match end.next() {
                        Some(next) => self.place_of(index.older_length, next).await?,
                        None => index.older_length,
                    };
                    (place.saturating_sub(wanted as u64), place)
                }
            };
            index = self.index((from as i64, to as i64)).await?;
            // A trim moved the places meanwhile, unless the part still reaches to where it has to.
            let reaches = match direction {
                Direction::Forward => {
                    from == 0 || index.older.first().is_some_and(|first| *first < start)
                }
                Direction::Backward => {
                    to >= index.older_length || index.older.last().is_some_and(|last| *last > end)
                }
            };
            if reaches || before == Some(index.older_length) {
                break;
            }
            before = Some(index.older_length);
        }
        let mut ids: Vec<EntryId> = index.older.iter().chain(&index.newest).copied().collect();
        ids.retain(|id| (start..=end).contains(id));
        if direction == Direction::Backward {
            ids.reverse();
        }
        ids.truncate(wanted);
        Ok((ids, index.unindexed))
    }

    /// The place in the list of the first id that is not below `id`; its length where none is.
    async fn place_of(&self, length: u64, id: EntryId) -> Result<u64, ReadError> {
        // Everything before `low` is below, everything from `high` on is not.
        let (mut low, mut high) = (0, length);
        while low < high {
            let step = (high - low).div_ceil(PROBES);
            let probes: Vec<u64> = (low..high).step_by(step as usize).collect();
            let commands: Vec<Cmd> = probes
                .iter()
                .map(|place| {
                    let mut command = redis::cmd("LINDEX");
                    command.arg(&self.list).arg(place);
                    command
                })
                .collect();
            let replies = self.shared.ask(self.keys, &commands).await?;
            for (place, reply) in probes.into_iter().zip(replies) {
                // Where the list got shorter meanwhile, there is nothing, and nothing is not below.
                if wire::entry_id(&reply).is_ok_and(|found| found < id) {
                    low = place + 1;
                } else {
                    high = place;
                    break;
                }
            }
        }
        Ok(low)
    }

    /// The first entry of the session that is kept. Where somebody else trimmed, the index still names
    /// entries that are gone.
    async fn first_kept(&self, index: &Index) -> Result<Option<Entry>, ReadError> {
        if index.revision == 0 {
            return Ok(None);
        }
        let ids = (EntryId::MIN, EntryId::MAX);
        let begins = read::fetch(self.shared, self.keys, ids, Direction::Forward, 1).await?;
        let Some(begins) = begins.first() else {
            return Ok(None);
        };
        let ids = (begins.id, EntryId::MAX);
        let (ids, _) = self.ids(ids, Direction::Forward, 1).await?;
        Ok(self.fetch(&ids, Direction::Forward).await?.pop())
    }

    /// The newest of these entries that fit into a page.
    async fn fetch_newest(&self, ids: &[EntryId]) -> Result<Newest, ReadError> {
        let mut chunk = Chunk::default();
        let mut parts = Vec::new();
        let (mut end, mut bytes, mut missing) = (ids.len(), 0, false);
        while end > 0 && bytes < Limits::PAGE_BYTES_MAX {
            // Mostly a session is small, and one round trip brings all of it.
            let size = if parts.is_empty() {
                ONE_TRIP
            } else {
                chunk.size()
            };
            let begin = end.saturating_sub(size);
            let part = self.fetch(&ids[begin..end], Direction::Forward).await?;
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

    /// The entries with these ids, in their order; what was trimmed is missing.
    async fn fetch(&self, ids: &[EntryId], direction: Direction) -> Result<Vec<Entry>, ReadError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        // Ids that follow each other belong to one batch: nothing lies between them.
        let mut runs: Vec<(EntryId, EntryId)> = Vec::new();
        for &id in &ids {
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
                    .arg(&self.keys.stream)
                    .arg(from.to_string())
                    .arg(to.to_string());
                command
            })
            .collect();
        let mut entries = Vec::with_capacity(ids.len());
        for reply in self.shared.ask(self.keys, &commands).await? {
            entries.extend(wire::entries(reply).map_err(|shape| self.unexpected(shape))?);
        }
        if direction == Direction::Backward {
            entries.reverse();
        }
        Ok(entries)
    }

    fn unexpected(&self, shape: Unexpected) -> ReadError {
        self.shared.unexpected(self.keys, shape)
    }
}

/// The newest entries of a session, in order.
struct Newest {
    entries: Vec<Entry>,
    /// Whether the index names entries among them that are gone.
    missing: bool,
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

fn read_index(replies: Vec<Value>) -> Result<Index, Unexpected> {
    let Ok([state, length, older, counts, held]): Result<[Value; 5], _> = replies.try_into() else {
        return Err(Unexpected("an answer to each command"));
    };
    let (revision, newest) = match state {
        Value::Nil => (0, Vec::new()),
        state => read_state(&wire::text(&state)?)?,
    };
    let counts = wire::list(counts)?;
    let count = |place: usize| counts.get(place).map_or(Ok(0), wire::count);
    let ours = count(0)?.saturating_sub(count(1)?);
    let older = wire::list(older)?;
    Ok(Index {
        older: older.iter().map(wire::entry_id).collect::<Result<_, _>>()?,
        older_length: wire::count(&length)?,
        newest,
        revision,
        unindexed: wire::count(&held)?.saturating_sub(ours),
    })
}

/// `<revision> <id> ...`.
fn read_state(state: &str) -> Result<(u64, Vec<EntryId>), Unexpected> {
    const SHAPE: Unexpected = Unexpected("the state of a session");
    let mut words = state.split(' ');
    let revision = words.next().and_then(|word| word.parse().ok());
    let ids = words.map(|id| id.parse().map_err(|_| SHAPE));
    Ok((revision.ok_or(SHAPE)?, ids.collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_a_revision_and_ids() {
        let id = |seq| EntryId::new(5, seq);
        assert_eq!(read_state("16"), Ok((16, Vec::new())));
        assert_eq!(read_state("18 5-1 5-2"), Ok((18, vec![id(1), id(2)])));
        assert!(read_state("").is_err());
        assert!(read_state("3 five").is_err());
    }
}
