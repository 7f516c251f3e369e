//! Why a call on dead letters fails.

use std::error::Error;

use recount_core::{AppendError, GroupError, Position, ReadError};

use super::DeadLetters;

/// Why a call on dead letters failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeadError {
    /// The stream of dead letters could not be opened.
    #[error("opening the dead letters of group {group}: {source}")]
    Open {
        /// The group.
        group: String,
        /// What the engine said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The stream of dead letters could not be read.
    #[error("reading the dead letters of group {group}: {source}")]
    Read {
        /// The group.
        group: String,
        /// What the engine said.
        source: ReadError,
    },
    /// The stream of dead letters could not be written.
    #[error("writing to the dead letters of group {group}: {source}")]
    Append {
        /// The group.
        group: String,
        /// What the engine said.
        source: AppendError,
    },
    /// The entries could not be handed to the group again.
    #[error("handing entries to group {group} again: {source}; the letters stay open")]
    Requeue {
        /// The group.
        group: String,
        /// What the engine said.
        source: GroupError,
    },
    /// There is no open letter of this entry.
    #[error(
        "group {group} has no open dead letter of entry {position}: nothing was done; list the open ones"
    )]
    NotOpen {
        /// The group.
        group: String,
        /// The entry.
        position: Position,
    },
}

impl DeadError {
    /// A stable name for programs to tell errors apart by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Open { .. } => "dead_open",
            Self::Read { source, .. } => source.code(),
            Self::Append { source, .. } => source.code(),
            Self::Requeue { source, .. } => source.code(),
            Self::NotOpen { .. } => "not_open",
        }
    }
}

/// Errors that say which group's letters they are about.
impl DeadLetters {
    pub(super) fn open_error(&self, source: Box<dyn Error + Send + Sync>) -> DeadError {
        DeadError::Open {
            group: self.group().to_owned(),
            source,
        }
    }

    pub(super) fn read_error(&self, source: ReadError) -> DeadError {
        DeadError::Read {
            group: self.group().to_owned(),
            source,
        }
    }

    pub(super) fn append_error(&self, source: AppendError) -> DeadError {
        DeadError::Append {
            group: self.group().to_owned(),
            source,
        }
    }
}
