//! What is pending, summed up and one by one.

use std::collections::BTreeMap;

use recount_core::{
    Cursor, EntryId, GroupError, Partition, PendingEntry, PendingSummary, Position,
};
use redis::Value;

use super::GIVEN_BACK;
use super::group::{Beside, Group};
use super::spread::at_once;
use crate::net::Repeat;
use crate::scripts::PENDING;
use crate::wire::{self, Unexpected};

/// Entries a script lists with one call at most: it blocks the server meanwhile.
const PAGE: usize = 1_000;

impl Group {
    pub(super) async fn pending(&self) -> Result<PendingSummary, GroupError> {
        let works = self.partitions().map(|partition| {
            let group = self.clone();
            async move {
                let mut command = redis::cmd("XPENDING");
                command.arg(&group.keys(partition).stream).arg(&*group.name);
                let reply = group.ask(partition, &command, Repeat::Always).await?;
                group.shaped(partition, read_summary(reply))
            }
        });
        let mut summary = PendingSummary::default();
        let mut owners: BTreeMap<String, u64> = BTreeMap::new();
        for (part, partition) in at_once(works.collect()).await.into_iter().zip(0..) {
            let part = part?;
            summary.count += part.count;
            let range = part.range.map(|(first, last)| (partition, first, last));
            summary.ranges.extend(range);
            for (name, count) in part.owners {
                *owners.entry(name).or_default() += count;
            }
        }
        owners.remove(GIVEN_BACK);
        summary.by_consumer = owners.into_iter().collect();
        Ok(summary)
    }

    pub(super) async fn pending_entries(
        &self,
        consumer: Option<&str>,
        after: &Cursor,
        count: usize,
    ) -> Result<Vec<PendingEntry>, GroupError> {
        if count == 0 || consumer == Some(GIVEN_BACK) {
            self.check_exists(&[]).await?;
            return Ok(Vec::new());
        }
        let works = self.partitions().map(|partition| {
            let group = self.clone();
            let (consumer, after) = (consumer.map(str::to_owned), after.get(partition));
            async move {
                let consumer = consumer.as_deref();
                group.entries_in(partition, consumer, after, count).await
            }
        });
        let mut found = Vec::new();
        for part in at_once(works.collect()).await {
            found.extend(part?);
        }
        found.sort_by_key(|entry| entry.position.entry_id);
        found.truncate(count);
        Ok(found)
    }

    async fn entries_in(
        &self,
        partition: Partition,
        consumer: Option<&str>,
        after: EntryId,
        count: usize,
    ) -> Result<Vec<PendingEntry>, GroupError> {
        let mut found: Vec<PendingEntry> = Vec::new();
        let mut after = Some(after);
        while let Some(first) = after.and_then(EntryId::next) {
            let asked = (count - found.len()).min(PAGE);
            let mut command = self.script(partition, &PENDING, Beside::Nothing);
            command
                .arg(self.clock())
                .arg(first.to_string())
                .arg(asked)
                .arg(consumer);
            let running = self.run(partition, &PENDING, &command, Repeat::Always);
            let page = read_entries(partition, running.await?);
            let page = self.shaped(partition, page)?;
            let ends = page.len() < asked;
            found.extend(page);
            let last = found.last().map(|entry| entry.position.entry_id);
            after = last.filter(|_| !ends && found.len() < count);
        }
        Ok(found)
    }
}

/// What is pending in one partition.
#[derive(Default)]
struct Part {
    count: u64,
    range: Option<(EntryId, EntryId)>,
    owners: Vec<(String, u64)>,
}

fn read_summary(reply: Value) -> Result<Part, Unexpected> {
    let Ok([count, first, last, owners]) = <[Value; 4]>::try_from(wire::list(reply)?) else {
        return Err(Unexpected("what is pending"));
    };
    let count = wire::count(&count)?;
    if count == 0 {
        return Ok(Part::default());
    }
    let owners = wire::list(owners)?.into_iter().map(|owner| {
        let owner = wire::list(owner)?;
        match owner.as_slice() {
            [name, count] => Ok((wire::lossy(name)?, wire::count(count)?)),
            _ => Err(Unexpected("an owner")),
        }
    });
    Ok(Part {
        count,
        range: Some((wire::entry_id(&first)?, wire::entry_id(&last)?)),
        owners: owners.collect::<Result<_, _>>()?,
    })
}

fn read_entries(partition: Partition, reply: Value) -> Result<Vec<PendingEntry>, Unexpected> {
    let entries = wire::list(reply)?.into_iter().map(|entry| {
        let Ok([id, owner, idle, count]) = <[Value; 4]>::try_from(wire::list(entry)?) else {
            return Err(Unexpected("a pending entry"));
        };
        Ok(PendingEntry {
            position: Position {
                partition,
                entry_id: wire::entry_id(&id)?,
            },
            consumer: Some(wire::lossy(&owner)?).filter(|owner| owner != GIVEN_BACK),
            idle_ms: wire::count(&idle)?,
            delivery_count: wire::count(&count)?,
        })
    });
    entries.collect()
}
