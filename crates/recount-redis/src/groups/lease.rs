//! Leases of partitions.

use recount_core::{GroupError, Lease, LeaseAnswer, LeaseRequest, Partition};
use redis::Value;

use super::consumer::Consumer;
use super::group::Beside;
use crate::net::Repeat;
use crate::options::LONGEST_MS;
use crate::scripts::{LEASE, RELEASE};
use crate::wire::{self, Unexpected};

impl Consumer {
    pub(super) async fn lease(&self, request: &LeaseRequest) -> Result<LeaseAnswer, GroupError> {
        let partition = request.partition;
        let mut command = self.script(partition, &LEASE, Beside::State);
        command
            .arg(request.ttl_ms.min(LONGEST_MS))
            .arg(request.holds);
        let running = self.group.run(partition, &LEASE, &command, Repeat::Always);
        let answer = read_answer(partition, running.await?);
        self.group.shaped(partition, answer)
    }

    pub(super) async fn release(
        &self,
        partition: Partition,
        token: u64,
    ) -> Result<bool, GroupError> {
        let mut command = self.script(partition, &RELEASE, Beside::State);
        command.arg(token);
        let running = self
            .group
            .run(partition, &RELEASE, &command, Repeat::Always);
        let released = wire::count(&running.await?);
        Ok(self.group.shaped(partition, released)? > 0)
    }
}

fn read_answer(partition: Partition, reply: Value) -> Result<LeaseAnswer, Unexpected> {
    const SHAPE: Unexpected = Unexpected("what became of a lease");
    let Ok([said, first, second]) = <[Value; 3]>::try_from(wire::list(reply)?) else {
        return Err(SHAPE);
    };
    match wire::text(&said)?.as_str() {
        "held" => {
            let waiting = wire::list(second)?;
            let waiting = waiting.chunks_exact(2).map(|pair| {
                let (name, holds) = (wire::lossy(&pair[0])?, wire::count(&pair[1])?);
                Ok((name, holds))
            });
            let mut waiting = waiting.collect::<Result<Vec<_>, _>>()?;
            waiting.sort();
            Ok(LeaseAnswer::Held(Lease {
                partition,
                token: wire::count(&first)?,
                waiting,
            }))
        }
        "taken" => Ok(LeaseAnswer::Taken {
            by: wire::lossy(&first)?,
            for_ms: wire::count(&second)?,
        }),
        _ => Err(SHAPE),
    }
}
