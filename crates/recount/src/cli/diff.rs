//! `recount diff`

use owo_colors::Style;
use recount::{At, Change, SessionAt, Timestamp, diff};
use serde_json::json;

use super::error::{Failure, Result};
use super::numbers::id;
use super::output::{Output, fit, one_line, terminal_width};
use super::session::look;
use super::settings::Settings;
use super::state::MESSAGES_TOLD;

/// Compare a session at two moments, or with another one
///
/// Tells what is different: messages added and gone, tools called, finished and failed, a cleared
/// memory, status, errors, tokens. Messages are matched by who said what, so that two runs of one task
/// can be compared. With --json the difference is told as a JSON Patch (RFC 6902) as well, which
/// makes the second state, as recount state --json prints it, of the first.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The session
    #[arg(value_name = "SESSION", value_parser = id)]
    session: String,

    /// What it was then: a revision (12), an entry id, or a time at which events were recorded (1h,
    /// 2026-01-02T10:00)
    #[arg(long, value_name = "X", required_unless_present = "with")]
    from: Option<At>,

    /// What it was then, or what the other session was: as --from; without it, what it is now
    #[arg(
        long,
        value_name = "Y",
        default_value = "now",
        hide_default_value = true
    )]
    to: At,

    /// Compare with this session
    #[arg(long, value_name = "SESSION", value_parser = id)]
    with: Option<String>,

    /// Compare all messages in the memory; without it the newest 1,000
    #[arg(long)]
    full: bool,

    /// Print one JSON document, with the patch
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  recount diff s1 --from 11 --to 12
  recount diff s1 --from 1h
  recount diff run-1 --with run-2
  recount diff s1 --from 11 --to 12 --json | jq .patch";

pub(super) async fn run(args: &Args, settings: &Settings) -> Result {
    let log = settings.open_read_only().await?;
    let messages = if args.full { usize::MAX } else { MESSAGES_TOLD };
    let other = args.with.as_ref().unwrap_or(&args.session);
    let from = args.from.unwrap_or(At::Now);
    if *other == args.session && from == args.to {
        return Err(Failure::usage(format!(
            "session {:?} is to be compared with itself at one moment",
            args.session
        ))
        .hint("--from and --to name two moments, --with another session"));
    }
    let a = look(&log, &args.session, from, messages, settings).await?;
    let b = look(&log, other, args.to, messages, settings).await?;
    let now = Timestamp::now();
    let mut diff = diff(&a.document(now), &b.document(now));
    if *other == args.session {
        let calls = log.session(other).calls_between(&a.state, &b.state).await?;
        let in_memory = |change: &Change| {
            matches!(
                change,
                Change::MessageAdded { .. }
                    | Change::MessageRemoved { .. }
                    | Change::MemoryCleared { .. }
            )
        };
        let at = diff.changes.iter().position(|change| !in_memory(change));
        let at = at.unwrap_or(diff.changes.len());
        diff.changes.splice(at..at, calls);
    }
    let mut output = Output::new();
    if args.json {
        let document = json!({
            "from": side(&a),
            "to": side(&b),
            "changes": diff.changes,
            "patch": diff.patch,
        });
        output.line(format_args!("{document:#}"))?;
    } else {
        let heading = format!("{} compared with {}", named(&a), named(&b));
        output.line(one_line(&heading))?;
        if diff.changes.is_empty() {
            output.line("nothing differs")?;
        }
        let width = terminal_width().unwrap_or(usize::MAX);
        for change in &diff.changes {
            let line = change.to_string();
            let line = one_line(&line);
            let line = fit(&line, width);
            if settings.color() {
                output.line(style(change).style(line))?;
            } else {
                output.line(line)?;
            }
        }
    }
    output.flush()?;
    log.close().await?;
    Ok(())
}

fn side(looked: &SessionAt) -> serde_json::Value {
    let state = &looked.state;
    json!({
        "session_id": state.session_id,
        "revision": state.revision,
        "complete": looked.is_complete(),
        "messages_complete": looked.messages.complete,
    })
}

/// `s1 at revision 12`
fn named(looked: &SessionAt) -> String {
    let state = &looked.state;
    format!("{} at revision {}", state.session_id, state.revision)
}

fn style(change: &Change) -> Style {
    match change {
        Change::MessageAdded { .. } => Style::new().green(),
        Change::MessageRemoved { .. } | Change::ToolFailed { .. } => Style::new().red(),
        Change::MemoryCleared { .. } => Style::new().magenta(),
        Change::ToolCalled { .. } | Change::ToolFinished { .. } | Change::ToolAnswered { .. } => {
            Style::new().yellow()
        }
        _ => Style::new(),
    }
}
