//! What becomes of each event of a batch, once the script said which ids are known.

use std::collections::HashMap;
use std::fmt::Write as _;

use recount_core::{
    AppendError, Body, Entry, EntryId, Event, Outcome, Position, TimestampSource, codec,
    same_content,
};
use redis::Cmd;

use super::call::{Batch, Known, Placed};
use crate::error::Failed;
use crate::net::Call;
use crate::wire;

/// Entries compared at a time.
const COMPARED_AT_ONCE: usize = 100;

/// What the script is told of the contents it cannot compare.
#[derive(Default)]
pub(super) struct Told {
    /// `<place> <d or c> <first id>` of each.
    pub(super) mismatches: String,
    /// Whether there are conflicts that the script does not see.
    pub(super) conflicts: bool,
}

/// What becomes of the events of a batch.
pub(super) struct Resolved<'a> {
    batch: &'a Batch<'a>,
    known: HashMap<usize, Known>,
    written: bool,
    fates: Vec<Fate>,
}

/// What becomes of one event.
#[derive(Clone, Copy)]
enum Fate {
    /// It is the first with its id. Where nothing was written, its place is not known yet.
    New(Option<(EntryId, u64)>),
    /// An event of the same batch was before it.
    Repeats { first: usize, same: bool },
    /// An event that was appended before has its id.
    Known {
        first: EntryId,
        same: bool,
        trimmed: bool,
    },
}

impl<'a> Resolved<'a> {
    pub(super) async fn new(
        batch: &'a Batch<'a>,
        known: HashMap<usize, Known>,
        placed: Option<Placed>,
    ) -> Result<Self, AppendError> {
        let written = placed.is_some();
        let mut places = Places::new(placed);
        // For each event of the batch: what is known of its id, or where it went.
        let mut of_unique: HashMap<usize, &Known> = HashMap::with_capacity(known.len());
        let mut fates = Vec::with_capacity(batch.events.len());
        let mut place = 0;
        for (index, &first) in batch.first.iter().enumerate() {
            if first != index {
                fates.push(match of_unique.get(&first) {
                    Some(known) => fate_by_mark(known, &batch.events[index].mark),
                    None => Fate::Repeats {
                        first,
                        same: same_content(&batch.events[first].event, &batch.events[index].event),
                    },
                });
                continue;
            }
            fates.push(match known.get(&place) {
                Some(known) => {
                    of_unique.insert(index, known);
                    fate_by_mark(known, &batch.events[index].mark)
                }
                None => Fate::New(places.next(batch.session_of[place])),
            });
            place += 1;
        }
        let mut resolved = Self {
            batch,
            known: HashMap::new(),
            written,
            fates,
        };
        if !known.is_empty() {
            let marks: HashMap<EntryId, bool> = known
                .values()
                .map(|known| (known.first, known.mark.ends_with(' ')))
                .collect();
            resolved.compare(&marks).await?;
        }
        resolved.known = known;
        Ok(resolved)
    }

    /// Compares what differs as bytes with the entries themselves. `filled` says whose time was filled in.
    async fn compare(&mut self, filled: &HashMap<EntryId, bool>) -> Result<(), AppendError> {
        let mut ids: Vec<EntryId> = self.fates.iter().filter_map(Fate::differs_from).collect();
        ids.sort_unstable();
        ids.dedup();
        for ids in ids.chunks(COMPARED_AT_ONCE) {
            let firsts = self.fetch(ids).await?;
            for (index, fate) in self.fates.iter_mut().enumerate() {
                let Some(id) = fate.differs_from().filter(|id| ids.contains(id)) else {
                    continue;
                };
                let Fate::Known { same, trimmed, .. } = fate else {
                    continue;
                };
                match firsts.get(&id) {
                    Some(first) => {
                        let mut first = first.clone();
                        if filled.get(&id) == Some(&true) {
                            first.timestamp_source = TimestampSource::Filled;
                        }
                        *same = same_content(&first, &self.batch.events[index].event);
                    }
                    None => *trimmed = true,
                }
            }
        }
        Ok(())
    }

    /// The events of those entries that are still there.
    async fn fetch(&self, ids: &[EntryId]) -> Result<HashMap<EntryId, Event>, AppendError> {
        let keys = self.batch.keys();
        let net = &self.batch.shared.net;
        let commands: Vec<Cmd> = ids
            .iter()
            .map(|id| {
                let id = id.to_string();
                let mut command = redis::cmd("XRANGE");
                command.arg(&keys.stream).arg(&id).arg(&id);
                command
            })
            .collect();
        let replies = net.call(keys.slot, Call::of(&commands)).await;
        let replies = replies.map_err(|error| Failed::from(error).append(&keys.stream))?;
        let mut found = HashMap::new();
        for reply in replies {
            let entries = wire::entries(reply);
            let entries =
                entries.map_err(|shape| shape.from(net.address(keys.slot)).append(&keys.stream))?;
            for Entry { id, fields, .. } in entries {
                if let Body::Event(event) = codec::decode(id, fields) {
                    found.insert(id, event);
                }
            }
        }
        Ok(found)
    }

    pub(super) fn is_written(&self) -> bool {
        self.written
    }

    /// Fails with the first conflict of the batch.
    pub(super) fn refuse_conflicts(&self) -> Result<(), AppendError> {
        for (index, fate) in self.fates.iter().enumerate() {
            let id = || self.batch.events[index].event.id.clone();
            match *fate {
                Fate::Repeats { first, same: false } => {
                    return Err(AppendError::SelfConflict {
                        index,
                        id: id(),
                        earlier: first,
                    });
                }
                Fate::Known {
                    first, same: false, ..
                } => {
                    return Err(AppendError::Conflict {
                        index,
                        id: id(),
                        first: self.position(first),
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The outcomes, where the batch was written.
    pub(super) fn outcomes(&self) -> Option<Vec<Outcome>> {
        if !self.written {
            return None;
        }
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(self.fates.len());
        for fate in &self.fates {
            let (position, same, first_trimmed) = match *fate {
                Fate::New(place) => {
                    let (entry_id, revision) = place?;
                    let position = self.position(entry_id);
                    outcomes.push(Outcome::Appended { position, revision });
                    continue;
                }
                Fate::Repeats { first, same } => (outcomes[first].position(), same, false),
                Fate::Known {
                    first,
                    same,
                    trimmed,
                } => (self.position(first), same, trimmed),
            };
            outcomes.push(if same {
                Outcome::Duplicate { position }
            } else {
                Outcome::Conflict {
                    position,
                    first_trimmed,
                }
            });
        }
        Some(outcomes)
    }

    /// What the script has to be told to go on.
    pub(super) fn told(&self) -> Told {
        let mut told = Told::default();
        for (place, known) in &self.known {
            let kind = match self.fates[self.batch.unique[*place]] {
                Fate::Known { same: false, .. } => 'c',
                _ => 'd',
            };
            let _ = write!(told.mismatches, "{} {kind} {} ", place + 1, known.first);
        }
        told.conflicts = self.fates.iter().enumerate().any(|(index, fate)| {
            let conflict = matches!(
                fate,
                Fate::Repeats { same: false, .. } | Fate::Known { same: false, .. }
            );
            conflict && self.batch.first[index] != index
        });
        told
    }

    fn position(&self, entry_id: EntryId) -> Position {
        Position {
            partition: self.batch.partition,
            entry_id,
        }
    }
}

impl Fate {
    /// The entry that has to be compared with in full.
    fn differs_from(&self) -> Option<EntryId> {
        match *self {
            Self::Known {
                first, same: false, ..
            } => Some(first),
            _ => None,
        }
    }
}

/// What marks alone tell.
fn fate_by_mark(known: &Known, mark: &str) -> Fate {
    let (first, time) = known.mark.split_once(' ').unwrap_or((&known.mark, ""));
    let (ours, our_time) = mark.split_once(' ').unwrap_or((mark, ""));
    let times_agree = time.is_empty() || our_time.is_empty() || time == our_time;
    Fate::Known {
        first: known.first,
        same: first == ours && times_agree,
        trimmed: false,
    }
}

/// Hands out the places of the new events, in order.
struct Places {
    next: Option<EntryId>,
    revisions: Vec<u64>,
}

impl Places {
    fn new(placed: Option<Placed>) -> Self {
        match placed {
            Some(Placed { first, before }) => Self {
                next: first,
                revisions: before,
            },
            None => Self {
                next: None,
                revisions: Vec::new(),
            },
        }
    }

    fn next(&mut self, session: usize) -> Option<(EntryId, u64)> {
        let id = self.next?;
        self.next = id.next();
        let revision = self.revisions.get_mut(session)?;
        *revision += 1;
        Some((id, *revision))
    }
}
