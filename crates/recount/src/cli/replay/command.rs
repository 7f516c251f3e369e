//! A replay whose events go to a command, one run each.

use std::time::{Duration, Instant};

use recount::{Position, Recorded};
use serde_json::{Value, json};
use tokio::pin;

use super::STOPPED;
use super::source::Source;
use crate::cli::consume::{Failed, Program, Stop, once, told_of};
use crate::cli::error::{Failure, Result};
use crate::cli::output::{Output, count};
use crate::cli::settings::{Settings, warn};

/// How long the command at work may take to finish after Ctrl-C.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// The command, and what became of the events.
pub(super) struct Commands {
    program: Program,
    keep_going: bool,
    began: Instant,
    handled: u64,
    /// Where it failed: how often, and where first.
    failed: u64,
    first: Option<(Position, Option<String>, String)>,
}

impl Commands {
    pub(super) fn new(program: Program, keep_going: bool) -> Self {
        Self {
            program,
            keep_going,
            began: Instant::now(),
            handled: 0,
            failed: 0,
            first: None,
        }
    }

    /// Hands over everything, or what comes until the process is asked to end.
    pub(super) async fn take(&mut self, source: &mut Source, stop: &mut Stop) -> Result {
        loop {
            let batch = stop.unless(source.next(1)).await?;
            let Some(recorded) = batch.first() else {
                return Ok(());
            };
            let mut asked = false;
            let ran = {
                let run = once(
                    &self.program,
                    recorded,
                    told_of(recorded.position, recorded),
                );
                pin!(run);
                tokio::select! {
                    biased;
                    ran = &mut run => ran,
                    () = stop.asked() => {
                        asked = true;
                        let ran = tokio::time::timeout(STOP_WITHIN, run).await;
                        ran.map_err(|_| Failure::Interrupted)?
                    }
                }
            };
            match ran {
                Ok(()) => {
                    self.handled += 1;
                    source.delivered(1, 0)?;
                }
                Err(Failed::NotStarted(words)) => return Err(Failure::new(words)),
                Err(Failed::Ended(words)) => {
                    let told = self.failed_at(recorded, words);
                    if !self.keep_going {
                        return Err(Failure::new(told).hint(
                            "with --keep-going a replay goes on behind what fails; with --resume NAME it can go on later",
                        ));
                    }
                    warn(told);
                    source.delivered(1, 1)?;
                }
            }
            if asked {
                return Err(Failure::Interrupted);
            }
        }
    }

    /// Takes note of a failure; in words.
    fn failed_at(&mut self, recorded: &Recorded, words: String) -> String {
        let id = recorded.event().map(|event| event.id.to_string());
        let position = recorded.position;
        let event = id.as_ref().map(|id| format!(", event {id:?}"));
        let event = event.unwrap_or_default();
        let told = format!("the command failed at entry {position}{event}: {words}");
        self.failed += 1;
        self.first.get_or_insert((position, id, words));
        told
    }

    /// Tells what became of the events, also where the replay `ended` early.
    pub(super) fn finish(
        self,
        ended: Result,
        source: &Source,
        json: bool,
        settings: &Settings,
    ) -> Result {
        let seconds = self.began.elapsed().as_secs_f64();
        let stopped = match ended {
            Err(Failure::Interrupted) => STOPPED,
            _ => "",
        };
        if json {
            let mut document = self.document(ended.is_ok(), seconds);
            if !stopped.is_empty() {
                document["stopped_at"] = "Ctrl-C".into();
            }
            source.tell(&mut document);
            let mut output = Output::new();
            output.line(document)?;
            output.flush()?;
        }
        settings.note(format_args!(
            "{stopped}{} replayed in {seconds:.1} s{}",
            count(self.handled, "event"),
            source.goes_on().unwrap_or_default(),
        ));
        ended?;
        if self.failed > 0 {
            return Err(Failure::new(format!(
                "the command failed at {}",
                count(self.failed, "event")
            )));
        }
        Ok(())
    }

    fn document(&self, whole: bool, seconds: f64) -> Value {
        let first = self.first.as_ref().map(|(position, id, error)| {
            json!({
                "entry_id": position.entry_id.to_string(),
                "partition": position.partition,
                "id": id,
                "error": error,
            })
        });
        json!({
            "whole": whole,
            "handled": self.handled,
            "failed": self.failed,
            "first_failure": first,
            "seconds": seconds,
        })
    }
}
