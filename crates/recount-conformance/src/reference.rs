//! The in-memory engine: the contract in its plainest form, to compare others with.

mod append;
mod groups;
mod read;
mod state;
mod trim;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::{Mutex, MutexGuard};
use recount_core::{
    AppendError, Batch, Clock, Cursor, Durability, Entry, EventLog, Filter, Limits, LogInfo, Page,
    Position, Query, ReadError, ReadRange, Receipt, SessionPage, SessionRead, TrimError,
    TrimReport, TrimRequest,
};
use tokio::sync::watch;

use state::State;

/// A stream in memory. It outlives the handles that open it, as a directory does.
#[derive(Clone, Default)]
pub struct MemoryStream(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Told of every append.
    appended: watch::Sender<()>,
}

/// What a [`MemoryLog`] runs with.
#[derive(Clone)]
pub struct MemoryOptions {
    /// Where entry ids and idle times get the time from.
    pub clock: Arc<dyn Clock>,
    /// What an append may hold at most.
    pub limits: Limits,
    /// How long event ids are remembered.
    pub idempotency_window: Duration,
}

/// A handle on a [`MemoryStream`]: the reference for [`EventLog`] and
/// [`recount_core::GroupStore`].
///
/// One lock around one structure, every answer computed from the entries themselves. It forgets
/// nothing it might need (the contents of trimmed entries, say), so it is for tests only.
pub struct MemoryLog {
    shared: Arc<Shared>,
    options: MemoryOptions,
    read_only: bool,
    closed: watch::Sender<bool>,
}

const LOCATION: &str = "memory";
const STREAM: &str = "reference";

impl MemoryLog {
    /// Opens `stream` for writing.
    pub fn open(stream: &MemoryStream, options: MemoryOptions) -> Self {
        Self {
            shared: Arc::clone(&stream.0),
            options,
            read_only: false,
            closed: watch::Sender::new(false),
        }
    }

    /// Opens `stream` for reading only.
    pub fn open_read_only(stream: &MemoryStream, options: MemoryOptions) -> Self {
        Self {
            read_only: true,
            ..Self::open(stream, options)
        }
    }

    fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    fn window_ms(&self) -> u64 {
        u64::try_from(self.options.idempotency_window.as_millis()).unwrap_or(u64::MAX)
    }

    fn reading(&self) -> Result<MutexGuard<'_, State>, ReadError> {
        if self.is_closed() {
            return Err(ReadError::Closed);
        }
        Ok(self.shared.state.lock())
    }

    fn appending(&self) -> Result<MutexGuard<'_, State>, AppendError> {
        if self.is_closed() {
            return Err(AppendError::Closed);
        }
        if self.read_only {
            return Err(AppendError::ReadOnly {
                path: LOCATION.into(),
            });
        }
        Ok(self.shared.state.lock())
    }

    fn receipt(&self, outcomes: Vec<recount_core::Outcome>) -> Receipt {
        self.shared.appended.send_replace(());
        Receipt {
            outcomes,
            durability: Durability::Accepted,
        }
    }
}

#[async_trait]
impl EventLog for MemoryLog {
    async fn append(&self, batch: Batch) -> Result<Receipt, AppendError> {
        let outcomes = self.appending()?.log.append(
            batch,
            &self.options.limits,
            self.options.clock.now_ms(),
            self.window_ms(),
        )?;
        Ok(self.receipt(outcomes))
    }

    async fn append_with_ids(&self, entries: Vec<Entry>) -> Result<Receipt, AppendError> {
        let outcomes = self.appending()?.log.append_with_ids(entries)?;
        Ok(self.receipt(outcomes))
    }

    async fn read(&self, range: &ReadRange) -> Result<Page, ReadError> {
        Ok(self.reading()?.log.page(range, &Filter::default()))
    }

    async fn query(&self, query: &Query) -> Result<Page, ReadError> {
        Ok(self.reading()?.log.page(&query.range, &query.filter))
    }

    async fn session(&self, read: &SessionRead) -> Result<SessionPage, ReadError> {
        Ok(self.reading()?.log.session(read))
    }

    async fn wait(&self, cursor: &Cursor) -> Result<(), ReadError> {
        // Subscribed before looking: what comes in between is noticed.
        let mut appended = self.shared.appended.subscribe();
        let mut closed = self.closed.subscribe();
        loop {
            if self.reading()?.log.holds_after(cursor.get(0)) {
                return Ok(());
            }
            // The senders live as long as `self`, so neither side can fail.
            tokio::select! {
                _ = appended.changed() => {}
                _ = closed.changed() => {}
            }
        }
    }

    async fn tail(&self) -> Result<Cursor, ReadError> {
        Ok(Cursor::after(self.reading()?.log.last))
    }

    async fn trim(&self, request: &TrimRequest) -> Result<TrimReport, TrimError> {
        if self.is_closed() {
            return Err(TrimError::Closed);
        }
        if self.read_only && !request.dry_run {
            return Err(TrimError::ReadOnly {
                path: LOCATION.into(),
            });
        }
        let mut state = self.shared.state.lock();
        Ok(state.trim(request, self.options.clock.now_ms()))
    }

    async fn info(&self) -> Result<LogInfo, ReadError> {
        let state = self.reading()?;
        Ok(LogInfo {
            engine: "memory",
            stream: STREAM.into(),
            location: LOCATION.into(),
            durability: Durability::Accepted,
            durability_note: "held in this process's memory and lost with it".into(),
            idempotency_window_ms: self.window_ms(),
            partitions: vec![state.partition_info()],
            bytes: state.log.bytes(),
            details: Vec::new(),
            warnings: Vec::new(),
        })
    }

    async fn close(&self) -> Result<(), AppendError> {
        self.closed.send_replace(true);
        Ok(())
    }
}

fn position(entry_id: recount_core::EntryId) -> Position {
    Position {
        partition: 0,
        entry_id,
    }
}
