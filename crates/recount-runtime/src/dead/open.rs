//! The stream of letters, opened when it is needed first.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use recount_core::EventLog;

/// What a stream of dead letters is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To look: it may be missing, and is not created.
    Read,
    /// To add or close letters: it is created if it is missing.
    Write,
}

type Log = Arc<dyn EventLog>;
pub(super) type Failure = Box<dyn Error + Send + Sync>;
type Opening = Pin<Box<dyn Future<Output = Result<Option<Log>, Failure>> + Send>>;

/// How to open the stream, and what is open.
pub(super) struct Lazy {
    open: Box<dyn Fn(Access) -> Opening + Send + Sync>,
    reader: Option<Log>,
    writer: Option<Log>,
}

impl Lazy {
    pub(super) fn new<F, Opened>(open: F) -> Self
    where
        F: Fn(Access) -> Opened + Send + Sync + 'static,
        Opened: Future<Output = Result<Option<Log>, Failure>> + Send + 'static,
    {
        Self {
            open: Box::new(move |access| Box::pin(open(access))),
            reader: None,
            writer: None,
        }
    }

    /// What is open, or can be without creating anything.
    pub(super) async fn reader(&mut self) -> Result<Option<Log>, Failure> {
        if self.writer.is_none() && self.reader.is_none() {
            self.reader = (self.open)(Access::Read).await?;
        }
        Ok(self.writer.clone().or_else(|| self.reader.clone()))
    }

    pub(super) async fn writer(&mut self) -> Result<Log, Failure> {
        if let Some(writer) = &self.writer {
            return Ok(Arc::clone(writer));
        }
        let opened = (self.open)(Access::Write).await?;
        let writer = opened.ok_or("it was not created when it was opened for writing")?;
        self.reader = None;
        self.writer = Some(Arc::clone(&writer));
        Ok(writer)
    }

    /// Gives up what is open.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Log> {
        [self.reader.take(), self.writer.take()]
            .into_iter()
            .flatten()
    }
}
