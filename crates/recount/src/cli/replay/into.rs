//! A replay whose events go into another stream.

use std::time::Instant;

use recount::{Batch, Body, Event, Outcome, Recorded, Recount, Replay};
use serde_json::json;

use super::progress::Progress;
use crate::cli::error::{Failure, Result};
use crate::cli::interrupt::Interrupt;
use crate::cli::output::{Output, count, thousands};
use crate::cli::settings::{Settings, warn};

/// The stream that takes the events in, and what became of them.
pub(super) struct Into {
    target: Recount,
    stream: String,
    batch_events: usize,
    json: bool,
    began: Instant,
    appended: u64,
    duplicates: u64,
    conflicts: u64,
    undecodable: u64,
}

impl Into {
    pub(super) async fn open(settings: &Settings, batch_events: usize, json: bool) -> Result<Self> {
        Ok(Self {
            target: settings.open().await?,
            stream: settings.stream().to_owned(),
            batch_events,
            json,
            began: Instant::now(),
            appended: 0,
            duplicates: 0,
            conflicts: 0,
            undecodable: 0,
        })
    }

    /// Takes in everything, `limit` entries at most, or what comes until Ctrl-C.
    pub(super) async fn take(
        &mut self,
        replay: &mut Replay,
        limit: u64,
        progress: &mut Progress,
        interrupt: &mut Interrupt,
    ) -> Result {
        let mut taken = 0;
        while taken < limit {
            // Gives Ctrl-C its turn where nothing has to be waited for.
            tokio::task::yield_now().await;
            let left = usize::try_from(limit - taken).unwrap_or(usize::MAX);
            let next = async { Ok(replay.next_batch(self.batch_events.min(left)).await?) };
            let batch = interrupt.unless(next).await?;
            let Some(last) = batch.last() else {
                return Ok(());
            };
            taken += batch.len() as u64;
            progress.reached(last, batch.len());
            self.append(batch).await?;
        }
        Ok(())
    }

    /// Not to be dropped half-way: what was appended is to be counted.
    async fn append(&mut self, entries: Vec<Recorded>) -> Result {
        let mut events = Vec::with_capacity(entries.len());
        for recorded in entries {
            match recorded.body {
                Body::Event(event) => events.push(event),
                Body::Undecodable(_) => self.undecodable += 1,
            }
        }
        // Bounded by their number and by what a log takes at once: pages are smaller than that.
        while !events.is_empty() {
            let rest = events.split_off(fitting(&events));
            let receipt = self.target.append(Batch::new(events)).await?;
            for outcome in &receipt.outcomes {
                match outcome {
                    Outcome::Appended { .. } => self.appended += 1,
                    Outcome::Duplicate { .. } => self.duplicates += 1,
                    Outcome::Conflict { .. } => self.conflicts += 1,
                }
            }
            events = rest;
        }
        Ok(())
    }

    /// Closes the stream and tells what became of the events, also where the replay `ended` early.
    pub(super) async fn finish(self, ended: Result) -> Result {
        let closed = self.target.close().await;
        self.tell(ended.is_ok())?;
        ended?;
        closed?;
        if self.conflicts > 0 {
            return Err(Failure::new(format!(
                "{} of {} have ids that other events have there: these stay as they were",
                thousands(self.conflicts),
                self.stream
            )));
        }
        Ok(())
    }

    fn tell(&self, whole: bool) -> Result {
        let seconds = self.began.elapsed().as_secs_f64();
        let mut output = Output::new();
        if self.json {
            output.line(json!({
                "stream": self.stream,
                "whole": whole,
                "appended": self.appended,
                "duplicates": self.duplicates,
                "conflicts": self.conflicts,
                "undecodable": self.undecodable,
                "seconds": seconds,
            }))?;
        } else {
            let all = self.appended + self.duplicates + self.conflicts;
            output.line(format_args!(
                "{} replayed into {} in {seconds:.1} s: {} appended, {} already there, {} in conflict",
                count(all, "event"),
                self.stream,
                thousands(self.appended),
                thousands(self.duplicates),
                thousands(self.conflicts),
            ))?;
        }
        if self.undecodable > 0 {
            warn(format_args!(
                "{} left out: no events; recount export and import carry them",
                count(self.undecodable, "entry").replace("entrys", "entries")
            ));
        }
        output.flush()
    }
}

/// How many of `events`, from the first on, go into one append.
fn fitting(events: &[Event]) -> usize {
    const BYTES_MAX: usize = 8 << 20;
    let mut bytes = 0;
    let fits = |event: &&Event| {
        bytes += event.wire_bytes();
        bytes <= BYTES_MAX
    };
    events.iter().take_while(fits).count().max(1)
}
