//! `recount memory recent`

use recount::memory::Recent;
use recount::{Query, StateMessage};
use serde_json::json;

use super::SessionArg;
use super::shown::{document, said};
use crate::cli::error::Result;
use crate::cli::mirror::prepare;
use crate::cli::numbers::from_1;
use crate::cli::output::{Output, count, fit, one_line, terminal_width};
use crate::cli::settings::{Settings, warn};

/// Show the newest messages of the memory, and the newest summary: what the next prompt is made of
///
/// Oldest first, one a line. Of a fork, the messages that it shares with its parent are among them. Where a part of
/// the memory is no longer in the log, that is said.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    session: SessionArg,

    /// At most so many, the newest
    #[arg(
        long,
        short = 'n',
        value_name = "N",
        default_value = "20",
        allow_negative_numbers = true,
        value_parser = from_1::<usize>
    )]
    limit: usize,

    /// Print one JSON document, with the revision that --expect-revision takes
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  recount memory recent s1
  recount memory recent s1 --limit 100 --json | jq .messages";

pub(super) async fn run(args: &Args, settings: &Settings) -> Result {
    let session = &args.session.session;
    let log = settings.open_read_only().await?;
    prepare(&log, &Query::session(session), settings).await?;
    let recent = log.memory(session).recent(args.limit).await?;
    if !recent.complete {
        warn(partial(&recent));
    }
    let mut output = Output::new();
    if args.json {
        let told = json!({
            "session_id": session,
            "revision": recent.revision,
            "message_count": recent.message_count,
            "complete": recent.complete,
            "missing": recent.missing,
            "retained_from": recent.retained_from,
            "summary": recent.summary,
            "messages": recent.messages.iter().map(document).collect::<Vec<_>>(),
        });
        output.line(format_args!("{told:#}"))?;
    } else {
        let width = terminal_width().unwrap_or(usize::MAX);
        if let Some(summary) = &recent.summary {
            let summary = format!("summary: {summary}");
            output.line(fit(&one_line(&summary), width))?;
        }
        for message in &recent.messages {
            output.line(fit(&line(message), width))?;
        }
    }
    output.flush()?;
    if recent.messages.is_empty() {
        settings.note(format_args!(
            "no message is in the memory of session {session:?}"
        ));
    }
    log.close().await?;
    Ok(())
}

fn line(message: &StateMessage) -> String {
    format!("{} {}", message.happened, said(message))
}

fn partial(recent: &Recent) -> String {
    match recent.missing {
        0 => "this is a part of the memory: the log may have held more of it".to_owned(),
        missing => format!(
            "this is a part of the memory: {} of it no longer in the log",
            match missing {
                1 => "1 message is".to_owned(),
                more => format!("{} are", count(more, "message")),
            }
        ),
    }
}
