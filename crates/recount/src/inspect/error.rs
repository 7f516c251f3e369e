//! What can go wrong while something is looked for.

use recount_core::ReadError;
use recount_runtime::MirrorError;
use recount_views::ViewError;

use super::InvalidPageCursor;
use crate::ViewsError;

/// Why a question could not be answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The mirror, which the index of texts is made of, could not be brought up to date.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// The views could not be opened, and the question cannot do without.
    #[error(transparent)]
    Views(#[from] ViewsError),
    /// The index of texts could not be brought up to date, or asked.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The page is to follow one of another question.
    #[error(transparent)]
    Cursor(#[from] InvalidPageCursor),
}
