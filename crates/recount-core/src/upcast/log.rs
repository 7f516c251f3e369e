//! A log whose events are read in their newest version.

use std::sync::Arc;

use async_trait::async_trait;

use super::Upcasters;
use crate::{
    AppendError, Batch, Cursor, Entry, EventLog, LogInfo, Page, Partition, Query, ReadError,
    ReadRange, Receipt, SessionPage, SessionRead, TrimError, TrimReport, TrimRequest,
};

/// A log behind its [`Upcasters`]: everything that is read through it is in the newest version that
/// they know, or marked ([`crate::Schema`]). What is appended, and what is stored, is not touched.
#[derive(Clone)]
pub struct UpcastLog {
    stored: Arc<dyn EventLog>,
    upcasters: Upcasters,
}

impl UpcastLog {
    /// Puts `upcasters` before `stored`.
    pub fn new(stored: Arc<dyn EventLog>, upcasters: Upcasters) -> Self {
        Self { stored, upcasters }
    }

    fn lifted(&self, mut page: Page) -> Page {
        for recorded in &mut page.entries {
            self.upcasters.apply(recorded);
        }
        page
    }
}

#[async_trait]
impl EventLog for UpcastLog {
    async fn append(&self, batch: Batch) -> Result<Receipt, AppendError> {
        self.stored.append(batch).await
    }

    async fn append_with_ids(&self, entries: Vec<Entry>) -> Result<Receipt, AppendError> {
        self.stored.append_with_ids(entries).await
    }

    async fn read(&self, range: &ReadRange) -> Result<Page, ReadError> {
        Ok(self.lifted(self.stored.read(range).await?))
    }

    async fn query(&self, query: &Query) -> Result<Page, ReadError> {
        Ok(self.lifted(self.stored.query(query).await?))
    }

    async fn session(&self, read: &SessionRead) -> Result<SessionPage, ReadError> {
        let mut page = self.stored.session(read).await?;
        for recorded in &mut page.entries {
            self.upcasters.apply(recorded);
        }
        Ok(page)
    }

    fn partitions(&self) -> u32 {
        self.stored.partitions()
    }

    fn partition_of(&self, session_id: &str) -> Partition {
        self.stored.partition_of(session_id)
    }

    async fn wait(&self, cursor: &Cursor) -> Result<(), ReadError> {
        self.stored.wait(cursor).await
    }

    async fn tail(&self) -> Result<Cursor, ReadError> {
        self.stored.tail().await
    }

    async fn trim(&self, request: &TrimRequest) -> Result<TrimReport, TrimError> {
        self.stored.trim(request).await
    }

    async fn history(&self, partition: Partition) -> Result<Option<u64>, ReadError> {
        self.stored.history(partition).await
    }

    async fn info(&self) -> Result<LogInfo, ReadError> {
        self.stored.info().await
    }

    async fn close(&self) -> Result<(), AppendError> {
        self.stored.close().await
    }
}
