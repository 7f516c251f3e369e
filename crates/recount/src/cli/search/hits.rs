//! Hits as they are shown.

use std::fmt::Write as _;

use owo_colors::{OwoColorize as _, Style};
use recount::payload::Payload;
use recount::{Event, Excerpt, Question, Recorded, Timestamp, excerpt, json, text_of};
use serde_json::json;
use unicode_width::UnicodeWidthStr as _;

use crate::cli::line::{summary, type_style};
use crate::cli::output::{fit, one_line, pad, terminal_width};

/// Characters of an excerpt: elsewhere than on a terminal, and at least.
const WIDTH: usize = 160;
const WIDTH_MIN: usize = 24;
/// Columns of a session and of who it was at most, on a terminal.
const NAME_MAX: usize = 24;

/// How hits become lines whose columns are aligned.
pub(super) struct Hits {
    color: bool,
    terminal: Option<usize>,
    session: usize,
    revision: usize,
    who: usize,
}

impl Hits {
    /// For standard output, and a page of hits.
    pub(super) fn new(page: &[Recorded], color: bool) -> Self {
        let mut hits = Self {
            color,
            terminal: terminal_width(),
            session: 0,
            revision: 0,
            who: 0,
        };
        for recorded in page {
            let [_, session, revision, who] = hits.columns(recorded);
            hits.session = hits.session.max(session.width());
            hits.revision = hits.revision.max(revision.width());
            hits.who = hits.who.max(who.width());
        }
        hits
    }

    /// When, the session, the number in it, who.
    fn columns(&self, recorded: &Recorded) -> [String; 4] {
        let Some(event) = recorded.event() else {
            let at = Timestamp::saturating_from_millis(recorded.position.entry_id.ms);
            return [at.to_string(), String::new(), String::new(), String::new()];
        };
        let name = |name: &str| match self.terminal {
            Some(_) => fit(&one_line(name), NAME_MAX).into_owned(),
            None => one_line(name).into_owned(),
        };
        let revision = match recorded.revision {
            0 => String::new(),
            revision => format!("#{revision}"),
        };
        let session = name(&event.session_id);
        [
            event.timestamp.to_string(),
            session,
            revision,
            name(&who(event)),
        ]
    }

    pub(super) fn line(&self, recorded: &Recorded, question: &Question) -> String {
        let [at, session, revision, who] = self.columns(recorded);
        let session = pad(&session, self.session);
        let revision = pad(&revision, self.revision);
        let who = pad(&who, self.who);
        let taken = at.width() + session.width() + revision.width() + who.width() + 4;
        let width = self.terminal.map_or(WIDTH, |terminal| {
            terminal.saturating_sub(taken).max(WIDTH_MIN)
        });
        let mut line = [
            (at, Style::new().dimmed()),
            (session, Style::new().cyan()),
            (revision, Style::new().dimmed()),
            (who, type_style(recorded)),
        ]
        .map(|(text, style)| self.styled(&text, style))
        .join(" ");
        line.push(' ');
        line.push_str(&self.excerpt(recorded, question, width));
        line
    }

    fn excerpt(&self, recorded: &Recorded, question: &Question, width: usize) -> String {
        let Some(event) = recorded.event() else {
            return String::new();
        };
        let text = text_of(event);
        if text.is_empty() {
            return fit(&one_line(&summary(event)), width).into_owned();
        }
        let Excerpt { text, marks } = excerpt(&text, question, width);
        let mut shown = String::new();
        let mut end = 0;
        for mark in marks {
            shown.push_str(&one_line(&text[end..mark.start]));
            let marked = one_line(&text[mark.clone()]);
            shown.push_str(&self.styled(&marked, Style::new().bold().underline()));
            end = mark.end;
        }
        shown.push_str(&one_line(&text[end..]));
        shown
    }

    fn styled(&self, text: &str, style: Style) -> String {
        if self.color {
            text.style(style).to_string()
        } else {
            text.to_owned()
        }
    }
}

/// Who said or did it: `find_order()` is a tool's call, `find_order =` its answer.
fn who(event: &Event) -> String {
    let named = match Payload::of(event) {
        Ok(Payload::MessageAdded(message)) => message.role,
        Ok(Payload::ToolCalled(call)) => call.tool.map(|tool| tool + "()"),
        Ok(Payload::ToolReturned(answer)) => answer.tool.map(|tool| tool + " ="),
        Ok(Payload::ErrorOccurred(_)) => Some("error".to_owned()),
        Ok(Payload::SummaryCreated(_)) => Some("summary".to_owned()),
        Ok(Payload::SearchPerformed(_)) => Some("search".to_owned()),
        _ => None,
    };
    named.unwrap_or_else(|| event.event_type.to_string())
}

/// A hit as a program reads it.
pub(super) fn document(recorded: &Recorded, score: Option<f32>, question: &Question) -> String {
    let mut line = format!(r#"{{"event":{}"#, json::line(recorded));
    if let Some(event) = recorded.event() {
        let Excerpt { text, marks } = excerpt(&text_of(event), question, WIDTH);
        let marks: Vec<_> = marks.iter().map(|mark| [mark.start, mark.end]).collect();
        let _ = write!(
            line,
            r#","excerpt":{}"#,
            json!({"text": text, "marks": marks})
        );
    }
    if let Some(score) = score {
        let _ = write!(line, r#","score":{}"#, json!(score));
    }
    line.push('}');
    line
}
