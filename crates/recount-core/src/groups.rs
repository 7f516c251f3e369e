//! The contract of consumer groups.

use async_trait::async_trait;

mod error;
mod lease;
mod types;
mod upcast;

pub use error::GroupError;
pub use lease::{Lease, LeaseAnswer, LeaseRequest};
pub use types::{
    Claim, ClaimRequest, ConsumerInfo, Delivery, GroupInfo, GroupStart, PendingEntry,
    PendingSummary,
};
pub use upcast::UpcastGroups;

use crate::{Cursor, Partition, Position};

/// The consumer groups of one stream, with the semantics of Redis Streams.
///
/// A group is a cursor that several consumers share. Each entry is delivered to one of them and is
/// *pending* for that consumer until it acknowledges it. Delivery is at least once: a crash may
/// deliver again, and never loses, because the cursor and the pending entries move together.
///
/// Groups and consumers are named by 1 to 128 bytes. Consumers exist from their first call on.
/// Every call that names a group fails with [`GroupError::NoGroup`] if there is none. Positions that the
/// stream cannot hold are as positions of entries that are not pending.
///
/// A call that failed with [`GroupError::Unavailable`] may have been done: what it would have delivered is
/// then pending for the consumer, which finds it with [`GroupStore::read_pending`].
///
/// Calls that change a group need a handle that is open for writing; the others do not.
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

    /// Tells that a consumer is still at work on entries: their idle time begins again, and no delivery is
    /// counted. Positions that are not pending for `consumer` are passed over, whoever has them now. Returns
    /// those that are, in order.
    async fn touch(
        &self,
        group: &str,
        consumer: &str,
        positions: &[Position],
    ) -> Result<Vec<Position>, GroupError>;

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

    /// Makes entries pending again that were delivered and acknowledged: without an owner, to be claimed at
    /// once, delivered 0 times so far. Positions that are pending, that the group was not delivered yet, or
    /// whose entries were trimmed are passed over. Returns those that were made pending, in order.
    async fn requeue(
        &self,
        group: &str,
        positions: &[Position],
    ) -> Result<Vec<Position>, GroupError>;

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

    /// Takes the lease of a partition for a consumer, or renews it.
    ///
    /// A partition has one holder at a time in a group. Its lease is free once it was released, or once its
    /// time passed without its holder renewing it; then whoever asks next gets it, with a new token. A holder
    /// whose time passed and who asks before anybody else keeps lease and token. Leases bind
    /// [`GroupStore::read_leased`] alone: consumers that do not ask for leases are not kept from reading.
    async fn lease(&self, group: &str, request: &LeaseRequest) -> Result<LeaseAnswer, GroupError>;

    /// Gives a lease up. Returns whether `consumer` held it under this token.
    async fn release(
        &self,
        group: &str,
        consumer: &str,
        partition: Partition,
        token: u64,
    ) -> Result<bool, GroupError>;

    /// As [`GroupStore::read_new`], from one partition, and only for the consumer that holds its lease under
    /// `token`: else it fails with [`GroupError::LeaseLost`] and delivers nothing. A lease whose time passed
    /// and that nobody took since is still held.
    async fn read_leased(
        &self,
        group: &str,
        consumer: &str,
        partition: Partition,
        token: u64,
        count: usize,
    ) -> Result<Vec<Delivery>, GroupError>;
}
