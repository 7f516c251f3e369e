//! Reading what is committed, as it was at one moment.

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use heed::{RoTxn, WithoutTls};
use recount_core::Direction;

use super::files::opened;
use super::range::RowRange;
use super::store::{KEPT_KEY, Store, row_key};
use super::{KEY_BYTES_MAX, Row, RowsError};
use crate::checkpoint::Kept;

/// The rows of a view as they were committed at one moment, whatever is committed meanwhile.
///
/// As long as it lives, the file cannot use again what later commits free: drop it soon.
pub struct Snapshot {
    /// Before the store: a transaction ends before its environment does.
    txn: RoTxn<'static, WithoutTls>,
    store: Arc<Store>,
}

impl Snapshot {
    pub(super) fn of(store: &Arc<Store>) -> Result<Self, RowsError> {
        let txn = store.env().clone().static_read_txn();
        Ok(Self {
            txn: txn.map_err(|error| store.failed("reading", &error))?,
            store: Arc::clone(store),
        })
    }

    /// The rows that `dir` keeps; none where nothing is kept there.
    pub(crate) fn open(dir: &Path) -> Result<Option<Self>, RowsError> {
        match opened(dir)? {
            Some(store) => Self::of(&store).map(Some),
            None => Ok(None),
        }
    }

    /// Keeps the file open while it lives: opening it costs more than most questions.
    pub(crate) fn keep_open(&self) -> KeptOpen {
        KeptOpen {
            _store: Arc::clone(&self.store),
        }
    }

    /// The value under `key`.
    pub fn get(&self, key: &[u8]) -> Result<Option<&[u8]>, RowsError> {
        if key.len() > KEY_BYTES_MAX {
            return Ok(None);
        }
        self.get_raw(&row_key(key))
    }

    /// The rows whose keys begin with `prefix`, from the bound `from` on, which is a whole key; in either
    /// direction. Unbounded is from the first of them, or backward from the last.
    pub fn range(
        &self,
        prefix: &[u8],
        from: Bound<&[u8]>,
        direction: Direction,
    ) -> Result<RowRange<'_>, RowsError> {
        RowRange::new(self, None, prefix, from, direction)
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

    /// What was committed with the rows; none before the first commit.
    pub(crate) fn kept(&self) -> Result<Option<Kept>, RowsError> {
        let Some(bytes) = self.get_raw(KEPT_KEY)? else {
            return Ok(None);
        };
        let kept = postcard::from_bytes(bytes);
        kept.map(Some)
            .map_err(|_| self.store.damaged("its checkpoint cannot be read"))
    }

    fn get_raw(&self, key: &[u8]) -> Result<Option<&[u8]>, RowsError> {
        let found = self.store.rows().get(&self.txn, key);
        let found = found.map_err(|error| self.store.failed("reading", &error))?;
        found
            .map(|stored| self.store.checked(key, stored))
            .transpose()
    }

    pub(super) fn txn(&self) -> &RoTxn<'static, WithoutTls> {
        &self.txn
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }
}

/// A file that stays open.
pub(crate) struct KeptOpen {
    _store: Arc<Store>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("path", &self.store.path())
            .finish_non_exhaustive()
    }
}
