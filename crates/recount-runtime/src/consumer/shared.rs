//! What the tasks of one consumer share.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::future::Future;
use std::sync::Arc;

use parking_lot::Mutex;
use recount_core::{
    Cursor, EventLog, GroupError, GroupStart, GroupStore, Partition, Position, ReadError,
};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::builder::Settings;
use super::error::ConsumerError;
use super::hold::Hold;
use super::lanes::Lanes;
use super::metrics::Counters;
use super::sequence::Sequence;
use super::tail::SharedTail;
use super::work::Work;
use super::workers::Workers;

pub(super) struct Shared {
    pub log: Arc<dyn EventLog>,
    pub groups: Arc<dyn GroupStore>,
    pub group: Arc<str>,
    pub name: Arc<str>,
    pub settings: Settings,
    pub work: Work,
    pub tail: Arc<SharedTail>,
    pub counters: Counters,
    pub state: Mutex<State>,
    pub signals: Signals,
    /// Held by whoever looks for what others left behind, and by whoever reads what is new.
    pub hunting: tokio::sync::Mutex<()>,
    /// Held while entries are claimed and put into their lanes, and while acknowledging is tried again.
    pub claiming: tokio::sync::Mutex<()>,
    pub stopping: watch::Sender<bool>,
    /// How many threads handlers may compute on.
    pub threads: usize,
}

/// What changes under one lock.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub(super) struct State {
    pub lanes: Lanes,
    pub workers: Workers,
    /// The partitions that an ordered consumer holds.
    pub holds: BTreeMap<Partition, Hold>,
    /// An ordered consumer has asked for every partition once.
    pub asked: bool,
    /// A claim's answer was lost: what it brought is to be found among what is pending, before anything new is read.
    pub claim_lost: bool,
    /// What was read and is not in its lane yet.
    pub in_hand: HashSet<Position>,
    /// Entries handed to the group again while their first acknowledgement is under way: it must not be made again.
    pub requeued: HashSet<Position>,
    /// Nothing more is begun.
    pub stopping: bool,
    /// What workers do does not count any more.
    pub cut: bool,
    /// Since when something waits to be acknowledged and nobody was told.
    pub unacked_since: Option<Instant>,
    /// Everything up to here was acknowledged, by whomever.
    pub mark: Cursor,
    /// How far this consumer was delivered.
    pub delivered: Cursor,
    /// What this consumer acknowledged after the mark, oldest first.
    pub recent: VecDeque<Position>,
    /// There once the group was created again, until it has delivered everything again.
    pub repeated: Option<Repeated>,
    pub sequence: Sequence,
}

/// What a group may deliver again that was created again.
pub(super) struct Repeated {
    /// Up to here, entries were delivered before.
    until: Cursor,
    /// Those among them that are done with.
    pub done: HashSet<Position>,
}

/// Who is to look again.
#[derive(Default)]
pub(super) struct Signals {
    /// Whoever reads: there is room.
    pub room: Notify,
    /// Whoever acknowledges.
    pub acks: Notify,
    /// Whoever begins with suspects.
    pub turns: Notify,
    /// Whoever wakes what rests.
    pub rests: Notify,
    /// Whoever keeps leases: a partition may be quiet.
    pub leases: Notify,
    /// Whoever waits for the end.
    pub end: Notify,
}

/// Why a task of a consumer ends.
pub(super) enum Halt {
    Stopping,
    Failed(ConsumerError),
}

/// How many acknowledged positions are remembered at most.
const RECENT_MAX: usize = 65_536;

impl State {
    /// Remembers that these were acknowledged. Returns whether suspects waited for that.
    pub fn acknowledged(&mut self, items: &[usize]) -> bool {
        let mut turns = false;
        for at in items {
            let item = self.lanes.item(*at);
            let (position, buried) = (item.position, item.buried);
            // A dead letter may be delivered again, whatever the group is by then.
            if !buried {
                self.recent.push_back(position);
                if let Some(repeated) = &mut self.repeated {
                    repeated.done.insert(position);
                }
            }
            self.requeued.remove(&position);
            turns |= self.lanes.acked(*at);
        }
        let excess = self.recent.len().saturating_sub(RECENT_MAX);
        self.recent.drain(..excess);
        turns
    }

    /// Everything up to `mark` was acknowledged.
    pub fn move_mark(&mut self, mark: impl Iterator<Item = Position>) {
        for position in mark {
            self.mark.advance(position);
        }
        let mark = &self.mark;
        let open = |position: &Position| position.entry_id > mark.get(position.partition);
        self.recent.retain(open);
        let passed = |repeated: &Repeated| {
            let mut until = repeated.until.iter();
            until.all(|position| position.entry_id <= mark.get(position.partition))
        };
        self.repeated.take_if(|repeated| passed(repeated));
    }

    /// The group begins again at the mark.
    fn repeat(&mut self) {
        let until = std::mem::replace(&mut self.delivered, self.mark.clone());
        let repeated = self.repeated.get_or_insert_with(|| Repeated {
            until: Cursor::start(),
            done: HashSet::new(),
        });
        super::feed::advance(&mut repeated.until, &until);
        repeated.done.extend(self.recent.iter().copied());
    }
}

impl Shared {
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Returns once the consumer is to stop.
    pub async fn stopped(&self) {
        // The sender lives as long as `self`.
        let _ = self.stopping.subscribe().wait_for(|stop| *stop).await;
    }

    /// Waits, unless the consumer is to stop.
    pub async fn until(&self, then: Instant) -> Result<(), Halt> {
        tokio::select! {
            () = tokio::time::sleep_until(then) => Ok(()),
            () = self.stopped() => Err(Halt::Stopping),
        }
    }

    /// Calls until it works, or the consumer is to stop. Returns also how often it failed.
    pub async fn call<T, F>(&self, mut call: impl FnMut() -> F) -> Result<(T, u32), Halt>
    where
        F: Future<Output = Result<T, GroupError>>,
    {
        let mut failures = 0;
        loop {
            match call().await {
                Ok(answer) => return Ok((answer, failures)),
                Err(error) => {
                    failures += 1;
                    self.overcome(error).await?;
                    let then = Instant::now() + Backoff::STORE.delay(failures);
                    self.until(then).await?;
                }
            }
        }
    }

    /// Calls until it works, also while the consumer stops.
    pub async fn insist<T, F>(&self, mut call: impl FnMut() -> F) -> Result<T, Halt>
    where
        F: Future<Output = Result<T, GroupError>>,
    {
        let mut failures = 0;
        loop {
            match call().await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    failures += 1;
                    self.overcome(error).await?;
                    tokio::time::sleep(Backoff::STORE.delay(failures)).await;
                }
            }
        }
    }

    /// Does what helps against an error. Fails if nothing does.
    pub async fn overcome(&self, error: GroupError) -> Result<(), Halt> {
        match error {
            GroupError::NoGroup { .. } => self.create_again().await,
            error if passes(&error) => {
                self.counters.failed(&error);
                tracing::warn!(group = &*self.group, consumer = &*self.name, %error, "a call on the group failed, and is made again");
                Ok(())
            }
            error => Err(Halt::Failed(self.group_error(error))),
        }
    }

    /// Creates the group again where it had acknowledged everything.
    async fn create_again(&self) -> Result<(), Halt> {
        let mark = self.state.lock().mark.clone();
        let start = GroupStart::After(mark);
        match self.groups.create(&self.group, &start).await {
            Ok(()) => {
                self.counters.recreated.add(1);
                tracing::warn!(
                    group = &*self.group,
                    ?start,
                    "the group was gone: created again where everything before was acknowledged"
                );
            }
            // Another consumer was faster.
            Err(GroupError::Exists { .. }) => {}
            Err(error) if passes(&error) => self.counters.failed(&error),
            Err(error) => return Err(Halt::Failed(self.group_error(error))),
        }
        self.state.lock().repeat();
        Ok(())
    }

    pub fn group_error(&self, source: GroupError) -> ConsumerError {
        ConsumerError::Group {
            group: self.group.to_string(),
            consumer: self.name.to_string(),
            source,
        }
    }

    /// Calls the log until it works, or the consumer is to stop.
    pub async fn read<T, F>(&self, mut call: impl FnMut() -> F) -> Result<T, Halt>
    where
        F: Future<Output = Result<T, ReadError>>,
    {
        let mut failures = 0;
        loop {
            let answer = tokio::select! {
                answer = call() => answer,
                () = self.stopped() => return Err(Halt::Stopping),
            };
            match answer {
                Ok(answer) => return Ok(answer),
                Err(error) if read_passes(&error) => {
                    failures += 1;
                    self.counters.failed(&error);
                    tracing::warn!(group = &*self.group, consumer = &*self.name, %error, "reading the log failed, and is done again");
                    let then = Instant::now() + Backoff::STORE.delay(failures);
                    self.until(then).await?;
                }
                Err(source) => {
                    return Err(Halt::Failed(ConsumerError::Read {
                        group: self.group.to_string(),
                        consumer: self.name.to_string(),
                        source,
                    }));
                }
            }
        }
    }
}

/// Whether calling again may help.
fn passes(error: &GroupError) -> bool {
    match error {
        GroupError::Unavailable { .. } | GroupError::Full { .. } | GroupError::Storage { .. } => {
            true
        }
        GroupError::Read(error) => read_passes(error),
        _ => false,
    }
}

fn read_passes(error: &ReadError) -> bool {
    matches!(
        error,
        ReadError::Unavailable { .. } | ReadError::Storage { .. } | ReadError::Trimmed { .. }
    )
}
