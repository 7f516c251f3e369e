//! `recount fork`

use recount::{At, ForkError, Query};
use serde_json::json;

use super::error::{Failure, Result};
use super::mirror::prepare;
use super::numbers::id;
use super::output::{Output, one_line, quoted};
use super::settings::{Settings, WriteArgs, warn};

/// Begin a new session with what another one was at a moment
///
/// The new session's first event, session.forked, carries the state; the messages before it are shared
/// with the session that it was forked from, not copied. What either does later does not change the other.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The session to branch off
    #[arg(value_name = "SESSION", value_parser = id)]
    session: String,

    /// The new session
    #[arg(value_name = "NEW", value_parser = id)]
    child: String,

    /// Where: a revision (12), an entry id, or a time at which events were recorded (1h,
    /// 2026-01-02T10:00); without it, where it is now
    #[arg(
        long,
        value_name = "X",
        default_value = "now",
        hide_default_value = true
    )]
    at: At,

    /// Print one JSON document
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(super) write: WriteArgs,
}

const EXAMPLES: &str = "\
Examples:
  recount fork s1 --at 12 s1-again
  recount fork s1 s2 --json";

pub(super) async fn run(args: &Args, settings: &Settings) -> Result {
    if args.session == args.child {
        return Err(Failure::usage(format!(
            "session {:?} cannot be forked into itself: name a new session",
            args.session
        )));
    }
    let log = settings.open().await?;
    prepare(&log, &Query::session(&args.session), settings).await?;
    let forked = log
        .session(&args.session)
        .fork(args.at, &args.child)
        .await
        .map_err(|error| match (&error, args.at) {
            (ForkError::Nothing { .. }, At::Recorded(_)) => Failure::from(error).hint(format!(
                "times are those of recording, not of happening: {} shows revisions",
                settings.command(format_args!("timeline {}", quoted(&args.session)))
            )),
            _ => error.into(),
        })?;
    if !forked.from.complete {
        warn(format_args!(
            "a part of session {:?} is not there any more: the new session knows what is",
            args.session
        ));
    }
    let mut output = Output::new();
    let entry_id = forked.position.entry_id.to_string();
    let parent_entry_id = forked.from.position.map(|at| at.entry_id.to_string());
    if args.json {
        let document = json!({
            "session_id": forked.session_id,
            "entry_id": entry_id,
            "partition": forked.position.partition,
            "forked_from": {
                "session_id": forked.from.session_id,
                "entry_id": parent_entry_id,
                "revision": forked.from.revision,
                "complete": forked.from.complete,
            },
            "outcome": if forked.again { "duplicate" } else { "appended" },
        });
        output.line(format_args!("{document:#}"))?;
    } else {
        let already = if forked.again { ", as before" } else { "" };
        let told = format!(
            "session {} begins at {entry_id} with what {} was at revision {}{already}",
            forked.session_id, forked.from.session_id, forked.from.revision
        );
        output.line(one_line(&told))?;
    }
    output.flush()?;
    settings.note(format_args!(
        "{} shows it",
        settings.command(format_args!("state {}", quoted(&forked.session_id)))
    ));
    log.close().await?;
    Ok(())
}
