//! The views of a log: where they are kept, who brings them up to date, and how they are read.

mod error;
pub(crate) mod lock;
mod running;
mod status;
mod upkeep;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use recount_core::EventLog;

pub use error::ViewError;
pub use running::{RunningViews, Upkeep};
pub use status::ViewStatus;
pub use upkeep::CaughtUp;

use crate::checkpoint::Why;
use crate::projection::Kind;
use crate::rows::{KeptOpen, RowsKind, Snapshot};
use crate::runner::{Pages, Signals, Source};
use crate::search::{SearchKind, SearchReader};
use crate::sessions::SessionsView;
use crate::view::View;

/// The views of one log, kept in a directory. Cloning it is cheap.
///
/// Of each view, one process at a time brings it up to date, under a lock; any number of others read what it
/// committed. Whoever asks something finds the lock free, and catches up itself ([`Views::catch_up`]), or
/// waits for the holder to do it. `VIEWS.md` describes the directory.
#[derive(Clone)]
pub struct Views(Arc<Shared>);

struct Shared {
    dir: PathBuf,
    source: Source,
    lock_wait: Duration,
    entries: Vec<Entry>,
    search: SearchReader,
}

struct Entry {
    kind: Arc<dyn Kind>,
    signals: Arc<Signals>,
    /// The rows that were read last, kept open for the next question.
    read: Mutex<Option<KeptOpen>>,
}

/// What [`Views`] are opened with.
#[derive(Clone, Debug)]
pub struct ViewsOptions {
    /// The fingerprint of the upcasters that the log is read with, by [`recount_core::Upcasters::fingerprint`]:
    /// with others, every view is built anew.
    pub fingerprint: String,
    /// How long another process that maintains a view may stand still before a wait for it ends.
    pub lock_wait: Duration,
    /// How many entries are taken in between two commits at most: what a crash makes be taken in again.
    pub commit_entries: u64,
    /// Views besides the built-in ones.
    pub views: Vec<Registered>,
}

impl Default for ViewsOptions {
    fn default() -> Self {
        Self {
            fingerprint: String::new(),
            lock_wait: Duration::from_secs(30),
            commit_entries: 200_000,
            views: Vec::new(),
        }
    }
}

/// A view, and how a fresh one is made.
#[derive(Clone)]
pub struct Registered(Arc<dyn Kind>);

impl Registered {
    /// The view that `make` makes: with nothing in memory, and always of the same name and version.
    pub fn view<V: View>(make: impl Fn() -> V + Send + Sync + 'static) -> Self {
        Self(Arc::new(RowsKind::new(make)))
    }
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.name(), self.0.version())
    }
}

/// How far a view is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// The view.
    pub view: String,
    /// Entries taken in since it began.
    pub done: u64,
    /// Entries to be taken in, about.
    pub total: u64,
    /// Entries taken in a second.
    pub per_second: f64,
    /// Why the view is being built anew, if it is.
    pub rebuilt: Option<Why>,
}

impl Views {
    /// The views of `source` that are kept in `dir`. Nothing is read or written yet.
    pub fn open(
        dir: impl Into<PathBuf>,
        source: Arc<dyn EventLog>,
        options: ViewsOptions,
    ) -> Result<Self, ViewError> {
        let mut entries: Vec<Entry> = Vec::new();
        for Registered(kind) in built_in().into_iter().chain(options.views) {
            check_name(kind.name())?;
            if entries.iter().any(|other| other.kind.name() == kind.name()) {
                return Err(ViewError::Name {
                    name: kind.name().to_owned(),
                    reason: "another view is called so",
                });
            }
            entries.push(Entry {
                kind,
                signals: Arc::default(),
                read: Mutex::default(),
            });
        }
        let dir = dir.into();
        Ok(Self(Arc::new(Shared {
            search: SearchReader::new(dir.join(SearchKind::NAME)),
            dir,
            source: Source {
                pages: Arc::new(Pages::new(Arc::clone(&source))),
                log: source,
                fingerprint: options.fingerprint,
                commit_entries: options.commit_entries.max(1),
            },
            lock_wait: options.lock_wait,
            entries,
        })))
    }

    /// The names of all views.
    pub fn names(&self) -> Vec<&str> {
        let names = self.0.entries.iter().map(|entry| entry.kind.name());
        names.collect()
    }

    /// The rows of a view as they were committed last; none where nothing is kept yet that this program
    /// could read.
    pub fn snapshot(&self, name: &str) -> Result<Option<Snapshot>, ViewError> {
        let entry = self.entry(name)?;
        let dir = self.dir_of(name);
        let mut opened = Snapshot::open(&dir);
        if opened.is_err() && entry.read.lock().take().is_some() {
            // What was kept open may not be what stands there now.
            opened = Snapshot::open(&dir);
        }
        let snapshot = opened?;
        *entry.read.lock() = snapshot.as_ref().map(Snapshot::keep_open);
        let Some(snapshot) = snapshot else {
            return Ok(None);
        };
        let kept = snapshot.kept()?;
        let fits = kept.is_some_and(|kept| self.is_ours(&*entry.kind, &kept));
        Ok(fits.then_some(snapshot))
    }

    /// Asks the index of texts, as it was committed last.
    pub fn search(&self) -> SearchReader {
        self.0.search.clone()
    }

    /// The directory of a view.
    pub(crate) fn dir_of(&self, name: &str) -> PathBuf {
        self.0.dir.join(name)
    }

    /// Whether the rows were made as this program makes them.
    fn is_ours(&self, kind: &dyn Kind, kept: &crate::checkpoint::Kept) -> bool {
        kept.version == kind.version() && kept.fingerprint == self.0.source.fingerprint
    }

    fn entry(&self, name: &str) -> Result<&Entry, ViewError> {
        let mut entries = self.0.entries.iter();
        let found = entries.find(|entry| entry.kind.name() == name);
        found.ok_or_else(|| ViewError::Unknown {
            name: name.chars().take(64).collect(),
            known: self.names().join(", "),
        })
    }
}

impl fmt::Debug for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Views")
            .field("dir", &self.0.dir)
            .field("names", &self.names())
            .finish_non_exhaustive()
    }
}

/// The views that every log has.
fn built_in() -> Vec<Registered> {
    vec![
        Registered::view(SessionsView::new),
        Registered(Arc::new(SearchKind)),
    ]
}

fn check_name(name: &str) -> Result<(), ViewError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=64).contains(&name.len()) && name.bytes().all(plain) {
        return Ok(());
    }
    Err(ViewError::Name {
        name: name.chars().take(64).collect(),
        reason: "use 1 to 64 letters, digits, - and _",
    })
}

#[cfg(test)]
mod tests;
