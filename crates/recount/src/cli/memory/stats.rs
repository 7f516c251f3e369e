//! `recount memory stats`

use recount::{Query, SessionState, SessionStatus, Timestamp};
use serde_json::json;

use super::SessionArg;
use crate::cli::error::Result;
use crate::cli::mirror::prepare;
use crate::cli::output::{Output, one_line, terminal_width, thousands};
use crate::cli::session::{Seen, unknown, warn_of_missing};
use crate::cli::settings::Settings;
use crate::cli::table::facts;

/// Show what the memory came to: messages, summaries, searches, tokens
///
/// recount state shows all that is known of the session, at any moment of its past.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    session: SessionArg,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  recount memory stats s1
  recount memory stats s1 --json | jq .tokens.total";

pub(super) async fn run(args: &Args, settings: &Settings) -> Result {
    let session = &args.session.session;
    let log = settings.open_read_only().await?;
    prepare(&log, &Query::session(session), settings).await?;
    let page = log.session(session).recent(1).await?;
    let state = log.memory(session).stats().await?;
    warn_of_missing(&page, Seen::of(&state));
    if state.own_events == 0 {
        return Err(unknown(session, page.revision > 0, settings));
    }
    let mut output = Output::new();
    if args.json {
        let complete = state.is_complete() && page.is_complete();
        output.line(format_args!("{:#}", document(&state, complete)))?;
    } else {
        for line in facts(&rows(&state), terminal_width()) {
            output.line(one_line(&line))?;
        }
    }
    output.flush()?;
    log.close().await?;
    Ok(())
}

fn document(state: &SessionState, complete: bool) -> serde_json::Value {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    json!({
        "session_id": state.session_id,
        "user_id": state.user_id,
        "agent_id": state.agent_id,
        "status": status(state),
        "complete": complete,
        "revision": state.revision,
        "message_count": state.message_count,
        "messages_added": state.messages_added,
        "summaries": state.summaries,
        "searches": state.searches,
        "clears": state.clears,
        "errors": state.errors,
        "tokens": {
            "in": state.tokens.input,
            "out": state.tokens.output,
            "total": state.tokens.total,
        },
        "cost": state.cost,
        "first_happened": time(state.first_happened),
        "last_happened": time(state.last_happened),
    })
}

fn rows(state: &SessionState) -> Vec<(String, String)> {
    let added = match state.messages_added {
        added if added == state.message_count => String::new(),
        added => format!(", {} added in all", thousands(added)),
    };
    let tokens = &state.tokens;
    let tokens = match tokens.total {
        0 => String::new(),
        total => format!(
            "{} (in {}, out {})",
            thousands(total),
            thousands(tokens.input),
            thousands(tokens.output)
        ),
    };
    let time = |at: Option<Timestamp>| at.map_or(String::new(), |at| at.to_string());
    let number = |number: u64| match number {
        0 => String::new(),
        number => thousands(number),
    };
    let rows = [
        ("session", state.session_id.clone()),
        ("user", state.user_id.clone().unwrap_or_default()),
        ("agent", state.agent_id.clone().unwrap_or_default()),
        ("status", status(state).to_owned()),
        ("revision", thousands(state.revision)),
        (
            "messages",
            format!("{}{added}", thousands(state.message_count)),
        ),
        ("summaries", number(state.summaries)),
        ("searches", number(state.searches)),
        ("cleared", number(state.clears)),
        ("errors", number(state.errors)),
        ("tokens", tokens),
        ("first happened", time(state.first_happened)),
        ("last happened", time(state.last_happened)),
    ];
    let told = rows.into_iter().filter(|(_, fact)| !fact.is_empty());
    told.map(|(name, fact)| (name.to_owned(), fact)).collect()
}

fn status(state: &SessionState) -> &'static str {
    match state.status {
        SessionStatus::Unknown => "unknown",
        SessionStatus::Active => "active",
        SessionStatus::Ended { .. } => "ended",
    }
}
