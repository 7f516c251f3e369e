//! What a handler is given.

use std::sync::Arc;

use recount_core::{Event, Position, Recorded};

/// An entry, handed to a handler on behalf of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where the entry is in the group's stream.
    pub position: Position,
    /// The entry.
    pub entry: Recorded,
    /// The how many-th attempt this is, as far as is known: deliveries, and tries of this process since.
    pub delivery_count: u64,
    /// The group.
    pub group: Arc<str>,
    /// The consumer that handles it.
    pub consumer: Arc<str>,
    /// With ordered consumers, the token of the lease under which the entry's partition is held. Writes elsewhere
    /// can carry it: a later holder's token is greater, so a late write of an earlier one is told apart.
    pub lease_token: Option<u64>,
}

impl Message {
    /// The event, unless the entry is not one.
    pub fn event(&self) -> Option<&Event> {
        self.entry.event()
    }

    /// What to remember an effect by, so that it happens once: `<group>/<partition>/<entry id>`, the same
    /// whenever this entry is handled for this group.
    pub fn key(&self) -> String {
        let Position {
            partition,
            entry_id,
        } = self.position;
        format!("{}/{partition}/{entry_id}", self.group)
    }
}
