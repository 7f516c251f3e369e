//! A replay whose events go into another stream.

use std::time::Instant;

use recount::{Batch, Body, EntryId, Event, LogInfo, Outcome, Position, Recorded, Recount};
use serde_json::json;

use super::STOPPED;
use super::source::Source;
use crate::cli::error::{Failure, Result};
use crate::cli::interrupt::Interrupt;
use crate::cli::output::{Output, count, thousands};
use crate::cli::settings::{Settings, warn};

/// Events in conflict that are named to people, and to programs.
const NAMED_MAX: usize = 10;
const LISTED_MAX: usize = 100;

/// The stream that takes the events in, and what became of them.
pub(super) struct Into {
    target: Recount,
    stream: String,
    batch_events: usize,
    json: bool,
    began: Instant,
    appended: u64,
    duplicates: u64,
    /// Of these, the ones whose first event was trimmed before this replay.
    trimmed: u64,
    conflicts: u64,
    /// Of these, the first: their ids, and where the other event with it is.
    conflicting: Vec<(String, Position)>,
    undecodable: u64,
    /// The target as it was at the beginning.
    before: LogInfo,
}

impl Into {
    pub(super) async fn open(settings: &Settings, batch_events: usize, json: bool) -> Result<Self> {
        let target = settings.open().await?;
        Ok(Self {
            before: target.info().await?,
            target,
            stream: settings.stream().to_owned(),
            batch_events,
            json,
            began: Instant::now(),
            appended: 0,
            duplicates: 0,
            trimmed: 0,
            conflicts: 0,
            conflicting: Vec::new(),
            undecodable: 0,
        })
    }

    /// Takes in everything, or what comes until Ctrl-C.
    pub(super) async fn take(&mut self, source: &mut Source, interrupt: &mut Interrupt) -> Result {
        loop {
            let batch = interrupt.unless(source.next(self.batch_events)).await?;
            if batch.is_empty() {
                return Ok(());
            }
            let events = batch.len();
            interrupt.or_soon(self.append(batch)).await?;
            source.delivered(events, 0)?;
        }
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
            let ids: Vec<_> = events.iter().map(|event| event.id.clone()).collect();
            let receipt = self.target.append(Batch::new(events)).await?;
            for (outcome, id) in receipt.outcomes.iter().zip(ids) {
                match *outcome {
                    Outcome::Appended { .. } => self.appended += 1,
                    Outcome::Duplicate { position } => {
                        self.duplicates += 1;
                        self.trimmed += u64::from(was_trimmed(&self.before, position));
                    }
                    Outcome::Conflict { position, .. } => {
                        self.conflicts += 1;
                        if self.conflicting.len() < LISTED_MAX {
                            self.conflicting.push((id.to_string(), position));
                        }
                    }
                }
            }
            events = rest;
        }
        Ok(())
    }

    /// Closes the stream and tells what became of the events, also where the replay `ended` early.
    pub(super) async fn finish(
        self,
        ended: Result,
        source: &Source,
        interrupt: &mut Interrupt,
    ) -> Result {
        let closed = interrupt.close(&self.target).await;
        self.tell(&ended, source)?;
        ended?;
        closed?;
        if self.conflicts > 0 {
            let have = match self.conflicts {
                1 => "has an id that another event has",
                _ => "have ids that other events have",
            };
            return Err(Failure::new(format!(
                "{} {have} in {}: nothing there was changed",
                count(self.conflicts, "event"),
                self.stream
            )));
        }
        Ok(())
    }

    fn tell(&self, ended: &Result, source: &Source) -> Result {
        let interrupted = matches!(ended, Err(Failure::Interrupted));
        let seconds = self.began.elapsed().as_secs_f64();
        let mut output = Output::new();
        if self.json {
            let conflicting = self.conflicting.iter();
            let mut object = json!({
                "stream": self.stream,
                "whole": ended.is_ok(),
                "appended": self.appended,
                "duplicates": self.duplicates,
                "duplicates_trimmed": self.trimmed,
                "conflicts": self.conflicts,
                "conflicting": conflicting
                    .map(|(id, at)| json!({"id": id, "entry_id": at.to_string()}))
                    .collect::<Vec<_>>(),
                "undecodable": self.undecodable,
                "seconds": seconds,
            });
            if interrupted {
                object["stopped_at"] = "Ctrl-C".into();
            }
            source.tell(&mut object);
            output.line(object)?;
        } else {
            let all = self.appended + self.duplicates + self.conflicts;
            let (stopped, on) = if interrupted {
                let again = "; replaying again goes on where nothing is there yet";
                (
                    STOPPED,
                    source.goes_on().unwrap_or_else(|| again.to_owned()),
                )
            } else {
                ("", String::new())
            };
            let trimmed = match self.trimmed {
                0 => String::new(),
                trimmed => format!(" (of these {} were trimmed since)", thousands(trimmed)),
            };
            output.line(format_args!(
                "{stopped}{} replayed into {} in {seconds:.1} s: {} appended, {} already recorded{trimmed}, {} in conflict{on}",
                count(all, "event"),
                self.stream,
                thousands(self.appended),
                thousands(self.duplicates),
                thousands(self.conflicts),
            ))?;
        }
        self.name_conflicts();
        if self.undecodable > 0 {
            warn(format_args!(
                "{} left out: no events; recount export and import carry them",
                count(self.undecodable, "entry")
            ));
        }
        output.flush()
    }

    /// Warns of the first conflicts by name, unless JSON lists them.
    fn name_conflicts(&self) {
        if self.json {
            return;
        }
        for (id, position) in self.conflicting.iter().take(NAMED_MAX) {
            warn(format_args!(
                "conflict: {id:?} is the id of another event there, entry {position}"
            ));
        }
        match self.conflicts.saturating_sub(NAMED_MAX as u64) {
            0 => {}
            more => warn(format_args!("and {} more in conflict", thousands(more))),
        }
    }
}

/// Whether the entry at `position` was there once and is not retained in what `info` tells of.
fn was_trimmed(info: &LogInfo, position: Position) -> bool {
    let mut partitions = info.partitions.iter();
    let partition = partitions.find(|partition| partition.partition == position.partition);
    partition.is_some_and(|partition| match partition.first {
        Some(first) => position.entry_id < first,
        None => partition.last != EntryId::MIN && position.entry_id <= partition.last,
    })
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
