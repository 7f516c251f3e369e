//! What can go wrong with views.

use std::time::Duration;

use recount_core::ReadError;

use crate::projection::Finding;
use crate::rows::RowsError;

/// Why a view could not be brought up to date, or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// No view has that name.
    #[error("there is no view called {name:?}: there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A view cannot be registered under its name.
    #[error("a view cannot be called {name:?}: {reason}")]
    Name {
        /// The name.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What is kept is not what was written.
    #[error(
        "{path} is damaged: {what}; the view is built anew from the log when it is next brought up to date"
    )]
    Damaged {
        /// The file or directory.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// The log is another than the one that the view was made of; it is built anew.
    #[error("the log holds other entries than before, up to {position}")]
    Replaced {
        /// How far it was read.
        position: String,
    },
    /// This process may not write what is kept.
    #[error(
        "{path} may not be written by this process: run it as a user who may, or give it the permission"
    )]
    Denied {
        /// The file.
        path: String,
    },
    /// The system failed.
    #[error("{action} {path}: {message}")]
    Storage {
        /// What was done, as in "reading".
        action: &'static str,
        /// The file.
        path: String,
        /// What the system said.
        message: String,
    },
    /// Another process maintains the view, and does not get on.
    #[error(
        "the view {view} is maintained by {}, which did not bring it further for {} s: wait, or end that process",
        process(*.holder), .waited.as_secs()
    )]
    Behind {
        /// The view.
        view: String,
        /// That process, if it is known.
        holder: Option<u32>,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The view did not come to a position in the time that was given.
    #[error(
        "the view {view} did not come that far in {} ms: it is brought up to date by a process that maintains it, or by `Views::catch_up`",
        .waited.as_millis()
    )]
    Deadline {
        /// The view.
        view: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The view stands still, before what was asked for.
    #[error("{0}; once the cause is mended, build it anew: `recount views rebuild {view}`", view = .0.view)]
    Stopped(Finding),
}

fn process(holder: Option<u32>) -> String {
    holder.map_or_else(|| "another process".into(), |pid| format!("process {pid}"))
}

impl ViewError {
    /// A stable name for programs to tell errors apart by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "unknown_view",
            Self::Name { .. } => "view_name",
            Self::Read(error) => error.code(),
            Self::Damaged { .. } => "damaged",
            Self::Replaced { .. } => "replaced",
            Self::Denied { .. } => "denied",
            Self::Storage { .. } => "storage",
            Self::Behind { .. } => "behind",
            Self::Deadline { .. } => "deadline",
            Self::Stopped(_) => "stopped",
        }
    }
}

impl From<RowsError> for ViewError {
    fn from(error: RowsError) -> Self {
        match error {
            RowsError::Damaged { path, what } => Self::Damaged { path, what },
            RowsError::Denied { path } => Self::Denied { path },
            RowsError::Storage {
                action,
                path,
                message,
            } => Self::Storage {
                action,
                path,
                message,
            },
            RowsError::Key { .. } => Self::Storage {
                action: "writing",
                path: "rows".into(),
                message: error.to_string(),
            },
        }
    }
}
