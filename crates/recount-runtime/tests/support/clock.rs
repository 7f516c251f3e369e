//! Time as tests let it pass.

use std::time::Duration;

use tokio::time::{Instant, advance, sleep_until};

/// Lets so much virtual time pass. It never waits in earnest: where the clock is not paused it panics.
pub async fn pass(time: Duration) {
    // The second one panics unless the clock is paused. The timer comes first: those of the same time go off in
    // the order in which they were set.
    tokio::join!(sleep_until(Instant::now() + time), advance(Duration::ZERO));
}
