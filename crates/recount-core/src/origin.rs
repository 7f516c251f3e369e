//! What a log on a server offers to whoever keeps a copy of it.

use std::time::Duration;

use async_trait::async_trait;

use crate::{Cursor, Entry, EntryId, IdRange, Partition, ReadError};

/// A stream that can be mirrored: the same entries under the same ids, kept elsewhere.
///
/// What is handed out are entries as they are stored, with their revisions where the stream knows
/// them.
#[async_trait]
pub trait Origin: Send + Sync + 'static {
    /// The server, without secrets: with the stream's name it tells mirrors apart.
    fn address(&self) -> String;

    /// The stream's name.
    fn stream(&self) -> String;

    /// What each partition is called where it is stored, by number.
    fn partition_names(&self) -> Vec<String>;

    /// Where a partition begins and ends at this moment.
    async fn standing(&self, partition: Partition) -> Result<Standing, ReadError>;

    /// The entries of a range of ids, from the smallest id up: at most `limit`, and at most about
    /// [`crate::Limits::PAGE_BYTES_MAX`] bytes, but at least one if there is one.
    async fn entries(
        &self,
        partition: Partition,
        ids: IdRange,
        limit: usize,
    ) -> Result<Vec<Entry>, ReadError>;

    /// What comes after `after` in a partition, as it comes, over a connection of its own.
    async fn feed(&self, partition: Partition, after: EntryId) -> Result<Box<dyn Feed>, ReadError>;

    /// Says that the mirror `name` holds everything up to `synced` on stable storage. Until `lease` is
    /// over, nothing after it is trimmed.
    async fn register(&self, name: &str, synced: &Cursor, lease: Duration)
    -> Result<(), ReadError>;

    /// The mirrors that registered and were not forgotten, by name. Those whose lease is over too.
    async fn registrations(&self) -> Result<Vec<Registration>, ReadError>;

    /// Forgets a mirror: it no longer keeps entries from being trimmed. Whether there was one of that name.
    async fn forget(&self, name: &str) -> Result<bool, ReadError>;
}

/// The entries of a partition as they come.
#[async_trait]
pub trait Feed: Send {
    /// The next entries: at once where there are any, else as soon as there are. At most `limit`, never
    /// none. After an error the feed is of no further use.
    ///
    /// Dropping the future may lose entries for this feed: begin a new one then.
    async fn next(&mut self, limit: usize) -> Result<Vec<Entry>, ReadError>;
}

/// Where a partition begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// How many entries it holds.
    pub length: u64,
    /// The first entry.
    pub first: Option<EntryId>,
    /// The last id given out, whether or not its entry is still there; `0-0` where there was none.
    pub last: EntryId,
    /// How many entries were ever added; none where the server does not count them.
    pub entries_added: Option<u64>,
    /// The last entry that a trim of Recount removed.
    pub trimmed_to: Option<EntryId>,
}

/// A mirror that is known to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Its name.
    pub name: String,
    /// Up to where it holds each partition on stable storage.
    pub synced: Cursor,
    /// How much of its lease is left, in milliseconds; 0 when it is over and holds nothing back any more.
    pub lease_left_ms: u64,
}
