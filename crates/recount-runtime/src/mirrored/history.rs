//! The mirror's side of a [`MirroredLog`] alone.

use std::sync::Arc;

use async_trait::async_trait;
use recount_core::{
    AppendError, Batch, Cursor, Entry, EventLog, LogInfo, Page, Partition, Position, Query,
    ReadError, ReadRange, Receipt, SessionPage, SessionRead, TrimError, TrimReport, TrimRequest,
};
use tokio::task::JoinSet;

use super::MirroredLog;
use crate::mirror::Mirror;

/// A mirrored stream as it stands on this machine's disk: for what reads the whole of it, as views do.
///
/// Every read comes from the mirror and none waits for the server, but for [`EventLog::tail`], which first
/// waits until the mirror holds what the server held when it was called. What is appended, trimmed or told
/// of the stream is the server's.
pub struct MirrorHistory {
    log: Arc<MirroredLog>,
}

impl MirrorHistory {
    /// The mirror's side of `log`.
    pub fn of(log: Arc<MirroredLog>) -> Self {
        Self { log }
    }

    async fn mirror(&self) -> Result<Arc<Mirror>, ReadError> {
        Ok(self.log.mirror().await?)
    }

    async fn local_tail(&self, partition: Partition) -> Result<Position, ReadError> {
        let mirror = self.mirror().await?;
        let tail = mirror
            .reading(partition, async |log| log.tail().await)
            .await?;
        Ok(Position {
            partition,
            entry_id: tail.unwrap_or_default().get(0),
        })
    }
}

#[async_trait]
impl EventLog for MirrorHistory {
    async fn append(&self, batch: Batch) -> Result<Receipt, AppendError> {
        self.log.append(batch).await
    }

    async fn append_with_ids(&self, entries: Vec<Entry>) -> Result<Receipt, AppendError> {
        self.log.append_with_ids(entries).await
    }

    async fn read(&self, range: &ReadRange) -> Result<Page, ReadError> {
        let query = Query {
            range: range.clone(),
            filter: recount_core::Filter::default(),
        };
        self.query(&query).await
    }

    async fn query(&self, query: &Query) -> Result<Page, ReadError> {
        let mirror = self.mirror().await?;
        self.log.mirrored(&mirror, query).await
    }

    async fn session(&self, read: &SessionRead) -> Result<SessionPage, ReadError> {
        self.log.session(read).await
    }

    fn partitions(&self) -> u32 {
        self.log.partitions()
    }

    fn partition_of(&self, session_id: &str) -> Partition {
        self.log.partition_of(session_id)
    }

    async fn wait(&self, cursor: &Cursor) -> Result<(), ReadError> {
        loop {
            let mirror = self.mirror().await?;
            let mut waiting = JoinSet::new();
            for partition in 0..self.partitions() {
                let Some(log) = mirror.log(partition) else {
                    continue;
                };
                // Each is a log of one partition, which calls itself 0.
                let after = Cursor::after(cursor.get(partition));
                waiting.spawn(async move { log.wait(&after).await });
            }
            let replaced = mirror.replaced();
            let ended = tokio::select! {
                ended = waiting.join_next() => ended,
                other = mirror.replaced_after(replaced) => { other?; continue; }
            };
            match ended {
                Some(Ok(Err(error))) if mirror.replaced() == replaced => return Err(error),
                Some(Ok(Ok(()))) => return Ok(()),
                Some(_) => {}
                None => return Err(ReadError::Closed),
            }
        }
    }

    async fn tail(&self) -> Result<Cursor, ReadError> {
        let mut tail = Cursor::start();
        for partition in 0..self.partitions() {
            self.log.up_to_date(partition).await?;
            tail.advance(self.local_tail(partition).await?);
        }
        Ok(tail)
    }

    async fn trim(&self, request: &TrimRequest) -> Result<TrimReport, TrimError> {
        self.log.trim(request).await
    }

    /// That of the copy: another one after the server lost what was mirrored.
    async fn history(&self, partition: Partition) -> Result<Option<u64>, ReadError> {
        match self.mirror().await?.log(partition) {
            Some(log) => log.history(0).await,
            None => Ok(None),
        }
    }

    async fn info(&self) -> Result<LogInfo, ReadError> {
        self.log.info().await
    }

    /// Closes the mirrored log.
    async fn close(&self) -> Result<(), AppendError> {
        self.log.close().await
    }
}
