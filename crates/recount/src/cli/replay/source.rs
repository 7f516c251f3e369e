//! What is replayed, as it becomes due.

use recount::{Recorded, Replay};

use super::progress::Progress;
use crate::cli::error::Result;
use crate::cli::session::SessionCheck;

/// The events to be delivered: how many at most, how far that is, and whether their session is all there.
pub(super) struct Source {
    pub(super) replay: Replay,
    /// How many more at most.
    pub(super) left: u64,
    pub(super) progress: Progress,
    pub(super) session: SessionCheck,
}

impl Source {
    /// The next events that are due, `max` at most; empty at the end. Dropping the future loses nothing.
    pub(super) async fn next(&mut self, max: usize) -> Result<Vec<Recorded>> {
        // Gives Ctrl-C its turn where nothing has to be waited for.
        tokio::task::yield_now().await;
        if self.left == 0 {
            return Ok(Vec::new());
        }
        let max = max.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let batch = self.replay.next_batch(max).await?;
        self.left -= batch.len() as u64;
        self.session.see(&batch);
        if let Some(last) = batch.last() {
            self.progress.reached(last, batch.len());
        }
        Ok(batch)
    }

    /// Says what is to be said once no more are delivered.
    pub(super) fn end(&mut self, at_its_end: bool) {
        self.progress.finish();
        self.session.end(at_its_end);
    }
}
