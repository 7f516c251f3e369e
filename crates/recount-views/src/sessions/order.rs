//! The order of a list, and keeping the first rows of it in bounded memory.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use recount_core::EntryId;

/// Where a row stands in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Whether it has nothing to be sorted by: such rows come last, either way round.
    pub missing: bool,
    pub key: u128,
    /// The session or user, which tells rows apart that are alike otherwise.
    pub name: String,
}

impl Place {
    /// The place as an entry id, which lists by [`Key::id`] are sorted by.
    pub(super) fn id(&self) -> EntryId {
        EntryId::new((self.key >> 64) as u64, self.key as u64)
    }
}

/// What a list is sorted by, as a number that sorts like it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(Option<u128>);

impl Key {
    pub(super) const NONE: Self = Self(None);

    pub(super) fn id(id: EntryId) -> Self {
        Self(Some(u128::from(id.ms) << 64 | u128::from(id.seq)))
    }

    pub(super) fn count(count: u64) -> Self {
        Self(Some(u128::from(count)))
    }

    pub(super) fn signed(number: i128) -> Self {
        Self(Some((number as u128) ^ (1 << 127)))
    }

    /// A number with the order of [`f64::total_cmp`].
    pub(super) fn real(number: f64) -> Self {
        let bits = number.to_bits() as i64;
        Self::signed((bits ^ ((bits >> 63) as u64 >> 1) as i64).into())
    }
}

/// One way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Up,
    Down,
}

impl Way {
    /// Which of two rows comes first.
    fn compare(self, (a, a_name): (Key, &str), (b, b_name): (Key, &str)) -> Ordering {
        let up = a.0.cmp(&b.0).then_with(|| a_name.cmp(b_name));
        let along = match self {
            Self::Up => up,
            Self::Down => up.reverse(),
        };
        a.0.is_none().cmp(&b.0.is_none()).then(along)
    }
}

/// The first rows of a list, behind a place.
pub(super) struct First<T> {
    way: Way,
    after: Option<(Key, String)>,
    /// One more than is wanted, to know whether there are more.
    keep: usize,
    rows: BinaryHeap<Row<T>>,
}

struct Row<T> {
    way: Way,
    key: Key,
    name: String,
    value: T,
}

impl<T> First<T> {
    pub(super) fn new(way: Way, limit: usize, after: Option<&Place>) -> Self {
        let after = after.map(|place| {
            let key = Key((!place.missing).then_some(place.key));
            (key, place.name.clone())
        });
        Self {
            way,
            after,
            keep: limit.saturating_add(1),
            rows: BinaryHeap::new(),
        }
    }

    /// Keeps a row if it is one of the first so far; `value` is made only then.
    pub(super) fn offer<E>(
        &mut self,
        key: Key,
        name: &str,
        value: impl FnOnce() -> Result<T, E>,
    ) -> Result<(), E> {
        let behind = self.after.as_ref().is_none_or(|(last, last_name)| {
            self.way.compare((key, name), (*last, last_name)) == Ordering::Greater
        });
        let full = self.rows.len() >= self.keep;
        let beats = |worst: &Row<T>| {
            self.way.compare((key, name), (worst.key, &worst.name)) == Ordering::Less
        };
        if !behind || full && !self.rows.peek().is_some_and(beats) {
            return Ok(());
        }
        if full {
            self.rows.pop();
        }
        self.rows.push(Row {
            way: self.way,
            key,
            name: name.to_owned(),
            value: value()?,
        });
        Ok(())
    }

    /// The rows in their order, and the place of the last one if more come after it.
    pub(super) fn finish(self) -> (Vec<T>, Option<Place>) {
        let limit = self.keep - 1;
        let mut rows = self.rows.into_sorted_vec();
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| more).map(|last| Place {
            missing: last.key.0.is_none(),
            key: last.key.0.unwrap_or(0),
            name: last.name.clone(),
        });
        (rows.into_iter().map(|row| row.value).collect(), last)
    }
}

impl<T> Ord for Row<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.way
            .compare((self.key, &self.name), (other.key, &other.name))
    }
}

impl<T> PartialOrd for Row<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Row<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Row<T> {}
