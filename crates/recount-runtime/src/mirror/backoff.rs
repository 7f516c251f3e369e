//! How long to wait before trying again.

use std::time::Duration;

use uuid::Uuid;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(5);

/// Waits longer each time, and never as long as others do.
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) fn new() -> Self {
        Self(FIRST)
    }

    /// What was tried succeeded.
    pub(crate) fn reset(&mut self) {
        self.0 = FIRST;
    }

    /// Waits between a half and the whole of what it is to be this time.
    pub(crate) async fn wait(&mut self) {
        let half = self.0 / 2;
        let random = (Uuid::new_v4().as_u64_pair().1 & 0xffff) as u32;
        tokio::time::sleep(half + half * random / 0x1_0000).await;
        self.0 = (self.0 * 2).min(LONGEST);
    }
}
