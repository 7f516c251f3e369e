//! Re-delivering what was recorded, at the pace at which it happened or another.

mod pace;

use std::fmt;
use std::time::Duration;

use recount_core::{Body, Position, Query, ReadError, Recorded};
use tokio::time::{Instant, sleep_until};

use crate::{Events, Recount};
use pace::Schedule;
pub use pace::{InvalidPace, Pace};

/// Events that are due together and that [`Replay::run`] takes at once, at most.
const RUN_BATCH: usize = 1_000;

/// Recorded events once more, in the order of the log and marked as replayed.
///
/// What was recorded when the replay began is replayed, and nothing after it. The pace is that of the
/// events' timestamps, when they *happened*: an event that happened before the one delivered last
/// is not waited for.
///
/// ```
/// # use recount::{Event, EventType, Pace, Query, Recount};
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let recount = Recount::open(&format!("disk:{}", folder.path().display())).await?;
/// # recount.record(Event::builder(EventType::SessionStarted, "s1").build()?).await?;
/// let replay = recount.replay(Query::session("s1")).await?.pace(Pace::Fast);
/// let delivered = replay
///     .run(async |recorded| {
///         let event = recorded.event().ok_or("not an event")?;
///         assert!(event.replayed);
///         Ok::<(), &str>(())
///     })
///     .await?;
/// assert_eq!(delivered, 1);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct Replay {
    events: Events,
    schedule: Schedule,
    /// When the first event was delivered, and how far the schedule was then.
    began: Option<Instant>,
    /// Fetched, and due at its time.
    waiting: Option<(Recorded, Duration)>,
}

impl Replay {
    pub(crate) async fn start(recount: &Recount, query: Query) -> Result<Self, ReadError> {
        let end = recount.log().tail().await?;
        Ok(Self {
            events: recount.events(query).up_to(&end),
            schedule: Schedule::new(Pace::Original, None),
            began: None,
            waiting: None,
        })
    }

    /// How fast; as it happened unless given.
    pub fn pace(mut self, pace: Pace) -> Self {
        self.schedule = Schedule::new(pace, self.schedule.gap_max());
        self
    }

    /// Counts a longer silence between two events as one of this length.
    pub fn gap_max(mut self, gap: Duration) -> Self {
        self.schedule = Schedule::new(self.schedule.pace(), Some(gap));
        self
    }

    /// The next event when it is due; none after the last.
    ///
    /// Dropping the future loses nothing: the next call waits for the same event.
    pub async fn next(&mut self) -> Result<Option<Recorded>, ReadError> {
        Ok(self.next_batch(1).await?.pop())
    }

    /// The next events that are due, `max` at most: waits for the first and takes along what is due
    /// by then. Empty after the last.
    pub async fn next_batch(&mut self, max: usize) -> Result<Vec<Recorded>, ReadError> {
        let mut due = Vec::new();
        if !self.fetch().await? {
            return Ok(due);
        }
        if let Some((_, at)) = self.waiting {
            let began = *self.began.get_or_insert_with(Instant::now);
            sleep_until(began + at).await;
            // From here on the log is not asked: what is due would be lost with a failure.
            while let Some(recorded) = self.take_due(began) {
                due.push(marked(recorded));
                if due.len() >= max.max(1) || !self.at_hand().await? {
                    break;
                }
            }
        }
        Ok(due)
    }

    /// Delivers everything to `handler`, one event after the other, and counts. Ends with its
    /// first error.
    pub async fn run<E>(
        mut self,
        mut handler: impl AsyncFnMut(Recorded) -> Result<(), E>,
    ) -> Result<u64, ReplayError<E>> {
        let mut delivered = 0;
        loop {
            let batch = self.next_batch(RUN_BATCH).await;
            let batch = batch.map_err(ReplayError::Read)?;
            if batch.is_empty() {
                return Ok(delivered);
            }
            for recorded in batch {
                let position = recorded.position;
                let handled = handler(recorded).await;
                handled.map_err(|error| ReplayError::Handler { position, error })?;
                delivered += 1;
            }
        }
    }

    /// Sees to it that an event waits; false where none is left.
    async fn fetch(&mut self) -> Result<bool, ReadError> {
        if self.waiting.is_none() {
            let Some(recorded) = self.events.next().await? else {
                return Ok(false);
            };
            let due = self.schedule.due(&recorded);
            self.waiting = Some((recorded, due));
        }
        Ok(true)
    }

    /// As `fetch`, without asking the log for more.
    async fn at_hand(&mut self) -> Result<bool, ReadError> {
        if self.waiting.is_none() && self.events.at_hand() == 0 {
            return Ok(false);
        }
        self.fetch().await
    }

    fn take_due(&mut self, began: Instant) -> Option<Recorded> {
        let now = Instant::now();
        self.waiting
            .take_if(|(_, at)| began + *at <= now)
            .map(|(recorded, _)| recorded)
    }
}

fn marked(mut recorded: Recorded) -> Recorded {
    if let Body::Event(event) = &mut recorded.body {
        event.replayed = true;
    }
    recorded
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay")
            .field("events", &self.events)
            .field("schedule", &self.schedule)
            .finish_non_exhaustive()
    }
}

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError<E> {
    /// The log could not be read.
    #[error(transparent)]
    Read(ReadError),
    /// The handler failed.
    #[error("the handler failed at entry {position}: {error}")]
    Handler {
        /// The entry it was given.
        position: Position,
        /// What it said.
        error: E,
    },
}

impl Recount {
    /// Begins to replay what `query` finds of the log as it is now.
    pub async fn replay(&self, query: Query) -> Result<Replay, ReadError> {
        Replay::start(self, query).await
    }
}

#[cfg(test)]
mod tests;
