//! The lines of a timeline.

use std::collections::{HashMap, VecDeque};

use owo_colors::Style;
use recount::payload::{MessageAdded, Payload};
use recount::{Body, Event, EventType, Recorded, Timestamp};
use unicode_width::UnicodeWidthStr as _;

use crate::cli::line::{marks, summary, type_style};
use crate::cli::output::{count, fit, one_line, pad, span, terminal_width, thousands};

/// Writes the events of a session as lines, with what lies between them.
pub(super) struct Timeline {
    width: Option<usize>,
    color: bool,
    full: bool,
    number_width: usize,
    /// The date of the line before.
    date: String,
    /// When the event before happened.
    before: Option<Timestamp>,
    /// When calls were made that nobody answered yet.
    calls: HashMap<String, VecDeque<Timestamp>>,
}

/// How an event lies in time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Timed {
    /// How long after the event before it happened; less than 0 where it happened earlier.
    pub(super) after_ms: Option<i64>,
    /// How long the tool took that it tells of.
    pub(super) took_ms: Option<f64>,
}

/// The longest of the known types: `search.performed`.
const TYPE_WIDTH: usize = 16;
/// Pauses shorter than this are not told.
const PAUSE_MS: i64 = 30_000;
/// Calls that are remembered for their answers.
const CALLS_MAX: usize = 4_096;
/// Room that is left for what happened, at least.
const TEXT_WIDTH_MIN: usize = 12;

impl Timeline {
    pub(super) fn for_output(color: bool, full: bool, revision: u64) -> Self {
        Self::new(terminal_width(), color, full, revision)
    }

    /// Of a session at `revision`, which its numbers are no longer than.
    pub(super) fn new(width: Option<usize>, color: bool, full: bool, revision: u64) -> Self {
        Self {
            width,
            color,
            full,
            number_width: revision.to_string().len(),
            date: String::new(),
            before: None,
            calls: HashMap::new(),
        }
    }

    /// Takes note of the next event.
    pub(super) fn time(&mut self, recorded: &Recorded) -> Timed {
        let Some(event) = recorded.event() else {
            return Timed::default();
        };
        let after = |before: Timestamp| event.timestamp.as_millis() - before.as_millis();
        let after_ms = self.before.map(after);
        self.before = Some(event.timestamp);
        Timed {
            after_ms,
            took_ms: self.took(event),
        }
    }

    fn took(&mut self, event: &Event) -> Option<f64> {
        let (given, call_id, tool) = match Payload::of(event).ok()? {
            Payload::ToolCalled(call) => {
                if self.calls.len() < CALLS_MAX {
                    let key = key(call.call_id.as_ref(), call.tool.as_ref())?;
                    self.calls
                        .entry(key)
                        .or_default()
                        .push_back(event.timestamp);
                }
                return None;
            }
            Payload::ToolReturned(answer) => (answer.duration_ms, answer.call_id, answer.tool),
            Payload::ErrorOccurred(error) => (None, error.call_id, error.tool),
            Payload::SearchPerformed(search) => return search.duration_ms,
            _ => return None,
        };
        let called = key(call_id.as_ref(), tool.as_ref()).and_then(|key| {
            let calls = self.calls.get_mut(&key)?;
            // An answer may follow an error.
            let called = match event.event_type {
                EventType::ErrorOccurred => calls.front().copied(),
                _ => calls.pop_front(),
            };
            if calls.is_empty() {
                self.calls.remove(&key);
            }
            called
        });
        let between = called.map(|called| event.timestamp.as_millis() - called.as_millis());
        given.or(between.filter(|&ms| ms >= 0).map(|ms| ms as f64))
    }

    /// The lines for an event: a pause and a new date before it where there are, its own, and with
    /// `full` its text.
    pub(super) fn lines(&mut self, recorded: &Recorded, timed: &Timed) -> Vec<String> {
        let mut lines = Vec::new();
        let at = match recorded.event() {
            Some(event) => event.timestamp,
            None => Timestamp::saturating_from_millis(recorded.position.entry_id.ms),
        };
        let indent = self.number_width + 2;
        let dimmed = Style::new().dimmed();
        if let Some(pause) = timed.after_ms.and_then(pause) {
            lines.push(self.styled(&format!("{:indent$}… {pause}", ""), dimmed));
        }
        let printed = at.to_string();
        let (date, time) = match printed.split_once('T') {
            Some((date, time)) => (date, time.trim_end_matches('Z')),
            None => ("", &*printed),
        };
        if self.date != date {
            date.clone_into(&mut self.date);
            lines.push(self.styled(&format!("-- {date} UTC"), dimmed));
        }
        let number = match recorded.revision {
            0 => "-".to_owned(),
            number => number.to_string(),
        };
        let number = format!("{number:>width$}", width = self.number_width);
        let (name, text) = words(recorded);
        let text_style = match recorded.event().map(|event| &event.event_type) {
            None | Some(EventType::ErrorOccurred) => Style::new().red(),
            _ => Style::new(),
        };
        let facts = facts(recorded, timed);
        let head_width = number.len() + time.len() + TYPE_WIDTH.max(name.width()) + 6;
        let left = self.width.map_or(usize::MAX, |width| {
            width.saturating_sub(head_width).max(TEXT_WIDTH_MIN)
        });
        let facts_width = if facts.is_empty() {
            0
        } else {
            facts.width() + 2
        };
        let whole = if self.full { head(recorded) } else { None };
        let shown = whole.as_deref().unwrap_or(&text);
        let shown = one_line(shown);
        let shown = fit(&shown, left.saturating_sub(facts_width).max(TEXT_WIDTH_MIN));
        let line = format!(
            "{}  {}  {}  {}{}{}",
            self.styled(&number, dimmed),
            self.styled(time, dimmed),
            self.styled(&pad(&one_line(&name), TYPE_WIDTH), type_style(recorded)),
            self.styled(&shown, text_style),
            if facts.is_empty() || shown.is_empty() {
                ""
            } else {
                "  "
            },
            self.styled(&facts, dimmed),
        );
        lines.push(line.trim_end().to_owned());
        if self.full {
            let body = body(recorded);
            lines.extend(body.lines().map(|line| {
                let line = format!("{:indent$}  {}", "", one_line(line));
                self.styled(line.trim_end(), text_style)
            }));
        }
        lines
    }

    fn styled(&self, text: &str, style: Style) -> String {
        if self.color && !text.is_empty() {
            style.style(text).to_string()
        } else {
            text.to_owned()
        }
    }
}

/// By what an answer finds its call.
fn key(call_id: Option<&String>, tool: Option<&String>) -> Option<String> {
    match call_id {
        Some(call_id) => Some(format!("call {call_id}")),
        None => tool.map(|tool| format!("tool {tool}")),
    }
}

/// `2 min 10 s later`, if it is to be told.
fn pause(ms: i64) -> Option<String> {
    match ms {
        PAUSE_MS.. => Some(format!("{} later", apart(ms.unsigned_abs()))),
        0.. => None,
        _ => Some(format!("{} earlier", apart(ms.unsigned_abs()))),
    }
}

/// A span in its two greatest units: `2 min 10 s`, `3 h`, `5 days 2 h`.
fn apart(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let of = |great: String, small: u64, unit: &str| match small {
        0 => great,
        small => format!("{great} {small} {unit}"),
    };
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{seconds} s"),
        60..3_600 => of(format!("{minutes} min"), seconds % 60, "s"),
        3_600..86_400 => of(format!("{hours} h"), minutes % 60, "min"),
        _ => of(count(days, "day"), hours % 24, "h"),
    }
}

/// The name of what happened, and what happened.
fn words(recorded: &Recorded) -> (String, String) {
    let event = match &recorded.body {
        Body::Event(event) => event,
        Body::Undecodable(entry) => return ("(undecodable)".to_owned(), entry.reason.clone()),
    };
    let text = match said(event) {
        Some(message) => {
            let content = match &message.content {
                Some(content) => format!(" {}", quoted(content)),
                None => String::new(),
            };
            format!("({}){content}", role(&message))
        }
        None => told(event).unwrap_or_else(|| summary(event)),
    };
    let text = format!("{}{text}", marks(recorded));
    (event.event_type.to_string(), text)
}

/// What a timeline tells in words of its own.
fn told(event: &Event) -> Option<String> {
    let told = match Payload::of(event).ok()? {
        Payload::SessionEnded(end) => {
            let reward = end.reward?;
            let after = end.duration_ms.map(|ms| format!("after {}", apart(ms)));
            [end.reason, after, Some(format!("reward {reward}"))]
        }
        Payload::SessionForked(fork) => {
            let (parent, revision) = (fork.parent_session_id?, fork.at_revision?);
            [
                Some(format!("from {parent}")),
                Some(format!("at its revision {revision}")),
                None,
            ]
        }
        _ => return None,
    };
    let told: Vec<_> = told.into_iter().flatten().collect();
    Some(told.join(", "))
}

/// What stands in the line where texts stand below it; none where all of it does.
fn head(recorded: &Recorded) -> Option<String> {
    let event = recorded.event()?;
    if body(recorded).is_empty() {
        return None;
    }
    let words = match (said(event), Payload::of(event).ok()?) {
        (Some(message), _) => format!("({})", role(&message)),
        (None, Payload::ToolCalled(call)) => call.tool.unwrap_or_default(),
        (None, Payload::ToolReturned(answer)) => answer.tool.unwrap_or_default(),
        (None, Payload::ErrorOccurred(error)) => error.tool.unwrap_or_default(),
        (None, _) => String::new(),
    };
    Some(format!("{}{words}", marks(recorded)))
}

/// The text of an event, in its own lines; empty where the line says it all.
fn body(recorded: &Recorded) -> String {
    let Some(event) = recorded.event() else {
        return String::new();
    };
    if let Some(message) = said(event) {
        return message.content.as_ref().map(plain).unwrap_or_default();
    }
    match Payload::of(event) {
        Ok(Payload::ToolCalled(call)) => call.arguments.as_ref().map(plain),
        Ok(Payload::ToolReturned(answer)) => answer.result.as_ref().map(plain),
        Ok(Payload::ErrorOccurred(error)) => error.message,
        Ok(Payload::SummaryCreated(summary)) => summary.summary,
        _ => None,
    }
    .unwrap_or_default()
}

fn said(event: &Event) -> Option<MessageAdded> {
    match Payload::of(event) {
        Ok(Payload::MessageAdded(message)) if message.content.is_some() => Some(message),
        _ => None,
    }
}

fn role(message: &MessageAdded) -> &str {
    message.role.as_deref().unwrap_or("message")
}

fn quoted(content: &serde_json::Value) -> String {
    match content {
        serde_json::Value::String(text) => format!("\"{text}\""),
        other => other.to_string(),
    }
}

fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => format!("{other:#}"),
    }
}

/// How long it took and what it used: `1.2 s, 42 tokens`.
fn facts(recorded: &Recorded, timed: &Timed) -> String {
    let mut facts = Vec::new();
    let event = recorded.event();
    let searched = event.is_some_and(|event| event.event_type == EventType::SearchPerformed);
    // A search says so itself.
    if let Some(ms) = timed.took_ms.filter(|_| !searched) {
        facts.push(span(ms.round().max(0.0) as u64));
    }
    if let Some(message) = event.and_then(said) {
        let of_usage = |names: [&str; 2]| {
            let usage = message.other.get("usage")?;
            names.iter().find_map(|name| usage[name].as_u64())
        };
        let read = message
            .tokens_in
            .or_else(|| of_usage(["prompt_tokens", "input_tokens"]));
        let wrote = message
            .tokens_out
            .or_else(|| of_usage(["completion_tokens", "output_tokens"]));
        let used = match (read, wrote) {
            (Some(read), Some(wrote)) => Some(format!(
                "{} tokens in, {} out",
                thousands(read),
                thousands(wrote)
            )),
            (read, wrote) => message
                .tokens
                .or(read)
                .or(wrote)
                .map(|tokens| count(tokens, "token")),
        };
        facts.extend(used);
    }
    if facts.is_empty() {
        return String::new();
    }
    format!("({})", facts.join(", "))
}

/// Of a fork's first event, what it was forked from: the session and its revision there.
pub(super) fn parent(first: &Recorded) -> Option<(String, u64)> {
    match Payload::of(first.event()?).ok()? {
        Payload::SessionForked(fork) => Some((fork.parent_session_id?, fork.at_revision?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
