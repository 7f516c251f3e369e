//! What is replayed, in its order: that of the log, or that in which it happened.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::ops::Bound;

use recount_core::{Cursor, Query, ReadError, Recorded, Timestamp};

use super::mark::Key;
use crate::{Events, Recount};

/// Entries one after the other, each with its place in their order.
pub(super) enum Source {
    Log(Events),
    Sessions(SideBySide),
}

impl Source {
    /// What `query` finds up to `end`, in the order of the log. What comes before `after` need not be looked through,
    /// and may be given nevertheless.
    pub(super) fn log(
        recount: &Recount,
        mut query: Query,
        end: &Cursor,
        after: Option<Key>,
    ) -> Self {
        if let Some(after) = after {
            let ids = &mut query.range.ids;
            // Another partition may have the same id.
            let from = after.entry_id();
            ids.start = match ids.start {
                Bound::Included(id) | Bound::Excluded(id) if id >= from => ids.start,
                _ => Bound::Included(from),
            };
        }
        Self::Log(recount.events(query).up_to(end))
    }

    /// What `query` finds of each of `sessions` up to `end`, in the order in which it happened.
    pub(super) fn sessions(
        recount: &Recount,
        query: &Query,
        sessions: &BTreeSet<String>,
        end: &Cursor,
    ) -> Self {
        let page = (SideBySide::AT_HAND / sessions.len().max(1)).max(SideBySide::PAGE_MIN);
        let lanes = sessions.iter().map(|session| {
            let mut query = query.clone();
            query.filter.session_id = Some(session.clone());
            query.range.limit = query.range.limit.min(page);
            Lane {
                events: recount.events(query).up_to(end),
                head: None,
                reached: None,
            }
        });
        let lanes: Vec<_> = lanes.collect();
        Self::Sessions(SideBySide {
            unknown: (0..lanes.len()).collect(),
            lanes,
            heads: BinaryHeap::new(),
        })
    }

    /// The next entry; none after the last. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Option<(Key, Recorded)>, ReadError> {
        match self {
            Self::Log(events) => {
                let next = events.next().await?;
                Ok(next.map(|recorded| (Key::of(&recorded, None), recorded)))
            }
            Self::Sessions(sessions) => sessions.next().await,
        }
    }

    /// Whether the next entry is known without asking the log.
    pub(super) fn is_at_hand(&self) -> bool {
        match self {
            Self::Log(events) => events.at_hand() > 0,
            Self::Sessions(sessions) => sessions.is_at_hand(),
        }
    }
}

/// Several sessions, merged by when things happened. The order within a session stays: its time never runs
/// backwards, so that what it recorded late comes behind what it recorded before.
pub(super) struct SideBySide {
    lanes: Vec<Lane>,
    /// The heads' places, the first on top.
    heads: BinaryHeap<Reverse<(Key, usize)>>,
    /// The lanes whose head is not known.
    unknown: Vec<usize>,
}

/// One session.
struct Lane {
    events: Events,
    head: Option<Recorded>,
    /// The latest time at which something happened in it so far.
    reached: Option<Timestamp>,
}

impl Lane {
    fn place(&mut self, recorded: &Recorded) -> Key {
        let happened = recorded.event().map(|event| event.timestamp);
        self.reached = self.reached.max(happened);
        Key::of(recorded, self.reached)
    }
}

impl SideBySide {
    /// Events fetched and not yet merged, of all sessions.
    const AT_HAND: usize = 4_000;
    /// Events of one session that are fetched at a time at least.
    const PAGE_MIN: usize = 16;

    async fn next(&mut self) -> Result<Option<(Key, Recorded)>, ReadError> {
        while let Some(&at) = self.unknown.last() {
            let lane = &mut self.lanes[at];
            if let Some(recorded) = lane.events.next().await? {
                self.heads.push(Reverse((lane.place(&recorded), at)));
                lane.head = Some(recorded);
            }
            self.unknown.pop();
        }
        let Some(Reverse((key, at))) = self.heads.pop() else {
            return Ok(None);
        };
        self.unknown.push(at);
        Ok(self.lanes[at].head.take().map(|recorded| (key, recorded)))
    }

    fn is_at_hand(&self) -> bool {
        let known = |&at: &usize| self.lanes[at].events.at_hand() > 0;
        self.unknown.iter().all(known) && !(self.heads.is_empty() && self.unknown.is_empty())
    }
}
