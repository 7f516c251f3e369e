//! Publishing to Recount's own log.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use recount::Recount;
use recount_core::{AppendError, Batch, Durability, Event, EventLog, Receipt};
use recount_disk::{DiskLog, DiskOptions, SyncMode};

use crate::Failure;
use crate::timing::Timing;

/// The stream that the benchmark writes.
pub const STREAM: &str = "memory:events";

/// Opens a log in `dir` for writing.
pub async fn open(dir: &Path, sync: bool) -> Result<DiskLog, Failure> {
    let options = DiskOptions {
        sync: if sync { SyncMode::Always } else { SyncMode::Os },
        ..DiskOptions::default()
    };
    Ok(DiskLog::open(dir, STREAM, options).await?)
}

/// Opens the log in `dir` as users do.
pub async fn handle(dir: &Path, read_only: bool) -> Result<Recount, Failure> {
    let builder = Recount::builder().url(format!("disk:{}", dir.display()));
    let builder = builder.stream(STREAM);
    let builder = if read_only {
        builder.read_only()
    } else {
        builder
    };
    Ok(builder.open().await?)
}

/// Appends `batches` in their order, with up to `in_flight` of them handed over and not yet
/// acknowledged: a producer that waits for each leaves the log idle while it prepares the next.
pub async fn append_all(
    log: &DiskLog,
    batches: Vec<Vec<Event>>,
    in_flight: usize,
    timing: &mut Timing,
) -> Result<(), Failure> {
    let mut waiting = VecDeque::new();
    for events in batches {
        if waiting.len() == in_flight {
            acknowledge_first(&mut waiting, timing).await?;
        }
        waiting.push_back(Append::begin(log, events).await);
    }
    while !waiting.is_empty() {
        acknowledge_first(&mut waiting, timing).await?;
    }
    Ok(())
}

async fn acknowledge_first(
    waiting: &mut VecDeque<Append<'_>>,
    timing: &mut Timing,
) -> Result<(), Failure> {
    poll_fn(|context| {
        for append in waiting.iter_mut() {
            append.poll(context);
        }
        match waiting.front() {
            Some(Append { result: None, .. }) => Poll::Pending,
            _ => Poll::Ready(()),
        }
    })
    .await;
    let Some(append) = waiting.pop_front() else {
        return Ok(());
    };
    timing.append_done(append.start);
    match append.result {
        Some(result) => check(&result?, append.events),
        None => Err("an append was not waited for".into()),
    }
}

fn check(receipt: &Receipt, events: usize) -> Result<(), Failure> {
    if receipt.appended() == events && receipt.durability >= Durability::Written {
        return Ok(());
    }
    Err(format!(
        "of {events} events {} were appended, as {}",
        receipt.appended(),
        receipt.durability
    )
    .into())
}

type AppendFuture<'a> = Pin<Box<dyn Future<Output = Result<Receipt, AppendError>> + Send + 'a>>;

/// An append under way.
struct Append<'a> {
    start: Instant,
    events: usize,
    future: AppendFuture<'a>,
    result: Option<Result<Receipt, AppendError>>,
}

impl<'a> Append<'a> {
    /// Polls the append once, which hands it over: so the order of the batches is kept.
    async fn begin(log: &'a DiskLog, events: Vec<Event>) -> Self {
        let mut append = Self {
            start: Instant::now(),
            events: events.len(),
            future: log.append(Batch::new(events)),
            result: None,
        };
        poll_fn(|context| {
            append.poll(context);
            Poll::Ready(())
        })
        .await;
        append
    }

    fn poll(&mut self, context: &mut Context<'_>) {
        if self.result.is_none()
            && let Poll::Ready(result) = self.future.as_mut().poll(context)
        {
            self.result = Some(result);
        }
    }
}
