//! A group of a stream, and calls on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use recount_core::{EntryId, GroupError, Partition, Position};
use redis::{Cmd, Value};

use crate::error::Failed;
use crate::keys::Keys;
use crate::net::{Call, Repeat};
use crate::scripts::{self, Script};
use crate::shared::Shared;
use crate::wire::Unexpected;

/// A group, in all partitions. Whether it is there, the server says.
#[derive(Clone)]
pub(super) struct Group {
    pub(super) shared: Arc<Shared>,
    pub(super) name: Arc<str>,
}

/// Which keys beside the stream a script on groups is given.
#[derive(Clone, Copy)]
pub(super) enum Beside {
    Nothing,
    State,
    Due,
    Both,
}

impl Group {
    pub(super) fn new(shared: &Arc<Shared>, name: &str) -> Self {
        Self {
            shared: Arc::clone(shared),
            name: name.into(),
        }
    }

    pub(super) fn partitions(&self) -> std::ops::Range<Partition> {
        0..self.shared.partitions.len() as Partition
    }

    pub(super) fn keys(&self, partition: Partition) -> &Keys {
        &self.shared.partitions[partition as usize]
    }

    /// The given clock's time; empty for the server's.
    pub(super) fn clock(&self) -> String {
        self.shared.options.clock_argument()
    }

    /// A call of a script on this group in a partition: its name is the first argument.
    pub(super) fn script(&self, partition: Partition, script: &Script, beside: Beside) -> Cmd {
        let keys = self.keys(partition);
        let state = || keys.group(&self.name);
        let due = || keys.due(&self.name);
        let beside = match beside {
            Beside::Nothing => Vec::new(),
            Beside::State => vec![state()],
            Beside::Due => vec![due()],
            Beside::Both => vec![state(), due()],
        };
        let mut names = vec![keys.stream.as_str()];
        names.extend(beside.iter().map(String::as_str));
        let mut command = scripts::call(script, &names);
        command.arg(&*self.name);
        command
    }

    pub(super) async fn run(
        &self,
        partition: Partition,
        script: &Script,
        command: &Cmd,
        repeat: Repeat,
    ) -> Result<Value, GroupError> {
        let call = Call {
            script: Some(script),
            repeat,
            ..Call::of(std::slice::from_ref(command))
        };
        self.call(partition, call).await.map(only)
    }

    pub(super) async fn ask(
        &self,
        partition: Partition,
        command: &Cmd,
        repeat: Repeat,
    ) -> Result<Value, GroupError> {
        let call = Call {
            repeat,
            ..Call::of(std::slice::from_ref(command))
        };
        self.call(partition, call).await.map(only)
    }

    pub(super) async fn call(
        &self,
        partition: Partition,
        call: Call<'_>,
    ) -> Result<Vec<Value>, GroupError> {
        let slot = self.keys(partition).slot;
        // Boxed here, once, or it would be part of many a future.
        let answered = Box::pin(self.shared.net.call(slot, call)).await;
        answered.map_err(|error| self.failed(partition, error.into()))
    }

    fn failed(&self, partition: Partition, failed: Failed) -> GroupError {
        let key = &self.keys(partition).stream;
        failed.group(key, &self.name, &self.shared.stream)
    }

    /// What an answer was read as, or the error that it was none of its command's.
    pub(super) fn shaped<T>(
        &self,
        partition: Partition,
        read: Result<T, Unexpected>,
    ) -> Result<T, GroupError> {
        let address = || self.shared.net.address(self.keys(partition).slot);
        read.map_err(|shape| self.failed(partition, shape.from(address())))
    }

    /// The ids of those positions that the stream can hold, in order and once each.
    pub(super) fn by_partition(&self, positions: &[Position]) -> BTreeMap<Partition, Vec<EntryId>> {
        let mut parts: BTreeMap<Partition, Vec<EntryId>> = BTreeMap::new();
        for position in positions {
            if self.partitions().contains(&position.partition) {
                let ids = parts.entry(position.partition).or_default();
                ids.push(position.entry_id);
            }
        }
        for ids in parts.values_mut() {
            ids.sort_unstable();
            ids.dedup();
        }
        parts
    }
}

fn only(values: Vec<Value>) -> Value {
    values.into_iter().next().unwrap_or(Value::Nil)
}
