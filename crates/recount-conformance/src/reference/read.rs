//! Reading a stream in memory.

use recount_core::{
    Direction, Filter, Limits, Page, Query, ReadRange, Recorded, SessionPage, SessionRead,
};

use super::state::{Log, bytes};

impl Log {
    /// One page of the entries of `range` that pass `filter`.
    pub fn page(&self, range: &ReadRange, filter: &Filter) -> Page {
        let mut page = Page::default();
        let limit = range.limit.min(Limits::PAGE_ENTRIES_MAX);
        let Some((first, last)) = range.ids.inclusive() else {
            return page;
        };
        if range.partition != 0 || limit == 0 {
            return page;
        }
        let within = &self.entries[self.count_below(first)..self.count_through(last)];
        let entries: Box<dyn Iterator<Item = &Recorded>> = match range.direction {
            Direction::Forward => Box::new(within.iter()),
            Direction::Backward => Box::new(within.iter().rev()),
        };
        let mut page_bytes = 0;
        for entry in entries.filter(|entry| filter.passes(entry)) {
            if page.entries.len() == limit || page_bytes >= Limits::PAGE_BYTES_MAX {
                page.next = Some(entry.position.entry_id);
                break;
            }
            page_bytes += bytes(entry);
            page.entries.push(entry.clone());
        }
        page
    }

    /// The newest entries of a session.
    pub fn session(&self, read: &SessionRead) -> SessionPage {
        let Query { range, filter } = Query::session(&read.session_id);
        let first = self.page(&range.clone().limit(1), &filter).entries.pop();
        let newest = range.limit(read.last).backward();
        let mut entries = self.page(&newest, &filter).entries;
        entries.reverse();
        SessionPage {
            entries,
            revision: self.revision(&read.session_id),
            retained_from: first.map(|first| first.revision),
            unindexed: 0,
        }
    }
}
