//! Several logs of one partition each, as one log.

mod groups;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use async_trait::async_trait;
use bytes::Bytes;
use recount_core::{
    AppendError, Batch, Cursor, Entry, EntryId, EventLog, GroupStore, LogInfo, Outcome, Page,
    Partition, PartitionInfo, Position, Query, ReadError, ReadRange, Receipt, SessionPage,
    SessionRead, TrimError, TrimReport, TrimRequest,
};

/// Partition n is the n-th log. A session's entries are all in one of them.
pub struct Partitioned<L>(Vec<Arc<L>>);

impl<L: EventLog + GroupStore> Partitioned<L> {
    pub fn new(parts: Vec<L>) -> Self {
        Self(parts.into_iter().map(Arc::new).collect())
    }

    /// Adds an entry that is no event to a partition.
    pub async fn add_noise(&self, partition: Partition, now_ms: u64) -> Position {
        let part = self.part(partition);
        loop {
            let tail = part.tail().await.expect("the tail is known").get(0);
            let next = tail.next().expect("an id after");
            let entry_id = next.max(EntryId::new(now_ms, 0));
            let field = (Bytes::from_static(b"noise"), Bytes::from_static(b"\xff"));
            let entry = Entry::new(entry_id, vec![field]);
            match part.append_with_ids(vec![entry]).await {
                Ok(_) => {
                    return Position {
                        partition,
                        entry_id,
                    };
                }
                // Somebody was faster.
                Err(error) => assert_eq!(error.code(), "id_not_above", "{error}"),
            }
        }
    }

    fn parts(&self) -> impl Iterator<Item = (Partition, &L)> {
        (0..).zip(self.0.iter().map(|part| &**part))
    }

    fn part(&self, partition: Partition) -> &L {
        &self.0[partition as usize]
    }
}

fn cursor_of(partition: Partition, cursor: &Cursor) -> Cursor {
    Cursor::after(cursor.get(partition))
}

#[async_trait]
impl<L: EventLog + GroupStore> EventLog for Partitioned<L> {
    async fn append(&self, batch: Batch) -> Result<Receipt, AppendError> {
        let [event] = batch.events.as_slice() else {
            unreachable!("histories publish one event at a time");
        };
        let hash: u32 = event.session_id.bytes().map(u32::from).sum();
        let partition = hash % self.0.len() as Partition;
        let mut receipt = self.part(partition).append(batch).await?;
        for outcome in &mut receipt.outcomes {
            match outcome {
                Outcome::Appended { position, .. } | Outcome::Duplicate { position, .. } => {
                    position.partition = partition;
                }
                Outcome::Conflict { .. } => unreachable!("events differ in their ids"),
            }
        }
        Ok(receipt)
    }

    async fn append_with_ids(&self, _: Vec<Entry>) -> Result<Receipt, AppendError> {
        unreachable!("copies go to one partition")
    }

    async fn read(&self, range: &ReadRange) -> Result<Page, ReadError> {
        let part = self.part(range.partition);
        let within = ReadRange {
            partition: 0,
            ..range.clone()
        };
        let mut page = part.read(&within).await?;
        for entry in &mut page.entries {
            entry.position.partition = range.partition;
        }
        Ok(page)
    }

    async fn query(&self, _: &Query) -> Result<Page, ReadError> {
        unreachable!("consumers do not query")
    }

    async fn session(&self, _: &SessionRead) -> Result<SessionPage, ReadError> {
        unreachable!("consumers do not ask for sessions")
    }

    async fn wait(&self, cursor: &Cursor) -> Result<(), ReadError> {
        let cursors: Vec<_> = self.parts().map(|(p, _)| cursor_of(p, cursor)).collect();
        let mut waits: Vec<Pin<Box<dyn Future<Output = _> + Send + '_>>> = self
            .parts()
            .zip(&cursors)
            .map(|((_, part), cursor)| part.wait(cursor))
            .collect();
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
        for (partition, part) in self.parts() {
            tail.advance(Position {
                partition,
                entry_id: part.tail().await?.get(0),
            });
        }
        Ok(tail)
    }

    async fn trim(&self, request: &TrimRequest) -> Result<TrimReport, TrimError> {
        let mut report = TrimReport::default();
        for (_, part) in self.parts() {
            report.removed += part.trim(request).await?.removed;
        }
        Ok(report)
    }

    async fn info(&self) -> Result<LogInfo, ReadError> {
        let mut info = self.part(0).info().await?;
        info.partitions.clear();
        for (partition, part) in self.parts() {
            let one = part.info().await?.partitions.remove(0);
            info.partitions.push(PartitionInfo { partition, ..one });
        }
        Ok(info)
    }

    fn partitions(&self) -> Partition {
        self.0.len() as Partition
    }

    async fn close(&self) -> Result<(), AppendError> {
        for (_, part) in self.parts() {
            part.close().await?;
        }
        Ok(())
    }
}
