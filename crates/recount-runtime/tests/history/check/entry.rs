//! What a history says of single entries.

use std::collections::BTreeMap;

use recount_core::{EntryId, Partition, Position};

use crate::history::{Instance, Moment, What};
use crate::round::Outcomes;

/// What is known of the entries of a round.
pub struct Facts<'a> {
    /// The number and the session of each entry; none for what is no event.
    pub entries: BTreeMap<Position, Option<(u64, &'a str)>>,
    /// What was trimmed by force, whoever needed it.
    pub trimmed: BTreeMap<Partition, EntryId>,
}

impl<'a> Facts<'a> {
    pub fn of(outcomes: &'a Outcomes) -> Self {
        let mut entries = BTreeMap::new();
        let mut trimmed = BTreeMap::new();
        for record in &outcomes.records {
            match &record.what {
                What::Published {
                    position,
                    number,
                    session,
                } => {
                    entries.insert(*position, number.zip(session.as_deref()));
                }
                What::Trimmed { first } => {
                    trimmed.insert(first.partition, first.entry_id);
                }
                _ => {}
            }
        }
        Self { entries, trimmed }
    }

    pub fn is_trimmed(&self, position: Position) -> bool {
        let first = self.trimmed.get(&position.partition);
        first.is_some_and(|first| position.entry_id < *first)
    }

    pub fn session(&self, position: Position) -> Option<&'a str> {
        self.entries
            .get(&position)
            .copied()
            .flatten()
            .map(|(_, session)| session)
    }

    /// The earlier entries of the same session.
    pub fn before(&self, position: Position) -> Vec<Position> {
        let Some(session) = self.session(position) else {
            return Vec::new();
        };
        let start = Position {
            entry_id: EntryId::MIN,
            ..position
        };
        self.entries
            .range(start..position)
            .filter(|(_, known)| known.is_some_and(|(_, other)| other == session))
            .map(|(position, _)| *position)
            .collect()
    }
}

/// One delivery of an entry.
pub struct Handed {
    pub to: Instance,
    /// When it was asked for.
    pub asked: Moment,
    /// When it was known to the store's side of the call; its answer may be lost.
    pub at: Moment,
    /// The how many-th it is.
    pub count: u64,
}

/// What a group has seen of an entry so far.
#[derive(Default)]
pub struct Seen {
    pub delivered: Vec<Handed>,
    pub begun: Option<Moment>,
    /// Who handled it, and when that was done.
    pub handled: Vec<(Instance, Moment)>,
    pub lettered: Option<Moment>,
    pub requeued: Option<Moment>,
    /// When it was before that.
    pub before: Option<Moment>,
    /// Who acknowledged it, when that was sent and when it was known.
    pub acked: Vec<(Instance, Moment, Moment)>,
}

impl Seen {
    /// Whether the group is done with it, or was once.
    pub fn is_done(&self) -> bool {
        !self.handled.is_empty() || self.lettered.is_some() || !self.acked.is_empty()
    }

    /// Whether an open letter stands for it.
    pub fn is_dead(&self) -> bool {
        self.lettered
            .is_some_and(|at| self.requeued.is_none_or(|requeued| requeued < at))
    }

    pub fn last_delivered_to(&self) -> Option<Instance> {
        self.delivered.last().map(|handed| handed.to)
    }

    /// Whether others had it since an instance was done with it.
    pub fn changed_hands(&self, instance: Instance, since: Moment) -> bool {
        self.delivered
            .iter()
            .any(|handed| handed.to != instance && handed.at > since)
    }

    /// How an instance got it last.
    pub fn handed_to(&self, instance: Instance) -> Option<&Handed> {
        self.delivered.iter().rfind(|handed| handed.to == instance)
    }
}
