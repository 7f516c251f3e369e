//! What is told of each published event, and of all together.

use recount::{Outcome, Receipt};
use serde_json::json;

use crate::cli::error::{Failure, Result};
use crate::cli::output::{Output, count};

/// One line for each event, in the order in which they were given.
pub(super) struct Answers {
    output: Output,
    json: bool,
}

impl Answers {
    pub(super) fn new(json: bool) -> Self {
        Self {
            output: Output::new(),
            json,
        }
    }

    pub(super) fn line(&mut self, id: &str, outcome: &Outcome) -> Result {
        let position = outcome.position();
        let word = match outcome {
            Outcome::Appended { .. } => "appended",
            Outcome::Duplicate { .. } => "duplicate",
            Outcome::Conflict { .. } => "conflict",
        };
        if !self.json {
            return self.output.line(format_args!("{word} {position} {id}"));
        }
        let (entry_id, partition) = (position.entry_id, position.partition);
        let id = json!(id);
        let more = match outcome {
            Outcome::Appended { revision, .. } => format!(",\"revision\":{revision}"),
            Outcome::Duplicate { .. } => String::new(),
            Outcome::Conflict { first_trimmed, .. } => {
                format!(",\"first_trimmed\":{first_trimmed}")
            }
        };
        self.output.line(format_args!(
            r#"{{"outcome":"{word}","entry_id":"{entry_id}","partition":{partition},"id":{id}{more}}}"#
        ))
    }

    /// Hands over what was answered.
    pub(super) fn flush(&mut self) -> Result {
        self.output.flush()
    }
}

/// How often each outcome was met.
#[derive(Default)]
pub(super) struct Tally {
    appended: u64,
    duplicates: u64,
    conflicts: u64,
    /// Events that are there, but not as safe as was asked for.
    pub(super) unconfirmed: u64,
    /// Lines of the input that hold no event.
    pub(super) skipped: u64,
}

impl Tally {
    pub(super) fn add(&mut self, receipt: &Receipt) {
        self.appended += receipt.appended() as u64;
        self.duplicates += receipt.duplicates() as u64;
        self.conflicts += receipt.conflicts() as u64;
    }

    pub(super) fn sentence(&self) -> String {
        let mut parts = Vec::new();
        if self.appended > 0 || self.unconfirmed == 0 {
            parts.push(format!("{} appended", count(self.appended, "event")));
        }
        if self.unconfirmed > 0 {
            let events = count(self.unconfirmed, "event");
            parts.push(format!("{events} appended or there before, not confirmed"));
        }
        for (number, noun) in [(self.duplicates, "duplicate"), (self.conflicts, "conflict")] {
            if number > 0 {
                parts.push(count(number, noun));
            }
        }
        if self.skipped > 0 {
            parts.push(format!("{} skipped", count(self.skipped, "invalid line")));
        }
        parts.join(", ")
    }

    /// An event that was not recorded is a failure, even if all others were.
    pub(super) fn verdict(&self) -> Result {
        if self.conflicts == 0 {
            return Ok(());
        }
        Err(Failure::new(format!(
            "{} not recorded: the id of each belongs to another event, at the entry named",
            count(self.conflicts, "event")
        ))
        .hint("give different events different ids"))
    }
}
