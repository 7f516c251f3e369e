//! `recount state`

use recount::{Query, SessionState, SessionStatus, StateMessage};
use serde_json::{Value, json};

use super::error::{Failure, Result};
use super::mirror::prepare;
use super::numbers::id;
use super::output::{Output, count, fit, one_line, terminal_width, thousands};
use super::session::{Seen, warn_of_missing};
use super::settings::{Settings, warn};

/// Show what a session came to, reconstructed from its events
///
/// The state is the fold of the session's events, read from the log and from nothing else: status,
/// times, counts, the messages in its memory, tool calls without an answer. Where the session's first
/// events were trimmed, or where events are of a version newer than this one knows, that is said.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The session
    #[arg(value_name = "SESSION", value_parser = id)]
    session: String,

    /// Print one JSON document, with up to 1,000 messages, the newest
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  recount state s1
  recount state s1 --json | jq .messages";

/// Messages that are shown to people, the newest.
const MESSAGES_SHOWN: usize = 10;

pub(super) async fn run(args: &Args, settings: &Settings) -> Result {
    let log = settings.open_read_only().await?;
    prepare(&log, &Query::session(&args.session), settings).await?;
    let session = log.session(&args.session);
    let page = session.recent(1).await?;
    let state = session.state().await?;
    warn_of_missing(&page, Seen::of(&state));
    if state.events == 0 {
        let any_more = if page.revision > 0 { " any more" } else { "" };
        return Err(Failure::new(format!(
            "nothing is recorded of session {:?} in stream {}{any_more}",
            args.session,
            settings.stream()
        ))
        .hint(format!(
            "{} lists what is recorded, with the sessions",
            settings.command("events --limit 20")
        )));
    }
    let complete = state.is_complete() && page.is_complete();
    if state.future > 0 {
        warn(format_args!(
            "{} not understood: what their data changes is missing here",
            of_newer_versions(state.future)
        ));
    }
    let mut output = Output::new();
    if args.json {
        output.line(format_args!("{:#}", document(&state, complete)))?;
    } else {
        print(&mut output, &state)?;
    }
    output.flush()?;
    log.close().await?;
    Ok(())
}

fn print(output: &mut Output, state: &SessionState) -> Result {
    let time = |at: Option<recount::Timestamp>| at.map_or(String::new(), |at| at.to_string());
    let not_understood = match state.future {
        0 => String::new(),
        future => of_newer_versions(future),
    };
    let mut rows = vec![
        ("session", state.session_id.clone()),
        ("user", state.user_id.clone().unwrap_or_default()),
        ("agent", state.agent_id.clone().unwrap_or_default()),
        ("status", status(&state.status)),
        ("first happened", time(state.first_happened)),
        ("last happened", time(state.last_happened)),
        ("revision", state.revision.to_string()),
        ("events", events(state)),
        ("not understood", not_understood),
        ("tokens", tokens(state.tokens)),
        ("last error", state.last_error.clone().unwrap_or_default()),
        ("summary", state.summary.clone().unwrap_or_default()),
    ];
    let open = state.open_calls.iter().map(|(id, call)| match &call.tool {
        Some(tool) => format!("{tool} ({id})"),
        None => id.clone(),
    });
    rows.push(("unanswered", open.collect::<Vec<_>>().join(", ")));
    rows.push(("messages", thousands(state.message_count)));
    let width = terminal_width().unwrap_or(usize::MAX);
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        let value = one_line(value);
        output.line(format_args!(
            "{name:14}  {}",
            fit(&value, width.saturating_sub(16))
        ))?;
    }
    let hidden = state.messages.len().saturating_sub(MESSAGES_SHOWN);
    for message in state.messages.iter().skip(hidden) {
        let line = format!("  {} {}", message.happened, said(message));
        output.line(fit(&one_line(&line), width))?;
    }
    Ok(())
}

fn status(status: &SessionStatus) -> String {
    match status {
        SessionStatus::Unknown => "unknown".to_owned(),
        SessionStatus::Active => "active".to_owned(),
        SessionStatus::Ended { reason: None } => "ended".to_owned(),
        SessionStatus::Ended {
            reason: Some(reason),
        } => format!("ended: {reason}"),
    }
}

/// `12: message.added 7, tool.called 5`
fn events(state: &SessionState) -> String {
    let counts = state.types.iter().map(|(name, count)| match &**name {
        "" => format!("others {}", thousands(*count)),
        name => format!("{name} {}", thousands(*count)),
    });
    let counts: Vec<_> = counts.collect();
    format!("{}: {}", thousands(state.events), counts.join(", "))
}

/// `2 events of newer versions`
fn of_newer_versions(number: u64) -> String {
    format!("{} of newer versions", count(number, "event"))
}

fn tokens(tokens: u64) -> String {
    match tokens {
        0 => String::new(),
        tokens => thousands(tokens),
    }
}

fn said(message: &StateMessage) -> String {
    let role = message.message.role.as_deref().unwrap_or("message");
    match &message.message.content {
        Some(Value::String(text)) => format!("{role}: {text}"),
        Some(content) => format!("{role}: {content}"),
        None => role.to_owned(),
    }
}

fn document(state: &SessionState, complete: bool) -> Value {
    let (status, reason) = match &state.status {
        SessionStatus::Unknown => ("unknown", None),
        SessionStatus::Active => ("active", None),
        SessionStatus::Ended { reason } => ("ended", reason.as_ref()),
    };
    let time = |at: Option<recount::Timestamp>| at.map(|at| at.to_string());
    json!({
        "session_id": state.session_id,
        "user_id": state.user_id,
        "agent_id": state.agent_id,
        "status": status,
        "ended_reason": reason,
        "first_happened": time(state.first_happened),
        "last_happened": time(state.last_happened),
        "complete": complete,
        "first_revision": state.first_revision,
        "revision": state.revision,
        "events": state.events,
        "events_of_unknown_versions": state.future,
        "types": state.types,
        "tokens": state.tokens,
        "last_error": state.last_error,
        "summary": state.summary,
        "open_calls": state.open_calls.iter().map(|(id, call)| json!({
            "call_id": id,
            "tool": call.tool,
            "entry_id": call.position.entry_id.to_string(),
        })).collect::<Vec<_>>(),
        "message_count": state.message_count,
        "messages": state.messages.iter().map(message_document).collect::<Vec<_>>(),
    })
}

fn message_document(message: &StateMessage) -> Value {
    let mut document = json!(message.message);
    if let Value::Object(fields) = &mut document {
        fields.insert(
            "entry_id".into(),
            message.position.entry_id.to_string().into(),
        );
        fields.insert("happened".into(), message.happened.to_string().into());
    }
    document
}
