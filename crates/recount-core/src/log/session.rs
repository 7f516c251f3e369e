//! One session, read for itself.

use crate::{Direction, EventLog, Partition, Query, ReadError, ReadRange, Recorded};

/// The newest entries of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRead {
    /// The session.
    pub session_id: String,
    /// How many entries at most; more than [`crate::Limits::PAGE_ENTRIES_MAX`] means that many.
    pub last: usize,
}

impl SessionRead {
    /// The newest `last` entries of a session.
    pub fn last(session_id: impl Into<String>, last: usize) -> Self {
        Self {
            session_id: session_id.into(),
            last,
        }
    }
}

/// What is kept of one session, and whether that is all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionPage {
    /// The newest entries, in order.
    pub entries: Vec<Recorded>,
    /// The session's revision: how many entries it ever had. 0 for a session that does not exist.
    pub revision: u64,
    /// The revision of the first entry that is kept; none where none is.
    pub retained_from: Option<u64>,
    /// Entries of the stream that the index of sessions does not know, because other programs wrote them.
    /// Any of them may be of this session.
    pub unindexed: u64,
}

impl SessionPage {
    /// Whether everything that was ever recorded of the session is kept and found.
    pub fn is_complete(&self) -> bool {
        let kept = self.revision == 0 || self.retained_from == Some(1);
        kept && self.unindexed == 0
    }
}

/// [`EventLog::session`] by way of two queries.
pub(super) async fn by_query(
    log: &(impl EventLog + ?Sized),
    partition: Partition,
    read: &SessionRead,
) -> Result<SessionPage, ReadError> {
    let mut page = SessionPage::default();
    if let Some(first) = pages(log, partition, &read.session_id, Direction::Forward, 1)
        .await?
        .pop()
    {
        page.retained_from = Some(first.revision);
    }
    let wanted = read.last.max(1);
    page.entries = pages(
        log,
        partition,
        &read.session_id,
        Direction::Backward,
        wanted,
    )
    .await?;
    page.revision = page.entries.first().map_or(0, |newest| newest.revision);
    page.entries.truncate(read.last);
    page.entries.reverse();
    Ok(page)
}

/// The first entries of a session in one direction, at most a page of them.
async fn pages(
    log: &(impl EventLog + ?Sized),
    partition: Partition,
    session_id: &str,
    direction: Direction,
    limit: usize,
) -> Result<Vec<Recorded>, ReadError> {
    let mut query = Query::session(session_id);
    query.range = ReadRange {
        partition,
        direction,
        ..query.range.limit(limit)
    };
    // A page may be empty and yet go on.
    loop {
        let page = log.query(&query).await?;
        match page.next {
            Some(next) if page.entries.is_empty() => query.range = query.range.continued(next),
            _ => return Ok(page.entries),
        }
    }
}
