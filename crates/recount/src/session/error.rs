//! Why a session could not be looked at, or branched off.

use recount_core::{AppendError, ReadError};

use super::At;

/// Why a session could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// Its events could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It has not come as far as the revision that was asked for.
    #[error("session {session} has no revision {asked}: it is at revision {revision}")]
    Ahead {
        /// The session.
        session: String,
        /// The revision that was asked for.
        asked: u64,
        /// The last one there is.
        revision: u64,
    },
    /// Everything recorded of it up to the moment was trimmed.
    #[error(
        "what session {session} was at {at} is not known any more: it is retained from revision {retained_from} on"
    )]
    Trimmed {
        /// The session.
        session: String,
        /// The moment that was asked for.
        at: At,
        /// The first revision that is left.
        retained_from: u64,
    },
}

impl SessionError {
    /// A stable name for programs to tell errors apart by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read(error) => error.code(),
            Self::Ahead { .. } => "no_such_revision",
            Self::Trimmed { .. } => "trimmed",
        }
    }
}

/// ` at revision 12`; nothing for now.
fn moment(at: At) -> String {
    match at {
        At::Now => String::new(),
        at => format!(" at {at}"),
    }
}

/// Why a session could not be branched off another.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ForkError {
    /// The parent could not be looked at.
    #[error(transparent)]
    Parent(#[from] SessionError),
    /// Nothing of the parent lies before the place to branch off.
    #[error("nothing is recorded of session {parent}{}: there is nothing to branch off", moment(*at))]
    Nothing {
        /// The session to branch off.
        parent: String,
        /// The place.
        at: At,
    },
    /// The new session is not new.
    #[error(
        "session {child} exists already, at revision {revision}: a fork begins a session, choose another name"
    )]
    Exists {
        /// The session that was to be begun.
        child: String,
        /// Where it is.
        revision: u64,
    },
    /// The fork could not be recorded.
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl ForkError {
    /// A stable name for programs to tell errors apart by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Parent(error) => error.code(),
            Self::Nothing { .. } => "nothing_to_fork",
            Self::Exists { .. } => "session_exists",
            Self::Append(error) => error.code(),
        }
    }
}
