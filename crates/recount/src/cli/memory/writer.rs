//! What the commands share that record something.

use recount::memory::{MemoryError, Written};
use recount::{AppendError, Memory, Outcome, Query, Recount};
use serde_json::{Value, json};

use crate::cli::error::{Failure, Result};
use crate::cli::mirror::prepare;
use crate::cli::numbers::{from_0, id};
use crate::cli::output::{Output, quoted};
use crate::cli::session::unknown;
use crate::cli::settings::{Settings, WriteArgs};

/// Whose memory it is, and what must hold for anything to be recorded.
#[derive(clap::Args)]
pub(super) struct Writer {
    /// The session
    #[arg(value_name = "SESSION", value_parser = id)]
    pub(super) session: String,

    /// The user it is recorded for
    #[arg(long, value_name = "ID", value_parser = id)]
    pub(super) user: Option<String>,

    /// The agent that does it
    #[arg(long, value_name = "ID", value_parser = id)]
    pub(super) agent: Option<String>,

    /// Record it only if the session has N events so far
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = from_0::<u64>)]
    pub(super) expect_revision: Option<u64>,

    /// Print one JSON document
    #[arg(long)]
    pub(super) json: bool,

    #[command(flatten)]
    pub(super) write: WriteArgs,
}

impl Writer {
    /// The log, open for writing, and the memory.
    pub(super) async fn open(&self, settings: &Settings) -> Result<(Recount, Memory)> {
        let log = settings.open().await?;
        let memory = self.memory(&log);
        Ok((log, memory))
    }

    /// As [`Writer::open`], for those who read the session first.
    pub(super) async fn open_to_read(&self, settings: &Settings) -> Result<(Recount, Memory)> {
        let (log, memory) = self.open(settings).await?;
        prepare(&log, &Query::session(&self.session), settings).await?;
        Ok((log, memory))
    }

    /// As [`Writer::open_to_read`], of a session that is there: what goes on with one does not begin it,
    /// so that a mistyped name is no new session.
    pub(super) async fn open_begun(&self, settings: &Settings) -> Result<(Recount, Memory)> {
        let (log, memory) = self.open_to_read(settings).await?;
        if log.session(&self.session).recent(0).await?.revision == 0 {
            return Err(unknown(&self.session, false, settings));
        }
        Ok((log, memory))
    }

    pub(super) fn memory(&self, log: &Recount) -> Memory {
        let mut memory = log.memory(&self.session);
        if let Some(user) = &self.user {
            memory = memory.user(user);
        }
        if let Some(agent) = &self.agent {
            memory = memory.agent(agent);
        }
        match self.expect_revision {
            Some(revision) => memory.expecting(revision),
            None => memory,
        }
    }

    /// Why nothing was recorded, and what to do.
    pub(super) fn failed(&self, error: MemoryError, settings: &Settings) -> Failure {
        let recent = format!("memory recent {}", quoted(&self.session));
        match &error {
            MemoryError::Append(AppendError::RevisionMismatch { .. }) => Failure::from(error)
                .hint(format!("{} shows what is there", settings.command(recent))),
            _ => error.into(),
        }
    }

    /// Tells what was recorded.
    pub(super) fn tell(&self, written: &Written, settings: &Settings) -> Result {
        let mut output = Output::new();
        if self.json {
            output.line(format_args!("{:#}", document(written)))?;
        } else {
            output.line(sentence(written))?;
        }
        output.flush()?;
        if written.began {
            self.tell_of_beginning(settings);
        }
        Ok(())
    }

    pub(super) fn tell_of_beginning(&self, settings: &Settings) {
        settings.note(format_args!(
            "session {} begins with it",
            quoted(&self.session)
        ));
    }
}

/// `appended 1526919030474-0 e1, revision 2`
pub(super) fn sentence(written: &Written) -> String {
    let (position, id) = (written.position(), &written.id);
    match written.revision() {
        Some(revision) => format!("appended {position} {id}, revision {revision}"),
        None => format!("{} {position} {id}", word(&written.outcome)),
    }
}

pub(super) fn document(written: &Written) -> Value {
    let position = written.position();
    let mut document = json!({
        "outcome": word(&written.outcome),
        "entry_id": position.entry_id.to_string(),
        "partition": position.partition,
        "id": written.id.as_str(),
        "began": written.began,
    });
    if let Some(revision) = written.revision() {
        document["revision"] = json!(revision);
    }
    document
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Appended { .. } => "appended",
        Outcome::Duplicate { .. } => "duplicate",
        Outcome::Conflict { .. } => "conflict",
    }
}
