//! The rows of a view: bytes under bytes, in the order of their keys.
//!
//! [`VIEWS.md`] says how they stand on disk. What a view writes is held in memory until the commit, which
//! puts all of it and the checkpoint into LMDB in one transaction; reads see it at once.
//!
//! [`VIEWS.md`]: https://docs.rs/crate/recount-views/latest/source/VIEWS.md

mod check;
mod files;
mod projection;
mod range;
mod seal;
mod snapshot;
mod store;

use std::collections::BTreeMap;
use std::ops::Bound;

use recount_core::Direction;

pub(crate) use projection::RowsKind;
pub use range::RowRange;
pub(crate) use seal::words;
pub(crate) use snapshot::KeptOpen;
pub use snapshot::Snapshot;

/// The length of a key at most, in bytes.
pub const KEY_BYTES_MAX: usize = 510;

/// A row: its key and its value.
pub type Row<'a> = (&'a [u8], &'a [u8]);

/// What a row is overwritten with until the commit; nothing where it is deleted.
type Staged = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// The rows of a view while it takes in entries. What is written is there for reads at once, and committed
/// together with the checkpoint.
pub struct Rows<'a> {
    committed: &'a Snapshot,
    staged: &'a mut Staged,
    staged_bytes: &'a mut usize,
}

impl Rows<'_> {
    /// The value under `key`.
    pub fn get(&self, key: &[u8]) -> Result<Option<&[u8]>, RowsError> {
        match self.staged.get(key) {
            Some(staged) => Ok(staged.as_deref()),
            None => self.committed.get(key),
        }
    }

    /// Puts `value` under `key`, in place of what was there.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), RowsError> {
        self.stage(key, Some(value.to_vec()))
    }

    /// Removes what is under `key`; nothing is fine.
    pub fn delete(&mut self, key: &[u8]) -> Result<(), RowsError> {
        self.stage(key, None)
    }

    /// The rows whose keys begin with `prefix`, from the bound `from` on, which is a whole key; in either
    /// direction. Unbounded is from the first of them, or backward from the last.
    pub fn range(
        &self,
        prefix: &[u8],
        from: Bound<&[u8]>,
        direction: Direction,
    ) -> Result<RowRange<'_>, RowsError> {
        RowRange::new(self.committed, Some(self.staged), prefix, from, direction)
    }

    /// The first row whose key begins with `prefix`.
    pub fn first(&self, prefix: &[u8]) -> Result<Option<Row<'_>>, RowsError> {
        let mut range = self.range(prefix, Bound::Unbounded, Direction::Forward)?;
        range.next().transpose()
    }

    /// The last row whose key begins with `prefix`.
    pub fn last(&self, prefix: &[u8]) -> Result<Option<Row<'_>>, RowsError> {
        let mut range = self.range(prefix, Bound::Unbounded, Direction::Backward)?;
        range.next().transpose()
    }

    fn stage(&mut self, key: &[u8], value: Option<Vec<u8>>) -> Result<(), RowsError> {
        if key.len() > KEY_BYTES_MAX {
            return Err(RowsError::Key { bytes: key.len() });
        }
        let bytes = value.as_ref().map_or(0, Vec::len);
        match self.staged.get_mut(key) {
            Some(staged) => {
                *self.staged_bytes -= staged.as_ref().map_or(0, Vec::len);
                *staged = value;
            }
            None => {
                // A node of the tree costs about this much besides.
                *self.staged_bytes += key.len() + 64;
                self.staged.insert(key.to_vec(), value);
            }
        }
        *self.staged_bytes += bytes;
        Ok(())
    }
}

/// Why rows could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowsError {
    /// The key is too long.
    #[error("a key of {bytes} bytes is too long for a row: use {KEY_BYTES_MAX} bytes at most")]
    Key {
        /// Its length.
        bytes: usize,
    },
    /// What was read is not what was written.
    #[error(
        "{path} is damaged: {what}; the view is built anew from the log when it is next brought up to date"
    )]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// The file may not be written by this process.
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
}

#[cfg(test)]
mod tests;
