//! Any text is read as an entry id, a range, a place to start.

use std::ops::Bound;
use std::str::FromStr;

use recount::{EntryId, IdRange, NewId, RangeEnd, RangeStart, StartFrom};

/// Two texts, a space between them: the ends of a range.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (left, right) = text.split_once(' ').unwrap_or((&text, ""));
    let ids = [left, right].map(id);
    told(NewId::from_str(left));
    told(StartFrom::from_str(left));
    let start = told(RangeStart::from_str(left));
    let end = told(RangeEnd::from_str(right));
    if let (Some(start), Some(end)) = (start, end) {
        range(IdRange::from((start, end)), &ids);
    }
}

fn id(text: &str) -> Option<EntryId> {
    let id = told(text.parse::<EntryId>())?;
    assert_eq!(id.to_string().parse(), Ok(id));
    if let Some(next) = id.next() {
        assert!(next > id && next.previous() == Some(id));
    }
    Some(id)
}

/// Whoever wrote it is told what is wrong.
fn told<T, E: std::fmt::Display>(parsed: Result<T, E>) -> Option<T> {
    match parsed {
        Ok(parsed) => Some(parsed),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            None
        }
    }
}

fn range(range: IdRange, ids: &[Option<EntryId>]) {
    let ends = [range.start, range.end]
        .into_iter()
        .filter_map(|end| match end {
            Bound::Included(id) | Bound::Excluded(id) => Some(id),
            Bound::Unbounded => None,
        });
    let extremes = [EntryId::MIN, EntryId::MAX];
    for id in ends.chain(ids.iter().copied().flatten()).chain(extremes) {
        let above = match range.start {
            Bound::Included(start) => id >= start,
            Bound::Excluded(start) => id > start,
            Bound::Unbounded => true,
        };
        let below = match range.end {
            Bound::Included(end) => id <= end,
            Bound::Excluded(end) => id < end,
            Bound::Unbounded => true,
        };
        assert_eq!(range.contains(id), above && below, "{id} in {range:?}");
        assert_eq!(range.up_to(EntryId::MAX).contains(id), range.contains(id));
        assert_eq!(range.up_to(id).contains(id), range.contains(id));
    }
}
