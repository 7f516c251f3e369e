//! Publishing without idempotency: plain `XADD`, together or not at all.

use recount_core::{AppendError, Outcome, Partition, Position};
use redis::Cmd;

use super::{Conditions, Prepared};
use crate::error::Failed;
use crate::net::{Call, Repeat};
use crate::shared::Shared;
use crate::wire;

/// Appends the events whatever their ids are. A call whose fate is not known is not made again.
pub(super) async fn append(
    shared: &Shared,
    partition: Partition,
    events: &[Prepared],
    conditions: Conditions,
) -> Result<Vec<Outcome>, AppendError> {
    let keys = &shared.partitions[partition as usize];
    if conditions.strict || conditions.expected_revision.is_some() {
        return Err(AppendError::Storage {
            action: "publishing to",
            path: format!("{} {}", shared.net.address(keys.slot), keys.stream),
            message:
                "a batch with conditions (strict, an expected revision) needs the idempotency window, \
                 which is off: set idempotency_window to more than 0s"
                    .into(),
        });
    }
    let adds = events.iter().map(|prepared| {
        let mut command = redis::cmd("XADD");
        command.arg(&keys.stream).arg("*");
        for (name, value) in &prepared.fields {
            command.arg(&name[..]).arg(&value[..]);
        }
        command
    });
    let commands: Vec<Cmd> = adds.chain(shared.wait_command()).collect();
    let call = Call {
        atomic: true,
        repeat: Repeat::UnlessUnknown,
        patience: shared.wait_patience(),
        ..Call::of(&commands)
    };
    let replies = shared.net.call(keys.slot, call).await;
    let replies = replies.map_err(|error| Failed::from(error).append(&keys.stream))?;
    let (ids, waited) = replies.split_at(events.len().min(replies.len()));
    let ids = ids
        .iter()
        .map(wire::entry_id)
        .collect::<Result<Vec<_>, _>>();
    let ids = ids.map_err(|shape| {
        let address = shared.net.address(keys.slot);
        shape.from(address).append(&keys.stream)
    })?;
    if let Some(waited) = waited.first() {
        shared.check_waited(waited)?;
    }
    let appended = |entry_id| Outcome::Appended {
        position: Position {
            partition,
            entry_id,
        },
        revision: 0,
    };
    Ok(ids.into_iter().map(appended).collect())
}
