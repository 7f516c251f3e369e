//! Closing letters: by handing their entries to the group again, or for good.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use recount_core::{
    AppendError, Batch, Cursor, EntryId, EventId, EventLog, GroupError, GroupInfo, GroupStore,
    PendingEntry, Position,
};

use super::letter::Reason;
use super::wire::Step;
use super::{DeadError, DeadLetters};

/// What became of letters that were to be retried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retried {
    /// Those whose entries are in the group's hands again, in order.
    pub retried: Vec<Position>,
    /// Those that stay open, with the reason.
    pub refused: Vec<(Position, Refusal)>,
}

/// Why a letter could not be retried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The entry is no longer in the stream.
    #[error(
        "its entry was trimmed from the stream, so that the group cannot have it again: publish the event that the letter holds as a new one, or discard the letter"
    )]
    Trimmed,
    /// It follows an earlier letter of its session, which stays open.
    #[error("it follows the letter of entry {0} of its session: retry that one first, or with it")]
    Follows(Position),
    /// The group has the entry still.
    #[error(
        "the group has not acknowledged its entry yet: whoever gave up on it is about to, or its entry is being handled again; retry it in a moment"
    )]
    NotAcknowledged,
}

/// How many letters are closed in one go.
const AT_ONCE: usize = 1_000;

/// A round of a letter that is to be closed, and the session of its events.
struct Round {
    position: Position,
    number: u32,
    home: Arc<str>,
}

impl DeadLetters {
    /// Three steps, each of which may be repeated: the letters are marked as being retried, so that those
    /// of one session do not block each other; the entries go to the group; the letters are closed. What
    /// fails again in between is a later round, and stays open.
    pub(super) async fn retried(
        &self,
        positions: &[Position],
        groups: &dyn GroupStore,
    ) -> Result<Retried, DeadError> {
        let failed = |source| DeadError::Requeue {
            group: self.group().to_owned(),
            source,
        };
        // Before anything is marked: what the group has still must not pass what stays a letter.
        let held = self.held(positions, groups).await.map_err(failed)?;
        let (log, rounds, refused) = self.to_retry(positions, &held).await?;
        let mut outcome = Retried {
            refused,
            ..Retried::default()
        };
        for rounds in rounds.chunks(AT_ONCE) {
            self.step(&*log, Step::Retrying, rounds).await?;
            let positions: Vec<_> = rounds.iter().map(|round| round.position).collect();
            let refused = self.requeue(&positions, groups).await;
            let refused = refused.map_err(failed)?;
            let done = |round: &&Round| !refused.contains_key(&round.position);
            self.step(&*log, Step::Retried, rounds.iter().filter(done))
                .await?;
            let done = rounds.iter().filter(done);
            outcome.retried.extend(done.map(|round| round.position));
            outcome.refused.extend(refused);
        }
        outcome.refused.sort_by_key(|(position, _)| *position);
        Ok(outcome)
    }

    pub(super) async fn discarded(&self, positions: &[Position]) -> Result<usize, DeadError> {
        let (log, rounds) = self.open_rounds(positions).await?;
        for rounds in rounds.chunks(AT_ONCE) {
            self.step(&*log, Step::Discarded, rounds).await?;
        }
        Ok(rounds.len())
    }

    /// Which of the letters can be retried, and which not: the group holds their entries, or they follow one that
    /// is not retried with them.
    async fn to_retry(
        &self,
        positions: &[Position],
        held: &BTreeSet<Position>,
    ) -> Result<(Arc<dyn EventLog>, Vec<Round>, Vec<(Position, Refusal)>), DeadError> {
        let (log, rounds) = self.open_rounds(positions).await?;
        let state = self.0.state.lock().await;
        let mut kept = BTreeSet::new();
        let mut refused = Vec::new();
        let among: BTreeSet<_> = rounds.iter().map(|round| round.position).collect();
        for &position in &among {
            let Some(known) = state.index.get(position) else {
                continue;
            };
            if held.contains(&position) {
                refused.push((position, Refusal::NotAcknowledged));
                continue;
            }
            let follows = state.index.earlier(known, position).into_iter();
            let first = follows
                .filter(|earlier| !kept.contains(earlier))
                .min()
                .filter(|_| known.reason == Reason::InSequence);
            match first {
                Some(first) => refused.push((position, Refusal::Follows(first))),
                None => {
                    kept.insert(position);
                }
            }
        }
        let rounds = rounds.into_iter();
        let rounds = rounds.filter(|round| kept.contains(&round.position));
        Ok((log, rounds.collect(), refused))
    }

    /// The rounds to close, by position: all of them open.
    async fn open_rounds(
        &self,
        positions: &[Position],
    ) -> Result<(Arc<dyn EventLog>, Vec<Round>), DeadError> {
        let (state, log) = self.writer().await?;
        let mut rounds = BTreeMap::new();
        for &position in positions {
            let known = state.index.get(position).filter(|known| known.is_open());
            let known = known.ok_or_else(|| DeadError::NotOpen {
                group: self.group().to_owned(),
                position,
            })?;
            let round = Round {
                position,
                number: known.round,
                home: Arc::clone(&known.home),
            };
            rounds.insert(position, round);
        }
        Ok((log, rounds.into_values().collect()))
    }

    /// Writes down a step of all these rounds. Writing it again adds nothing.
    async fn step<'a>(
        &self,
        log: &dyn EventLog,
        step: Step,
        rounds: impl IntoIterator<Item = &'a Round>,
    ) -> Result<(), DeadError> {
        let events: Result<Vec<_>, _> = rounds
            .into_iter()
            .map(|round| step.event(round.position, round.number, &round.home))
            .collect();
        let events = events.map_err(|reason| {
            self.append_error(AppendError::InvalidEvent {
                index: 0,
                id: EventId::generate(),
                reason,
            })
        })?;
        let appended = log.append(Batch::new(events)).await;
        appended.map(drop).map_err(|error| self.append_error(error))
    }

    /// Makes entries pending again. Returns those that the group does not have now.
    async fn requeue(
        &self,
        positions: &[Position],
        groups: &dyn GroupStore,
    ) -> Result<BTreeMap<Position, Refusal>, GroupError> {
        let group = self.group();
        let requeued: BTreeSet<_> = groups
            .requeue(group, positions)
            .await?
            .into_iter()
            .collect();
        let passed_over: Vec<_> = positions
            .iter()
            .filter(|p| !requeued.contains(*p))
            .collect();
        let mut refused = BTreeMap::new();
        if passed_over.is_empty() {
            return Ok(refused);
        }
        let Some(info) = self.info(groups).await? else {
            // Destroyed since: let the store say so.
            return groups.pending(group).await.map(|_| refused);
        };
        for &position in passed_over {
            if info.last_delivered.get(position.partition) < position.entry_id {
                // It will be delivered.
                continue;
            }
            match self.pending(position, &info, groups).await? {
                Some(entry) if is_requeued(&entry) => {}
                // An acknowledgement under way would take it away again.
                Some(_) => drop(refused.insert(position, Refusal::NotAcknowledged)),
                None => drop(refused.insert(position, Refusal::Trimmed)),
            }
        }
        Ok(refused)
    }

    /// Those entries that somebody has, or had when he died, and has not acknowledged.
    async fn held(
        &self,
        positions: &[Position],
        groups: &dyn GroupStore,
    ) -> Result<BTreeSet<Position>, GroupError> {
        let mut held = BTreeSet::new();
        if groups.pending(self.group()).await?.count == 0 {
            return Ok(held);
        }
        let Some(info) = self.info(groups).await? else {
            return Ok(held);
        };
        for &position in positions {
            let pending = self.pending(position, &info, groups).await?;
            if pending.is_some_and(|entry| !is_requeued(&entry)) {
                held.insert(position);
            }
        }
        Ok(held)
    }

    async fn info(&self, groups: &dyn GroupStore) -> Result<Option<GroupInfo>, GroupError> {
        let infos = groups.groups().await?;
        Ok(infos.into_iter().find(|info| info.name == self.group()))
    }

    async fn pending(
        &self,
        position: Position,
        info: &GroupInfo,
        groups: &dyn GroupStore,
    ) -> Result<Option<PendingEntry>, GroupError> {
        let partitions = info.lags.iter().map(|(partition, _)| *partition);
        let others = partitions.filter(|partition| *partition != position.partition);
        let others = others.map(|partition| Position {
            partition,
            entry_id: EntryId::MAX,
        });
        let before = Position {
            entry_id: position.entry_id.previous().unwrap_or(EntryId::MIN),
            ..position
        };
        let after: Cursor = others.chain([before]).collect();
        let next = groups
            .pending_entries(self.group(), None, &after, 1)
            .await?;
        Ok(next.into_iter().find(|entry| entry.position == position))
    }
}

/// Whether a call before this one made the entry pending, and nobody has taken it since.
fn is_requeued(entry: &PendingEntry) -> bool {
    entry.consumer.is_none() && entry.delivery_count == 0
}
