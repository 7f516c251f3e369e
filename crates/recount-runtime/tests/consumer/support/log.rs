//! A log of several partitions in memory, whose calls on groups fail when they are told to.

use std::future::{Future, poll_fn};
use std::task::Poll;

use async_trait::async_trait;
use parking_lot::Mutex;
use recount_conformance::{MemoryLog, MemoryStream};
use recount_core::{
    AppendError, Batch, Claim, ClaimRequest, ConsumerInfo, Cursor, Delivery, Entry, EntryId,
    EventLog, GroupError, GroupInfo, GroupStart, GroupStore, LeaseAnswer, LeaseRequest, LogInfo,
    Page, Partition, PendingEntry, PendingSummary, Position, Query, ReadError, ReadRange, Receipt,
    TrimError, TrimReport, TrimRequest,
};

use super::options;

/// Each partition is a log of its own.
pub struct TestLog {
    parts: Vec<MemoryLog>,
    faults: Mutex<Vec<(Call, Fault)>>,
    calls: Mutex<Vec<Call>>,
    /// A consumer that does not get through.
    cut_off: Mutex<Option<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    ReadNew,
    Ack,
    Claim,
    Touch,
    Lease,
    Wait,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Not done.
    Unavailable,
    /// Done, and not told.
    AnswerLost,
    /// Not done: there is no space.
    Full,
    /// Not done, and never again.
    Stopped,
}

impl TestLog {
    pub fn new(partitions: u32) -> Self {
        let options = options();
        let part = |_| MemoryLog::open(&MemoryStream::default(), options.clone());
        Self {
            parts: (0..partitions).map(part).collect(),
            faults: Mutex::default(),
            calls: Mutex::default(),
            cut_off: Mutex::default(),
        }
    }

    /// The next `times` calls of this kind fail so.
    pub fn fail(&self, call: Call, fault: Fault, times: usize) {
        self.faults
            .lock()
            .extend(std::iter::repeat_n((call, fault), times));
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        self.faults.lock().clear();
        *self.cut_off.lock() = None;
    }

    /// From now on this consumer cannot keep what it has, nor get more.
    pub fn cut_off(&self, consumer: &str) {
        *self.cut_off.lock() = Some(consumer.to_owned());
    }

    fn reached_by(&self, consumer: &str) -> Result<(), GroupError> {
        if self.cut_off.lock().as_deref() == Some(consumer) {
            Err(unavailable())
        } else {
            Ok(())
        }
    }

    pub fn calls(&self, call: Call) -> usize {
        self.calls
            .lock()
            .iter()
            .filter(|made| **made == call)
            .count()
    }

    pub fn part(&self, partition: Partition) -> &MemoryLog {
        &self.parts[partition as usize]
    }

    async fn faulty<T>(
        &self,
        call: Call,
        work: impl Future<Output = Result<T, GroupError>>,
    ) -> Result<T, GroupError> {
        self.calls.lock().push(call);
        let fault = {
            let mut faults = self.faults.lock();
            let due = faults.iter().position(|(of, _)| *of == call);
            due.map(|due| faults.remove(due).1)
        };
        match fault {
            None => work.await,
            Some(Fault::Unavailable) => Err(unavailable()),
            Some(Fault::AnswerLost) => {
                work.await?;
                Err(unavailable())
            }
            Some(Fault::Full) => Err(GroupError::Full {
                path: "test".into(),
            }),
            Some(Fault::Stopped) => Err(GroupError::Stopped {
                reason: "made to".into(),
            }),
        }
    }

    fn numbered(&self) -> impl Iterator<Item = (Partition, &MemoryLog)> {
        (0..).zip(&self.parts)
    }
}

fn unavailable() -> GroupError {
    GroupError::Unavailable {
        address: "test".into(),
        message: "made to fail".into(),
    }
}

/// The part of a cursor that is about one partition.
fn local(cursor: &Cursor, partition: Partition) -> Cursor {
    Cursor::after(cursor.get(partition))
}

fn local_start(start: &GroupStart, partition: Partition) -> GroupStart {
    match start {
        GroupStart::After(cursor) => GroupStart::After(local(cursor, partition)),
        start => start.clone(),
    }
}

fn locals(positions: &[Position], partition: Partition) -> Vec<Position> {
    positions
        .iter()
        .filter(|position| position.partition == partition)
        .map(|position| Position {
            partition: 0,
            ..*position
        })
        .collect()
}

fn delivered(deliveries: Vec<Delivery>, partition: Partition) -> impl Iterator<Item = Delivery> {
    deliveries.into_iter().map(move |mut delivery| {
        delivery.position.partition = partition;
        if let Some(entry) = &mut delivery.entry {
            entry.position.partition = partition;
        }
        delivery
    })
}

#[async_trait]
impl EventLog for TestLog {
    /// Of one session.
    async fn append(&self, batch: Batch) -> Result<Receipt, AppendError> {
        let partition = self.partition_of(&batch.events[0].session_id);
        let mut receipt = self.part(partition).append(batch).await?;
        for outcome in &mut receipt.outcomes {
            if let recount_core::Outcome::Appended { position, .. } = outcome {
                position.partition = partition;
            }
        }
        Ok(receipt)
    }

    async fn append_with_ids(&self, entries: Vec<Entry>) -> Result<Receipt, AppendError> {
        self.part(0).append_with_ids(entries).await
    }

    async fn read(&self, range: &ReadRange) -> Result<Page, ReadError> {
        let mut inner = range.clone();
        inner.partition = 0;
        let mut page = self.part(range.partition).read(&inner).await?;
        for entry in &mut page.entries {
            entry.position.partition = range.partition;
        }
        Ok(page)
    }

    async fn query(&self, query: &Query) -> Result<Page, ReadError> {
        self.part(0).query(query).await
    }

    fn partitions(&self) -> u32 {
        self.parts.len() as u32
    }

    /// By the session's last byte.
    fn partition_of(&self, session_id: &str) -> Partition {
        let last = session_id.bytes().last().unwrap_or_default();
        u32::from(last) % self.partitions()
    }

    async fn wait(&self, cursor: &Cursor) -> Result<(), ReadError> {
        self.calls.lock().push(Call::Wait);
        let cursors: Vec<_> = self
            .numbered()
            .map(|(partition, _)| local(cursor, partition))
            .collect();
        let parts = self.parts.iter().zip(&cursors);
        let mut waits: Vec<_> = parts.map(|(part, cursor)| part.wait(cursor)).collect();
        poll_fn(|context| {
            let ready = waits
                .iter_mut()
                .find_map(|wait| match wait.as_mut().poll(context) {
                    Poll::Ready(ended) => Some(ended),
                    Poll::Pending => None,
                });
            ready.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    async fn tail(&self) -> Result<Cursor, ReadError> {
        let mut tail = Cursor::start();
        for (partition, part) in self.numbered() {
            tail.advance(Position {
                partition,
                entry_id: part.tail().await?.get(0),
            });
        }
        Ok(tail)
    }

    async fn trim(&self, request: &TrimRequest) -> Result<TrimReport, TrimError> {
        self.part(0).trim(request).await
    }

    async fn info(&self) -> Result<LogInfo, ReadError> {
        self.part(0).info().await
    }

    async fn close(&self) -> Result<(), AppendError> {
        for part in &self.parts {
            part.close().await?;
        }
        Ok(())
    }
}

#[async_trait]
impl GroupStore for TestLog {
    async fn create(&self, group: &str, start: &GroupStart) -> Result<(), GroupError> {
        for (partition, part) in self.numbered() {
            part.create(group, &local_start(start, partition)).await?;
        }
        Ok(())
    }

    async fn set_position(&self, group: &str, start: &GroupStart) -> Result<(), GroupError> {
        for (partition, part) in self.numbered() {
            let start = local_start(start, partition);
            part.set_position(group, &start).await?;
        }
        Ok(())
    }

    async fn destroy(&self, group: &str) -> Result<bool, GroupError> {
        let mut was = false;
        for part in &self.parts {
            was |= part.destroy(group).await?;
        }
        Ok(was)
    }

    async fn groups(&self) -> Result<Vec<GroupInfo>, GroupError> {
        let mut all: Vec<GroupInfo> = Vec::new();
        for (partition, part) in self.numbered() {
            for (n, mut group) in part.groups().await?.into_iter().enumerate() {
                group.lags = vec![(partition, group.lag())];
                if partition == 0 {
                    all.push(group);
                    continue;
                }
                all[n].pending += group.pending;
                all[n].lags.append(&mut group.lags);
                all[n].last_delivered.advance(Position {
                    partition,
                    entry_id: group.last_delivered.get(0),
                });
            }
        }
        Ok(all)
    }

    async fn read_new(
        &self,
        group: &str,
        consumer: &str,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        let work = async {
            self.reached_by(consumer)?;
            let mut all = Vec::new();
            for (partition, part) in self.numbered() {
                let room = count - all.len();
                if room > 0 {
                    let read = part.read_new(group, consumer, room).await?;
                    all.extend(delivered(read, partition));
                }
            }
            Ok(all)
        };
        self.faulty(Call::ReadNew, work).await
    }

    async fn read_pending(
        &self,
        group: &str,
        consumer: &str,
        after: &Cursor,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        self.part(0)
            .read_pending(group, consumer, after, count)
            .await
    }

    async fn ack(&self, group: &str, positions: &[Position]) -> Result<usize, GroupError> {
        let work = async {
            let mut acked = 0;
            for (partition, part) in self.numbered() {
                acked += part.ack(group, &locals(positions, partition)).await?;
            }
            Ok(acked)
        };
        self.faulty(Call::Ack, work).await
    }

    async fn touch(
        &self,
        group: &str,
        consumer: &str,
        positions: &[Position],
    ) -> Result<Vec<Position>, GroupError> {
        let work = async {
            self.reached_by(consumer)?;
            let mut ours = Vec::new();
            for (partition, part) in self.numbered() {
                let positions = locals(positions, partition);
                let touched = part.touch(group, consumer, &positions).await?;
                ours.extend(touched.into_iter().map(|position| Position {
                    partition,
                    ..position
                }));
            }
            Ok(ours)
        };
        self.faulty(Call::Touch, work).await
    }

    async fn nack(
        &self,
        group: &str,
        consumer: &str,
        positions: &[Position],
        delay_ms: u64,
    ) -> Result<usize, GroupError> {
        let mut given_back = 0;
        for (partition, part) in self.numbered() {
            let positions = locals(positions, partition);
            given_back += part.nack(group, consumer, &positions, delay_ms).await?;
        }
        Ok(given_back)
    }

    async fn requeue(
        &self,
        group: &str,
        positions: &[Position],
    ) -> Result<Vec<Position>, GroupError> {
        let mut requeued = Vec::new();
        for (partition, part) in self.numbered() {
            let again = part.requeue(group, &locals(positions, partition)).await?;
            requeued.extend(again.into_iter().map(|position| Position {
                partition,
                ..position
            }));
        }
        Ok(requeued)
    }

    async fn pending(&self, group: &str) -> Result<PendingSummary, GroupError> {
        let mut sum = PendingSummary::default();
        for (partition, part) in self.numbered() {
            let summary = part.pending(group).await?;
            sum.count += summary.count;
            let ranges = summary.ranges.into_iter();
            sum.ranges
                .extend(ranges.map(|(_, first, last)| (partition, first, last)));
            for (name, count) in summary.by_consumer {
                match sum.by_consumer.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, sum)) => *sum += count,
                    None => sum.by_consumer.push((name, count)),
                }
            }
        }
        Ok(sum)
    }

    async fn pending_entries(
        &self,
        group: &str,
        consumer: Option<&str>,
        after: &Cursor,
        count: usize,
    ) -> Result<Vec<PendingEntry>, GroupError> {
        let mut all = Vec::new();
        for (partition, part) in self.numbered() {
            let after = local(after, partition);
            if after.get(0) == EntryId::MAX {
                continue;
            }
            let listed = part.pending_entries(group, consumer, &after, count);
            all.extend(listed.await?.into_iter().map(|mut entry| {
                entry.position.partition = partition;
                entry
            }));
        }
        all.sort_by_key(|entry| entry.position.entry_id);
        all.truncate(count);
        Ok(all)
    }

    async fn claim(
        &self,
        group: &str,
        request: &ClaimRequest,
        positions: &[Position],
    ) -> Result<Vec<Delivery>, GroupError> {
        let work = async {
            self.reached_by(&request.consumer)?;
            let mut all = Vec::new();
            for (partition, part) in self.numbered() {
                let positions = locals(positions, partition);
                let claimed = part.claim(group, request, &positions).await?;
                all.extend(delivered(claimed, partition));
            }
            Ok(all)
        };
        self.faulty(Call::Claim, work).await
    }

    async fn auto_claim(
        &self,
        group: &str,
        request: &ClaimRequest,
        _after: &Cursor,
        count: usize,
    ) -> Result<Claim, GroupError> {
        let work = async {
            self.reached_by(&request.consumer)?;
            for (partition, part) in self.numbered() {
                let start = Cursor::start();
                let claim = part.auto_claim(group, request, &start, count).await?;
                if !claim.deliveries.is_empty() {
                    return Ok(Claim {
                        deliveries: delivered(claim.deliveries, partition).collect(),
                        next: None,
                    });
                }
            }
            Ok(Claim::default())
        };
        self.faulty(Call::Claim, work).await
    }

    async fn consumers(&self, group: &str) -> Result<Vec<ConsumerInfo>, GroupError> {
        self.part(0).consumers(group).await
    }

    async fn delete_consumer(
        &self,
        group: &str,
        consumer: &str,
        hand_over_to: Option<&str>,
    ) -> Result<u64, GroupError> {
        let mut moved = 0;
        for part in &self.parts {
            moved += part.delete_consumer(group, consumer, hand_over_to).await?;
        }
        Ok(moved)
    }

    async fn lease(&self, group: &str, request: &LeaseRequest) -> Result<LeaseAnswer, GroupError> {
        let partition = request.partition;
        let mut request = request.clone();
        request.partition = 0;
        let work = async {
            let answer = self.part(partition).lease(group, &request).await?;
            Ok(match answer {
                LeaseAnswer::Held(mut lease) => {
                    lease.partition = partition;
                    LeaseAnswer::Held(lease)
                }
                taken @ LeaseAnswer::Taken { .. } => taken,
            })
        };
        self.faulty(Call::Lease, work).await
    }

    async fn release(
        &self,
        group: &str,
        consumer: &str,
        partition: Partition,
        token: u64,
    ) -> Result<bool, GroupError> {
        self.part(partition)
            .release(group, consumer, 0, token)
            .await
    }

    async fn read_leased(
        &self,
        group: &str,
        consumer: &str,
        partition: Partition,
        token: u64,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError> {
        let work = async {
            let part = self.part(partition);
            let read = part.read_leased(group, consumer, 0, token, count).await?;
            Ok(delivered(read, partition).collect())
        };
        self.faulty(Call::ReadNew, work).await
    }
}
