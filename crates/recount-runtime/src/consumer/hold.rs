//! A partition that an ordered consumer holds.

use tokio::time::Instant;

/// A lease, as its holder knows it.
#[derive(Debug, Clone)]
pub(super) struct Hold {
    pub token: u64,
    /// When the holder stops by itself, unless the lease was renewed.
    pub until: Instant,
    /// What is pending has to be looked through before anything new is read.
    pub fresh: bool,
    /// It is being given up for another consumer.
    pub releasing: bool,
    /// What came in or failed since it is being given up: still this consumer's.
    pub left: Vec<recount_core::Position>,
}

impl Hold {
    pub fn new(token: u64, until: Instant) -> Self {
        Self {
            token,
            until,
            fresh: true,
            releasing: false,
            left: Vec::new(),
        }
    }

    /// Whether handling may begin.
    pub fn is_good(&self, now: Instant) -> bool {
        now < self.until && !self.releasing
    }
}
