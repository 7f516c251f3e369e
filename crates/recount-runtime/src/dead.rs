//! Dead letters: what a group gave up on, kept until somebody decides.
//!
//! The letters of a group are a stream of their own, `<stream>:dead:<group>`, and their state is a fold
//! over it: `dead_letter.added` opens a letter, `dead_letter.retried` and `dead_letter.discarded` close
//! it, and `dead_letter.retrying` says that it is about to be retried. So nothing about a letter is ever
//! overwritten, and its history outlives it.
//!
//! A letter is known by the position of the entry in the group's stream: a group has one open letter for
//! an entry at most, however often it was added. Each addition is a *round*, numbered from 1, and whoever
//! closes a letter closes the rounds it has seen. So an entry that fails again while its letter is
//! being retried has an open letter afterwards, and of two calls that cross each other neither loses it.

mod add;
mod entry;
mod error;
mod index;
mod letter;
mod open;
mod retry;
mod sessions;
mod wire;

use std::fmt;
use std::future::Future;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use recount_core::{EventLog, GroupStore, IdRange, Limits, Position, ReadRange};
use tokio::sync::{Mutex, MutexGuard};

pub use error::DeadError;
use index::Index;
pub use letter::{Attempt, Letter, LetterState, NewLetter, Reason};
pub use open::Access;
use open::{Failure, Lazy};
pub use retry::{Refusal, Retried};
pub use sessions::BlockedSessions;
use wire::Written;

/// The dead letters of one group. Cloning is cheap; clones share the open stream.
#[derive(Clone)]
pub struct DeadLetters(Arc<Inner>);

struct Inner {
    group: Box<str>,
    /// How many calls wanted to know how the letters stand.
    asked: AtomicU64,
    state: Mutex<State>,
}

struct State {
    logs: Lazy,
    index: Index,
    /// How many of them had asked before the stream was read last: these know by that.
    told: u64,
}

impl DeadLetters {
    /// The letters of `group`, in the log that `open` opens when it is needed first.
    ///
    /// `open` is called with [`Access::Write`] by what adds or closes letters, and with [`Access::Read`] by
    /// what only looks; then it answers `None` where there is no such stream yet, and is asked again the
    /// next time. A log opened for writing serves both from then on. The stream should be called
    /// [`DeadLetters::stream`] and take events as large as [`DeadLetters::limits`] says.
    pub fn new<F, Opened>(group: &str, open: F) -> Self
    where
        F: Fn(Access) -> Opened + Send + Sync + 'static,
        Opened: Future<Output = Result<Option<Arc<dyn EventLog>>, Failure>> + Send + 'static,
    {
        Self(Arc::new(Inner {
            group: group.into(),
            asked: AtomicU64::new(0),
            state: Mutex::new(State {
                logs: Lazy::new(open),
                index: Index::default(),
                told: 0,
            }),
        }))
    }

    /// What the stream of a group's dead letters is called.
    pub fn stream(stream: &str, group: &str) -> String {
        format!("{stream}:dead:{group}")
    }

    /// What the stream of dead letters has to take, so that a letter holds any event of a stream with
    /// `limits`.
    pub fn limits(limits: &Limits) -> Limits {
        let event_bytes_max = limits
            .event_bytes_max
            .saturating_mul(2)
            .saturating_add(64 << 10);
        Limits {
            event_bytes_max,
            batch_bytes_max: limits.batch_bytes_max.max(event_bytes_max),
            ..*limits
        }
    }

    /// The group.
    pub fn group(&self) -> &str {
        &self.0.group
    }

    /// Adds a letter, durably as the stream is. Adding it again is harmless: the letter stays one.
    pub async fn add(&self, letter: NewLetter) -> Result<(), DeadError> {
        self.added(letter).await
    }

    /// The open letters after a position, by position, at most `count` of them.
    pub async fn list(
        &self,
        after: Option<Position>,
        count: usize,
    ) -> Result<Vec<Letter>, DeadError> {
        let (mut state, Some(log)) = self.reader().await? else {
            return Ok(Vec::new());
        };
        let open: Vec<_> = state.index.open_after(after).collect();
        let mut letters = Vec::new();
        for position in open {
            if letters.len() == count {
                break;
            }
            letters.extend(self.letter(&mut state, &*log, position).await?);
        }
        Ok(letters)
    }

    /// The letter of an entry, open or not; none where the group never gave up on it.
    pub async fn get(&self, position: Position) -> Result<Option<Letter>, DeadError> {
        let (mut state, Some(log)) = self.reader().await? else {
            return Ok(None);
        };
        self.letter(&mut state, &*log, position).await
    }

    /// How many letters are open.
    pub async fn count(&self) -> Result<u64, DeadError> {
        let (state, _) = self.reader().await?;
        Ok(state.index.open_count())
    }

    /// The sessions of open letters, and what they block, for groups that keep the order: a later entry of
    /// such a session follows into the dead letters.
    ///
    /// This is how they stand now, by the word of every process. A retry hands entries out before it closes their
    /// letters: so whoever asks here first, then looks for entries to claim, and only then starts new ones by
    /// this answer, starts none before the retried ones of its session.
    pub async fn blocked_sessions(&self) -> Result<BlockedSessions, DeadError> {
        let (mut state, _) = self.reader().await?;
        Ok(state.index.blocked_sessions())
    }

    /// [`BlockedSessions::blocks`] of one entry, as it stands now.
    pub async fn is_blocked(
        &self,
        session_id: &str,
        position: Position,
    ) -> Result<bool, DeadError> {
        let (state, _) = self.reader().await?;
        Ok(state.index.is_blocked(session_id, position))
    }

    /// Hands the entries of open letters to the group again, in order, and closes the letters.
    ///
    /// Fails with [`DeadError::NotOpen`] and does nothing if one of them is not open. Letters that cannot
    /// be retried stay open, and [`Retried::refused`] says why. A call that failed half-way can be made
    /// again: at worst an entry is handed out twice.
    pub async fn retry(
        &self,
        positions: &[Position],
        groups: &dyn GroupStore,
    ) -> Result<Retried, DeadError> {
        self.retried(positions, groups).await
    }

    /// Closes open letters for good. What they hold stays in the stream's history. Fails with
    /// [`DeadError::NotOpen`] and does nothing if one of them is not open. Returns how many were closed.
    pub async fn discard(&self, positions: &[Position]) -> Result<usize, DeadError> {
        self.discarded(positions).await
    }

    /// Releases the stream, if it was opened. A later call opens it again.
    pub async fn close(&self) -> Result<(), DeadError> {
        let open: Vec<_> = self.0.state.lock().await.logs.take().collect();
        for log in open {
            log.close()
                .await
                .map_err(|error| self.append_error(error))?;
        }
        Ok(())
    }
}

type Guard<'a> = MutexGuard<'a, State>;

/// What the calls are made of.
impl DeadLetters {
    /// The log for writing, with the index as it stands there.
    async fn writer(&self) -> Result<(Guard<'_>, Arc<dyn EventLog>), DeadError> {
        let (mut state, asked) = self.asking().await;
        let log = state.logs.writer().await.map_err(|e| self.open_error(e))?;
        self.catch_up(&mut state, Some(&log), asked).await?;
        Ok((state, log))
    }

    /// The log for reading, with the index as it stands there; none where there is no such stream.
    async fn reader(&self) -> Result<(Guard<'_>, Option<Arc<dyn EventLog>>), DeadError> {
        let (mut state, asked) = self.asking().await;
        let log = state.logs.reader().await.map_err(|e| self.open_error(e))?;
        self.catch_up(&mut state, log.as_ref(), asked).await?;
        Ok((state, log))
    }

    async fn asking(&self) -> (Guard<'_>, u64) {
        let asked = self.0.asked.fetch_add(1, Ordering::SeqCst) + 1;
        (self.0.state.lock().await, asked)
    }

    /// Reads what is new, unless that was done since the call that asks began. Calls that come together
    /// share one look.
    async fn catch_up(
        &self,
        state: &mut State,
        log: Option<&Arc<dyn EventLog>>,
        asked: u64,
    ) -> Result<(), DeadError> {
        let Some(log) = log.filter(|_| state.told < asked) else {
            return Ok(());
        };
        let told = self.0.asked.load(Ordering::SeqCst);
        let read = state.index.catch_up(&**log).await;
        read.map_err(|error| self.read_error(error))?;
        state.told = told;
        Ok(())
    }

    /// Reads the letter of an entry; none where there is none, or its event was trimmed.
    async fn letter(
        &self,
        state: &mut State,
        log: &dyn EventLog,
        position: Position,
    ) -> Result<Option<Letter>, DeadError> {
        let Some(known) = state.index.get(position) else {
            return Ok(None);
        };
        let Some(at) = known.at else {
            return Ok(None);
        };
        let only = Bound::Included(at.entry_id);
        let range = ReadRange {
            partition: at.partition,
            ..ReadRange::new(IdRange {
                start: only,
                end: only,
            })
        };
        let page = log.read(&range).await;
        let page = page.map_err(|error| self.read_error(error))?;
        let event = page.entries.first().and_then(|recorded| recorded.event());
        let letter = event.and_then(|event| Written::letter(&event.data));
        let Some(letter) = letter else {
            state.index.lost(position);
            return Ok(None);
        };
        Ok(Some(Letter {
            state: known.state(),
            retries: known.retries,
            ..letter
        }))
    }
}

impl fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetters")
            .field("group", &self.0.group)
            .finish_non_exhaustive()
    }
}
