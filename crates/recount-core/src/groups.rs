//! The contract of consumer groups.

use async_trait::async_trait;

use crate::{Cursor, EntryId, Partition, Position, Recorded};

/// The consumer groups of one stream, with the semantics of Redis Streams.
///
/// A group is a cursor that several consumers share. Each entry is delivered to one of them and is
/// *pending* for that consumer until it acknowledges it. Delivery is at least once: a crash may
/// deliver again, and never loses, because the cursor and the pending entries move together.
///
/// Groups and consumers are named by 1 to 128 bytes. Consumers exist from their first call on.
/// Every call that names a group fails with [`GroupError::NoGroup`] if there is none.
#[async_trait]
pub trait GroupStore: Send + Sync + 'static {
    /// Creates a group that reads what comes after `start`, in every partition.
    ///
    /// Fails with [`GroupError::Exists`] if there is one of that name, and changes nothing.
    async fn create(&self, group: &str, start: &GroupStart) -> Result<(), GroupError>;

    /// Moves a group's cursor, forward or back. What is pending stays pending.
    async fn set_position(&self, group: &str, start: &GroupStart) -> Result<(), GroupError>;

    /// Removes a group with its consumers and all that is pending. Returns whether there was one.
    async fn destroy(&self, group: &str) -> Result<bool, GroupError>;

    /// The groups, by name.
    async fn groups(&self) -> Result<Vec<GroupInfo>, GroupError>;

    /// Delivers up to `count` entries that the group has not delivered to anybody, in order, each
    /// with a delivery count of 1. They become pending for `consumer`. Empty if there are none.
    async fn read_new(
        &self,
        group: &str,
        consumer: &str,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError>;

    /// Delivers again up to `count` entries pending for `consumer`, with positions after `after`,
    /// oldest first, as a consumer does when it restarts. Each delivery counts and resets the idle
    /// time. An entry that was trimmed meanwhile is delivered without a body, to be acknowledged.
    async fn read_pending(
        &self,
        group: &str,
        consumer: &str,
        after: &Cursor,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError>;

    /// Acknowledges entries: they are no longer pending, whoever they were pending for. Returns how
    /// many of them were. Acknowledging again does no harm.
    async fn ack(&self, group: &str, positions: &[Position]) -> Result<usize, GroupError>;

    /// Gives entries back: they stay pending, without an owner, and the next [`GroupStore::claim`]
    /// or [`GroupStore::auto_claim`] may take them once `delay_ms` has passed, whatever idle time it
    /// asks for. Positions that are not pending for `consumer` are passed over. Returns how many
    /// were given back.
    async fn nack(
        &self,
        group: &str,
        consumer: &str,
        positions: &[Position],
        delay_ms: u64,
    ) -> Result<usize, GroupError>;

    /// What is pending, summed up.
    async fn pending(&self, group: &str) -> Result<PendingSummary, GroupError>;

    /// Up to `count` pending entries after `after`, oldest first, of one consumer or of all.
    async fn pending_entries(
        &self,
        group: &str,
        consumer: Option<&str>,
        after: &Cursor,
        count: usize,
    ) -> Result<Vec<PendingEntry>, GroupError>;

    /// Takes over the named entries for a consumer, those of them that are pending and have been
    /// idle for at least [`ClaimRequest::min_idle_ms`]. Each claim counts as a delivery and resets the
    /// idle time. Claiming what the consumer owns already is allowed.
    async fn claim(
        &self,
        group: &str,
        request: &ClaimRequest,
        positions: &[Position],
    ) -> Result<Vec<Delivery>, GroupError>;

    /// Takes over up to `count` entries idle long enough, looking from `after` on, oldest first.
    /// [`Claim::next`] is where to look next; none once the end was reached.
    async fn auto_claim(
        &self,
        group: &str,
        request: &ClaimRequest,
        after: &Cursor,
        count: usize,
    ) -> Result<Claim, GroupError>;

    /// The consumers of a group, by name.
    async fn consumers(&self, group: &str) -> Result<Vec<ConsumerInfo>, GroupError>;

    /// Removes a consumer. What is pending for it goes to `hand_over_to`; without one, a consumer
    /// with pending entries is refused ([`GroupError::StillPending`]). Returns how many entries
    /// changed hands; an unknown consumer has none.
    async fn delete_consumer(
        &self,
        group: &str,
        consumer: &str,
        hand_over_to: Option<&str>,
    ) -> Result<u64, GroupError>;
}

/// Where a group starts reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupStart {
    /// At the first entry there is.
    Start,
    /// After the last entry there is at this moment.
    End,
    /// After these ids.
    After(Cursor),
}

/// An entry handed to a consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Where the entry is.
    pub position: Position,
    /// The entry; none if it was trimmed while it was pending.
    pub entry: Option<Recorded>,
    /// How often it has been delivered, this time included.
    pub delivery_count: u64,
}

/// Who claims, and from how idle an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    /// The new owner.
    pub consumer: String,
    /// How long an entry must have been with its owner untouched, in milliseconds.
    pub min_idle_ms: u64,
}

/// What an automatic claim brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// The entries taken over.
    pub deliveries: Vec<Delivery>,
    /// Where to look next.
    pub next: Option<Cursor>,
}

/// What is pending in a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PendingSummary {
    /// How many entries.
    pub count: u64,
    /// The first and the last of them by id, in each partition that has any.
    pub ranges: Vec<(Partition, EntryId, EntryId)>,
    /// How many each consumer owns, by name; given-back entries are under nobody's.
    pub by_consumer: Vec<(String, u64)>,
}

/// One pending entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingEntry {
    /// Where it is.
    pub position: Position,
    /// Who owns it; none once it was given back.
    pub consumer: Option<String>,
    /// How long ago it was delivered last, in milliseconds.
    pub idle_ms: u64,
    /// How often it was delivered.
    pub delivery_count: u64,
}

/// A group as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupInfo {
    /// Its name.
    pub name: String,
    /// How many consumers it has.
    pub consumers: u64,
    /// How many entries are pending.
    pub pending: u64,
    /// How far it has delivered.
    pub last_delivered: Cursor,
    /// How many retained entries it has not delivered yet, summed over the partitions.
    pub lag: u64,
}

/// A consumer as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerInfo {
    /// Its name.
    pub name: String,
    /// How many entries are pending for it.
    pub pending: u64,
    /// How long ago it called last, in milliseconds.
    pub idle_ms: u64,
}

/// Why a call on a group failed. It changed nothing then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// There is no such group.
    #[error("there is no group {group} on stream {stream}: create it first")]
    NoGroup {
        /// The group.
        group: String,
        /// The stream.
        stream: String,
    },
    /// There is such a group already.
    #[error("group {group} exists on stream {stream} already")]
    Exists {
        /// The group.
        group: String,
        /// The stream.
        stream: String,
    },
    /// The name of a group or consumer is not legal.
    #[error(transparent)]
    Name(#[from] crate::InvalidId),
    /// The consumer owns pending entries.
    #[error(
        "consumer {consumer} of group {group} owns {pending} pending entries: hand them over to another consumer or acknowledge them"
    )]
    StillPending {
        /// The group.
        group: String,
        /// The consumer.
        consumer: String,
        /// How many it owns.
        pending: u64,
    },
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] crate::ReadError),
    /// The group's state could not be stored.
    #[error("{action} {path}: {message}")]
    Storage {
        /// What the engine did, as in "writing".
        action: &'static str,
        /// The file or address.
        path: String,
        /// What the system said.
        message: String,
    },
}

impl GroupError {
    /// A stable name for programs to tell errors apart by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoGroup { .. } => "no_group",
            Self::Exists { .. } => "group_exists",
            Self::Name(_) => "invalid_name",
            Self::StillPending { .. } => "still_pending",
            Self::Read(error) => error.code(),
            Self::Storage { .. } => "storage",
        }
    }
}
