//! Writing a log to be read, and the same into Redis.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use recount_core::Event;
use recount_disk::DiskLog;

use crate::generator::Generator;
use crate::redis::Connection;
use crate::timing::Timing;
use crate::{Failure, ours};

const BATCH_EVENTS: usize = 1_024;
const IN_FLIGHT: usize = 4;
/// How many events are made at a time, while the clock stands still.
const CHUNK_EVENTS: u64 = 32 << 10;
const TELL_EVERY: u64 = 1_000_000;

/// Publishes `events` events in large batches to a log in `dir`, which stays open. Also how long that
/// took, without making the events.
pub async fn log(
    dir: &Path,
    sync: bool,
    mut generator: Generator,
    events: u64,
) -> Result<(DiskLog, Duration), Failure> {
    let log = ours::open(dir, sync).await?;
    let mut spent = Duration::ZERO;
    for batches in chunks(&mut generator, events, BATCH_EVENTS) {
        let start = Instant::now();
        ours::append_all(&log, batches, IN_FLIGHT, &mut Timing::new()).await?;
        spent += start.elapsed();
    }
    Ok((log, spent))
}

/// The same into Redis, one batch at a time.
pub async fn redis(
    connection: &mut Connection,
    mut generator: Generator,
    events: u64,
) -> io::Result<Duration> {
    let mut spent = Duration::ZERO;
    for batches in chunks(&mut generator, events, BATCH_EVENTS) {
        let start = Instant::now();
        for batch in batches {
            connection.append(&batch).await?;
        }
        spent += start.elapsed();
    }
    Ok(spent)
}

/// So many events in batches of `batch_events`, some at a time. Tells how far it is.
pub fn chunks(
    generator: &mut Generator,
    events: u64,
    batch_events: usize,
) -> impl Iterator<Item = Vec<Vec<Event>>> {
    // Whole batches, so that none is smaller but the last.
    let chunk_events = CHUNK_EVENTS - CHUNK_EVENTS % batch_events as u64;
    let mut made = 0;
    std::iter::from_fn(move || {
        if made > 0 && made / TELL_EVERY > made.saturating_sub(chunk_events) / TELL_EVERY {
            eprintln!(
                "  {:.0}M of {:.1}M events",
                made as f64 / 1e6,
                events as f64 / 1e6
            );
        }
        let chunk = chunk_events.min(events - made);
        made += chunk;
        let batches: Vec<_> = (0..chunk)
            .step_by(batch_events)
            .map(|at| generator.take(batch_events.min((chunk - at) as usize)))
            .collect();
        (!batches.is_empty()).then_some(batches)
    })
}
