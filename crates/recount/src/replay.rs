//! Re-delivering what was recorded, at the pace at which it happened or another.

mod error;
mod mark;
mod pace;
mod source;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use recount_core::{Body, Cursor, Filter, Query, ReadError, ReadRange, Recorded, Timestamp};
use tokio::time::{Instant, sleep_until};

use crate::Recount;
pub use error::ReplayError;
use mark::Key;
pub use mark::ReplayMark;
use pace::Schedule;
pub use pace::{InvalidPace, Pace};
use source::Source;

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
///
/// How a replay is to be, the methods that take it say, before the first event is asked for: several sessions
/// side by side ([`Replay::side_by_side`]), only what [happened](Replay::happened) in a span of time or
/// what a [condition](Replay::only) holds for, how fast, and where it is to [go on](Replay::after).
///
/// ```
/// # use recount::{Event, EventType, Pace, Recount};
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let recount = Recount::open(&format!("disk:{}", folder.path().display())).await?;
/// # for session in ["a", "b", "a"] {
/// #     recount.record(Event::builder(EventType::MessageAdded, session).build()?).await?;
/// # }
/// // Two runs of the same task, as they happened.
/// let mut replay = recount.replay_sessions(["a", "b"]).await?.pace(Pace::Fast);
/// let first = replay.next_batch(2).await?;
/// let (mark, end) = (replay.mark(), replay.end().clone());
///
/// // Later, perhaps in another process: on with the rest.
/// let replay = recount.replay_sessions(["a", "b"]).await?.pace(Pace::Fast).up_to(end);
/// let mut rest = match mark {
///     Some(mark) => replay.after(mark),
///     None => replay,
/// };
/// assert_eq!(first.len() + rest.next_batch(10).await?.len(), 3);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct Replay {
    recount: Recount,
    query: Query,
    /// None where it goes in the order of the log.
    sessions: Option<BTreeSet<String>>,
    end: Cursor,
    happened: (Option<Timestamp>, Option<Timestamp>),
    only: Option<Condition>,
    /// Up to where everything was delivered, by an earlier replay or by this one.
    reached: Option<Key>,
    schedule: Schedule,
    /// None before the first event is asked for.
    source: Option<Source>,
    /// When the first event was delivered, and how far the schedule was then.
    began: Option<Instant>,
    /// Fetched, and due at its time.
    waiting: Option<Waiting>,
}

type Condition = Box<dyn Fn(&Recorded) -> bool + Send + Sync>;

struct Waiting {
    recorded: Recorded,
    key: Key,
    due: Duration,
}

impl Replay {
    pub(crate) async fn start(recount: &Recount, query: Query) -> Result<Self, ReadError> {
        Ok(Self {
            end: recount.log().tail().await?,
            recount: recount.clone(),
            query,
            sessions: None,
            happened: (None, None),
            only: None,
            reached: None,
            schedule: Schedule::new(Pace::Original, None),
            source: None,
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

    /// These sessions side by side, in the order in which things happened; the session that the query names does not
    /// count. Each keeps its own order: what it recorded late comes behind what it recorded before.
    pub fn side_by_side(mut self, sessions: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.sessions = Some(sessions.into_iter().map(Into::into).collect());
        self
    }

    /// Only what happened at `since` or later, and before `until`. What cannot be decoded is left out: when it
    /// happened is not known.
    pub fn happened(mut self, since: Option<Timestamp>, until: Option<Timestamp>) -> Self {
        self.happened = (since, until);
        self
    }

    /// Only what `condition` holds for. It is asked of entries before they are marked as replayed.
    pub fn only(mut self, condition: impl Fn(&Recorded) -> bool + Send + Sync + 'static) -> Self {
        self.only = Some(Box::new(condition));
        self
    }

    /// Only what was recorded up to `end`: where an earlier replay of the same ended, nothing that came since.
    pub fn up_to(mut self, end: Cursor) -> Self {
        self.end = end;
        self
    }

    /// Goes on behind what a replay of the same had delivered. The next event is due at once.
    pub fn after(mut self, mark: ReplayMark) -> Self {
        self.reached = Some(mark.into());
        self
    }

    /// How far it is: at the event that was delivered last. None before the first.
    pub fn mark(&self) -> Option<ReplayMark> {
        self.reached.map(Into::into)
    }

    /// What was recorded when it began: nothing behind that is replayed.
    pub fn end(&self) -> &Cursor {
        &self.end
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
        if let Some(waiting) = &self.waiting {
            let began = *self.began.get_or_insert_with(Instant::now);
            sleep_until(began + waiting.due).await;
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
        /// Entries that are passed over before others have a turn.
        const PASSED_MAX: usize = 1_000;
        let mut passed = 0;
        while self.waiting.is_none() {
            let Some((key, recorded)) = self.source().next().await? else {
                return Ok(false);
            };
            if !self.take(key, recorded) {
                passed += 1;
                if passed % PASSED_MAX == 0 {
                    tokio::task::yield_now().await;
                }
            }
        }
        Ok(true)
    }

    /// As `fetch`, without asking the log for more, and without a pause in which it could be dropped.
    async fn at_hand(&mut self) -> Result<bool, ReadError> {
        while self.waiting.is_none() && self.source().is_at_hand() {
            if let Some((key, recorded)) = self.source().next().await? {
                self.take(key, recorded);
            }
        }
        Ok(self.waiting.is_some())
    }

    fn source(&mut self) -> &mut Source {
        let (recount, query, end) = (&self.recount, &self.query, &self.end);
        self.source.get_or_insert_with(|| match &self.sessions {
            None => Source::log(recount, query.clone(), end, self.reached),
            Some(sessions) => Source::sessions(recount, query, sessions, end),
        })
    }

    /// Lets `recorded` wait until it is due, if it is to be delivered.
    fn take(&mut self, key: Key, recorded: Recorded) -> bool {
        let delivered = self.reached.is_some_and(|reached| key <= reached);
        if delivered || !self.wants(&recorded) {
            return false;
        }
        let due = self.schedule.due(&recorded);
        self.waiting = Some(Waiting { recorded, key, due });
        true
    }

    fn wants(&self, recorded: &Recorded) -> bool {
        let (since, until) = self.happened;
        if since.is_some() || until.is_some() {
            let happened = recorded.event().map(|event| event.timestamp);
            let within = happened.is_some_and(|at| {
                since.is_none_or(|since| at >= since) && until.is_none_or(|until| at < until)
            });
            if !within {
                return false;
            }
        }
        self.only.as_ref().is_none_or(|only| only(recorded))
    }

    fn take_due(&mut self, began: Instant) -> Option<Recorded> {
        let now = Instant::now();
        let waiting = self.waiting.take_if(|waiting| began + waiting.due <= now)?;
        self.reached = Some(waiting.key);
        Some(waiting.recorded)
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
            .field("query", &self.query)
            .field("sessions", &self.sessions)
            .field("mark", &self.mark())
            .field("schedule", &self.schedule)
            .finish_non_exhaustive()
    }
}

impl Recount {
    /// Begins to replay what `query` finds of the log as it is now.
    pub async fn replay(&self, query: Query) -> Result<Replay, ReadError> {
        Replay::start(self, query).await
    }

    /// Begins to replay these sessions side by side, in the order in which things happened; see
    /// [`Replay::side_by_side`].
    pub async fn replay_sessions(
        &self,
        sessions: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Replay, ReadError> {
        let everything = Query {
            range: ReadRange::all(),
            filter: Filter::default(),
        };
        Ok(self.replay(everything).await?.side_by_side(sessions))
    }
}

#[cfg(test)]
mod tests;
