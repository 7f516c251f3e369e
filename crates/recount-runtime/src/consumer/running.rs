//! A consumer at work, as its owner sees it.

use std::sync::Arc;

use recount_core::{Cursor, EntryId, GroupError, GroupStart, Position};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::builder::ConsumerBuilder;
use super::end;
use super::error::ConsumerError;
use super::metrics::{ConsumerMetrics, Counters};
use super::shared::{Shared, Signals, State};
use super::tail::SharedTail;
use super::work::Work;

/// A consumer that was started. Dropping it ends it as a crash would: nothing is given back, and others take over
/// what it had once that was idle long enough.
#[must_use = "a consumer ends when this is dropped"]
pub struct RunningConsumer {
    shared: Arc<Shared>,
    task: AbortHandle,
    ended: watch::Receiver<Option<Ended>>,
}

/// What a consumer did from its start to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerReport {
    /// The group.
    pub group: String,
    /// The consumer.
    pub consumer: String,
    /// What it counted.
    pub metrics: ConsumerMetrics,
    /// Handler calls that were cut off, because they were not done within the time to stop. Their entries
    /// were given back.
    pub cut_off: u64,
    /// Whether the group forgot the consumer, because it owned nothing any more.
    pub removed: bool,
}

pub(super) type Ended = Result<ConsumerReport, ConsumerError>;

impl RunningConsumer {
    pub(super) async fn start(
        builder: ConsumerBuilder,
        group: String,
        name: String,
        work: Work,
    ) -> Result<Self, ConsumerError> {
        let ConsumerBuilder {
            log,
            groups,
            settings,
        } = builder;
        let shared = Arc::new(Shared {
            tail: SharedTail::of(&log),
            log,
            groups,
            group: group.into(),
            name: name.into(),
            settings,
            work,
            counters: Counters::default(),
            state: parking_lot::Mutex::new(State::default()),
            signals: Signals::default(),
            hunting: tokio::sync::Mutex::default(),
            claiming: tokio::sync::Mutex::default(),
            stopping: watch::Sender::new(false),
            threads: tokio::runtime::Handle::current().metrics().num_workers(),
        });
        let mark = shared.find_group().await?;
        shared.state.lock().mark = mark;
        let (tell, ended) = watch::channel(None);
        let running = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let end = end::run(running).await;
            tell.send_replace(Some(end));
        });
        Ok(Self {
            shared,
            task: task.abort_handle(),
            ended,
        })
    }

    /// The group.
    pub fn group(&self) -> &str {
        &self.shared.group
    }

    /// The consumer's name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// What it counted so far.
    pub fn metrics(&self) -> ConsumerMetrics {
        self.shared.metrics()
    }

    /// How many entries the group was not delivered yet.
    pub async fn lag(&self) -> Result<u64, ConsumerError> {
        let shared = &self.shared;
        let groups = shared.groups.groups().await;
        let groups = groups.map_err(|error| shared.group_error(error))?;
        let group = groups.iter().find(|group| *group.name == *shared.group);
        Ok(group.map_or(0, recount_core::GroupInfo::lag))
    }

    /// Stops: nothing new is begun, handlers at work may finish within the time allowed, everything else is
    /// given back. Calling it again waits for the same end.
    pub async fn stop(&self) -> Result<ConsumerReport, ConsumerError> {
        self.shared.stopping.send_replace(true);
        self.finished().await
    }

    /// Waits until the consumer has ended: because it was stopped, had nothing left to drain, or could not go on.
    /// The wait can be given up and begun again.
    pub async fn finished(&self) -> Result<ConsumerReport, ConsumerError> {
        let mut ended = self.ended.clone();
        let aborted = || ConsumerError::Aborted {
            group: self.group().to_owned(),
            consumer: self.name().to_owned(),
        };
        match ended.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(ended)) => ended.clone(),
            _ => Err(aborted()),
        }
    }
}

impl Drop for RunningConsumer {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.cut();
    }
}

impl Shared {
    /// Nothing that workers do counts any more. Returns how many calls that cut off.
    pub fn cut(&self) -> usize {
        let mut state = self.state.lock();
        state.stopping = true;
        state.cut = true;
        state.workers.abort();
        state.lanes.counts().in_flight
    }

    pub fn metrics(&self) -> ConsumerMetrics {
        let mut metrics = self.counters.snapshot();
        let state = self.state.lock();
        let counts = state.lanes.counts();
        metrics.in_flight = counts.in_flight as u64;
        metrics.buffered = counts.held as u64;
        metrics.partitions = state.holds.keys().copied().collect();
        metrics
    }

    /// Finds the group, or creates it. Returns up to where it has acknowledged everything.
    async fn find_group(&self) -> Result<Cursor, ConsumerError> {
        let fails = |error| self.group_error(error);
        if let Some(start) = &self.settings.create_from {
            let (start, mark) = match start {
                GroupStart::Start => (GroupStart::Start, Cursor::start()),
                GroupStart::After(cursor) => (GroupStart::After(cursor.clone()), cursor.clone()),
                GroupStart::End => {
                    let tail = self.log.tail().await.map_err(|error| fails(error.into()))?;
                    (GroupStart::After(tail.clone()), tail)
                }
            };
            match self.groups.create(&self.group, &start).await {
                Ok(()) => return Ok(mark),
                Err(GroupError::Exists { .. }) => {}
                Err(error) => return Err(fails(error)),
            }
        }
        // Fails where there is no such group.
        let pending = self.groups.pending(&self.group).await.map_err(fails)?;
        let groups = self.groups.groups().await.map_err(fails)?;
        let group = groups.into_iter().find(|group| *group.name == *self.group);
        let delivered = group.map(|group| group.last_delivered).unwrap_or_default();
        let acknowledged = |position: Position| {
            let ranges = &pending.ranges;
            let first = ranges.iter().find(|range| range.0 == position.partition);
            let before = first.map(|(_, first, _)| first.previous().unwrap_or(EntryId::MIN));
            Position {
                entry_id: before.map_or(position.entry_id, |id| id.min(position.entry_id)),
                ..position
            }
        };
        Ok(delivered.iter().map(acknowledged).collect())
    }
}
