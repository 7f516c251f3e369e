//! Why a replay ends early.

use recount_core::{Position, ReadError};

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError<E> {
    /// The log could not be read.
    #[error(transparent)]
    Read(ReadError),
    /// The handler failed.
    #[error("the handler failed at entry {position}: {error}")]
    Handler {
        /// The entry it was given.
        position: Position,
        /// What it said.
        error: E,
    },
}
