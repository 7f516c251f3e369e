//! Filling a stream that is to be read.

use recount_core::{Batch, Event, EventLog};
use recount_redis::{RedisLog, RedisOptions};

use super::servers::url;
use crate::generator::Generator;
use crate::ours::STREAM;
use crate::{Failure, fill};

const BATCH_EVENTS: usize = 1_000;

/// Publishes `events` events to the server at `port`.
pub async fn stream(
    port: u16,
    options: RedisOptions,
    mut generator: Generator,
    events: u64,
) -> Result<(), Failure> {
    let log = RedisLog::open(&url(port)?, STREAM, options).await?;
    for batches in fill::chunks(&mut generator, events, BATCH_EVENTS) {
        for batch in batches {
            append(&log, batch).await?;
        }
    }
    log.close().await?;
    Ok(())
}

/// Publishes a batch, all of which has to be new.
pub async fn append(log: &RedisLog, batch: Vec<Event>) -> Result<(), Failure> {
    let events = batch.len();
    let appended = log.append(Batch::new(batch)).await?.appended();
    if appended == events {
        return Ok(());
    }
    Err(format!("of {events} events {appended} were appended").into())
}
