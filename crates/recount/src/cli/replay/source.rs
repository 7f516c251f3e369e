//! What is replayed, as it becomes due.

use recount::{Recorded, Replay};
use serde_json::{Value, json};

use super::kept::Kept;
use super::named::Named;
use super::progress::Progress;
use crate::cli::error::Result;
use crate::cli::session::SessionCheck;

/// The events to be delivered: how many at most, how far that is, and whether their session is all there.
pub(super) struct Source {
    pub(super) replay: Replay,
    /// How many more at most.
    pub(super) left: u64,
    pub(super) progress: Progress,
    /// Of the one session that is replayed, where it is one.
    pub(super) session: Option<SessionCheck>,
    /// Where the replay has a name: it, and how far it is.
    pub(super) named: Option<(Named, Kept)>,
    /// Whether nothing is left in the log.
    pub(super) at_end: bool,
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
        if let Some(session) = &mut self.session {
            session.see(&batch);
        }
        match batch.last() {
            Some(last) => self.progress.reached(last, batch.len()),
            None => self.at_end = true,
        }
        Ok(batch)
    }

    /// Everything that was given out is delivered, or failed for good: `events` more, of which `failed` did.
    pub(super) fn delivered(&mut self, events: usize, failed: u64) -> Result {
        let Some((named, kept)) = &mut self.named else {
            return Ok(());
        };
        kept.delivered += events as u64;
        kept.failed += failed;
        kept.reached(self.replay.mark());
        named.keep(kept)
    }

    /// Says what is to be said once no more are delivered, and keeps that it is done if it is.
    pub(super) fn end(&mut self, ended: Result) -> Result {
        let at_its_end = ended.is_ok();
        self.progress.finish();
        if let Some(session) = &mut self.session {
            session.end(at_its_end);
        }
        match &mut self.named {
            Some((named, kept)) if at_its_end && self.at_end => {
                kept.finished = true;
                named.keep(kept)
            }
            _ => ended,
        }
    }

    /// Where it goes on, for people; nothing where the replay has no name, or is done.
    pub(super) fn goes_on(&self) -> Option<String> {
        let (named, kept) = self.named.as_ref()?;
        (!kept.finished).then(|| format!("; --resume {} goes on from there", named.name()))
    }

    /// Adds to the facts that a program is told what there is to say of the session and of the name.
    pub(super) fn tell(&self, facts: &mut Value) {
        if let Some(session) = &self.session {
            session.tell(facts);
        }
        if let Some((named, kept)) = &self.named {
            facts["replay"] = json!({
                "name": named.name(),
                "delivered": kept.delivered,
                "finished": kept.finished,
            });
        }
    }
}
