//! The contract of a log.

mod append;
mod info;
mod read;
mod session;
mod trim;

use async_trait::async_trait;

pub use append::{AppendError, Batch, Durability, Outcome, Receipt};
pub use info::{HeldBack, LogInfo, PartitionInfo};
pub use read::{Direction, Filter, Page, Query, ReadError, ReadRange};
pub use session::{SessionPage, SessionRead};
pub use trim::{HeldUp, Lost, TrimError, TrimLimit, TrimReport, TrimRequest};

use crate::{Cursor, Entry, Partition};

/// One stream: an append-only sequence of entries in one or more partitions.
///
/// # Order
///
/// Within a partition, entry ids strictly increase in the order of the appends, whatever the clock
/// does: an id is the greater of the clock's millisecond and the last id's, its sequence the next
/// free one. Events of one session go to one partition, so a session's order is one partition's
/// order. Between partitions there is no order that binds.
///
/// # Visibility and durability
///
/// What a reader was shown stays: an entry is visible to readers only once it is as durable as the
/// engine's setting promises, so no crash takes back what somebody has read. An acknowledged
/// append is visible to every read that starts afterwards, through the same handle or another.
///
/// # Revisions
///
/// A session's entries are numbered from 1 in the order of their appends. The number is kept with
/// the entry: trims and restarts do not move it. Entries that belong to no session have 0.
///
/// # Failure
///
/// A failed append appended nothing, with one exception that the error names: after a failed sync
/// ([`AppendError::Stopped`]) nothing is known about the batch. An error never loses what was
/// acknowledged earlier. Dropping the future of an append does not take the append back: it may
/// or may not happen.
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// Appends a batch of events.
    ///
    /// 1. The whole batch is checked: limits, identifiers, encoding. If anything is wrong, nothing
    ///    is appended and the error names the first event at fault. An empty batch succeeds and
    ///    does nothing.
    /// 2. Duplicates are resolved, in the order of the batch. An event whose id was appended
    ///    within the idempotency window (also earlier in this batch) is a
    ///    [`Outcome::Duplicate`] if its content is the same ([`crate::same_content`]) and an
    ///    [`Outcome::Conflict`] otherwise; both name the first entry's position and append
    ///    nothing. The window is exact: it holds every id recorded less than its length ago, it
    ///    survives restarts, and trimming never shortens it. An id that was out of it once, as an old
    ///    copy's is, need not come back where the clock steps back. Where the first entry was trimmed,
    ///    contents are compared as bytes only, and a conflict says so.
    /// 3. With [`Batch::strict`], one conflict refuses the whole batch.
    /// 4. With [`Batch::expected_revision`], the batch must be of one session, and is refused unless
    ///    that session's revision is the expected one. A batch of nothing but duplicates
    ///    succeeds whatever the revision is: it was appended before.
    /// 5. The remaining events are appended. Those of one partition become visible and durable
    ///    together, or not at all.
    async fn append(&self, batch: Batch) -> Result<Receipt, AppendError>;

    /// Appends entries under ids given by the caller: for mirrors, restores and migrations.
    ///
    /// Ids must strictly increase and lie above the partition's last id, else nothing is appended
    /// ([`AppendError::IdNotAbove`]). Fields are kept byte for byte; what they say is decoded as
    /// [`crate::codec`] decodes it. A given [`Entry::revision`] is kept, unless the session is past it
    /// already: revisions increase. The entries' event ids enter the idempotency window but are
    /// not checked against it: a copy is faithful. All of the entries go to partition 0 and become
    /// visible and durable together.
    async fn append_with_ids(&self, entries: Vec<Entry>) -> Result<Receipt, AppendError>;

    /// The entries of a range of ids in one partition, in either direction.
    ///
    /// Returns at most [`ReadRange::limit`] entries, and no more than
    /// [`crate::Limits::PAGE_ENTRIES_MAX`]; a page also ends early at
    /// [`crate::Limits::PAGE_BYTES_MAX`], but holds at least one entry if there is one.
    /// [`Page::next`] says where to go on; without it, the range held nothing more when it was
    /// read. A range that starts before the first retained entry starts there. An inverted range
    /// and a partition that does not exist hold nothing.
    async fn read(&self, range: &ReadRange) -> Result<Page, ReadError>;

    /// The entries of a range that pass a filter, found through the engine's index.
    ///
    /// As [`EventLog::read`], but a page may hold fewer entries than its limit, even none, and yet
    /// have a [`Page::next`]: an engine may stop looking after a bounded amount of work.
    /// Undecodable entries pass only the empty filter.
    async fn query(&self, query: &Query) -> Result<Page, ReadError>;

    /// The newest entries of one session, and whether they and what is kept before them are the whole of
    /// it.
    ///
    /// The cost is that of the session, or of the entries asked for, never that of the stream. The answer
    /// holds fewer entries than asked for where [`crate::Limits::PAGE_BYTES_MAX`] ends it; a
    /// session is walked in full by [`EventLog::query`].
    async fn session(&self, read: &SessionRead) -> Result<SessionPage, ReadError> {
        let partition = self.partition_of(&read.session_id);
        session::by_query(self, partition, read).await
    }

    /// How many partitions the stream has. They are numbered from 0.
    fn partitions(&self) -> u32 {
        1
    }

    /// The partition that has the events of a session.
    fn partition_of(&self, session_id: &str) -> Partition {
        let _ = session_id;
        0
    }

    /// Returns once an entry after `cursor` exists in any partition.
    ///
    /// At once if one does already: between a read that came up empty and this call nothing can be
    /// missed. Entries that were trimmed do not count. Waiting costs no processor time. If the log
    /// is closed the wait ends with [`ReadError::Closed`].
    async fn wait(&self, cursor: &Cursor) -> Result<(), ReadError>;

    /// The cursor after the last entry of every partition: what `$` means.
    ///
    /// Trimming does not move it back: the last id is remembered when its entry is gone.
    async fn tail(&self) -> Result<Cursor, ReadError>;

    /// Removes entries from the start of every partition, up to a limit.
    ///
    /// Exactly or approximately: an approximate trim removes at most what the exact one would, and
    /// stops where removing is cheap. Nothing is removed that somebody still needs: a group that was
    /// not delivered an entry or has not acknowledged it, a registered mirror. What is
    /// held back, and by whom, is in the report. [`TrimRequest::held_up`] can say otherwise; the report
    /// then says what was lost to whom. What is removed is gone for every reader once the
    /// call returns, and stays gone after a crash; disk space may be freed later.
    async fn trim(&self, request: &TrimRequest) -> Result<TrimReport, TrimError>;

    /// A number for what a partition is a history of, where the log can tell: one that is in its place
    /// later, because it was made anew or the server lost what it had given out, has another. Trimming
    /// changes nothing. Whoever keeps what was made of entries is to drop it then, and begin again.
    async fn history(&self, _partition: Partition) -> Result<Option<u64>, ReadError> {
        Ok(None)
    }

    /// What the log holds and what it promises, at this moment.
    async fn info(&self) -> Result<LogInfo, ReadError>;

    /// Finishes what is under way and releases the log. Appends that were acknowledged
    /// as less than synced are synced. Later calls fail with `Closed`; closing again does nothing.
    async fn close(&self) -> Result<(), AppendError>;
}
