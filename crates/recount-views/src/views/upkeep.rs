//! Bringing views up to date when somebody asks for them.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use recount_core::Cursor;
use tokio::time::{Instant, sleep};

use super::lock::{self, Lock};
use super::{Entry, Progress, ViewError, Views};
use crate::checkpoint::{Checkpoint, Kept, Why};
use crate::projection::Finding;
use crate::runner::{Maintained, blocking, lost};

/// How often a view that another process maintains is looked at: first, and at the longest.
const LOOK: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(50));

/// A view that was brought up to date, or that stands still.
#[derive(Debug, Clone, PartialEq)]
pub struct CaughtUp {
    /// The view.
    pub view: String,
    /// How far it is.
    pub checkpoint: Checkpoint,
    /// Why it was built anew just now, if it was: to be told.
    pub rebuilt: Option<Why>,
    /// Why it stands still before the log's end, if it does: to be told.
    pub finding: Option<Finding>,
}

impl Views {
    /// Brings views up to what the log holds at the call: does it itself, or waits for the process that
    /// maintains them, and takes over where that one ends.
    pub async fn catch_up(
        &self,
        names: &[&str],
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Vec<CaughtUp>, ViewError> {
        let target = self.0.source.log.tail().await?;
        let mut all: Vec<Going<'_>> = Vec::new();
        for name in names {
            let entry = self.entry(name)?;
            all.push(Box::pin(self.catch_one_up(entry, target.clone(), progress)));
        }
        together(all).await
    }

    /// Drops views and builds them anew from the log, up to what it holds at the call.
    pub async fn rebuild(
        &self,
        names: &[&str],
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Vec<CaughtUp>, ViewError> {
        let target = self.0.source.log.tail().await?;
        let mut all: Vec<Going<'_>> = Vec::new();
        for name in names {
            let entry = self.entry(name)?;
            let target = target.clone();
            all.push(Box::pin(async move {
                let began = Instant::now();
                let lock = loop {
                    if let Some(lock) = self.try_lock(entry).await? {
                        break lock;
                    }
                    if began.elapsed() >= self.0.lock_wait {
                        return Err(self.behind(entry, began.elapsed()));
                    }
                    sleep(LOOK.1).await;
                };
                self.maintain(entry, lock, &target, true, progress).await
            }));
        }
        together(all).await
    }

    /// Returns once a view has taken in everything up to `cursor`: what was recorded before can then be read
    /// from it. Nothing is brought up to date here: that is for whoever maintains the view.
    pub async fn wait_for(
        &self,
        name: &str,
        cursor: &Cursor,
        deadline: Option<Duration>,
    ) -> Result<(), ViewError> {
        let entry = self.entry(name)?;
        let began = Instant::now();
        let mut committed = entry.signals.committed.subscribe();
        let mut pause = LOOK.0;
        loop {
            committed.mark_unchanged();
            if let Some(kept) = self.look(entry).await? {
                if kept.checkpoint.covers(cursor) {
                    return Ok(());
                }
                if let Some(finding) = kept.finding {
                    return Err(ViewError::Stopped(finding));
                }
            }
            let left = deadline.map(|deadline| deadline.saturating_sub(began.elapsed()));
            if left == Some(Duration::ZERO) {
                return Err(ViewError::Deadline {
                    view: name.to_owned(),
                    waited: began.elapsed(),
                });
            }
            entry.signals.hurry.notify_one();
            tokio::select! {
                // The one who maintains it is in this process.
                _ = committed.changed() => (),
                // Or in another.
                () = sleep(left.unwrap_or(pause).min(pause)) => pause = (2 * pause).min(LOOK.1),
            }
        }
    }

    async fn catch_one_up(
        &self,
        entry: &Entry,
        target: Cursor,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<CaughtUp, ViewError> {
        let mut pause = LOOK.0;
        let (mut seen, mut since) = (None, Instant::now());
        loop {
            // Most often there is nothing to do, and no lock to be taken.
            let kept = match self.look(entry).await {
                Ok(kept) => kept,
                // Whoever maintains it finds it so too, and builds it anew.
                Err(ViewError::Damaged { .. }) => None,
                Err(error) => return Err(error),
            };
            if let Some(kept) = &kept
                && (kept.finding.is_some() || kept.checkpoint.covers(&target))
                && lost(&*self.0.source.log, &kept.checkpoint).await?.is_none()
            {
                return Ok(CaughtUp::of(entry, kept, None));
            }
            if let Some(lock) = self.try_lock(entry).await? {
                return self.maintain(entry, lock, &target, false, progress).await;
            }
            let now = kept.map(|kept| kept.checkpoint);
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
            if since.elapsed() >= self.0.lock_wait {
                return Err(self.behind(entry, since.elapsed()));
            }
            entry.signals.hurry.notify_one();
            sleep(pause).await;
            pause = (2 * pause).min(LOOK.1);
        }
    }

    async fn maintain(
        &self,
        entry: &Entry,
        lock: Lock,
        target: &Cursor,
        asked: bool,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<CaughtUp, ViewError> {
        let dir = self.dir_of(entry.kind.name());
        let source = self.0.source.clone();
        let kind = std::sync::Arc::clone(&entry.kind);
        let mut view = Maintained::open(source, kind, dir, lock, asked).await?;
        view.catch_up(target, progress).await?;
        let (kept, rebuilt) = (view.kept().clone(), view.rebuilt().cloned());
        // Closing files may block.
        blocking(move || drop(view)).await?;
        entry.signals.committed.send_replace(());
        Ok(CaughtUp::of(entry, &kept, rebuilt))
    }

    /// What is kept of a view by this program's version of it.
    async fn look(&self, entry: &Entry) -> Result<Option<Kept>, ViewError> {
        let dir = self.dir_of(entry.kind.name());
        let kind = std::sync::Arc::clone(&entry.kind);
        let kept = blocking(move || kind.look(&dir)).await??;
        Ok(kept.filter(|kept| self.is_ours(&*entry.kind, kept)))
    }

    async fn try_lock(&self, entry: &Entry) -> Result<Option<Lock>, ViewError> {
        let dir = self.dir_of(entry.kind.name());
        blocking(move || Lock::try_take(&dir)).await?
    }

    fn behind(&self, entry: &Entry, waited: Duration) -> ViewError {
        let view = entry.kind.name();
        ViewError::Behind {
            view: view.to_owned(),
            holder: lock::holder(&self.dir_of(view)).and_then(|holder| holder.process),
            waited,
        }
    }
}

impl CaughtUp {
    fn of(entry: &Entry, kept: &Kept, rebuilt: Option<Why>) -> Self {
        Self {
            view: entry.kind.name().to_owned(),
            checkpoint: kept.checkpoint.clone(),
            rebuilt,
            finding: kept.finding.clone(),
        }
    }
}

type Going<'a> = Pin<Box<dyn Future<Output = Result<CaughtUp, ViewError>> + Send + 'a>>;

/// All of them side by side; the first error once all have ended, so that none is cut off.
async fn together(mut all: Vec<Going<'_>>) -> Result<Vec<CaughtUp>, ViewError> {
    let mut done: Vec<_> = all.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (going, done) in all.iter_mut().zip(&mut done) {
            if done.is_none()
                && let Poll::Ready(result) = going.as_mut().poll(context)
            {
                *done = Some(result);
            }
        }
        if done.iter().all(Option::is_some) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}
