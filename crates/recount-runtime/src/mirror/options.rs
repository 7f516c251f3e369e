//! How a mirror is opened, and why it may not be.

use std::path::PathBuf;
use std::time::Duration;

use recount_core::{Origin, ReadError};
use recount_disk::{DiskOptions, OpenError};

use super::place::Place;

/// How a mirror is kept.
#[derive(Debug, Clone)]
pub struct MirrorOptions {
    /// Where mirrors are: each gets a directory in it.
    pub dir: PathBuf,
    /// Under what name it registers on the server. Default: the host's name and what tells the directory
    /// from others, the same every time.
    pub name: Option<String>,
    /// How long the server keeps what is not mirrored after it last heard of the mirror. Default: 60 s.
    pub lease: Duration,
    /// How long an entry may wait to be put on stable storage, and the server to hear of it. A sync may
    /// hold up what is mirrored meanwhile. Default: 5 s.
    pub sync_every: Duration,
    /// How often a follower looks whether the maintainer is still there, and the maintainer whether the
    /// server still has what was mirrored. Default: 1 s.
    pub look_every: Duration,
    /// How the local logs are opened. Sync, retention, window and limits are the mirror's own.
    pub disk: DiskOptions,
}

impl MirrorOptions {
    /// Mirrors in `dir`, and the defaults.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            name: None,
            lease: Duration::from_mins(1),
            sync_every: Duration::from_secs(5),
            look_every: Duration::from_secs(1),
            disk: DiskOptions::default(),
        }
    }

    /// The directory of the mirror of `origin`, whether or not there is one.
    pub fn dir_of(&self, origin: &dyn Origin) -> PathBuf {
        self.place_of(origin).dir().to_owned()
    }

    pub(super) fn place_of(&self, origin: &dyn Origin) -> Place {
        Place::new(&self.dir, &origin.address(), &origin.stream())
    }
}

/// Why a mirror could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MirrorError {
    /// One of its logs could not be opened.
    #[error("opening the mirror: {0}")]
    Open(#[from] OpenError),
    /// The system refused something.
    #[error(
        "{action} {path}: {message}; the mirror is on this machine's disk: check the directory, or name another"
    )]
    Storage {
        /// What was tried, as in "creating".
        action: &'static str,
        /// The file or directory.
        path: String,
        /// What the system said.
        message: String,
    },
    /// The process that maintains the mirror has not opened it.
    #[error(
        "another process maintains the mirror in {path}, but it has not created all of it: try again once it has, or end it"
    )]
    Unfinished {
        /// The mirror's directory.
        path: String,
    },
    /// The log that it belongs to was closed.
    #[error("the log was closed")]
    Closed,
}

impl MirrorError {
    pub(super) fn from_read(place: &Place, error: &ReadError) -> Self {
        Self::Storage {
            action: "mirroring to",
            path: place.dir().display().to_string(),
            message: error.to_string(),
        }
    }
}

impl From<MirrorError> for ReadError {
    fn from(error: MirrorError) -> Self {
        match error {
            MirrorError::Open(OpenError::Corrupt { path, offset, what }) => {
                Self::Corrupt { path, offset, what }
            }
            MirrorError::Open(OpenError::Storage {
                action,
                path,
                message,
            })
            | MirrorError::Storage {
                action,
                path,
                message,
            } => Self::Storage {
                action,
                path,
                message,
            },
            MirrorError::Closed => Self::Closed,
            other => Self::Storage {
                action: "opening",
                path: "the mirror".into(),
                message: other.to_string(),
            },
        }
    }
}
