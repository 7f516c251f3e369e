//! What the runner drives: something that takes in entries and commits them together with how far it came.

use std::fmt;
use std::path::Path;

use recount_core::{Body, EntryId, Partition, Position, Recorded};
use serde::{Deserialize, Serialize};

use crate::checkpoint::Kept;
use crate::views::ViewError;

/// A view open for writing, by the one process that maintains it. Its calls block: they are made on
/// threads for that.
pub(crate) trait Projection: Send {
    /// What is committed.
    fn kept(&self) -> &Kept;

    /// Takes in entries of one partition, in their order. They are staged until the next commit.
    fn take(&mut self, entries: &[Recorded]) -> Result<(), Halt>;

    /// How much memory is staged, in bytes; a rough number.
    fn staged_bytes(&self) -> usize;

    /// Everything before `first` is gone from the log. Staged until the next commit.
    fn trimmed(&mut self, first: Position) -> Result<(), Halt>;

    /// Commits what is staged, and `kept` with it: both, or after a crash neither.
    fn commit(&mut self, kept: &Kept) -> Result<(), Halt>;

    /// Goes back to the last commit.
    fn roll_back(&mut self) -> Result<(), ViewError>;
}

/// How a projection comes to be: one for each view that is registered.
pub(crate) trait Kind: Send + Sync + 'static {
    /// The view's name.
    fn name(&self) -> &str;

    /// The version of what it makes of events.
    fn version(&self) -> u32;

    /// Opens what `dir` keeps, or begins with nothing: [`Kept::default`]. Called under the view's lock.
    /// [`ViewError::Damaged`] where it cannot be used: it is then removed.
    fn open(&self, dir: &Path) -> Result<Box<dyn Projection>, ViewError>;

    /// Removes everything that `dir` keeps; fine where nothing is. Called under the view's lock. Whoever
    /// still reads it, in this process or another, goes on with what there was.
    fn remove(&self, dir: &Path) -> Result<(), ViewError>;

    /// What stands with the last commit, without the lock; none where there is none.
    fn look(&self, dir: &Path) -> Result<Option<Kept>, ViewError>;
}

/// Why a projection cannot go on.
#[derive(Debug)]
pub(crate) enum Halt {
    /// It cannot take in this entry.
    Entry(Finding),
    /// Its storage failed.
    Storage(ViewError),
}

impl From<ViewError> for Halt {
    fn from(error: ViewError) -> Self {
        Self::Storage(error)
    }
}

/// Why a view stands still, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The view's name.
    pub view: String,
    partition: Partition,
    /// Milliseconds and sequence.
    entry_id: (u64, u64),
    /// The event's id, where the entry is an event.
    pub event_id: Option<String>,
    /// What went wrong, in the view's words or those of its panic.
    pub reason: String,
}

impl Finding {
    /// `view` could not take in `entry`.
    pub(crate) fn new(view: &str, entry: &Recorded, reason: impl Into<String>) -> Self {
        let event_id = match &entry.body {
            Body::Event(event) => Some(event.id.as_str().to_owned()),
            Body::Undecodable(_) => None,
        };
        let Position {
            partition,
            entry_id,
        } = entry.position;
        Self {
            view: view.to_owned(),
            partition,
            entry_id: (entry_id.ms, entry_id.seq),
            event_id,
            reason: reason.into(),
        }
    }

    /// The entry that it could not take in.
    pub fn position(&self) -> Position {
        Position {
            partition: self.partition,
            entry_id: EntryId::new(self.entry_id.0, self.entry_id.1),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the view {} stands still before entry {}",
            self.view,
            self.position()
        )?;
        if let Some(id) = &self.event_id {
            write!(f, " (event {id})")?;
        }
        write!(f, ": {}", self.reason)
    }
}
