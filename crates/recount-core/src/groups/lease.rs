//! Leases: one consumer at a time for a partition, so that its order survives across processes.

use crate::Partition;

/// Who asks for a partition's lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRequest {
    /// The partition.
    pub partition: Partition,
    /// The consumer.
    pub consumer: String,
    /// How long the lease holds from now on, in milliseconds.
    pub ttl_ms: u64,
    /// How many partitions of the group the consumer holds already. Whoever holds more than its share
    /// learns of it, and releases one.
    pub holds: u64,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseAnswer {
    /// The consumer holds the partition.
    Held(Lease),
    /// Another consumer does.
    Taken {
        /// Which one.
        by: String,
        /// For how long yet, in milliseconds, unless it renews the lease or releases it.
        for_ms: u64,
    },
}

/// A partition that a consumer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The partition.
    pub partition: Partition,
    /// Greater than that of every earlier lease of the partition in this group, and unchanged by renewing.
    /// What a handler writes elsewhere can carry it, so that a late write of an earlier holder is told apart.
    pub token: u64,
    /// Who asked for the partition within the last lease time and did not get it, by name, and how many
    /// partitions each holds.
    pub waiting: Vec<(String, u64)>,
}
