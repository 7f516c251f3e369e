//! Walking one partition, page by page.

use std::sync::Arc;

use recount_core::{Cursor, EntryId, EventLog, Partition, Query, ReadError, ReadRange, Recorded};

/// What a query finds in its partition, in pages. Never with a hole: where a trim overtakes the walk, it
/// ends with [`ReadError::Trimmed`].
pub(super) struct Walk {
    log: Arc<dyn EventLog>,
    /// What is left to be fetched; none after the last page.
    query: Option<Query>,
    /// Where the last page said that the next one begins; none before the first.
    continues: Option<EntryId>,
}

impl Walk {
    pub(super) fn new(log: Arc<dyn EventLog>, query: Query) -> Self {
        Self {
            log,
            query: Some(query),
            continues: None,
        }
    }

    /// Nothing that lies after `cursor`. Asked for before anything is fetched.
    pub(super) fn up_to(&mut self, cursor: &Cursor) {
        if let Some(query) = &mut self.query {
            let range = &mut query.range;
            range.ids = range.ids.up_to(cursor.get(range.partition));
        }
    }

    /// The next page, of at most `entries`; none after the last. A page may be empty.
    pub(super) async fn fetch(
        &mut self,
        entries: usize,
    ) -> Result<Option<Vec<Recorded>>, ReadError> {
        let Some(query) = &mut self.query else {
            return Ok(None);
        };
        let mut page = query.clone();
        page.range.limit = page.range.limit.clamp(1, entries.max(1));
        let partition = page.range.partition;
        let page = self.log.query(&page).await?;
        if let Some(from) = self.continues {
            let begins = page.entries.first().map(|first| first.position.entry_id);
            if begins != Some(from) {
                check_retained(&*self.log, partition, from).await?;
            }
        }
        self.continues = page.next;
        match page.next {
            Some(next) => query.range = query.range.clone().continued(next),
            None => self.query = None,
        }
        Ok(Some(page.entries))
    }
}

/// Fails if entries from `from` on were trimmed. A page says where to go on, which need not be an
/// entry: that a page does not begin there proves nothing, the first retained entry does.
async fn check_retained(
    log: &dyn EventLog,
    partition: Partition,
    from: EntryId,
) -> Result<(), ReadError> {
    let first = first_retained(log, partition).await?;
    if first.is_none_or(|first| first > from) {
        return Err(ReadError::Trimmed { from, first });
    }
    Ok(())
}

/// The first entry of a partition that is left; none where none is.
pub(crate) async fn first_retained(
    log: &dyn EventLog,
    partition: Partition,
) -> Result<Option<EntryId>, ReadError> {
    let range = ReadRange {
        partition,
        ..ReadRange::all().limit(1)
    };
    let page = log.read(&range).await?;
    Ok(page.entries.first().map(|first| first.position.entry_id))
}
