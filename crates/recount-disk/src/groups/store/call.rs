//! What the calls have in common.

use recount_core::{EntryId, GroupError, GroupStart, InvalidId, Limits, Position, ReadError};

use super::super::Groups;
use super::super::change::{Change, cow};
use super::super::keeper::{Keeper, Ticket};
use super::super::state::{Group, State};
use crate::DiskLog;
use crate::log::blocking;

/// Calls that change nothing are written down this often at most, in milliseconds.
const NOTE_EVERY_MS: u64 = 60_000;

/// A call of a consumer, under the groups' lock.
pub(super) struct Call<'s> {
    pub(super) group: &'s mut Group,
    /// The group's number.
    pub(super) number: u32,
    /// The consumer's, which may be new.
    pub(super) consumer: u32,
    pub(super) at_ms: u64,
}

impl DiskLog {
    /// What keeps the groups, in a handle for writing.
    pub(super) fn keeper(&self) -> Result<&Keeper, GroupError> {
        if self.shared.snapshots.borrow().closed {
            return Err(ReadError::Closed.into());
        }
        match &self.shared.groups {
            Groups::Kept(keeper) => Ok(keeper),
            Groups::Followed(_) => Err(GroupError::ReadOnly {
                path: self.location(),
            }),
        }
    }

    pub(super) fn no_group(&self, group: &str) -> GroupError {
        GroupError::NoGroup {
            group: group.to_owned(),
            stream: self.shared.stream.clone(),
        }
    }

    pub(super) fn find<'s>(
        &self,
        state: &'s mut State,
        group: &str,
    ) -> Result<(u32, &'s mut Group), GroupError> {
        state.group_mut(group).ok_or_else(|| self.no_group(group))
    }

    /// Looks at the state; a follower reads what is new first.
    pub(super) async fn looking<T: Send + 'static>(
        &self,
        look: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Result<T, GroupError> {
        if self.shared.snapshots.borrow().closed {
            return Err(ReadError::Closed.into());
        }
        let shared = std::sync::Arc::clone(&self.shared);
        match &self.shared.groups {
            Groups::Kept(keeper) => Ok(keeper.read(look)),
            Groups::Followed(_) => {
                let looked = blocking(move || {
                    let refreshed = shared.groups.refresh();
                    refreshed.map(|()| shared.groups.read(look))
                });
                Ok(looked.await.map_err(ReadError::from)?)
            }
        }
    }

    /// The id that a group begins after, and whether it lies ahead of the log.
    pub(super) fn start(&self, start: &GroupStart) -> Result<(EntryId, bool), GroupError> {
        self.keeper()?;
        let last = self.shared.snapshots.borrow().last_id;
        Ok(match start {
            GroupStart::Start => (EntryId::MIN, false),
            GroupStart::End => (last, false),
            GroupStart::After(cursor) => (cursor.get(0), cursor.get(0) > last),
        })
    }

    /// Does what a consumer calls for, and notes that it called.
    pub(super) fn call<T>(
        &self,
        group: &str,
        consumer: &str,
        work: impl FnOnce(&mut Call<'_>) -> (Option<Change<'static>>, T),
    ) -> Result<(T, Option<Ticket>), GroupError> {
        check_name("consumer", consumer)?;
        let at_ms = self.shared.options.clock.now_ms();
        let keeper = self.keeper()?;
        let ((answer, note), ticket) = keeper.change(|state| {
            let (number, group) = self.find(state, group)?;
            let known = group.by_name.get(consumer).copied();
            let mut call = Call {
                number,
                consumer: known.unwrap_or_else(|| group.next_consumer()),
                group,
                at_ms,
            };
            let (change, answer) = work(&mut call);
            let (changes, note) = call.noted(known.is_none().then_some(consumer), change);
            Ok((changes, (answer, note)))
        })?;
        if let Some(note) = note {
            // It is for information: where it cannot be written, the call succeeds without.
            let noted = keeper.change(|state| {
                let there = state.group(group).is_some();
                Ok((there.then_some(note).into_iter().collect(), ()))
            });
            if let Err(error) = noted {
                tracing::debug!(%error, "a consumer's call is not written down");
            }
        }
        Ok((answer, ticket))
    }
}

impl Call<'_> {
    /// The changes to be written, that of the consumer itself if it is `new` first; and what may be written
    /// beside.
    fn noted(
        self,
        new: Option<&str>,
        change: Option<Change<'static>>,
    ) -> (Vec<Change<'static>>, Option<Change<'static>>) {
        let tells = matches!(
            change,
            Some(Change::Deliver { .. } | Change::Redeliver { .. } | Change::GiveBack { .. })
        );
        let called = Change::Called {
            group: self.number,
            consumer: Some(self.consumer),
            at_ms: self.at_ms,
        };
        if let Some(name) = new {
            let consumer = Change::Consumer {
                group: self.number,
                consumer: self.consumer,
                name: cow(name),
                called_ms: self.at_ms,
            };
            let called = (!tells).then_some(called);
            return (
                [Some(consumer), called, change]
                    .into_iter()
                    .flatten()
                    .collect(),
                None,
            );
        }
        if tells {
            return (change.into_iter().collect(), None);
        }
        self.group.called_untold(self.consumer, self.at_ms);
        let noted = self.group.consumer(self.consumer);
        let noted_ms = noted.map_or(0, |consumer| consumer.noted_ms);
        let due = noted_ms.abs_diff(self.at_ms) >= NOTE_EVERY_MS;
        let called = due.then_some(called);
        match change {
            Some(change) => ([Some(change), called].into_iter().flatten().collect(), None),
            None => (Vec::new(), called),
        }
    }
}

pub(super) fn check_name(field: &'static str, name: &str) -> Result<(), InvalidId> {
    match name.len() {
        0 => Err(InvalidId::Empty { field }),
        bytes if bytes > Limits::ID_BYTES_MAX => Err(InvalidId::TooLong { field, bytes }),
        _ => Ok(()),
    }
}

/// The ids of those positions that this stream's one partition can hold, each once and in order.
pub(super) fn named(positions: &[Position]) -> Vec<EntryId> {
    let here = positions.iter().filter(|position| position.partition == 0);
    let mut ids: Vec<EntryId> = here.map(|position| position.entry_id).collect();
    if !ids.is_sorted_by(|a, b| a < b) {
        ids.sort_unstable();
        ids.dedup();
    }
    ids
}

pub(super) fn position(entry_id: EntryId) -> Position {
    Position {
        partition: 0,
        entry_id,
    }
}
