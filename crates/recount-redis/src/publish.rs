//! Publishing: one script call a batch and partition.
//!
//! A task a partition takes what the callers hand it, puts batches together that meet, and appends them
//! with few calls at a time. Whatever happens to a call, it may be made again: the ids of what it
//! appended are remembered.

mod call;
mod judge;
mod plain;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use recount_core::{AppendError, Event, Field, Outcome, Partition, codec};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use crate::content::mark;
use crate::shared::Shared;
use judge::Resolved;

/// Jobs that may wait for their turn.
const QUEUE: usize = 256;
/// Events that are worth a second call while one is under way, so that the server need not wait for us.
const BESIDE: usize = 16;
/// With fewer events than this under way the server has time: what comes goes at once.
const IDLE_BELOW: usize = 4;
/// Events of several callers that go into one call.
const TOGETHER_EVENTS: usize = 1_000;
/// Bytes of several callers that go into one call.
const TOGETHER_BYTES: usize = 4 << 20;

/// An event, encoded in the caller's task.
pub(crate) struct Prepared {
    pub(crate) event: Event,
    pub(crate) fields: Vec<Field>,
    pub(crate) mark: String,
}

impl Prepared {
    pub(crate) fn new(event: Event) -> Self {
        Self {
            fields: codec::encode(&event),
            mark: mark(&event),
            event,
        }
    }
}

/// What a batch asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    pub(crate) strict: bool,
    pub(crate) expected_revision: Option<u64>,
    /// Whether to say what would happen and write nothing.
    pub(crate) look: bool,
}

struct Job {
    events: Vec<Prepared>,
    conditions: Conditions,
    reply: oneshot::Sender<Result<Vec<Outcome>, AppendError>>,
}

impl Job {
    fn bytes(&self) -> usize {
        self.events.iter().map(|e| e.event.wire_bytes()).sum()
    }
}

/// Where a partition's appends are handed in.
pub(crate) struct Publisher {
    /// None once the log is being closed.
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    task: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Publisher {
    /// Starts the task of a partition. It ends when the publisher is dropped and its queue empty.
    pub(crate) fn start(shared: Arc<Shared>, partition: Partition) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let task = tokio::spawn(run(shared, partition, queue));
        Self {
            jobs: Mutex::new(Some(jobs)),
            task: tokio::sync::Mutex::new(Some(task)),
        }
    }

    fn jobs(&self) -> MutexGuard<'_, Option<mpsc::Sender<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes no more appends and waits until those that were taken are done.
    pub(crate) async fn finish(&self) {
        self.jobs().take();
        if let Some(task) = self.task.lock().await.take() {
            // It ends by itself; what it panicked with was told to its caller as closed.
            let _ = task.await;
        }
    }

    /// Appends events of this partition. The outcomes are in their order.
    pub(crate) async fn append(
        &self,
        events: Vec<Prepared>,
        conditions: Conditions,
    ) -> Result<Vec<Outcome>, AppendError> {
        let (reply, answer) = oneshot::channel();
        let job = Job {
            events,
            conditions,
            reply,
        };
        let jobs = self.jobs().clone().ok_or(AppendError::Closed)?;
        jobs.send(job).await.map_err(|_| AppendError::Closed)?;
        drop(jobs);
        answer.await.map_err(|_| AppendError::Closed)?
    }
}

async fn run(shared: Arc<Shared>, partition: Partition, mut queue: mpsc::Receiver<Job>) {
    let mut gathered = Gathered::default();
    let mut under_way = JoinSet::new();
    let mut events_under_way = 0;
    let mut open = true;
    loop {
        let due = match under_way.len() {
            _ if gathered.jobs.is_empty() => false,
            0 => true,
            calls if events_under_way < IDLE_BELOW => calls < IDLE_BELOW,
            1 => gathered.is_full() || gathered.events >= BESIDE,
            _ => false,
        };
        if due {
            // Callers that were answered together come back together: the next call waits for all of them.
            tokio::task::yield_now().await;
            gathered.add_waiting(&mut queue);
            let jobs = gathered.take();
            let events = jobs.iter().map(|job| job.events.len()).sum::<usize>();
            events_under_way += events;
            let shared = Arc::clone(&shared);
            under_way.spawn(async move {
                append_together(shared, partition, jobs).await;
                events
            });
            continue;
        }
        if !open && under_way.is_empty() {
            return;
        }
        tokio::select! {
            biased;
            job = queue.recv(), if open && !gathered.is_full() => match job {
                Some(job) => {
                    gathered.add(job);
                    gathered.add_waiting(&mut queue);
                }
                None => open = false,
            },
            Some(done) = under_way.join_next() => events_under_way -= done.unwrap_or_default(),
        }
    }
}

/// Jobs that go into the next calls.
#[derive(Default)]
struct Gathered {
    jobs: VecDeque<Job>,
    events: usize,
    bytes: usize,
}

impl Gathered {
    fn add(&mut self, job: Job) {
        self.events += job.events.len();
        self.bytes += job.bytes();
        self.jobs.push_back(job);
    }

    fn add_waiting(&mut self, queue: &mut mpsc::Receiver<Job>) {
        while !self.is_full()
            && let Ok(job) = queue.try_recv()
        {
            self.add(job);
        }
    }

    /// Whether more would not go along: enough is there, or a batch with conditions, which goes alone.
    fn is_full(&self) -> bool {
        let conditional = |job: &Job| job.conditions != Conditions::default();
        self.events >= TOGETHER_EVENTS
            || self.bytes >= TOGETHER_BYTES
            || self.jobs.iter().any(conditional)
    }

    /// The jobs of the next call.
    fn take(&mut self) -> Vec<Job> {
        let conditional = |job: &Job| job.conditions != Conditions::default();
        let plain = self.jobs.iter().take_while(|job| !conditional(job)).count();
        let jobs: Vec<Job> = self.jobs.drain(..plain.max(1)).collect();
        self.events -= jobs.iter().map(|job| job.events.len()).sum::<usize>();
        self.bytes -= jobs.iter().map(Job::bytes).sum::<usize>();
        jobs
    }
}

/// Appends the events of several callers as one batch and tells each what became of its own.
async fn append_together(shared: Arc<Shared>, partition: Partition, jobs: Vec<Job>) {
    let conditions = jobs[0].conditions;
    let mut events = Vec::new();
    let mut callers = Vec::with_capacity(jobs.len());
    for mut job in jobs {
        callers.push((job.events.len(), job.reply));
        events.append(&mut job.events);
    }
    let done = append(&shared, partition, &events, conditions).await;
    let mut outcomes = match done {
        Ok(outcomes) => outcomes.into_iter(),
        Err(error) => {
            for (_, reply) in callers {
                // A caller that stopped waiting does not want to know.
                let _ = reply.send(Err(error.clone()));
            }
            return;
        }
    };
    for (count, reply) in callers {
        let _ = reply.send(Ok(outcomes.by_ref().take(count).collect()));
    }
}

async fn append(
    shared: &Shared,
    partition: Partition,
    events: &[Prepared],
    conditions: Conditions,
) -> Result<Vec<Outcome>, AppendError> {
    if shared.options.idempotency_window.is_zero() {
        return plain::append(shared, partition, events, conditions).await;
    }
    let batch = call::Batch::new(shared, partition, events);
    let conditional = conditions.strict || conditions.expected_revision.is_some();
    // What stands twice with other contents is for the client to judge, before anything is written.
    let mut mode = if conditions.look || (conditional && batch.repeats_differ()) {
        call::Mode::Look
    } else if conditional {
        call::Mode::Hold
    } else {
        call::Mode::Write
    };
    let mut told = judge::Told::default();
    loop {
        let answer = batch
            .send(mode, conditions.expected_revision, &told)
            .await?;
        let (known, placed) = match answer {
            call::Answer::Done { known, placed } => (known, Some(placed)),
            call::Answer::Held { known } => (known, None),
        };
        let resolved = Resolved::new(&batch, known, placed).await?;
        if conditions.strict && !resolved.is_written() {
            resolved.refuse_conflicts()?;
        }
        if conditions.look {
            return Ok(Vec::new());
        }
        if let Some(outcomes) = resolved.outcomes() {
            return Ok(outcomes);
        }
        told = resolved.told();
        mode = call::Mode::Hold;
    }
}
