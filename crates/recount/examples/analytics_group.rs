//! The group `analytics`: two consumers share a stream, and count what happens in it.
//!
//! ```text
//! cargo run --example analytics_group              # until Ctrl-C
//! cargo run --example analytics_group -- --drain   # until everything is counted
//! ```
//!
//! `RECOUNT_URL` and `RECOUNT_STREAM` say which stream. On a server, any number of processes may run this at
//! once, and share the group; on disk one process writes, which includes consuming.
//!
//! The counts are this process's, from its start. An event is counted again if the process that counted it
//! died before that was acknowledged; `effectively_once_sqlite.rs` shows how to count exactly.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use recount::config::Sources;
use recount::payload::Payload;
use recount::{
    Event, EventType, GroupStart, Handler, HandlerError, Message, Recount, Timestamp, async_trait,
};

/// How often the counts are printed, in events.
const EVERY: u64 = 100;
/// Of how many of the newest calls and events the times are told.
const NEWEST: usize = 1_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = Sources {
        variable: &|name| std::env::var_os(name), // RECOUNT_URL, RECOUNT_STREAM and the others
        ..Sources::default()
    };
    let config = settings.resolve()?.config;
    let drain = std::env::args().any(|argument| argument == "--drain");
    let recount = Recount::builder().config(config).open().await?;

    let counts = Arc::new(Analytics::default());
    let mut consumers = Vec::new();
    for _ in 0..2 {
        let consumer = recount
            .consumer("analytics")?
            .create_from(GroupStart::Start)
            .drain(drain)
            .start(Arc::clone(&counts))
            .await?;
        consumers.push(consumer);
    }
    for consumer in &consumers {
        // The first Ctrl-C stops all of them: whoever is told to stop twice just waits for the end.
        let report = tokio::select! {
            report = consumer.finished() => report?,
            pressed = tokio::signal::ctrl_c() => {
                pressed?;
                for consumer in &consumers {
                    consumer.stop().await?;
                }
                consumer.stop().await?
            }
        };
        let (name, metrics) = (&report.consumer, &report.metrics);
        eprintln!("{name} handled {} events", metrics.handled);
    }
    counts
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .print();
    recount.close().await?;
    Ok(())
}

#[derive(Default)]
struct Analytics(Mutex<Counts>);

#[async_trait]
impl Handler for Analytics {
    async fn handle(&self, message: &Message) -> Result<(), HandlerError> {
        let recorded_ms = message.position.entry_id.ms as i64;
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(event) = message.event() {
            counts.take(event);
        }
        let delay_ms = Timestamp::now().as_millis() - recorded_ms;
        counts.delays.take(delay_ms.max(0) as f64);
        if counts.events.is_multiple_of(EVERY) {
            counts.print();
        }
        Ok(())
    }
}

#[derive(Default)]
struct Counts {
    events: u64,
    by_type: BTreeMap<String, u64>,
    /// How long tools and searches took.
    calls: Times,
    /// How long after they were recorded events were counted.
    delays: Times,
}

impl Counts {
    fn take(&mut self, event: &Event) {
        self.events += 1;
        let name = event.event_type.as_str().to_owned();
        *self.by_type.entry(name).or_default() += 1;
        let took_ms = match Payload::of(event) {
            Ok(Payload::ToolReturned(tool)) => tool.duration_ms,
            Ok(Payload::SearchPerformed(search)) => search.duration_ms,
            _ => None,
        };
        if let Some(ms) = took_ms {
            self.calls.take(ms);
        }
    }

    fn print(&self) {
        let errors = self.by_type.get(EventType::ErrorOccurred.as_str());
        let errors = errors.copied().unwrap_or(0);
        let rate = 100.0 * errors as f64 / self.events.max(1) as f64;
        println!("{} events, {errors} errors ({rate:.1} %)", self.events);
        for (name, count) in &self.by_type {
            println!("  {name:<20} {count:>8}");
        }
        println!("  tools and searches took {}", self.calls);
        println!("  recorded to counted     {}", self.delays);
    }
}

/// The newest times, in milliseconds.
#[derive(Default)]
struct Times(std::collections::VecDeque<f64>);

impl Times {
    fn take(&mut self, ms: f64) {
        if self.0.len() == NEWEST {
            self.0.pop_front();
        }
        self.0.push_back(ms);
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut sorted: Vec<f64> = self.0.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let Some(last) = sorted.len().checked_sub(1) else {
            return f.write_str("- ms");
        };
        let (p50, p99) = (sorted[last / 2], sorted[last * 99 / 100]);
        write!(f, "{p50:.0} ms (p50), {p99:.0} ms (p99)")
    }
}
