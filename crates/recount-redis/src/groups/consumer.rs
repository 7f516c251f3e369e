//! One consumer of a group, and what it is handed.

use std::sync::Arc;

use recount_core::{Delivery, EntryId, GroupError, InvalidId, Limits, Partition, Position};
use redis::{Cmd, Value};

use super::GIVEN_BACK;
use super::group::{Beside, Group};
use crate::net::{Call, Repeat};
use crate::scripts::{STAMP, Script};
use crate::wire::{self, Unexpected};

/// After every entry; the very last id means `>` to servers before 7.2.
const BEYOND: EntryId = EntryId::new(u64::MAX, u64::MAX - 1);

#[derive(Clone)]
pub(super) struct Consumer {
    pub(super) group: Group,
    pub(super) name: Arc<str>,
}

impl Consumer {
    pub(super) fn new(group: Group, name: &str) -> Result<Self, GroupError> {
        if name == GIVEN_BACK {
            return Err(GroupError::Storage {
                action: "serving consumer",
                path: name.to_owned(),
                message: "that name stands for what was given back: choose another".into(),
            });
        }
        Ok(Self {
            group,
            name: name.into(),
        })
    }

    /// A call of a script whose arguments begin with the group, the consumer and the clock.
    pub(super) fn script(&self, partition: Partition, script: &Script, beside: Beside) -> Cmd {
        let mut command = self.group.script(partition, script, beside);
        command.arg(&*self.name).arg(self.group.clock());
        command
    }

    /// `XREADGROUP` of a partition.
    pub(super) fn read_command(&self, partition: Partition, count: usize, from: &str) -> Cmd {
        let mut command = redis::cmd("XREADGROUP");
        command
            .arg("GROUP")
            .arg(&*self.group.name)
            .arg(&*self.name)
            .arg("COUNT")
            .arg(count)
            .arg("STREAMS")
            .arg(&self.group.keys(partition).stream)
            .arg(from);
        command
    }

    /// Lets the server know that the consumer called, though it is handed nothing.
    pub(super) async fn called(&self) -> Result<(), GroupError> {
        let mut commands = vec![self.read_command(0, 1, &BEYOND.to_string())];
        commands.extend(self.stamp_command(0, &[]));
        let call = Call {
            script: Some(&STAMP),
            ..Call::of(&commands)
        };
        self.group.call(0, call).await.map(drop)
    }

    /// Dates what was handed out by the given clock, if there is one.
    pub(super) async fn stamp(
        &self,
        partition: Partition,
        ids: &[EntryId],
    ) -> Result<(), GroupError> {
        match self.stamp_command(partition, ids) {
            Some(command) => {
                let stamped = self.group.run(partition, &STAMP, &command, Repeat::Always);
                stamped.await.map(drop)
            }
            None => Ok(()),
        }
    }

    fn stamp_command(&self, partition: Partition, ids: &[EntryId]) -> Option<Cmd> {
        self.group.shared.options.clock.as_ref()?;
        let mut command = self.script(partition, &STAMP, Beside::State);
        for id in ids {
            command.arg(id.to_string());
        }
        Some(command)
    }

    /// What a script handed out: ids, how often each was delivered, and its fields where it is there.
    pub(super) fn deliveries(
        &self,
        partition: Partition,
        reply: Value,
    ) -> Result<(Vec<Delivery>, usize), GroupError> {
        self.group.shaped(partition, deliveries(partition, reply))
    }
}

fn deliveries(partition: Partition, reply: Value) -> Result<(Vec<Delivery>, usize), Unexpected> {
    let mut bytes = 0;
    let found = wire::list(reply)?
        .into_iter()
        .map(|item| {
            let mut parts = wire::list(item)?.into_iter();
            let (Some(id), Some(count)) = (parts.next(), parts.next()) else {
                return Err(Unexpected("a delivery"));
            };
            let entry_id = wire::entry_id(&id)?;
            let entry = match parts.next() {
                None | Some(Value::Nil) => None,
                Some(fields) => {
                    let entry = wire::entry(Value::Array(vec![id, fields]))?;
                    bytes += wire::bytes_of(&entry);
                    Some(wire::recorded(partition, entry))
                }
            };
            Ok(Delivery {
                position: Position {
                    partition,
                    entry_id,
                },
                entry,
                delivery_count: wire::count(&count)?,
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok((found, bytes))
}

pub(super) fn check_name(field: &'static str, name: &str) -> Result<(), InvalidId> {
    match name.len() {
        0 => Err(InvalidId::Empty { field }),
        bytes if bytes > Limits::ID_BYTES_MAX => Err(InvalidId::TooLong { field, bytes }),
        _ => Ok(()),
    }
}
