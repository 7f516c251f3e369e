//! How a log on a server is opened.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use recount_core::{Clock, Limits, Retention};

/// How a log on a server is opened. `RedisOptions::default()` is right for nearly everybody.
#[derive(Clone)]
pub struct RedisOptions {
    /// What an append may hold at most.
    pub limits: Limits,
    /// How long an event id is remembered. Default: 10 minutes. Zero publishes by plain `XADD`: nothing is
    /// remembered, sessions are not indexed, and entries have no revisions.
    pub idempotency_window: Duration,
    /// How many event ids of a partition are remembered at most; where more come, the window is shorter.
    /// A batch is never split over it. Default: 1,000,000.
    pub idempotency_ids_max: u64,
    /// What whoever publishes keeps; the rest is trimmed. Default: everything.
    pub retention: Retention,
    /// How many replicas must have an append before it is acknowledged (`WAIT`). Default: none.
    pub wait_replicas: u32,
    /// Who must have synced an append before it is acknowledged (`WAITAOF`, Redis 7.2). Default: nobody.
    pub wait_aof: Option<WaitAof>,
    /// How long to wait for them. Default: 5 s, for a server that syncs every second may take two.
    pub wait_timeout: Duration,
    /// How many partitions the stream has. Default: what it has, or 1 for a new one.
    pub partitions: Option<u32>,
    /// How long a call is tried before it fails. Default: 10 s.
    pub deadline: Duration,
    /// How long a connection may take, within the deadline. Default: 5 s.
    pub connect_timeout: Duration,
    /// Where entry ids get their time from. Default: the server's clock.
    pub clock: Option<Arc<dyn Clock>>,
}

/// Who must have synced an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitAof {
    /// Whether the server itself.
    pub local: bool,
    /// How many of its replicas.
    pub replicas: u32,
}

impl RedisOptions {
    /// The most partitions a stream may have.
    pub const PARTITIONS_MAX: u32 = 1024;

    pub(crate) fn window_ms(&self) -> u64 {
        milliseconds(self.idempotency_window)
    }

    /// The given clock's time for a script; empty for the server's.
    pub(crate) fn clock_argument(&self) -> String {
        self.clock
            .as_ref()
            .map_or_else(String::new, |clock| clock.now_ms().to_string())
    }

    /// Whether an acknowledgement waits for others.
    pub(crate) fn waits(&self) -> bool {
        self.wait_replicas > 0 || self.wait_aof.is_some()
    }
}

/// The longest time that a server is told; of longer ones it could not say when they end.
pub(crate) const LONGEST_MS: u64 = u64::MAX >> 10;

/// A time as the scripts take it.
pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).map_or(LONGEST_MS, |ms| ms.min(LONGEST_MS))
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            idempotency_window: Duration::from_mins(10),
            idempotency_ids_max: 1_000_000,
            retention: Retention::default(),
            wait_replicas: 0,
            wait_aof: None,
            wait_timeout: Duration::from_secs(5),
            partitions: None,
            deadline: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            clock: None,
        }
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("limits", &self.limits)
            .field("idempotency_window", &self.idempotency_window)
            .field("idempotency_ids_max", &self.idempotency_ids_max)
            .field("retention", &self.retention)
            .field("wait_replicas", &self.wait_replicas)
            .field("wait_aof", &self.wait_aof)
            .field("wait_timeout", &self.wait_timeout)
            .field("partitions", &self.partitions)
            .field("deadline", &self.deadline)
            .field("connect_timeout", &self.connect_timeout)
            .finish_non_exhaustive()
    }
}
