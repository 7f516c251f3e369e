//! How many entries a group has not been delivered yet: exact, also where entries were removed.
//!
//! Redis from 7.0 on counts itself, but wrongly once entries were trimmed or deleted that a group had not
//! read. Where nothing was ever removed, its figure is right. Otherwise entries are counted, from the
//! cursor forward and from somewhere known at the same time, until one count arrives: few lags are large
//! *and* far from where they were counted last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use recount_core::{EntryId, GroupError, Partition};
use redis::Value;

use super::group::Group;
use super::list::Listed;
use crate::net::Repeat;
use crate::scripts::{self, COUNT};
use crate::shared::Shared;
use crate::wire::{self, Unexpected};

/// Entries counted with the first call; each further one counts twice as many.
const FIRST: usize = 500;
/// Entries counted with one call at most: it blocks the server meanwhile.
const MOST: usize = 4_000;

/// What a stream holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Extent {
    length: u64,
    first: Option<EntryId>,
    /// The last id it gave out.
    last: EntryId,
    /// Entries that were ever added, from 7.0 on.
    added: Option<u64>,
    /// The greatest id that was ever deleted, from 7.0 on.
    deleted: Option<EntryId>,
}

impl Extent {
    pub(super) fn read(reply: Value) -> Result<Self, Unexpected> {
        const SHAPE: Unexpected = Unexpected("what XINFO says of a stream");
        let flat = wire::list(reply)?;
        let field = |name| wire::field(&flat, name);
        let first = match field("first-entry") {
            Some(entry @ Value::Array(_)) => Some(wire::entry(entry.clone())?.id),
            _ => None,
        };
        Ok(Self {
            length: wire::count(field("length").ok_or(SHAPE)?)?,
            first,
            last: wire::entry_id(field("last-generated-id").ok_or(SHAPE)?)?,
            added: field("entries-added").map(wire::count).transpose()?,
            deleted: field("max-deleted-entry-id")
                .map(wire::entry_id)
                .transpose()?,
        })
    }

    /// How many entries were removed so far, where the server says.
    fn removed(&self) -> Option<u64> {
        self.added.map(|added| added.saturating_sub(self.length))
    }
}

/// What was counted last of each group.
#[derive(Default)]
pub(crate) struct Anchors(Mutex<HashMap<(Partition, String), Anchor>>);

/// Groups that are remembered; with more, all are forgotten at once.
const ANCHORS_MAX: usize = 10_000;

#[derive(Clone)]
struct Anchor {
    cursor: EntryId,
    /// So many entries came after it.
    lag: u64,
    extent: Extent,
}

impl Anchor {
    /// How many entries come after the anchor's cursor now; none where that is not known.
    fn lag_now(&self, now: &Extent) -> Option<u64> {
        let (Some(added), Some(before)) = (now.added, self.extent.added) else {
            return (self.extent == *now).then_some(self.lag);
        };
        let nothing_went = now.removed() == self.extent.removed();
        // Trims begin at the start, and deletions are known by their greatest id.
        let nothing_after = now.first.is_some_and(|first| first <= self.cursor)
            && now.deleted.is_some_and(|deleted| deleted <= self.cursor);
        let grown = added.checked_sub(before)?;
        (nothing_went || nothing_after).then_some(self.lag + grown)
    }
}

impl Anchors {
    fn get(&self, key: &(Partition, String)) -> Option<Anchor> {
        let anchors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        anchors.get(key).cloned()
    }

    fn put(&self, key: (Partition, String), anchor: Anchor) {
        let mut anchors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if anchors.len() >= ANCHORS_MAX {
            anchors.clear();
        }
        anchors.insert(key, anchor);
    }
}

/// How many of a partition's entries a group was not delivered yet.
pub(super) async fn of(
    shared: &Arc<Shared>,
    partition: Partition,
    group: &Listed,
    extent: &Extent,
) -> Result<u64, GroupError> {
    let cursor = group.cursor;
    let (Some(first), true) = (extent.first, cursor < extent.last) else {
        return Ok(0);
    };
    if cursor < first {
        return Ok(extent.length);
    }
    if let (Some(0), Some(lag)) = (extent.removed(), group.lag) {
        return Ok(lag);
    }
    let key = (partition, group.name.clone());
    let anchor = shared.anchors.get(&key);
    let known = anchor.and_then(|anchor| Some((anchor.cursor, anchor.lag_now(extent)?)));
    let lag = match known {
        Some((at, lag)) if at == cursor => lag,
        // The start of the stream is as good as a place that was counted from before.
        known => {
            let (from, behind) = match known {
                Some((at, lag)) if at < cursor => (at.next(), lag),
                _ => (Some(EntryId::MIN), extent.length),
            };
            let group = Group::new(shared, &group.name);
            let ahead = Counter::new(cursor.next(), extent.last);
            let passed = Counter::new(from, cursor);
            count(&group, partition, ahead, passed, behind, extent).await?
        }
    };
    let extent = extent.clone();
    shared.anchors.put(
        key,
        Anchor {
            cursor,
            lag,
            extent,
        },
    );
    Ok(lag)
}

/// Counts `ahead`, or `passed` of `behind` entries, whichever ends first.
async fn count(
    group: &Group,
    partition: Partition,
    mut ahead: Counter,
    mut passed: Counter,
    behind: u64,
    extent: &Extent,
) -> Result<u64, GroupError> {
    let mut at_once = FIRST;
    let mut can_subtract = true;
    loop {
        if ahead.go_on(group, partition, at_once).await? {
            return Ok(ahead.count);
        }
        if can_subtract && passed.go_on(group, partition, at_once).await? {
            // What went meanwhile was not counted.
            if looked_at_again(group, partition).await?.is_some_and(|now| {
                now.first == extent.first
                    && now.length >= extent.length
                    && (now.removed() == extent.removed())
            }) {
                return Ok(behind.saturating_sub(passed.count));
            }
            can_subtract = false;
        }
        at_once = (2 * at_once).min(MOST);
    }
}

async fn looked_at_again(
    group: &Group,
    partition: Partition,
) -> Result<Option<Extent>, GroupError> {
    let mut command = redis::cmd("XINFO");
    command.arg("STREAM").arg(&group.keys(partition).stream);
    match group.ask(partition, &command, Repeat::Always).await {
        Ok(reply) => group.shaped(partition, Extent::read(reply)).map(Some),
        // The stream was removed.
        Err(GroupError::NoGroup { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Counts the entries of a range, page by page.
struct Counter {
    /// Where to go on; none at the end.
    from: Option<EntryId>,
    to: EntryId,
    count: u64,
}

impl Counter {
    fn new(from: Option<EntryId>, to: EntryId) -> Self {
        Self {
            from: from.filter(|from| *from <= to),
            to,
            count: 0,
        }
    }

    /// Counts a little further. Whether that was all.
    async fn go_on(
        &mut self,
        group: &Group,
        partition: Partition,
        limit: usize,
    ) -> Result<bool, GroupError> {
        let Some(from) = self.from else {
            return Ok(true);
        };
        let mut command = scripts::call(&COUNT, &[&group.keys(partition).stream]);
        command
            .arg(from.to_string())
            .arg(self.to.to_string())
            .arg(limit);
        let running = group.run(partition, &COUNT, &command, Repeat::Always);
        let (count, last) = group.shaped(partition, read_count(running.await?))?;
        self.count += count;
        self.from = last.and_then(EntryId::next).filter(|from| *from <= self.to);
        Ok(self.from.is_none())
    }
}

fn read_count(reply: Value) -> Result<(u64, Option<EntryId>), Unexpected> {
    let Ok([count, last]) = <[Value; 2]>::try_from(wire::list(reply)?) else {
        return Err(Unexpected("a count"));
    };
    let last = Some(wire::text(&last)?).filter(|last| !last.is_empty());
    let last = last.map(|last| last.parse().map_err(|_| Unexpected("an entry id")));
    Ok((wire::count(&count)?, last.transpose()?))
}
