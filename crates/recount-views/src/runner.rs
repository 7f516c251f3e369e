//! Bringing a view up to date: reads ahead, lets it take in what was read, commits now and then.

mod feed;
mod live;
mod log;
mod rate;
mod stop;

use std::path::PathBuf;
use std::sync::Arc;

use recount_core::{Cursor, EntryId, EventLog, Recorded};

pub(crate) use feed::{Feed, Pages};
pub(crate) use live::{Signals, keep};
pub(crate) use log::{behind, left, lost};
pub(crate) use rate::Rate;

use crate::checkpoint::{Kept, Why};
use crate::projection::{Halt, Kind, Projection};
use crate::views::lock::Lock;
use crate::views::{Progress, ViewError};

/// Bytes that are staged between two commits at most, roughly.
const COMMIT_BYTES: usize = 64 << 20;

/// What a view is kept up to date from.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) pages: Arc<Pages>,
    /// That of the upcasters that `log` is read with.
    pub(crate) fingerprint: String,
    /// Entries that are taken in between two commits at most.
    pub(crate) commit_entries: u64,
}

/// A view that this process maintains: open, under its lock.
pub(crate) struct Maintained {
    source: Source,
    kind: Arc<dyn Kind>,
    dir: PathBuf,
    /// None only while it works on another thread.
    open: Option<Open>,
    /// As the next commit will keep it.
    kept: Kept,
    /// Entries taken in since the last commit.
    staged: u64,
    rebuilt: Option<Why>,
}

/// Goes to the thread where it works and back; what is dropped on the way is as after a crash.
struct Open {
    projection: Option<Box<dyn Projection>>,
    _lock: Lock,
}

impl Maintained {
    /// Opens the view for writing. What cannot be gone on with is dropped, and [`Self::rebuilt`] says why; so
    /// it is where that is `asked` for.
    pub(crate) async fn open(
        source: Source,
        kind: Arc<dyn Kind>,
        dir: PathBuf,
        lock: Lock,
        asked: bool,
    ) -> Result<Self, ViewError> {
        let (opener, place) = (Arc::clone(&kind), dir.clone());
        let opened = blocking(move || opener.open(&place)).await?;
        let mut why = asked.then_some(Why::Asked);
        let projection = match opened {
            Ok(projection) => Some(projection),
            Err(ViewError::Damaged { what, .. }) => {
                why = why.or(Some(Why::Damaged { what }));
                None
            }
            Err(error) => return Err(error),
        };
        let kept = projection.as_ref().map(|open| open.kept().clone());
        let kept = kept.filter(|kept| *kept != Kept::default());
        if let (None, Some(kept)) = (&why, &kept) {
            why = changed(kept, kind.version(), &source.fingerprint);
            if why.is_none() {
                why = lost(&*source.log, &kept.checkpoint).await?;
            }
        }
        let mut maintained = Self {
            kept: kept.unwrap_or_else(|| fresh(&*kind, &source, None)),
            source,
            kind,
            dir,
            open: Some(Open {
                projection,
                _lock: lock,
            }),
            staged: 0,
            rebuilt: None,
        };
        if let Some(why) = why {
            maintained.start_anew(why).await?;
        }
        Ok(maintained)
    }

    /// Drops what is kept and begins again with nothing.
    async fn start_anew(&mut self, why: Why) -> Result<(), ViewError> {
        tracing::warn!(view = self.kind.name(), %why, "a view is built anew");
        self.source.pages.forget();
        let Some(mut open) = self.open.take() else {
            return Err(self.gone());
        };
        let (opener, place) = (Arc::clone(&self.kind), self.dir.clone());
        let opened = blocking(move || {
            open.projection = None;
            opener.remove(&place)?;
            open.projection = Some(opener.open(&place)?);
            Ok::<_, ViewError>(open)
        });
        self.open = Some(opened.await??);
        self.kept = fresh(&*self.kind, &self.source, Some(why.clone()));
        self.rebuilt = Some(why);
        // Known from here on, also if this is the last that the process does.
        self.commit().await
    }

    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Why the view was built anew by [`Self::open`], if it was.
    pub(crate) fn rebuilt(&self) -> Option<&Why> {
        self.rebuilt.as_ref()
    }

    /// Takes in everything up to `target`, and commits. Rows that turn out to be damaged are made anew.
    pub(crate) async fn catch_up(
        &mut self,
        target: &Cursor,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<(), ViewError> {
        match self.try_catch_up(target, progress).await {
            Err(error) => {
                self.start_anew(reason_to_begin_anew(error)?).await?;
                self.try_catch_up(target, progress).await
            }
            done => done,
        }
    }

    async fn try_catch_up(
        &mut self,
        target: &Cursor,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<(), ViewError> {
        if self.kept.finding.is_some() {
            return Ok(());
        }
        let total = left(&*self.source.log, &self.kept.checkpoint.cursor()).await?;
        let mut rate = Rate::new(self.kind.name(), total, self.rebuilt.clone());
        let mut feed = self.feed(Some(target.clone()));
        while let Some(page) = feed.next().await? {
            let entries = page.len() as u64;
            self.take(page).await?;
            if self.is_commit_due() {
                self.commit().await?;
            }
            if self.kept.finding.is_some() {
                return Ok(());
            }
            progress(rate.done(entries));
        }
        self.let_trimmed_go().await?;
        if self.kept.finding.is_none() && (self.staged > 0 || self.is_new().await?) {
            self.commit().await?;
        }
        progress(rate.done(0));
        Ok(())
    }

    fn feed(&self, until: Option<Cursor>) -> Feed {
        let partitions = self.source.log.partitions();
        let cursor = self.kept.checkpoint.cursor();
        Feed::new(Arc::clone(&self.source.pages), partitions, cursor, until)
    }

    /// Takes in a page. Where an entry stops the view, it is committed before that entry, with the finding.
    async fn take(&mut self, page: Arc<Vec<Recorded>>) -> Result<(), ViewError> {
        let Some(position) = page.last().map(|last| last.position) else {
            return Ok(());
        };
        // Asked after the page was read: if it is still the same now, the page was of it too.
        let history = self.source.log.history(position.partition).await?;
        let place = self.kept.checkpoint.place(position.partition);
        if place.is_some_and(|place| place.is_of_another(history)) {
            return Err(ViewError::Replaced {
                position: position.to_string(),
            });
        }
        let entries = Arc::clone(&page);
        let taken = self
            .work(move |projection| projection.take(&entries))
            .await?;
        match taken {
            Ok(()) => {
                self.kept.checkpoint.advance(&page, history);
                self.staged += page.len() as u64;
                Ok(())
            }
            Err(Halt::Storage(error)) => Err(error),
            Err(Halt::Entry(finding)) => self.stop(finding).await,
        }
    }

    fn is_commit_due(&self) -> bool {
        let open = self.open.as_ref().and_then(|open| open.projection.as_ref());
        let bytes = open.map(|projection| projection.staged_bytes());
        self.staged >= self.source.commit_entries
            || bytes.is_some_and(|bytes| bytes >= COMMIT_BYTES)
    }

    async fn commit(&mut self) -> Result<(), ViewError> {
        let kept = self.kept.clone();
        match self
            .work(move |projection| projection.commit(&kept))
            .await?
        {
            Ok(()) => {
                self.staged = 0;
                Ok(())
            }
            Err(Halt::Storage(error)) => Err(error),
            Err(Halt::Entry(finding)) => self.stop(finding).await,
        }
    }

    /// Tells the view of entries that were trimmed since it was told last.
    async fn let_trimmed_go(&mut self) -> Result<(), ViewError> {
        for partition in 0..self.source.log.partitions() {
            let first = log::first_left(&*self.source.log, partition).await?;
            if first.entry_id == EntryId::MIN || !self.kept.raise_floor(first) {
                continue;
            }
            match self
                .work(move |projection| projection.trimmed(first))
                .await?
            {
                Ok(()) => self.staged += 1,
                Err(Halt::Storage(error)) => return Err(error),
                Err(Halt::Entry(finding)) => return self.stop(finding).await,
            }
        }
        Ok(())
    }

    /// Whether nothing was committed yet.
    async fn is_new(&mut self) -> Result<bool, ViewError> {
        self.work(|projection| *projection.kept() == Kept::default())
            .await
    }

    /// Lets the projection work on a thread where it may block.
    async fn work<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut dyn Projection) -> T + Send + 'static,
    ) -> Result<T, ViewError> {
        let Some(mut open) = self.open.take() else {
            return Err(self.gone());
        };
        let worked = blocking(move || {
            let done = open.projection.as_mut().map(|open| work(&mut **open));
            (open, done)
        });
        let (open, done) = worked.await?;
        self.open = Some(open);
        done.ok_or_else(|| self.gone())
    }

    /// Its work was cut off, or it could not be opened again.
    fn gone(&self) -> ViewError {
        ViewError::Storage {
            action: "maintaining",
            path: self.dir.display().to_string(),
            message: "it was not put back: open it again".into(),
        }
    }
}

/// What is kept of a view that took in nothing.
fn fresh(kind: &dyn Kind, source: &Source, rebuilt: Option<Why>) -> Kept {
    Kept {
        version: kind.version(),
        fingerprint: source.fingerprint.clone(),
        rebuilt,
        ..Kept::default()
    }
}

/// Why a view is to be built anew after `error`, if that helps.
fn reason_to_begin_anew(error: ViewError) -> Result<Why, ViewError> {
    match error {
        ViewError::Damaged { what, .. } => Ok(Why::Damaged { what }),
        ViewError::Replaced { position } => Ok(Why::LogReplaced { position }),
        other => Err(other),
    }
}

fn changed(kept: &Kept, version: u32, fingerprint: &str) -> Option<Why> {
    if kept.version != version {
        return Some(Why::Version {
            from: kept.version,
            to: version,
        });
    }
    (kept.fingerprint != fingerprint).then_some(Why::Upcasters)
}

/// Runs what may block on a thread for that.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ViewError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| ViewError::Storage {
        action: "running",
        path: "a view".into(),
        message: error.to_string(),
    })
}
