//! Walking rows in the order of their keys: what is committed, under what is staged.

use std::collections::btree_map;
use std::iter::{Peekable, Rev};
use std::ops::Bound;

use heed::types::Bytes;
use heed::{RoRange, RoRevRange};
use recount_core::Direction;

use super::snapshot::Snapshot;
use super::store::{ROWS, Store, row_key};
use super::{Row, RowsError, Staged};

/// Rows in the order of their keys, or against it.
pub struct RowRange<'a> {
    store: &'a Store,
    committed: Peekable<Committed<'a>>,
    staged: Peekable<StagedRange<'a>>,
    backward: bool,
}

enum Committed<'a> {
    Forward(RoRange<'a, Bytes, Bytes>),
    Backward(RoRevRange<'a, Bytes, Bytes>),
}

impl<'a> Iterator for Committed<'a> {
    type Item = heed::Result<(&'a [u8], &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Forward(range) => range.next(),
            Self::Backward(range) => range.next(),
        }
    }
}

enum StagedRange<'a> {
    None,
    Forward(btree_map::Range<'a, Vec<u8>, Option<Vec<u8>>>),
    Backward(Rev<btree_map::Range<'a, Vec<u8>, Option<Vec<u8>>>>),
}

impl<'a> Iterator for StagedRange<'a> {
    type Item = (&'a Vec<u8>, &'a Option<Vec<u8>>);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::None => None,
            Self::Forward(range) => range.next(),
            Self::Backward(range) => range.next(),
        }
    }
}

impl<'a> RowRange<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        staged: Option<&'a Staged>,
        prefix: &[u8],
        from: Bound<&[u8]>,
        direction: Direction,
    ) -> Result<Self, RowsError> {
        let store = snapshot.store();
        let backward = direction == Direction::Backward;
        let (low, high) = bounds(prefix, from, backward);
        let raw = (stored(&low, ROWS), stored(&high, ROWS + 1));
        let raw = (as_slice(&raw.0), as_slice(&raw.1));
        let rows = store.rows();
        let committed = if backward {
            rows.rev_range(snapshot.txn(), &raw)
                .map(Committed::Backward)
        } else {
            rows.range(snapshot.txn(), &raw).map(Committed::Forward)
        };
        // `BTreeMap::range` refuses a range that ends before it starts.
        let staged = staged.filter(|staged| !staged.is_empty() && !is_empty(&low, &high));
        let staged = match staged {
            None => StagedRange::None,
            Some(staged) => {
                let range = staged.range::<[u8], _>((as_slice(&low), as_slice(&high)));
                if backward {
                    StagedRange::Backward(range.rev())
                } else {
                    StagedRange::Forward(range)
                }
            }
        };
        Ok(Self {
            store,
            committed: committed
                .map_err(|error| store.failed("reading", &error))?
                .peekable(),
            staged: staged.peekable(),
            backward,
        })
    }

    fn next_committed(&mut self) -> Option<Result<Row<'a>, RowsError>> {
        let next = self.committed.next()?;
        Some(match next {
            Err(error) => Err(self.store.failed("reading", &error)),
            Ok((key, value)) => self
                .store
                .checked(key, value)
                .map(|value| (&key[1..], value)),
        })
    }
}

impl<'a> Iterator for RowRange<'a> {
    type Item = Result<Row<'a>, RowsError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((key, value)) = self.staged.peek().copied() else {
                return self.next_committed();
            };
            if let Some(committed) = self.committed.peek() {
                // An error is for the caller.
                let Ok((committed, _)) = committed else {
                    return self.next_committed();
                };
                let order = committed[1..].cmp(key);
                let order = if self.backward {
                    order.reverse()
                } else {
                    order
                };
                if order.is_lt() {
                    return self.next_committed();
                }
                if order.is_eq() {
                    self.committed.next();
                }
            }
            self.staged.next();
            if let Some(value) = value {
                return Some(Ok((key, value)));
            }
        }
    }
}

type Owned = Bound<Vec<u8>>;

/// The range of keys that begin with `prefix`, cut at `from`.
fn bounds(prefix: &[u8], from: Bound<&[u8]>, backward: bool) -> (Owned, Owned) {
    let low = Bound::Included(prefix.to_vec());
    let high = successor(prefix).map_or(Bound::Unbounded, Bound::Excluded);
    let given = from.map(<[u8]>::to_vec);
    match from {
        Bound::Unbounded => (low, high),
        Bound::Included(key) | Bound::Excluded(key) if backward => {
            let lies_above = matches!(&high, Bound::Excluded(high) if key >= &high[..]);
            (low, if lies_above { high } else { given })
        }
        Bound::Included(key) | Bound::Excluded(key) => {
            (if key < prefix { low } else { given }, high)
        }
    }
}

/// The smallest key above all that begin with `prefix`; none where there is none.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != u8::MAX)?;
    let mut next = prefix[..=last].to_vec();
    next[last] += 1;
    Some(next)
}

fn is_empty(low: &Owned, high: &Owned) -> bool {
    match (low, high) {
        (Bound::Included(low), Bound::Included(high)) => low > high,
        (
            Bound::Included(low) | Bound::Excluded(low),
            Bound::Included(high) | Bound::Excluded(high),
        ) => low >= high,
        _ => false,
    }
}

/// The bound of stored keys; an open one is that of all rows.
fn stored(bound: &Owned, open: u8) -> Owned {
    match bound {
        Bound::Included(key) => Bound::Included(row_key(key)),
        Bound::Excluded(key) => Bound::Excluded(row_key(key)),
        Bound::Unbounded => Bound::Excluded(vec![open]),
    }
}

fn as_slice(bound: &Owned) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}
