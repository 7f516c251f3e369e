//! What a mirror reads, and where it registers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use recount_core::{
    Cursor, Direction, Entry, EntryId, Feed, IdRange, Limits, Origin, Partition, Position,
    ReadError, Registration, Standing, Timestamp,
};
use redis::{Cmd, Value};
use tokio::task::{JoinError, JoinSet};

use crate::error::Failed;
use crate::info;
use crate::keys::Keys;
use crate::net::{Call, Dedicated};
use crate::options::milliseconds;
use crate::read::{self, Chunk};
use crate::scripts::{self, REGISTER};
use crate::shared::Shared;
use crate::watch::{BLOCK, GRACE, silent};
use crate::{RedisLog, wire};

#[async_trait]
impl Origin for RedisLog {
    fn address(&self) -> String {
        self.shared.net.url().to_string()
    }

    fn stream(&self) -> String {
        self.shared.stream.clone()
    }

    fn partition_names(&self) -> Vec<String> {
        let keys = self.shared.partitions.iter();
        keys.map(|keys| keys.stream.clone()).collect()
    }

    async fn standing(&self, partition: Partition) -> Result<Standing, ReadError> {
        self.check_open()?;
        info::standing(&self.shared, self.keys_of(partition)?).await
    }

    async fn entries(
        &self,
        partition: Partition,
        ids: IdRange,
        limit: usize,
    ) -> Result<Vec<Entry>, ReadError> {
        self.check_open()?;
        let keys = self.keys_of(partition)?;
        let Some(mut left) = ids.inclusive() else {
            return Ok(Vec::new());
        };
        let (mut found, mut bytes) = (Vec::new(), 0);
        let mut chunk = Chunk::default();
        while found.len() < limit && bytes < Limits::PAGE_BYTES_MAX {
            let count = chunk.size().min(limit - found.len());
            let part = read::fetch(&self.shared, keys, left, Direction::Forward, count).await?;
            let more = part.len() == count;
            bytes += part.iter().map(|entry| chunk.count(entry)).sum::<usize>();
            found.extend(part);
            let next = found.last().and_then(|last: &Entry| last.id.next());
            match next {
                Some(next) if more && next <= left.1 => left.0 = next,
                _ => break,
            }
        }
        Ok(found)
    }

    async fn feed(&self, partition: Partition, after: EntryId) -> Result<Box<dyn Feed>, ReadError> {
        self.check_open()?;
        let keys = self.keys_of(partition)?.clone();
        let connection = self.shared.net.dedicated(keys.slot).await;
        let connection = connection.map_err(|error| Failed::from(error).read(&keys.stream))?;
        Ok(Box::new(RedisFeed {
            shared: Arc::clone(&self.shared),
            keys,
            connection,
            after,
            chunk: Chunk::default(),
        }))
    }

    async fn register(
        &self,
        name: &str,
        synced: &Cursor,
        lease: Duration,
    ) -> Result<(), ReadError> {
        self.check_open()?;
        let mut under_way = JoinSet::new();
        for (keys, partition) in self.shared.partitions.iter().zip(0..) {
            if under_way.len() >= REGISTERED_AT_ONCE {
                ended(under_way.join_next().await)?;
            }
            let mut command = scripts::call(&REGISTER, &[&keys.mirrors]);
            command
                .arg(name)
                .arg(synced.get(partition).to_string())
                .arg(milliseconds(lease));
            let (shared, keys) = (Arc::clone(&self.shared), keys.clone());
            under_way.spawn(async move { register(&shared, &keys, command).await });
        }
        while !under_way.is_empty() {
            ended(under_way.join_next().await)?;
        }
        Ok(())
    }

    async fn registrations(&self) -> Result<Vec<Registration>, ReadError> {
        self.check_open()?;
        let mut found: Vec<Registration> = Vec::new();
        for (partition, keys) in self.shared.partitions.iter().enumerate() {
            let mut all = redis::cmd("HGETALL");
            all.arg(&keys.mirrors);
            let replies = self.shared.ask(keys, &[all, redis::cmd("TIME")]).await?;
            let shape = |shape| self.shared.unexpected(keys, shape);
            let [registered, time] = &replies[..] else {
                return Err(shape(wire::Unexpected("an answer to each command")));
            };
            let now = now_ms(time).map_err(shape)?;
            for pair in wire::list(registered.clone())
                .map_err(shape)?
                .chunks_exact(2)
            {
                let name = wire::text(&pair[0]).map_err(shape)?;
                let (entry_id, ends) = lease(&pair[1]).map_err(shape)?;
                let place = found.iter().position(|mirror| mirror.name == name);
                let place = place.unwrap_or_else(|| {
                    found.push(Registration {
                        name,
                        synced: Cursor::start(),
                        lease_left_ms: 0,
                    });
                    found.len() - 1
                });
                let mirror = &mut found[place];
                mirror.synced.advance(Position {
                    partition: partition as Partition,
                    entry_id,
                });
                mirror.lease_left_ms = mirror.lease_left_ms.max(ends.saturating_sub(now));
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    async fn now(&self) -> Result<Timestamp, ReadError> {
        self.check_open()?;
        let keys = self.keys_of(0)?;
        let time = self.shared.ask_one(keys, redis::cmd("TIME")).await?;
        let now = now_ms(&time).map_err(|shape| self.shared.unexpected(keys, shape))?;
        Ok(Timestamp::saturating_from_millis(now))
    }

    async fn forget(&self, name: &str) -> Result<bool, ReadError> {
        self.check_open()?;
        let mut forgot = false;
        for keys in &self.shared.partitions {
            let mut command = redis::cmd("HDEL");
            command.arg(&keys.mirrors).arg(name);
            let reply = self.shared.ask_one(keys, command).await?;
            forgot |= wire::count(&reply).is_ok_and(|removed| removed > 0);
        }
        Ok(forgot)
    }
}

/// So many partitions are told of a mirror at a time.
const REGISTERED_AT_ONCE: usize = 64;

/// Tells a partition of a mirror. A server that lets nobody write says so at once.
async fn register(shared: &Shared, keys: &Keys, command: Cmd) -> Result<(), ReadError> {
    let call = Call {
        script: Some(&REGISTER),
        ..Call::of(std::slice::from_ref(&command))
    };
    let called = shared.net.call_if_writable(keys.slot, call).await;
    called
        .map(drop)
        .map_err(|error| Failed::from(error).read(&keys.stream))
}

/// The outcome of a task, of which there is one.
fn ended(task: Option<Result<Result<(), ReadError>, JoinError>>) -> Result<(), ReadError> {
    match task {
        None => Ok(()),
        Some(Ok(outcome)) => outcome,
        Some(Err(failed)) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends.
            Err(_) => Err(ReadError::Closed),
        },
    }
}

/// `<last entry on stable storage> <when the lease ends>`.
fn lease(value: &Value) -> Result<(EntryId, u64), wire::Unexpected> {
    const SHAPE: wire::Unexpected = wire::Unexpected("a mirror's registration");
    let text = wire::text(value)?;
    let (id, ends) = text.split_once(' ').ok_or(SHAPE)?;
    Ok((
        id.parse().map_err(|_| SHAPE)?,
        ends.parse().map_err(|_| SHAPE)?,
    ))
}

fn now_ms(time: &Value) -> Result<u64, wire::Unexpected> {
    let time = wire::list(time.clone())?;
    let [seconds, micros] = &time[..] else {
        return Err(wire::Unexpected("a time"));
    };
    Ok(wire::count(seconds)? * 1000 + wire::count(micros)? / 1000)
}

/// A blocked connection that hands out what comes.
struct RedisFeed {
    shared: Arc<Shared>,
    keys: Keys,
    connection: Dedicated,
    after: EntryId,
    chunk: Chunk,
}

#[async_trait]
impl Feed for RedisFeed {
    async fn next(&mut self, limit: usize) -> Result<Vec<Entry>, ReadError> {
        loop {
            let mut command = redis::cmd("XREAD");
            command
                .arg("COUNT")
                .arg(self.chunk.size().min(limit))
                .arg("BLOCK")
                .arg(BLOCK.as_millis() as u64)
                .arg("STREAMS")
                .arg(&self.keys.stream)
                .arg(self.after.to_string());
            let failed = |failed: Failed| failed.read(&self.keys.stream);
            let address = || self.shared.net.address(self.keys.slot);
            let reply = tokio::time::timeout(BLOCK + GRACE, self.connection.call(&command)).await;
            let reply = reply.map_err(|_| failed(silent(&address())))?;
            let reply = reply.map_err(|error| failed(error.into()))?;
            let entries = wire::read_reply(reply);
            let entries = entries.map_err(|shape| failed(shape.from(address())))?;
            if let Some(last) = entries.last() {
                self.after = last.id;
                for entry in &entries {
                    self.chunk.count(entry);
                }
                return Ok(entries);
            }
        }
    }
}
