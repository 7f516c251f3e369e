//! What is made of a log by going through it.

use crate::Recorded;

/// A state that events change: `state = fold(events)`.
///
/// Applying is pure (it depends on nothing but the state and the entry), deterministic, and total:
/// whatever the entries are and in whatever order they come, it neither fails nor panics.
pub trait Fold {
    /// Takes in the next entry.
    fn apply(&mut self, recorded: &Recorded);

    /// Takes in several, in order.
    fn apply_all<'a>(&mut self, entries: impl IntoIterator<Item = &'a Recorded>)
    where
        Self: Sized,
    {
        for recorded in entries {
            self.apply(recorded);
        }
    }
}
