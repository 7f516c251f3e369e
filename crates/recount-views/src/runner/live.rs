//! Keeping a view up to date as the log grows.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use super::{Feed, Maintained, Source, blocking, lost, reason_to_begin_anew};
use crate::projection::Kind;
use crate::views::lock::Lock;
use crate::views::{Upkeep, ViewError};

/// What was taken in is committed after this long at the latest.
const COMMIT_AFTER: Duration = Duration::from_millis(200);
/// With nothing more coming, it is committed after this long.
const IDLE: Duration = Duration::from_millis(25);
/// Where the log's end was met, more is waited for this long, so that single events become pages.
const LINGER: Duration = Duration::from_millis(20);
/// How often somebody else's lock, a finding, or a log to which nothing is added is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How often the view is told of trimmed entries.
const TRIM_EVERY: Duration = Duration::from_mins(1);

/// What a view that is kept up to date shares with those who wait for it.
#[derive(Default)]
pub(crate) struct Signals {
    /// Somebody waits for a commit.
    pub(crate) hurry: Notify,
    /// Told of every commit.
    pub(crate) committed: watch::Sender<()>,
}

/// Keeps a view up to date until `stop` says so: waits for its lock, catches up, goes on live. After a failure
/// it begins again from the last commit.
pub(crate) async fn keep(
    source: Source,
    kind: Arc<dyn Kind>,
    dir: PathBuf,
    signals: Arc<Signals>,
    mut stop: watch::Receiver<bool>,
    upkeep: watch::Sender<Upkeep>,
) {
    let say = |now: Upkeep| {
        upkeep.send_if_modified(|said| {
            let other = *said != now;
            *said = now;
            other
        })
    };
    while !*stop.borrow() {
        let place = dir.clone();
        let lock = blocking(move || Lock::try_take(&place)).await;
        match lock.and_then(|lock| lock) {
            Ok(Some(lock)) => {
                say(Upkeep::CatchingUp);
                let open =
                    Maintained::open(source.clone(), Arc::clone(&kind), dir.clone(), lock, false);
                let done = match open.await {
                    Ok(mut view) => view.stay_live(&signals, &mut stop, &say).await,
                    Err(error) => Err(error),
                };
                // The lock is free again: somebody may rebuild what stands still.
                if let Err(error) = done {
                    tracing::warn!(view = kind.name(), %error, "a view is not kept up to date");
                    say(Upkeep::Failing(error));
                }
            }
            Ok(None) => {
                say(Upkeep::Elsewhere);
            }
            Err(error) => {
                say(Upkeep::Failing(error));
            }
        }
        let (looker, place) = (Arc::clone(&kind), dir.clone());
        let still = move || {
            looker
                .look(&place)
                .ok()
                .flatten()
                .and_then(|kept| kept.finding)
        };
        loop {
            let _ = timeout(LOOK_AGAIN, stop.changed()).await;
            if *stop.borrow() || stop.has_changed().is_err() {
                break;
            }
            match blocking(still.clone()).await {
                Ok(Some(finding)) => {
                    say(Upkeep::Stopped(finding));
                }
                _ => break,
            }
        }
        if stop.has_changed().is_err() {
            break;
        }
    }
    say(Upkeep::Ended);
}

impl Maintained {
    /// As [`Self::live`]; rows that turn out to be damaged are made anew.
    async fn stay_live(
        &mut self,
        signals: &Signals,
        stop: &mut watch::Receiver<bool>,
        say: &(impl Fn(Upkeep) -> bool + Sync),
    ) -> Result<(), ViewError> {
        match self.live(signals, stop, say).await {
            Err(error) => {
                let why = reason_to_begin_anew(error)?;
                say(Upkeep::CatchingUp);
                self.start_anew(why).await?;
                self.live(signals, stop, say).await
            }
            done => done,
        }
    }

    /// Takes in what there is and what comes, until it is told to stop or the view stands still.
    async fn live(
        &mut self,
        signals: &Signals,
        stop: &mut watch::Receiver<bool>,
        say: &(impl Fn(Upkeep) -> bool + Sync),
    ) -> Result<(), ViewError> {
        let mut feed = self.feed(None);
        let log = Arc::clone(&self.source.log);
        let mut since: Option<Instant> = None;
        let mut trimmed: Option<Instant> = None;
        let mut hurried = false;
        while self.kept().finding.is_none() && !is_stopped(stop) {
            if let Some(page) = feed.next().await? {
                let began = *since.get_or_insert_with(Instant::now);
                let short = Feed::is_short(&page);
                self.take(page).await?;
                if began.elapsed() >= COMMIT_AFTER || self.is_commit_due() {
                    self.settle(signals, &mut since).await?;
                }
                if short && !hurried {
                    tokio::select! {
                        () = sleep(LINGER) => (),
                        () = signals.hurry.notified() => hurried = true,
                        _ = stop.changed() => (),
                    }
                }
                continue;
            }
            say(Upkeep::Live);
            if trimmed.is_none_or(|last| last.elapsed() >= TRIM_EVERY) {
                self.let_trimmed_go().await?;
                trimmed = Some(Instant::now());
            }
            let staged = self.staged > 0;
            if staged && hurried {
                self.settle(signals, &mut since).await?;
                continue;
            }
            hurried = false;
            tokio::select! {
                waited = log.wait(feed.cursor()) => waited?,
                () = sleep(IDLE), if staged => self.settle(signals, &mut since).await?,
                () = signals.hurry.notified() => hurried = true,
                () = sleep(LOOK_AGAIN), if !staged => (),
                _ = stop.changed() => (),
            }
            if !staged && let Some(why) = lost(&*log, &self.kept().checkpoint).await? {
                // It is not the log that was read.
                say(Upkeep::CatchingUp);
                self.start_anew(why).await?;
                feed = self.feed(None);
                (since, trimmed) = (None, None);
            }
        }
        if self.kept().finding.is_none() && self.staged > 0 {
            self.settle(signals, &mut since).await?;
        }
        Ok(())
    }

    async fn settle(
        &mut self,
        signals: &Signals,
        since: &mut Option<Instant>,
    ) -> Result<(), ViewError> {
        self.commit().await?;
        *since = None;
        signals.committed.send_replace(());
        Ok(())
    }
}

fn is_stopped(stop: &watch::Receiver<bool>) -> bool {
    // Whoever could say so is gone: so is the reason to go on.
    *stop.borrow() || stop.has_changed().is_err()
}
