//! What becomes of what was delivered: finished, still under way, given back, or to be done once more.

use recount_core::{EntryId, GroupError, Partition, Position};
use redis::{Cmd, Value};

use super::consumer::Consumer;
use super::group::{Beside, Group};
use super::spread::at_once;
use crate::net::Repeat;
use crate::options::LONGEST_MS;
use crate::scripts::{GIVE_BACK, REQUEUE, Script, TOUCH};
use crate::wire;

/// Ids of one XACK at most.
const ACKED_AT_ONCE: usize = 5_000;
/// Ids a script takes with one call at most: it blocks the server meanwhile.
const PAGE: usize = 1_000;

impl Group {
    pub(super) async fn ack(&self, positions: &[Position]) -> Result<usize, GroupError> {
        let parts = self.by_partition(positions);
        let asked: Vec<Partition> = parts.keys().copied().collect();
        let works = parts.into_iter().map(|(partition, ids)| {
            let group = self.clone();
            async move { group.ack_in(partition, &ids).await }
        });
        let acked = at_once(works.collect()).await.into_iter();
        let acked = acked.sum::<Result<usize, GroupError>>()?;
        if acked < positions.len() || positions.is_empty() {
            // To a group that is not there, XACK answers 0.
            self.check_exists(&asked).await?;
        }
        Ok(acked)
    }

    async fn ack_in(&self, partition: Partition, ids: &[EntryId]) -> Result<usize, GroupError> {
        let mut acked = 0;
        for page in ids.chunks(ACKED_AT_ONCE) {
            let mut command = redis::cmd("XACK");
            command.arg(&self.keys(partition).stream).arg(&*self.name);
            for id in page {
                command.arg(id.to_string());
            }
            let reply = self.ask(partition, &command, Repeat::Always).await?;
            acked += self.shaped(partition, wire::count(&reply))?;
        }
        Ok(acked as usize)
    }

    /// Fails where the group is missing in one of the partitions, or in the first.
    pub(super) async fn check_exists(&self, partitions: &[Partition]) -> Result<(), GroupError> {
        let partitions = if partitions.is_empty() {
            &[0]
        } else {
            partitions
        };
        let works = partitions.iter().map(|&partition| {
            let group = self.clone();
            async move {
                let mut command = redis::cmd("XPENDING");
                command
                    .arg(&group.keys(partition).stream)
                    .arg(&*group.name)
                    .arg(&["-", "+", "1"]);
                let found = group.ask(partition, &command, Repeat::Always).await;
                found.map(drop)
            }
        });
        at_once(works.collect()).await.into_iter().collect()
    }

    pub(super) async fn requeue(
        &self,
        positions: &[Position],
    ) -> Result<Vec<Position>, GroupError> {
        let parts = self.by_partition(positions);
        if parts.is_empty() {
            self.check_exists(&[]).await?;
        }
        let works = parts.into_iter().map(|(partition, ids)| {
            let group = self.clone();
            async move {
                let mut command = group.script(partition, &REQUEUE, Beside::Due);
                command.arg(group.clock());
                let call = (&*REQUEUE, Repeat::UnlessUnknown);
                let replies = group.page_by_page(partition, call, &command, &ids).await?;
                group.positions(partition, replies)
            }
        });
        flat(at_once(works.collect()).await)
    }

    /// Runs a script with the ids added to its arguments, so many at a time.
    async fn page_by_page(
        &self,
        partition: Partition,
        (script, repeat): (&Script, Repeat),
        command: &Cmd,
        ids: &[EntryId],
    ) -> Result<Vec<Value>, GroupError> {
        let mut replies = Vec::new();
        for page in ids.chunks(PAGE) {
            let mut command = command.clone();
            for id in page {
                command.arg(id.to_string());
            }
            replies.push(self.run(partition, script, &command, repeat).await?);
        }
        Ok(replies)
    }

    fn positions(
        &self,
        partition: Partition,
        replies: Vec<Value>,
    ) -> Result<Vec<Position>, GroupError> {
        let mut found = Vec::new();
        for reply in replies {
            for id in self.shaped(partition, wire::list(reply))? {
                found.push(Position {
                    partition,
                    entry_id: self.shaped(partition, wire::entry_id(&id))?,
                });
            }
        }
        Ok(found)
    }
}

impl Consumer {
    pub(super) async fn touch(&self, positions: &[Position]) -> Result<Vec<Position>, GroupError> {
        let parts = self.group.by_partition(positions);
        if parts.is_empty() {
            self.called().await?;
        }
        let works = parts.into_iter().map(|(partition, ids)| {
            let consumer = self.clone();
            async move {
                let command = consumer.script(partition, &TOUCH, Beside::State);
                let call = (&*TOUCH, Repeat::Always);
                let group = &consumer.group;
                let replies = group.page_by_page(partition, call, &command, &ids).await?;
                group.positions(partition, replies)
            }
        });
        flat(at_once(works.collect()).await)
    }

    pub(super) async fn give_back(
        &self,
        positions: &[Position],
        delay_ms: u64,
    ) -> Result<usize, GroupError> {
        let parts = self.group.by_partition(positions);
        if parts.is_empty() {
            self.called().await?;
        }
        let works = parts.into_iter().map(|(partition, ids)| {
            let consumer = self.clone();
            async move {
                let mut command = consumer.script(partition, &GIVE_BACK, Beside::Both);
                command.arg(delay_ms.min(LONGEST_MS));
                let call = (&*GIVE_BACK, Repeat::Always);
                let group = &consumer.group;
                let replies = group.page_by_page(partition, call, &command, &ids).await?;
                let counts = replies.iter().map(wire::count).sum();
                let given_back: u64 = group.shaped(partition, counts)?;
                Ok(given_back as usize)
            }
        });
        at_once(works.collect()).await.into_iter().sum()
    }
}

fn flat<T>(parts: Vec<Result<Vec<T>, GroupError>>) -> Result<Vec<T>, GroupError> {
    let parts = parts.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(parts.into_iter().flatten().collect())
}
