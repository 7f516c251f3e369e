//! The handler, of either kind.

use super::handler::{BatchHandler, Handler};

/// What entries are handed to.
pub(super) enum Work {
    /// One a call.
    Each(Box<dyn Handler>),
    /// So many a call at most.
    Batches(Box<dyn BatchHandler>, usize),
}
