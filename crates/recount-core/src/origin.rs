//! What a log on a server offers to whoever keeps a copy of it.

use std::time::Duration;

use async_trait::async_trait;

use crate::{Cursor, Entry, EntryId, IdRange, Partition, ReadError, Timestamp};

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

    /// What a mirror that holds a partition up to `synced` lacks of what there is now; none where it lacks nothing.
    async fn behind(
        &self,
        partition: Partition,
        synced: EntryId,
    ) -> Result<Option<Behind>, ReadError> {
        let standing = self.standing(partition).await?;
        let Some(first) = standing.first.filter(|_| standing.last > synced) else {
            return Ok(None);
        };
        let (entries, all, oldest) = if first > synced {
            (standing.length, true, Some(first))
        } else {
            let (mut entries, mut from, mut oldest) = (0, synced, None);
            loop {
                let page = self.entries(partition, IdRange::after(from), 1_000).await?;
                oldest = oldest.or(page.first().map(|entry| entry.id));
                entries += page.len() as u64;
                match page.last() {
                    Some(last) if entries < Behind::COUNTED_MAX => from = last.id,
                    last => break (entries, last.is_none(), oldest),
                }
            }
        };
        let now = self.now().await?;
        Ok(oldest.map(|oldest| Behind {
            entries,
            all,
            age_ms: (now.as_millis().max(0) as u64).saturating_sub(oldest.ms),
        }))
    }

    /// The time by the clock that gives out entry ids. This machine's, unless the server tells its own.
    async fn now(&self) -> Result<Timestamp, ReadError> {
        Ok(Timestamp::now())
    }

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

/// What a mirror lacks of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind {
    /// How many entries; more are not counted where there are [`Behind::COUNTED_MAX`].
    pub entries: u64,
    /// Whether these are all; there may be more where not.
    pub all: bool,
    /// How long ago the oldest of them was recorded, in milliseconds.
    pub age_ms: u64,
}

impl Behind {
    /// From so many entries on they are no longer counted.
    pub const COUNTED_MAX: u64 = 10_000;
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
