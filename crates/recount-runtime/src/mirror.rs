//! A copy of a stream on this machine's disk: the same entries under the same ids.
//!
//! One process maintains it, any others follow and take over when that one is gone. Each partition is
//! read over a connection of its own, in large ranges until it has caught up, then as entries come. An
//! entry can be read here as soon as it is written; the server is told that it is held here, and so may
//! be trimmed there, only once it is on stable storage.
//!
//! Whenever it connects, the mirror compares its last entries with the server's. What was removed before
//! it was mirrored is a *gap*, what the server has otherwise a *divergence*: both are recorded. While it
//! is connected it asks the server now and then whether that still has what was mirrored: a stream that
//! was deleted says nothing by itself.

mod backoff;
mod compare;
mod counts;
mod incident;
mod keep;
mod local;
mod options;
mod place;
mod progress;
mod run;
mod shared;
mod tail;
mod task;
mod wait;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use recount_core::{Cursor, Origin, Partition, ReadError, Timestamp};
use recount_disk::DiskLog;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use incident::Incidents;
use place::Name;
use shared::Shared;

pub use incident::{Incident, IncidentKind};
pub use options::{MirrorError, MirrorOptions};
pub use progress::{Progress, Role};
pub(crate) use wait::UpToDate;

/// A mirror that is kept, or followed, by this process.
pub struct Mirror {
    shared: Arc<Shared>,
    copied: Option<String>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Mirror {
    /// Opens the mirror of `origin`, creating it if need be, and keeps it until it is closed: mirrors,
    /// or follows the process that does.
    pub async fn open(
        origin: Arc<dyn Origin>,
        options: MirrorOptions,
    ) -> Result<Self, MirrorError> {
        let place = options.place_of(&*origin);
        place.create()?;
        let name = match &options.name {
            Some(name) => Name {
                name: name.clone(),
                copied: None,
            },
            None => place.name()?,
        };
        if let Some(of) = &name.copied {
            tracing::warn!(%of, name = %name.name, "the mirror's directory is a copy: it registers under a name of its own");
        }
        let disk = local::options(&options.disk);
        let shared = Arc::new(Shared::new(origin, place, name.name, &options, disk)?);
        let turn = run::begin(&shared).await?;
        let task = tokio::spawn(run::run(Arc::clone(&shared), turn));
        Ok(Self {
            shared,
            copied: name.copied,
            task: Mutex::new(Some(task)),
        })
    }

    /// Returns once everything up to `cursor` can be read here, so far as the server still has it, and
    /// what is read here is what the server was given: no partition that has yet to be compared with the
    /// server in this run, or has to be rebuilt, passes.
    pub async fn caught_up(&self, cursor: &Cursor) -> Result<(), ReadError> {
        for position in cursor.iter() {
            self.reached(position).await?;
        }
        for partition in 0..self.shared.names.len() as Partition {
            self.up_to_date(partition).await?;
        }
        Ok(())
    }

    fn is_current(&self, partition: Partition, log: &Arc<DiskLog>) -> bool {
        Arc::ptr_eq(log, &self.shared.log(partition))
    }

    /// The log of a partition, which calls itself partition 0; none for a partition there is not. A
    /// divergence, and taking over from another process, put another log in its place.
    pub fn log(&self, partition: Partition) -> Option<Arc<DiskLog>> {
        ((partition as usize) < self.shared.names.len()).then(|| self.shared.log(partition))
    }

    /// Reads from a partition's log. Where another log took its place meanwhile, the read is done again
    /// there. None for a partition there is not.
    pub(crate) async fn reading<T, R: Future<Output = Result<T, ReadError>>>(
        &self,
        partition: Partition,
        read: impl Fn(Arc<DiskLog>) -> R,
    ) -> Result<Option<T>, ReadError> {
        loop {
            let replaced = self.replaced();
            let Some(log) = self.log(partition) else {
                return Ok(None);
            };
            let error = match read(log).await {
                Ok(read) => return Ok(Some(read)),
                Err(error) => error,
            };
            self.replaced_since(replaced, error).await?;
        }
    }

    /// Returns once a log that could not be read was replaced, of which a follower learns a moment later;
    /// else fails with the reader's error.
    async fn replaced_since(&self, before: u64, error: ReadError) -> Result<(), ReadError> {
        let mut status = self.shared.status.subscribe();
        let again = status.wait_for(|status| status.closing || status.replaced > before);
        let patience = (self.shared.look_every * 3).max(REPLACED_WITHIN);
        match tokio::time::timeout(patience, again).await {
            Ok(Ok(status)) if !status.closing => Ok(()),
            Ok(_) => Err(ReadError::Closed),
            Err(_) => Err(error),
        }
    }

    /// Returns once logs were replaced more than `before` times.
    pub(crate) async fn replaced_after(&self, before: u64) -> Result<(), ReadError> {
        let mut status = self.shared.status.subscribe();
        let decided = status
            .wait_for(|status| status.closing || status.replaced > before)
            .await;
        match decided {
            Ok(status) if !status.closing => Ok(()),
            _ => Err(ReadError::Closed),
        }
    }

    /// Counts the times that logs were replaced.
    pub(crate) fn replaced(&self) -> u64 {
        self.shared.status.borrow().replaced
    }

    /// Every gap and divergence that was ever met, by any process, oldest first.
    pub fn incidents(&self) -> Vec<Incident> {
        self.shared.incidents()
    }

    /// The partitions that do not hold everything the stream was given since the mirror began.
    pub fn partitions_with_gaps(&self) -> BTreeSet<Partition> {
        let gaps = self.incidents().into_iter();
        let gaps = gaps.filter(|incident| matches!(incident.kind, IncidentKind::Gap { .. }));
        gaps.map(|incident| incident.partition).collect()
    }

    /// How far each partition is, as it goes on.
    pub fn progress(&self) -> watch::Receiver<Vec<Progress>> {
        self.shared.progress.subscribe()
    }

    /// What this process does; none while the mirror is opened again.
    pub fn role(&self) -> Option<Role> {
        self.shared.status.borrow().role
    }

    /// Whether this process mirrors, and no other.
    pub fn is_maintainer(&self) -> bool {
        self.role() == Some(Role::Maintainer)
    }

    /// Returns once this process maintains the mirror.
    pub async fn maintaining(&self) -> Result<(), ReadError> {
        let mut status = self.shared.status.subscribe();
        let decided = status
            .wait_for(|status| status.closing || status.role == Some(Role::Maintainer))
            .await;
        match decided {
            Ok(status) if !status.closing => Ok(()),
            _ => Err(ReadError::Closed),
        }
    }

    /// Why the mirror cannot go on at present; it tries again by itself. Where only the server is
    /// away, there is none.
    pub fn trouble(&self) -> Option<ReadError> {
        self.shared.status.borrow().trouble.clone()
    }

    /// Why the server does not know of the mirror, and so may trim what is not mirrored; none where it does.
    pub fn unregistered(&self) -> Option<ReadError> {
        self.shared.status.borrow().unregistered.clone()
    }

    /// The name it registers under.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The name of the mirror whose directory was copied to make this one, if that was noticed as it was opened:
    /// from then on it has a name of its own.
    pub fn copied_from(&self) -> Option<&str> {
        self.copied.as_deref()
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.shared.place.dir()
    }

    /// Syncs what was mirrored, tells the server, and lets another process take over. Whoever waits for
    /// the mirror gets [`ReadError::Closed`]. Closing again does nothing.
    pub async fn close(&self) {
        self.begin_closing();
        let task = self.task.lock().take();
        if let Some(task) = task
            && let Err(failed) = task.await
        {
            tracing::error!(%failed, "the mirror ended early");
        }
    }

    fn begin_closing(&self) {
        self.shared
            .status
            .send_modify(|status| status.closing = true);
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.begin_closing();
    }
}

/// How long a log takes to be replaced at most, once the other is away.
const REPLACED_WITHIN: Duration = Duration::from_secs(5);

/// What is known of a mirror without opening it.
pub(crate) struct RecordedMirror {
    pub(crate) dir: PathBuf,
    /// What it registers as, if that was decided.
    pub(crate) name: Option<String>,
    pub(crate) incidents: Vec<Incident>,
}

/// Takes note of everything that befell the mirror of `origin`; returns of how many incidents nobody had.
pub(crate) fn settle(options: &MirrorOptions, origin: &dyn Origin) -> Result<usize, MirrorError> {
    if !is_there(options, origin) {
        return Ok(0);
    }
    let path = options.place_of(origin).incidents();
    Incidents::load(path)?.settle(Timestamp::now())
}

/// What is known of the mirror of `origin` without opening it; none where there is none.
pub(crate) fn recorded(options: &MirrorOptions, origin: &dyn Origin) -> Option<RecordedMirror> {
    let place = options.place_of(origin);
    if !is_there(options, origin) {
        return None;
    }
    let incidents = Incidents::load(place.incidents());
    Some(RecordedMirror {
        dir: place.dir().to_owned(),
        name: place.given_name(),
        incidents: incidents.map_or_else(|_| Vec::new(), |incidents| incidents.all().to_vec()),
    })
}

/// Whether there is a mirror of `origin`.
pub(crate) fn is_there(options: &MirrorOptions, origin: &dyn Origin) -> bool {
    options.place_of(origin).data().is_dir()
}
