//! Comparing what a handle shows with the model.

use recount_core::{
    Cursor, EventLog, Filter, IdRange, LogInfo, Page, PartitionInfo, Query, ReadError, ReadRange,
    Recorded,
};
use recount_disk::DiskLog;

use super::model::{Model, comparable};

/// Every entry that a query finds, page by page.
pub async fn query_all(log: &DiskLog, query: &Query) -> Result<Vec<Recorded>, ReadError> {
    let mut found = Vec::new();
    let mut query = query.clone();
    loop {
        let Page { entries, next } = log.query(&query).await?;
        assert!(entries.len() <= query.range.limit, "a page is too long");
        let empty = entries.is_empty();
        found.extend(entries.into_iter().map(comparable));
        let Some(next) = next else {
            return Ok(found);
        };
        let before = query.range.ids;
        assert!(before.contains(next), "the query goes on within its range");
        query.range = query.range.continued(next);
        assert!(!empty || before != query.range.ids, "the query goes on");
    }
}

/// Every entry, in pages of `limit`.
pub async fn read_all(log: &DiskLog, limit: usize) -> Result<Vec<Recorded>, ReadError> {
    let everything = Query {
        range: ReadRange::all().limit(limit),
        filter: Filter::default(),
    };
    query_all(log, &everything).await
}

/// What a handle says of the stream.
pub async fn partition(log: &DiskLog) -> Result<PartitionInfo, ReadError> {
    let LogInfo { partitions, .. } = log.info().await?;
    Ok(partitions.into_iter().next().expect("there is one"))
}

/// Asserts that a handle shows what the model holds; or `more`, where it is not known what became
/// of the last batches.
pub async fn check_view(
    log: &DiskLog,
    model: &Model,
    limit: usize,
    more: bool,
) -> Result<(), ReadError> {
    let info = partition(log).await?;
    let added = info.entries_added as usize;
    let known = model.entries.len();
    let trimmed = added - info.length as usize;
    assert!(
        model.may_begin_at(trimmed),
        "{trimmed} entries are trimmed, not {}",
        model.trimmed
    );
    let expected = &model.entries[trimmed..];
    let mut found = read_all(log, limit).await?;
    if more && added > known {
        found.truncate(expected.len());
        assert_same(&found, expected, "a read");
        return Ok(());
    }
    assert_eq!(added, known, "entries added");
    assert_eq!(info.last, model.last(), "last id");
    let first = expected.first().map(|entry| entry.position.entry_id);
    assert_eq!(info.first, first, "first id");
    assert_same(&found, expected, "a read");
    assert_eq!(log.tail().await?.get(0), model.last(), "tail");
    if let Some(last) = expected.last() {
        // At once, for what comes after the cursor is there.
        let before = last.position.entry_id.previous().expect("an id before");
        log.wait(&Cursor::after(before)).await?;
    }
    Ok(())
}

/// Asserts that a query finds what the model says. Only for a handle whose view is the model's.
pub async fn check_query(log: &DiskLog, model: &Model, query: &Query) -> Result<(), ReadError> {
    let found = query_all(log, query).await?;
    let in_range = |ids: IdRange, entry: &Recorded| ids.contains(entry.position.entry_id);
    let mut expected: Vec<_> = model
        .retained()
        .iter()
        .filter(|entry| in_range(query.range.ids, entry) && query.filter.passes(entry))
        .cloned()
        .collect();
    if query.range.direction == recount_core::Direction::Backward {
        expected.reverse();
    }
    assert_same(&found, &expected, "a query");
    Ok(())
}

pub fn assert_same(found: &[Recorded], expected: &[Recorded], what: &str) {
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found, expected, "entry {at} of {what}");
    }
    assert_eq!(found.len(), expected.len(), "entries of {what}");
}
