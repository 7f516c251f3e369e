//! Why a memory could not do what it was asked for.

use recount_core::{AppendError, InvalidData, InvalidEvent, ReadError};
use recount_runtime::MirrorError;
use recount_views::ViewError;

use super::SummarizeError;
use crate::{SessionError, ViewsError};

/// Why a memory could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// What was to be recorded is no legal event.
    #[error(transparent)]
    Invalid(#[from] InvalidEvent),
    /// It is no JSON that can be stored.
    #[error("what was to be recorded cannot be written down: {0}")]
    Data(#[from] InvalidData),
    /// It could not be recorded.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The session could not be read.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// No summary could be made.
    #[error(transparent)]
    Summarize(#[from] SummarizeError),
    /// There is no word in what was searched for.
    #[error("{query:?} holds no word to search for: write one")]
    NoWords {
        /// What was searched for.
        query: String,
    },
    /// Nobody knows whose memories to search.
    #[error(
        "session {session_id} names no user whose memories could be searched: name one (Memory::user, --user)"
    )]
    NoUser {
        /// The session.
        session_id: String,
    },
    /// More than the session is to be searched, and there is no index of texts.
    #[error(
        "only the session itself can be searched here, a wider search needs the index of texts: {0}"
    )]
    NoIndex(#[source] ViewsError),
    /// The mirror, which the index of texts is made of, could not be brought up to date.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// The index could not be brought up to date, or asked.
    #[error(transparent)]
    View(#[from] ViewError),
}

impl MemoryError {
    /// A stable name for programs to tell errors apart by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid_event",
            Self::Data(_) => "invalid_data",
            Self::Append(error) => error.code(),
            Self::Session(error) => error.code(),
            Self::Summarize(error) => error.code(),
            Self::NoWords { .. } => "no_words",
            Self::NoUser { .. } => "no_user",
            Self::NoIndex(error) => error.code(),
            Self::Mirror(_) => "mirror",
            Self::View(error) => error.code(),
        }
    }
}

impl From<ReadError> for MemoryError {
    fn from(error: ReadError) -> Self {
        Self::Session(error.into())
    }
}
