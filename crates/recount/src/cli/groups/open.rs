//! Opening a log for its groups, and why that, or a call on a group, may fail.

use std::sync::Arc;

use recount::{GroupError, GroupStore, Recount};

use crate::cli::error::{Failure, Result};
use crate::cli::interrupt::Interrupt;
use crate::cli::output::quoted;
use crate::cli::settings::Settings;

/// A log, and its groups.
pub(in crate::cli) struct Opened {
    pub(in crate::cli) log: Recount,
    pub(in crate::cli) groups: Arc<dyn GroupStore>,
}

impl Opened {
    /// To look at groups, beside whoever consumes.
    pub(in crate::cli) async fn for_reading(settings: &Settings) -> Result<Self> {
        let log = settings.open_read_only().await?;
        Self::of(log, settings)
    }

    /// To change groups. A stream that is not there is an error: it has none.
    pub(in crate::cli) async fn for_changing(settings: &Settings) -> Result<Self> {
        if !settings.exists().await? {
            // It says what to do.
            settings.open_read_only().await?.close().await?;
        }
        Self::creating(settings).await
    }

    /// To change groups. A stream that is not there is created.
    pub(in crate::cli) async fn creating(settings: &Settings) -> Result<Self> {
        let opened = settings.open_for_groups().await;
        let log = opened.map_err(|failure| {
            failure.hint_if_locked(
                "on disk the groups belong to the process that has the log open for writing: stop it \
                 first, or keep the stream on a server, where every process can consume. groups, pending \
                 and dead list only read, and work meanwhile",
            )
        })?;
        Self::of(log, settings)
    }

    fn of(log: Recount, settings: &Settings) -> Result<Self> {
        let groups = log.groups().map_err(|error| failed(error, settings))?;
        Ok(Self { log, groups })
    }

    /// Finishes what is under way.
    pub(in crate::cli) async fn close(&self) -> Result {
        Ok(self.log.close().await?)
    }

    /// The same, where Ctrl-C does not end the command at once.
    pub(in crate::cli) async fn close_soon(&self, interrupt: &mut Interrupt) -> Result {
        interrupt.close(&self.log).await
    }
}

/// Why a call on a group failed, with what to do.
pub(in crate::cli) fn failed(error: GroupError, settings: &Settings) -> Failure {
    let message = error.to_string();
    match error {
        GroupError::NoGroup { group, stream } => missing(&group, &stream, settings),
        GroupError::Exists { .. } => Failure::new(message).hint(format!(
            "{} moves it",
            settings.command("groups set GROUP --from PLACE")
        )),
        GroupError::StillPending {
            group, consumer, ..
        } => Failure::new(message).hint(format!(
            "--hand-over-to NAME gives them to another one; {} shows them",
            settings.command(format_args!("pending {group} --consumer {consumer}"))
        )),
        other => other.into(),
    }
}

/// There is no such group.
pub(in crate::cli) fn missing(group: &str, stream: &str, settings: &Settings) -> Failure {
    let create = format!("groups create {} --from start", quoted(group));
    Failure::new(format!("there is no group {group} on stream {stream}")).hint(format!(
        "{} creates it, and {} lists those that there are",
        settings.command(create),
        settings.command("groups")
    ))
}
