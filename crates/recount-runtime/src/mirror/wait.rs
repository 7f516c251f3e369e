//! Waiting until the mirror has what the server has.

use std::time::{Duration, Instant};

use recount_core::{Cursor, EventLog, IdRange, Partition, Position, ReadError, Standing};

use super::compare::{Comparison, Finding, Known, tail_of};
use super::progress::{Progress, Role};
use super::tail::Trouble;
use super::{DiskLog, Mirror};

/// How long something is waited for before the server is asked whether it is there at all.
const PATIENCE_MIN: Duration = Duration::from_millis(20);
const PATIENCE_MAX: Duration = Duration::from_secs(1);
/// How long whoever maintains the mirror may stand still while there is something to be mirrored.
const STALLED: Duration = Duration::from_secs(10);

/// A partition that holds what the server held when that was asked.
pub(crate) struct UpToDate {
    /// Where the server stood.
    pub(crate) standing: Standing,
    /// Which logs those were that are up to date, as [`Mirror::replaced`] counts.
    pub(crate) replaced: u64,
}

impl Mirror {
    /// Waits until a partition was compared with the server and holds everything that the server has now.
    pub(crate) async fn up_to_date(&self, partition: Partition) -> Result<UpToDate, ReadError> {
        loop {
            let replaced = self.replaced();
            self.compared(partition).await?;
            // What was mirrored and counted before the server is asked.
            let count = self.shared.count(partition);
            let log = self.shared.log(partition);
            let ours = self.shared.mirrored(partition);
            let Ok(tail) = tail_of(&log).await else {
                // It was replaced, or will be.
                self.anything_new(PATIENCE_MIN).await?;
                continue;
            };
            let known = Known { tail, ours, count };
            let standing = self.shared.origin.standing(partition).await?;
            if known.contradiction(&standing).is_some() {
                self.shared.doubt(partition);
                self.anything_new(PATIENCE_MIN).await?;
                continue;
            }
            let end = Position {
                partition,
                entry_id: standing.last,
            };
            self.reached(end).await?;
            if self.replaced() == replaced && self.shared.is_compared(partition) {
                return Ok(UpToDate { standing, replaced });
            }
        }
    }

    /// Waits for a change of what the mirror does, or a while.
    async fn anything_new(&self, patience: Duration) -> Result<(), ReadError> {
        let mut status = self.shared.status.subscribe();
        status.mark_unchanged();
        self.check()?;
        match tokio::time::timeout(patience, status.changed()).await {
            Ok(Err(_)) => Err(ReadError::Closed),
            _ => self.check(),
        }
    }

    /// Fails where waiting is of no use.
    fn check(&self) -> Result<(), ReadError> {
        let status = self.shared.status.borrow();
        match &status.trouble {
            _ if status.closing => Err(ReadError::Closed),
            Some(trouble) => Err(trouble.clone()),
            None => Ok(()),
        }
    }

    /// Waits until a partition was compared with the server. Whoever maintains the mirror does that as it
    /// connects, and acts upon it; a follower compares as well, and waits for the other to act.
    async fn compared(&self, partition: Partition) -> Result<(), ReadError> {
        let mut patience = PATIENCE_MIN;
        loop {
            self.check()?;
            if self.shared.is_compared(partition) {
                return Ok(());
            }
            if self.role() == Some(Role::Follower) {
                let replaced = self.replaced();
                let same = self.is_same(partition).await?;
                if same && self.replaced() == replaced {
                    self.shared.compared(partition, true);
                    continue;
                }
            } else {
                // If it does not answer, that is told instead of waited for.
                self.shared.origin.standing(partition).await?;
            }
            self.anything_new(patience).await?;
            patience = (patience * 2).min(PATIENCE_MAX);
        }
    }

    /// Whether a follower finds what the server has in its log.
    async fn is_same(&self, partition: Partition) -> Result<bool, ReadError> {
        let count = self.shared.count(partition);
        let found = self.reading(partition, |log| async move {
            let tail = tail_of(&log).await?;
            let ours = Progress::of(&log).await?.mirrored;
            let origin = &*self.shared.origin;
            let standing = match origin.standing(partition).await {
                Ok(standing) => standing,
                Err(error) => return Ok(Err(error)),
            };
            let comparison = Comparison {
                origin,
                partition,
                log: &log,
                known: Known { tail, ours, count },
                standing: &standing,
            };
            match comparison.find().await {
                Ok(found) => Ok(Ok(!matches!(found, Finding::Diverged { .. }))),
                Err(Trouble::Local(error)) => Err(error),
                Err(Trouble::Origin(error)) => Ok(Err(error)),
                Err(Trouble::Again | Trouble::Closing) => Ok(Ok(false)),
            }
        });
        found.await?.unwrap_or(Ok(true))
    }

    /// Whoever maintains the mirror does not go on.
    fn stalled(&self) -> ReadError {
        ReadError::Unavailable {
            address: format!("the mirror in {}", self.dir().display()),
            message: format!(
                "the process that keeps it has not gone on for {} s: see what it does (who has the lock in there?), \
                 or use another --mirror",
                STALLED.as_secs()
            ),
        }
    }

    /// Waits until an entry can be read, or the server no longer has it.
    pub(super) async fn reached(&self, position: Position) -> Result<(), ReadError> {
        let Position {
            partition,
            entry_id,
        } = position;
        let unknown = partition as usize >= self.shared.names.len();
        let Some(before) = entry_id.previous().filter(|_| !unknown) else {
            return Ok(());
        };
        let mut status = self.shared.status.subscribe();
        let mut patience = PATIENCE_MIN;
        let mut progress = (None, Instant::now());
        loop {
            status.mark_unchanged();
            self.check()?;
            let replaced = self.replaced();
            let log = self.shared.log(partition);
            let tail = tail_of(&log).await.ok();
            if tail != progress.0 {
                progress = (tail, Instant::now());
            } else if progress.1.elapsed() >= STALLED && !self.is_maintainer() {
                return Err(self.stalled());
            }
            let cursor = Cursor::after(before);
            tokio::select! {
                waited = log.wait(&cursor) => match waited {
                    Ok(()) => return Ok(()),
                    // It was replaced, or will be.
                    Err(_) if !self.is_current(partition, &log) => continue,
                    Err(ReadError::Closed) => tokio::time::sleep(patience).await,
                    Err(error) => self.replaced_since(replaced, error).await?,
                },
                changed = status.changed() => {
                    changed.map_err(|_| ReadError::Closed)?;
                    continue;
                }
                () = tokio::time::sleep(patience) => {}
            }
            patience = (patience * 2).min(PATIENCE_MAX);
            if self.is_gone(&log, position).await? {
                return Ok(());
            }
        }
    }

    /// Whether what is waited for came meanwhile, or was removed before it was mirrored.
    async fn is_gone(&self, log: &DiskLog, position: Position) -> Result<bool, ReadError> {
        let Position {
            partition,
            entry_id,
        } = position;
        let Ok(tail) = tail_of(log).await else {
            return Ok(false);
        };
        let ids = IdRange::after(tail).up_to(entry_id);
        if tail >= entry_id || ids.inclusive().is_none() {
            return Ok(true);
        }
        let left = self.shared.origin.entries(partition, ids, 1).await?;
        Ok(left.is_empty())
    }
}
