//! `recount state`

use recount::{At, Moment, SessionAt, SessionState, SessionStatus, StateMessage, Timestamp};

use super::error::Result;
use super::numbers::{happened, id};
use super::output::{Output, count, fit, one_line, span, terminal_width, thousands};
use super::session::look;
use super::settings::Settings;

/// Show what a session came to, or what it was at any moment of its history
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

    /// What it was then: a revision (12), an entry id, or a time at which events were recorded (1h,
    /// 2026-01-02T10:00)
    #[arg(
        long,
        value_name = "X",
        default_value = "now",
        hide_default_value = true
    )]
    at: At,

    /// What it was before the first event that happened after this time, by its producer's word
    #[arg(long, value_name = "TIME", conflicts_with = "at", value_parser = happened)]
    at_happened: Option<Moment>,

    /// Show all messages in its memory, whole; without it the newest 10, or 1,000 with --json
    #[arg(long)]
    full: bool,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  recount state s1
  recount state s1 --at 12
  recount state s1 --at 2026-01-02T10:00 --full
  recount state s1 --json | jq .messages";

/// Messages that are shown to people, the newest.
const MESSAGES_SHOWN: usize = 10;
/// Messages in a document.
pub(super) const MESSAGES_TOLD: usize = 1_000;

pub(super) async fn run(args: &Args, settings: &Settings) -> Result {
    let log = settings.open_read_only().await?;
    let at = args
        .at_happened
        .map_or(args.at, |moment| At::Happened(moment.timestamp()));
    let messages = if args.full { usize::MAX } else { MESSAGES_TOLD };
    let mut looked = look(&log, &args.session, at, messages, settings).await?;
    let mut output = Output::new();
    if args.json {
        output.line(format_args!("{:#}", looked.document(Timestamp::now())))?;
    } else {
        if !args.full {
            let messages = &mut looked.messages.messages;
            messages.drain(..messages.len().saturating_sub(MESSAGES_SHOWN));
        }
        print(&mut output, &looked, args.full)?;
    }
    output.flush()?;
    log.close().await?;
    Ok(())
}

fn print(output: &mut Output, looked: &SessionAt, full: bool) -> Result {
    let width = terminal_width().unwrap_or(usize::MAX);
    for (name, value) in facts(looked) {
        if value.is_empty() {
            continue;
        }
        let value = one_line(&value);
        output.line(format_args!(
            "{name:14}  {}",
            fit(&value, width.saturating_sub(16))
        ))?;
    }
    for message in &looked.messages.messages {
        let role = message.message.role.as_deref().unwrap_or("message");
        if full {
            output.line(one_line(&format!("  {} {role}:", message.happened)))?;
            for line in message.text().unwrap_or_default().lines() {
                output.line(format_args!("    {}", one_line(line)))?;
            }
        } else {
            let line = format!("  {} {}", message.happened, said(message));
            output.line(fit(&one_line(&line), width))?;
        }
    }
    Ok(())
}

fn facts(looked: &SessionAt) -> Vec<(&'static str, String)> {
    let state = &looked.state;
    let time = |at: Option<Timestamp>| at.map_or(String::new(), |at| at.to_string());
    let number = |number: u64| match number {
        0 => String::new(),
        number => thousands(number),
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let not_understood = match state.future {
        0 => String::new(),
        future => of_newer_versions(future),
    };
    vec![
        ("session", state.session_id.clone()),
        ("forked from", forked_from(state)),
        ("user", text(&state.user_id)),
        ("agent", text(&state.agent_id)),
        ("status", status(looked)),
        (
            "reward",
            state.reward.map_or(String::new(), |n| n.to_string()),
        ),
        ("first happened", time(state.first_happened)),
        ("last happened", time(state.last_happened)),
        ("revision", state.revision.to_string()),
        ("events", events(state)),
        ("not understood", not_understood),
        ("tools", tools(state)),
        ("unanswered", unanswered(state)),
        ("errors", number(state.errors)),
        ("last error", text(&looked.last_error)),
        ("searches", number(state.searches)),
        ("tokens", tokens(state)),
        (
            "cost",
            if state.cost == 0.0 {
                String::new()
            } else {
                ((state.cost * 1e6).round() / 1e6).to_string()
            },
        ),
        ("cleared", times(state.clears)),
        ("summary", text(&looked.summary)),
        ("messages", messages(looked)),
    ]
}

fn status(looked: &SessionAt) -> String {
    let status = looked.status(Timestamp::now());
    match &looked.state.status {
        SessionStatus::Ended {
            reason: Some(reason),
        } => format!("{status}: {reason}"),
        _ => status.to_owned(),
    }
}

/// `s0, at its revision 12`
fn forked_from(state: &SessionState) -> String {
    let Some(from) = &state.forked_from else {
        return String::new();
    };
    let part = if from.complete {
        ""
    } else {
        ", of which a part was known"
    };
    format!(
        "{}, at its revision {}{part}",
        from.session_id, from.revision
    )
}

/// `12: message.added 7, tool.called 5`
fn events(state: &SessionState) -> String {
    let counts = state.types.iter().map(|(name, count)| match &**name {
        "" => format!("others {}", thousands(*count)),
        name => format!("{name} {}", thousands(*count)),
    });
    match counts.collect::<Vec<_>>().join(", ") {
        counts if counts.is_empty() => thousands(state.events),
        counts => format!("{}: {counts}", thousands(state.events)),
    }
}

/// `2 events of newer versions`
pub(super) fn of_newer_versions(number: u64) -> String {
    format!("{} of newer versions", count(number, "event"))
}

/// `5 called, 4 answered (1.2 s on average), 1 failed`
fn tools(state: &SessionState) -> String {
    let tools = &state.tools;
    let mut told = Vec::new();
    if tools.called > 0 {
        told.push(format!("{} called", thousands(tools.called)));
    }
    if tools.returned > 0 {
        let average = if tools.timed > 0 {
            let each = tools.duration_ms / tools.timed as f64;
            format!(" ({} on average)", span(each.round() as u64))
        } else {
            String::new()
        };
        told.push(format!("{} answered{average}", thousands(tools.returned)));
    }
    if tools.failed > 0 {
        told.push(format!("{} failed", thousands(tools.failed)));
    }
    told.join(", ")
}

fn unanswered(state: &SessionState) -> String {
    let calls = state.tools.open.iter().map(|call| {
        let tool = call.tool.as_deref().unwrap_or("a tool");
        let failed = if call.failed { ", failed" } else { "" };
        match &call.call_id {
            Some(call_id) => format!("{tool} ({call_id}{failed})"),
            None if call.failed => format!("{tool} (failed)"),
            None => tool.to_owned(),
        }
    });
    calls.collect::<Vec<_>>().join(", ")
}

/// `1,200: 1,000 in, 200 out`
fn tokens(state: &SessionState) -> String {
    let tokens = &state.tokens;
    match tokens.total {
        0 => String::new(),
        total => format!(
            "{}: {} in, {} out",
            thousands(total),
            thousands(tokens.input),
            thousands(tokens.output)
        ),
    }
}

fn times(number: u64) -> String {
    match number {
        0 => String::new(),
        1 => "once".to_owned(),
        more => format!("{} times", thousands(more)),
    }
}

/// `1,200, the newest 10 of them:`
fn messages(looked: &SessionAt) -> String {
    let there = looked.state.message_count;
    match looked.messages.messages.len() as u64 {
        shown if shown > 0 && shown < there => {
            format!("{}, the newest {}:", thousands(there), thousands(shown))
        }
        _ => thousands(there),
    }
}

fn said(message: &StateMessage) -> String {
    let role = message.message.role.as_deref().unwrap_or("message");
    match message.text() {
        Some(text) => format!("{role}: {text}"),
        None => role.to_owned(),
    }
}
