//! What a view is: a fold whose rows and checkpoint are committed together.

use recount_core::{Position, Recorded};

use crate::rows::{Rows, RowsError};

/// A fold over the whole log that keeps rows, and a checkpoint that is committed with them: after a crash
/// it goes on where its rows are, without a gap and without counting anything twice.
///
/// Applying is deterministic: the same entries in the same order make the same rows, so that a view can be
/// dropped and rebuilt at any time. Entries of one partition come in their order, those of different
/// partitions in any.
///
/// What it keeps in memory lasts as long as its rows do: where the rows go back to the last commit, or away,
/// the value is dropped too, and a new one begins with what the rows say.
pub trait View: Send + 'static {
    /// Its name: 1 to 64 letters, digits, `-` and `_`; the directory that its rows are kept in.
    fn name(&self) -> &str;

    /// The version of what it makes of events. Rows of another version are dropped, and rebuilt.
    fn version(&self) -> u32;

    /// Takes in the next entry, one that could not be decoded too.
    ///
    /// A [`Fault`] stops this view, and no other, before this entry: what it made of earlier ones stays,
    /// and a finding names the entry. So does a panic.
    fn apply(&mut self, entry: &Recorded, rows: &mut Rows<'_>) -> Result<(), Fault>;

    /// Writes what it kept in memory since the last commit. Called before each commit.
    fn flush(&mut self, rows: &mut Rows<'_>) -> Result<(), Fault> {
        let _ = rows;
        Ok(())
    }

    /// Everything before `first` was removed from the start of a partition (`first` is the first entry left,
    /// or the place of the next one): rows about it may go. Called now and then, with the same `first` again
    /// too.
    fn trimmed(&mut self, first: Position, rows: &mut Rows<'_>) -> Result<(), Fault> {
        let _ = (first, rows);
        Ok(())
    }
}

/// Why a view cannot take in an entry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It refuses, in its own words.
    #[error("{0}")]
    Refused(String),
    /// Its rows could not be read or written. Not the entry's fault: the view is not stopped by it.
    #[error(transparent)]
    Rows(#[from] RowsError),
}

impl Fault {
    /// The view refuses the entry.
    pub fn refused(why: impl Into<String>) -> Self {
        Self::Refused(why.into())
    }
}
