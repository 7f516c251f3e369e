//! A recorded event as one line for people.

mod words;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

use owo_colors::Style;
use recount::{Body, EventType, Recorded, Schema, Timestamp};
use unicode_width::UnicodeWidthStr as _;

pub(crate) use self::words::summary;
use super::output::{fit, one_line, pad, terminal_width};

/// Writes recorded events as aligned lines: time, entry id, type, session, user, what happened.
///
/// On a terminal a line fits its width, the time is the time of day, and a line with the date
/// stands wherever that changes. Elsewhere lines are whole and carry their date.
pub(crate) struct Lines {
    /// The terminal's width.
    width: Option<usize>,
    color: bool,
    /// The date of the line before.
    date: String,
    id_width: usize,
    session_width: usize,
    user_width: usize,
}

/// The longest of the known types: `search.performed`.
const TYPE_WIDTH: usize = 16;
/// The columns that a narrow terminal does without, as they are numbered by then, and how much is to
/// be left for what happened if each stays. The user is missed least: it is the session's. Then the
/// entry id, then the session.
const MISSED_LEAST: [(usize, usize); 3] = [(4, 20), (1, TEXT_WIDTH_MIN), (2, TEXT_WIDTH_MIN)];
const TEXT_WIDTH_MIN: usize = 12;
/// Where the date and the time of day stand in a printed timestamp.
const DATE: Range<usize> = 0..10;
const TIME: Range<usize> = 11..23;
/// The length of a time of day without its milliseconds.
const SECONDS: usize = 8;

impl Lines {
    /// For standard output as it is.
    pub(crate) fn for_output(color: bool) -> Self {
        Self::new(color, terminal_width())
    }

    pub(crate) fn new(color: bool, width: Option<usize>) -> Self {
        Self {
            width,
            color,
            date: String::new(),
            id_width: 0,
            session_width: 0,
            user_width: 0,
        }
    }

    /// Makes the column of entry ids wide enough for a page, so that its lines are aligned from
    /// the first one on.
    pub(crate) fn widen(&mut self, page: &[Recorded]) {
        let widths = page
            .iter()
            .map(|recorded| recorded.position.to_string().len());
        self.id_width = self.id_width.max(widths.max().unwrap_or(0));
    }

    /// The line for `recorded`, without its end; two lines where the date changes.
    pub(crate) fn format(&mut self, recorded: &Recorded) -> String {
        let id = recorded.position.to_string();
        let at = match recorded.event() {
            Some(event) => event.timestamp,
            None => Timestamp::saturating_from_millis(recorded.position.entry_id.ms),
        };
        let (head, time) = self.time(at);
        let (name, session, user, text) = match &recorded.body {
            Body::Event(event) => (
                event.event_type.as_str(),
                event.session_id.as_str(),
                event.user_id.as_deref().unwrap_or(""),
                format!("{}{}", marks(recorded), summary(event)),
            ),
            Body::Undecodable(entry) => ("(undecodable)", "", "", entry.reason.clone()),
        };
        let name = self.column(name, TYPE_WIDTH + 8);
        let session = self.column(session, self.share(6));
        let user = self.column(user, self.share(8));
        let grown = |before: usize, text: &str| before.max(text.width());
        self.id_width = grown(self.id_width, &id);
        self.session_width = grown(self.session_width, &session);
        self.user_width = grown(self.user_width, &user);

        let mut columns = vec![
            (time, Style::new().dimmed()),
            (pad(&id, self.id_width), Style::new().dimmed()),
            (pad(&name, TYPE_WIDTH), type_style(recorded)),
            (pad(&session, self.session_width), Style::new().cyan()),
            (pad(&user, self.user_width), Style::new()),
        ];
        let taken = |columns: &[(String, Style)]| -> usize {
            columns.iter().map(|(text, _)| text.width() + 1).sum()
        };
        let width = self.width.unwrap_or(usize::MAX);
        for (missed_least, text_width) in MISSED_LEAST {
            if width < taken(&columns).saturating_add(text_width) {
                columns.remove(missed_least);
            }
        }
        if width < taken(&columns).saturating_add(TEXT_WIDTH_MIN)
            && columns[0].0.len() == TIME.len()
        {
            columns[0].0.truncate(SECONDS);
        }

        let mut line = head;
        let mut left = width;
        for (column, style) in columns {
            let column = match fit(column.trim_end(), left) {
                Cow::Borrowed(_) => column,
                Cow::Owned(cut) => cut,
            };
            line.push_str(&self.styled(&column, style));
            line.push(' ');
            left = left.saturating_sub(column.width() + 1);
        }
        line.push_str(&fit(&one_line(&text), left));
        line.truncate(line.trim_end().len());
        line
    }

    /// What stands before the line where the date changes, and the line's time.
    fn time(&mut self, at: Timestamp) -> (String, String) {
        let printed = at.to_string();
        // Years before 0 and after 9999 are printed longer and are shown as they are.
        let (Some(date), Some(time)) = (printed.get(DATE), printed.get(TIME)) else {
            return (String::new(), printed);
        };
        if self.width.is_none() || printed.starts_with('-') {
            return (String::new(), printed);
        }
        let head = if self.date == date {
            String::new()
        } else {
            date.clone_into(&mut self.date);
            let text = format!("-- {date} UTC");
            format!("{}\n", self.styled(&text, Style::new().dimmed()))
        };
        (head, time.to_owned())
    }

    /// A part of the terminal's width.
    fn share(&self, part: usize) -> usize {
        self.width.map_or(usize::MAX, |width| width / part)
    }

    fn column<'a>(&self, text: &'a str, width: usize) -> Cow<'a, str> {
        let text = one_line(text);
        if self.width.is_none() {
            return text;
        }
        Cow::Owned(fit(&text, width).into_owned())
    }

    fn styled(&self, text: &str, style: Style) -> String {
        if self.color {
            style.style(text).to_string()
        } else {
            text.to_owned()
        }
    }
}

/// What is to be known of an event before its data is read.
pub(crate) fn marks(recorded: &Recorded) -> String {
    let mut marks = String::new();
    if let Body::Event(event) = &recorded.body {
        if event.replayed {
            marks.push_str("[replayed] ");
        }
        match &recorded.schema {
            Schema::AsStored | Schema::Upcast { .. } => {}
            Schema::Future { .. } => {
                let _ = write!(marks, "[unknown version {}] ", event.version);
            }
            Schema::Refused { .. } => {
                let _ = write!(marks, "[version {}, not upcast] ", event.version);
            }
        }
    }
    marks
}

/// The colour of an event's type.
pub(crate) fn type_style(recorded: &Recorded) -> Style {
    let style = Style::new();
    match recorded.event().map(|event| &event.event_type) {
        None | Some(EventType::ErrorOccurred) => style.red(),
        Some(EventType::MessageAdded) => style.green(),
        Some(EventType::ToolCalled | EventType::ToolReturned) => style.yellow(),
        Some(EventType::SessionStarted | EventType::SessionEnded | EventType::SessionForked) => {
            style.blue()
        }
        Some(_) => style.magenta(),
    }
}

#[cfg(test)]
mod tests {
    use recount::{EntryId, Event, JsonObject, Position, Undecodable};

    use super::*;

    fn recorded(seq: u64, event_type: EventType, session: &str, data: &str) -> Recorded {
        let event = Event::builder(event_type, session)
            .id("e")
            .user("ada")
            .timestamp("2026-01-02T10:00:05.123Z".parse().unwrap())
            .data(JsonObject::parse(data.to_owned()).unwrap())
            .build()
            .unwrap();
        Recorded {
            position: Position {
                partition: 0,
                entry_id: EntryId::new(1_526_919_030_474, seq),
            },
            revision: 1,
            schema: Schema::AsStored,
            body: Body::Event(event),
        }
    }

    const HELLO: &str = r#"{"role":"user","content":"Hello\nthere, how are you doing today?"}"#;

    #[test]
    fn lines_are_whole_where_nobody_looks() {
        let mut lines = Lines::new(false, None);
        assert_eq!(
            lines.format(&recorded(0, EventType::MessageAdded, "s1", HELLO)),
            "2026-01-02T10:00:05.123Z 1526919030474-0 message.added    s1 ada user: \"Hello there, how are you doing today?\""
        );
    }

    #[test]
    fn a_page_is_aligned_whatever_its_entry_ids_are() {
        let page = [9, 10, 1_000].map(|seq| recorded(seq, EventType::MessageAdded, "s1", HELLO));
        let mut lines = Lines::new(false, None);
        lines.widen(&page);
        let at: Vec<_> = page
            .iter()
            .map(|recorded| lines.format(recorded).find("message.added"))
            .collect();
        assert_eq!(at, [Some(44); 3]);
    }

    #[test]
    fn on_a_terminal_lines_fit_and_the_date_stands_once() {
        let mut lines = Lines::new(false, Some(80));
        let first = lines.format(&recorded(0, EventType::MessageAdded, "s1", HELLO));
        let call = r#"{"tool":"search","arguments":{"q":"something"}}"#;
        let second = lines.format(&recorded(1, EventType::ToolCalled, "a-long-name", call));
        let long = "a-session-with-a-long-name";
        let third = lines.format(&recorded(2, EventType::ToolCalled, long, call));
        assert_eq!(
            format!("{first}\n{second}\n{third}"),
            "\
-- 2026-01-02 UTC
10:00:05.123 1526919030474-0 message.added    s1 ada user: \"Hello there, how ar…
10:00:05.123 1526919030474-1 tool.called      a-long-name search({\"q\":\"somethin…
10:00:05.123 1526919030474-2 tool.called      a-session-wi… search({\"q\":\"someth…"
        );
    }

    #[test]
    fn a_narrow_terminal_does_without_the_columns_that_are_missed_least() {
        let hello = recorded(0, EventType::MessageAdded, "session-one", HELLO);
        for (width, expected) in [
            (
                60,
                r#"10:00:05.123 message.added    session-o… user: "Hello there…"#,
            ),
            (40, r#"10:00:05 message.added    user: "Hello …"#),
            (20, "10:00:05 message.ad…"),
            (5, "10:0…"),
        ] {
            let line = Lines::new(false, Some(width)).format(&hello);
            let line = line.lines().last().unwrap();
            assert_eq!(line, expected);
            assert!(line.width() <= width);
        }
    }

    #[test]
    fn colour_is_only_where_it_was_asked_for() {
        let line = recorded(0, EventType::ErrorOccurred, "s1", r#"{"message":"no"}"#);
        assert!(!Lines::new(false, None).format(&line).contains('\u{1b}'));
        assert!(Lines::new(true, None).format(&line).contains("\u{1b}[31m"));
    }

    #[test]
    fn what_is_no_event_says_why() {
        let line = Recorded {
            body: Body::Undecodable(Undecodable {
                reason: "the field type is missing".into(),
                fields: Vec::new(),
            }),
            ..recorded(3, EventType::MessageAdded, "s", "{}")
        };
        assert_eq!(
            Lines::new(false, None).format(&line),
            "2018-05-21T16:10:30.474Z 1526919030474-3 (undecodable)      the field type is missing"
        );
    }
}
