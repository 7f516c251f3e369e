//! What can go wrong while opening, and what opening had to set aside.

use std::fmt;
use std::io;
use std::path::Path;

use recount_core::{AppendError, ReadError, TrimError};

use crate::storage::is_full;

/// Why a log could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory holds something else.
    #[error(
        "{path} is not a Recount data directory and is not empty: name another directory, or an empty one"
    )]
    NotOurs {
        /// The directory.
        path: String,
    },
    /// The data was written by a newer version.
    #[error("{path} has format {found}, this version reads format 1: use a newer recount")]
    Format {
        /// The file that says so.
        path: String,
        /// What it says.
        found: String,
    },
    /// The stream's name cannot be used.
    #[error("{name:?} cannot name a stream: {reason}")]
    StreamName {
        /// The name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// There is no such stream, and this opening does not create one.
    #[error(
        "there is no stream {stream} in {path}: publish an event to create it, or check --url and --stream"
    )]
    NoStream {
        /// The stream.
        stream: String,
        /// The data directory.
        path: String,
    },
    /// Another process writes the stream.
    #[error(
        "{path} is being written by process {pid}: one process writes a directory at a time; wait for it, or publish through it"
    )]
    Locked {
        /// The stream's directory.
        path: String,
        /// The process id, as the lock file tells it.
        pid: String,
    },
    /// What is on disk is not what was written, below what was on stable storage.
    #[error(
        "{path} is damaged at byte {offset}: {what}; nothing was changed: restore the file from a backup, or run `recount doctor`"
    )]
    Corrupt {
        /// The file.
        path: String,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// The system refused something.
    #[error("{action} {path}: {message}")]
    Storage {
        /// What was tried, as in "creating".
        action: &'static str,
        /// The file or directory.
        path: String,
        /// What the system said.
        message: String,
    },
}

impl OpenError {
    /// A stable name for programs to tell errors apart by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotOurs { .. } => "not_ours",
            Self::Format { .. } => "format",
            Self::StreamName { .. } => "stream_name",
            Self::NoStream { .. } => "no_stream",
            Self::Locked { .. } => "locked",
            Self::Corrupt { .. } => "corrupt",
            Self::Storage { .. } => "storage",
        }
    }
}

/// What opening cut off the end of the log, because as far as is known it had never been on stable storage
/// whole; or that it cannot tell where the log ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The segment file.
    pub path: String,
    /// Where it was cut.
    pub offset: u64,
    /// How many bytes were set aside, those of later segments included.
    pub bytes: u64,
    /// Where the bytes are now.
    pub saved_to: Vec<String>,
    /// The watermark, where it is missing or damaged: then nothing tells whether entries are missing at
    /// the log's end.
    pub no_watermark: Option<String>,
    /// What became of the consumer groups, in a sentence each.
    pub groups: Vec<String>,
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unknown = self.no_watermark.as_ref().map(|path| format!(
            "{path} is missing or damaged: whether entries are missing at the end of the log cannot be told; compare its end with what producers know, or with a backup"
        ));
        let cut = (self.bytes > 0).then(|| format!(
            "{} ended in an incomplete write: {} bytes from byte {} on were set aside in {}; as far as is known they were never acknowledged as synced",
            self.path,
            self.bytes,
            self.offset,
            self.saved_to.join(", ")
        ));
        let groups = self.groups.iter().cloned();
        let all: Vec<String> = unknown.into_iter().chain(cut).chain(groups).collect();
        f.write_str(&all.join("; "))
    }
}

/// An error of the file system or of the data, on its way to the operation that met it.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// The system refused something.
    Io {
        action: &'static str,
        path: String,
        message: String,
        full: bool,
        missing: bool,
    },
    /// What was read back is not what was written.
    Corrupt {
        path: String,
        offset: u64,
        what: String,
    },
}

impl Fault {
    /// Whether a sync failed: what is on stable storage is not known then.
    pub(crate) fn is_failed_sync(&self) -> bool {
        matches!(self, Self::Io { action, .. } if action.starts_with("syncing"))
    }

    pub(crate) fn corrupt(path: &Path, offset: u64, what: impl Into<String>) -> Self {
        Self::Corrupt {
            path: path.display().to_string(),
            offset,
            what: what.into(),
        }
    }
}

/// Says what was done to which file when the system refused.
pub(crate) trait Doing<T> {
    fn doing(self, action: &'static str, path: &Path) -> Result<T, Fault>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, action: &'static str, path: &Path) -> Result<T, Fault> {
        self.map_err(|error| Fault::Io {
            action,
            path: path.display().to_string(),
            full: is_full(&error),
            missing: error.kind() == io::ErrorKind::NotFound,
            message: error.to_string(),
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ReadError::from(self.clone()).fmt(f)
    }
}

impl From<Fault> for OpenError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Io {
                action,
                path,
                message,
                full,
                ..
            } => Self::Storage {
                action,
                path,
                message: if full {
                    format!("{message}: free some space and try again; nothing was lost")
                } else {
                    message
                },
            },
            Fault::Corrupt { path, offset, what } => Self::Corrupt { path, offset, what },
        }
    }
}

impl From<Fault> for ReadError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Io {
                action,
                path,
                message,
                ..
            } => Self::Storage {
                action,
                path,
                message,
            },
            Fault::Corrupt { path, offset, what } => Self::Corrupt { path, offset, what },
        }
    }
}

impl From<Fault> for AppendError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Io {
                path, full: true, ..
            } => Self::Full { path },
            Fault::Io {
                action,
                path,
                message,
                ..
            } => Self::Storage {
                action,
                path,
                message,
            },
            corrupt @ Fault::Corrupt { .. } => Self::Stopped {
                reason: corrupt.to_string(),
            },
        }
    }
}

impl From<Fault> for TrimError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Io {
                action,
                path,
                message,
                ..
            } => Self::Storage {
                action,
                path,
                message,
            },
            corrupt @ Fault::Corrupt { .. } => Self::Stopped {
                reason: corrupt.to_string(),
            },
        }
    }
}
