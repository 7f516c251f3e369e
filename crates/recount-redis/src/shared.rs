//! What every part of an open log uses.

use std::time::Duration;

use recount_core::{AppendError, Durability, Partition, ReadError};
use redis::{Cmd, Value};
use tokio::sync::{Notify, watch};

use crate::error::Failed;
use crate::facts::Facts;
use crate::groups::{Anchors, Deliveries};
use crate::keys::Keys;
use crate::net::{Call, Net};
use crate::options::RedisOptions;
use crate::wire;

/// An open log's connection, names and settings.
pub(crate) struct Shared {
    pub(crate) net: Net,
    pub(crate) stream: String,
    pub(crate) options: RedisOptions,
    /// The keys of each partition, by number.
    pub(crate) partitions: Vec<Keys>,
    /// What the servers said of themselves at opening.
    pub(crate) facts: Facts,
    pub(crate) read_only: bool,
    pub(crate) closed: watch::Sender<bool>,
    /// Told of appends, for whoever trims.
    pub(crate) appended: Notify,
    /// What was handed out of groups.
    pub(crate) deliveries: Deliveries,
    /// What was counted of groups' lags.
    pub(crate) anchors: Anchors,
}

impl Shared {
    pub(crate) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// The keys of a partition, if there is one of that number.
    pub(crate) fn keys(&self, partition: Partition) -> Option<&Keys> {
        self.partitions.get(partition as usize)
    }

    /// Where a partition is, for people.
    pub(crate) fn place(&self, keys: &Keys) -> String {
        format!("{} {}", self.net.address(keys.slot), keys.stream)
    }

    /// Commands that only read, over one connection.
    pub(crate) async fn ask(&self, keys: &Keys, commands: &[Cmd]) -> Result<Vec<Value>, ReadError> {
        let answered = self.net.call(keys.slot, Call::of(commands)).await;
        answered.map_err(|error| Failed::from(error).read(&keys.stream))
    }

    /// One command that only reads.
    pub(crate) async fn ask_one(&self, keys: &Keys, command: Cmd) -> Result<Value, ReadError> {
        let answered = self.net.ask(keys.slot, &command).await;
        answered.map_err(|error| Failed::from(error).read(&keys.stream))
    }

    /// An answer of another shape than its command has.
    pub(crate) fn unexpected(&self, keys: &Keys, shape: wire::Unexpected) -> ReadError {
        shape.from(self.net.address(keys.slot)).read(&keys.stream)
    }

    /// What is sent behind a write so that its acknowledgement means more.
    pub(crate) fn wait_command(&self) -> Option<Cmd> {
        let options = &self.options;
        let timeout = options.wait_timeout.as_millis() as u64;
        if let Some(aof) = options.wait_aof {
            let mut command = redis::cmd("WAITAOF");
            command
                .arg(u8::from(aof.local))
                .arg(aof.replicas.max(options.wait_replicas))
                .arg(timeout);
            return Some(command);
        }
        (options.wait_replicas > 0).then(|| {
            let mut command = redis::cmd("WAIT");
            command.arg(options.wait_replicas).arg(timeout);
            command
        })
    }

    /// How much longer an answer may take because of the wait.
    pub(crate) fn wait_patience(&self) -> Option<Duration> {
        self.options.waits().then_some(self.options.wait_timeout)
    }

    /// Whether as many confirmed as were asked for.
    pub(crate) fn check_waited(&self, reply: &Value) -> Result<(), AppendError> {
        let options = &self.options;
        let within = format!("within {} ms", options.wait_timeout.as_millis());
        let unconfirmed = |missing| Err(AppendError::Unconfirmed { missing });
        if let Some(aof) = options.wait_aof {
            let Value::Array(pair) = reply else {
                return unconfirmed("the server's answer to WAITAOF cannot be read".into());
            };
            let counts: Vec<u64> = pair.iter().flat_map(wire::count).collect();
            let [local, replicas] = counts[..] else {
                return unconfirmed("the server's answer to WAITAOF cannot be read".into());
            };
            let wanted = u64::from(aof.replicas.max(options.wait_replicas));
            if aof.local && local == 0 {
                return unconfirmed(format!("its server had not synced it {within}"));
            }
            if replicas < wanted {
                return unconfirmed(format!(
                    "{replicas} of {wanted} replicas had synced it {within}"
                ));
            }
            return Ok(());
        }
        let got = wire::count(reply).unwrap_or(0);
        let wanted = u64::from(options.wait_replicas);
        if got < wanted {
            return unconfirmed(format!("{got} of {wanted} replicas had it {within}"));
        }
        Ok(())
    }

    /// What an acknowledgement promises.
    pub(crate) fn durability(&self) -> Durability {
        self.facts.durability(&self.options)
    }
}
