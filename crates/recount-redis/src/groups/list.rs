//! The groups of a stream.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use recount_core::{EntryId, GroupError, GroupInfo, Partition, Position};
use redis::{Cmd, Value};

use super::consumers::{About, read_about};
use super::group::Group;
use super::lag::{self, Extent};
use super::spread::at_once;
use crate::error::Failed;
use crate::keys::Keys;
use crate::net::{Call, CallError};
use crate::scripts::ABOUT;
use crate::shared::Shared;
use crate::wire::{self, Unexpected};

/// Groups looked at together.
const AT_ONCE: usize = 64;
/// How often the list is begun anew because a group went meanwhile.
const TRIES: usize = 5;

/// The names of a partition's groups. One that is no text is somebody else's, and passed over.
pub(crate) async fn names(shared: &Shared, keys: &Keys) -> Result<Vec<String>, Failed> {
    let reply = match shared.net.ask(keys.slot, &list_command(keys)).await {
        Ok(reply) => reply,
        Err(error) if says_no_stream(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let listed = read_list(reply).map_err(|shape| shape.from(shared.net.address(keys.slot)))?;
    Ok(listed.into_iter().map(|listed| listed.name).collect())
}

/// All groups, by name.
pub(super) async fn groups(shared: &Arc<Shared>) -> Result<Vec<GroupInfo>, GroupError> {
    let numbers = 0..shared.partitions.len() as Partition;
    let works = numbers.map(|partition| {
        let shared = Arc::clone(shared);
        async move { in_partition(&shared, partition).await }
    });
    let mut all: BTreeMap<String, (GroupInfo, BTreeSet<String>)> = BTreeMap::new();
    for (part, partition) in at_once(works.collect()).await.into_iter().zip(0..) {
        for found in part? {
            let (info, consumers) = all.entry(found.listed.name).or_default();
            info.pending += found.listed.pending;
            let at = Position {
                partition,
                entry_id: found.listed.cursor,
            };
            info.last_delivered.advance(at);
            info.lags.push((partition, found.lag));
            let oldest = info.oldest_pending.into_iter();
            info.oldest_pending = oldest.chain(found.about.oldest_pending).min();
            let idle = info.idle_ms.into_iter();
            info.idle_ms = idle.chain(found.about.idle_ms).min();
            consumers.extend(found.about.consumers.into_iter().map(|one| one.name));
        }
    }
    let named = all.into_iter().map(|(name, (info, consumers))| GroupInfo {
        name,
        consumers: consumers.len() as u64,
        ..info
    });
    Ok(named.collect())
}

/// A group as the server lists it.
#[derive(Clone)]
pub(super) struct Listed {
    pub(super) name: String,
    pending: u64,
    pub(super) cursor: EntryId,
    /// The server's own word, of Redis 7.0 and later; not always right.
    pub(super) lag: Option<u64>,
}

/// A group in one partition.
struct Found {
    listed: Listed,
    about: About,
    lag: u64,
}

async fn in_partition(
    shared: &Arc<Shared>,
    partition: Partition,
) -> Result<Vec<Found>, GroupError> {
    let keys = &shared.partitions[partition as usize];
    let mut tries = TRIES;
    'listing: loop {
        tries -= 1;
        let Some((listed, extent)) = listed(shared, keys).await? else {
            return Ok(Vec::new());
        };
        let mut found = Vec::with_capacity(listed.len());
        for page in listed.chunks(AT_ONCE) {
            let abouts = match abouts(shared, partition, page).await {
                Ok(abouts) => abouts,
                // It was removed meanwhile.
                Err(GroupError::NoGroup { .. }) if tries > 0 => continue 'listing,
                Err(error) => return Err(error),
            };
            for (listed, about) in page.iter().zip(abouts) {
                let lag = lag::of(shared, partition, listed, &extent).await?;
                found.push(Found {
                    listed: listed.clone(),
                    about,
                    lag,
                });
            }
        }
        return Ok(found);
    }
}

/// The groups and what the stream holds, both at the same moment; none where there is no stream.
async fn listed(shared: &Shared, keys: &Keys) -> Result<Option<(Vec<Listed>, Extent)>, GroupError> {
    let mut stream = redis::cmd("XINFO");
    stream.arg("STREAM").arg(&keys.stream);
    let commands = [list_command(keys), stream];
    let call = Call {
        atomic: true,
        ..Call::of(&commands)
    };
    let failed = |failed: Failed| GroupError::Read(failed.read(&keys.stream));
    let replies = match Box::pin(shared.net.call(keys.slot, call)).await {
        Ok(replies) => replies,
        Err(error) if says_no_stream(&error) => return Ok(None),
        Err(error) => return Err(failed(error.into())),
    };
    let read = || {
        let Ok([groups, stream]) = <[Value; 2]>::try_from(replies) else {
            return Err(Unexpected("an answer to each command"));
        };
        Ok(Some((read_list(groups)?, Extent::read(stream)?)))
    };
    read().map_err(|shape| failed(shape.from(shared.net.address(keys.slot))))
}

async fn abouts(
    shared: &Arc<Shared>,
    partition: Partition,
    page: &[Listed],
) -> Result<Vec<About>, GroupError> {
    let commands: Vec<Cmd> = page
        .iter()
        .map(|listed| Group::new(shared, &listed.name).about_command(partition))
        .collect();
    let call = Call {
        script: Some(&ABOUT),
        ..Call::of(&commands)
    };
    let group = Group::new(shared, &page[0].name);
    let replies = group.call(partition, call).await?;
    let abouts = replies.into_iter().map(read_about).collect();
    group.shaped(partition, abouts)
}

fn list_command(keys: &Keys) -> Cmd {
    let mut command = redis::cmd("XINFO");
    command.arg("GROUPS").arg(&keys.stream);
    command
}

fn says_no_stream(error: &CallError) -> bool {
    matches!(error, CallError::Server { message, .. } if message.contains("no such key"))
}

fn read_list(reply: Value) -> Result<Vec<Listed>, Unexpected> {
    const SHAPE: Unexpected = Unexpected("what XINFO says of groups");
    let mut found = Vec::new();
    for group in wire::list(reply)? {
        let flat = wire::list(group)?;
        let field = |name| wire::field(&flat, name).ok_or(SHAPE);
        let Ok(name) = wire::text(field("name")?) else {
            continue;
        };
        let lag = wire::field(&flat, "lag").filter(|lag| **lag != Value::Nil);
        found.push(Listed {
            name,
            pending: wire::count(field("pending")?)?,
            cursor: wire::entry_id(field("last-delivered-id")?)?,
            lag: lag.map(wire::count).transpose()?,
        });
    }
    Ok(found)
}
