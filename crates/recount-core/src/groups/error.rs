//! Why a call on a group fails.

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
        "consumer {consumer} of group {group} owns {pending} pending {}: to be handed over to another consumer, or acknowledged",
        if *.pending == 1 { "entry" } else { "entries" }
    )]
    StillPending {
        /// The group.
        group: String,
        /// The consumer.
        consumer: String,
        /// How many it owns.
        pending: u64,
    },
    /// The consumer does not hold the partition's lease, or no longer: it expired, and another consumer
    /// has taken it since.
    #[error(
        "consumer {consumer} of group {group} does not hold the lease of partition {partition} any more: take it again before reading on"
    )]
    LeaseLost {
        /// The group.
        group: String,
        /// The consumer that asked.
        consumer: String,
        /// The partition.
        partition: crate::Partition,
    },
    /// The log could not be read, or is closed.
    #[error(transparent)]
    Read(#[from] crate::ReadError),
    /// There is no space left for the group's state.
    #[error(
        "there is no space left to write {path}: free some and call again; what was acknowledged stays acknowledged"
    )]
    Full {
        /// The file that could not grow.
        path: String,
    },
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
    /// The engine has stopped writing for good, because it no longer knows what is on stable storage.
    #[error(
        "the groups' state can no longer be written ({reason}): reopen the log to go on; at worst, entries are delivered again"
    )]
    Stopped {
        /// What happened.
        reason: String,
    },
    /// The server could not be reached, or did not answer in time.
    #[error(
        "{address}: {message}; whether the call was done is not known: at worst, entries are delivered again"
    )]
    Unavailable {
        /// The server, without secrets.
        address: String,
        /// What happened, and what to check.
        message: String,
    },
    /// What was opened keeps no consumer groups.
    #[error("this log keeps no consumer groups: open it by its URL")]
    Unsupported,
    /// This handle only reads.
    #[error("{path} is open for reading only: open it for writing to change or consume a group")]
    ReadOnly {
        /// What was opened.
        path: String,
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
            Self::LeaseLost { .. } => "lease_lost",
            Self::Read(error) => error.code(),
            Self::Full { .. } => "full",
            Self::Storage { .. } => "storage",
            Self::Stopped { .. } => "stopped",
            Self::Unavailable { .. } => "unavailable",
            Self::Unsupported => "unsupported",
            Self::ReadOnly { .. } => "read_only",
        }
    }
}
