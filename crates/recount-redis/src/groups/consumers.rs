//! The consumers of a group, and how they leave.

use std::collections::BTreeMap;

use recount_core::{ConsumerInfo, EntryId, GroupError, Partition};
use redis::{Cmd, Value};

use super::GIVEN_BACK;
use super::consumer::Consumer;
use super::group::{Beside, Group};
use super::spread::at_once;
use crate::net::Repeat;
use crate::scripts::{ABOUT, LEAVE};
use crate::wire::{self, Unexpected};

/// Entries that change hands with one call at most: it blocks the server meanwhile.
const PAGE: usize = 500;

/// A group in one partition.
pub(super) struct About {
    pub(super) consumers: Vec<ConsumerInfo>,
    pub(super) oldest_pending: Option<EntryId>,
    /// How long ago a consumer called.
    pub(super) idle_ms: Option<u64>,
}

impl Group {
    /// What [`read_about`] reads the answer of.
    pub(super) fn about_command(&self, partition: Partition) -> Cmd {
        let mut command = self.script(partition, &ABOUT, Beside::State);
        command.arg(self.clock());
        command
    }

    pub(super) async fn consumers(&self) -> Result<Vec<ConsumerInfo>, GroupError> {
        let works = self.partitions().map(|partition| {
            let group = self.clone();
            async move {
                let command = group.about_command(partition);
                let running = group.run(partition, &ABOUT, &command, Repeat::Always);
                group.shaped(partition, read_about(running.await?))
            }
        });
        let mut all: BTreeMap<String, ConsumerInfo> = BTreeMap::new();
        for part in at_once(works.collect()).await {
            for consumer in part?.consumers {
                match all.get_mut(&consumer.name) {
                    Some(known) => {
                        known.pending += consumer.pending;
                        known.idle_ms = known.idle_ms.min(consumer.idle_ms);
                    }
                    None => {
                        all.insert(consumer.name.clone(), consumer);
                    }
                }
            }
        }
        Ok(all.into_values().collect())
    }
}

/// What is known of a group in a partition. Its consumers do not count whoever has what was given back.
pub(super) fn read_about(reply: Value) -> Result<About, Unexpected> {
    const SHAPE: Unexpected = Unexpected("what is known of a group");
    let Ok([consumers, oldest, idle]) = <[Value; 3]>::try_from(wire::list(reply)?) else {
        return Err(SHAPE);
    };
    let consumers = wire::list(consumers)?.into_iter().map(|consumer| {
        let Ok([name, pending, idle]) = <[Value; 3]>::try_from(wire::list(consumer)?) else {
            return Err(SHAPE);
        };
        Ok(ConsumerInfo {
            name: wire::lossy(&name)?,
            pending: wire::count(&pending)?,
            idle_ms: wire::count(&idle)?,
        })
    });
    let mut consumers = consumers.collect::<Result<Vec<_>, _>>()?;
    consumers.retain(|consumer| consumer.name != GIVEN_BACK);
    let oldest = Some(wire::text(&oldest)?).filter(|id| !id.is_empty());
    let idle_ms = match idle {
        Value::Int(idle) => u64::try_from(idle).ok(),
        _ => return Err(SHAPE),
    };
    Ok(About {
        consumers,
        oldest_pending: oldest.map(|id| id.parse().map_err(|_| SHAPE)).transpose()?,
        idle_ms,
    })
}

/// What one call of a consumer's leaving brought.
enum Left {
    /// So many changed hands; after this id there may be more.
    Moved(u64, Option<EntryId>),
    /// So many are in the way.
    Owns(u64),
}

impl Consumer {
    /// Removes it. How many entries changed hands.
    pub(super) async fn leave(&self, heir: Option<&Self>) -> Result<u64, GroupError> {
        let known = self.group.consumers().await?;
        let known = known.iter().find(|info| *info.name == *self.name);
        let pending = known.map_or(0, |info| info.pending);
        // Looked at everywhere before anything is done anywhere.
        if heir.is_none() && pending > 0 {
            return Err(self.still_pending(pending));
        }
        if heir.is_some_and(|heir| heir.name == self.name) {
            return Ok(pending);
        }
        let heir = heir.map_or_else(|| "".into(), |heir| heir.name.clone());
        let works = self.group.partitions().map(|partition| {
            let (consumer, heir) = (self.clone(), heir.clone());
            async move { consumer.leave_in(partition, &heir).await }
        });
        at_once(works.collect()).await.into_iter().sum()
    }

    async fn leave_in(&self, partition: Partition, heir: &str) -> Result<u64, GroupError> {
        let (mut moved, mut from) = (0, Some(EntryId::MIN));
        while let Some(first) = from {
            let mut command = self.script(partition, &LEAVE, Beside::State);
            command.arg(heir).arg(first.to_string()).arg(PAGE);
            let running = self
                .group
                .run(partition, &LEAVE, &command, Repeat::UnlessUnknown);
            let left = read_left(running.await?);
            match self.group.shaped(partition, left)? {
                Left::Moved(count, last) => {
                    moved += count;
                    from = last.and_then(EntryId::next);
                }
                Left::Owns(pending) => return Err(self.still_pending(pending)),
            }
        }
        Ok(moved)
    }

    fn still_pending(&self, pending: u64) -> GroupError {
        GroupError::StillPending {
            group: self.group.name.to_string(),
            consumer: self.name.to_string(),
            pending,
        }
    }
}

fn read_left(reply: Value) -> Result<Left, Unexpected> {
    let parts = wire::list(reply)?;
    match parts.as_slice() {
        [said, count, last @ ..] if wire::text(said)? == "moved" => Ok(Left::Moved(
            wire::count(count)?,
            last.first().map(wire::entry_id).transpose()?,
        )),
        [_, count] => Ok(Left::Owns(wire::count(count)?)),
        _ => Err(Unexpected("how a consumer left")),
    }
}
