//! One session's part of a log.

use recount_core::Query;

use crate::{Events, Recount};

/// A session of a log, whether or not anything is recorded of it yet.
#[derive(Debug, Clone)]
pub struct Session {
    recount: Recount,
    id: String,
}

impl Session {
    pub(crate) fn new(recount: Recount, id: String) -> Self {
        Self { recount, id }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Everything recorded of it, in order.
    pub fn events(&self) -> Events {
        self.recount.events(Query::session(&self.id))
    }
}
