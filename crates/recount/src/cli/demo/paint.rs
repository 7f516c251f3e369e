//! How the demo's lines look: 80 columns or what the terminal has, colour where it is wanted.

use owo_colors::Style;
use recount::Recorded;

use crate::cli::line::{summary, type_style};
use crate::cli::output::{fit, one_line, pad, terminal_width};

const WIDTH_DEFAULT: usize = 80;
const WIDTH_MAX: usize = 120;
/// The longest of the known types, `search.performed`.
const TYPE_WIDTH: usize = 16;

pub(super) struct Paint {
    color: bool,
    pub width: usize,
}

impl Paint {
    pub fn for_output(color: bool) -> Self {
        let width = terminal_width().unwrap_or(WIDTH_DEFAULT);
        Self {
            color,
            width: width.min(WIDTH_MAX),
        }
    }

    pub fn styled(&self, text: &str, style: Style) -> String {
        if self.color && !text.is_empty() {
            style.style(text).to_string()
        } else {
            text.to_owned()
        }
    }

    pub fn dimmed(&self, text: &str) -> String {
        self.styled(text, Style::new().dimmed())
    }

    pub fn bold(&self, text: &str) -> String {
        self.styled(text, Style::new().bold())
    }

    /// A section's title and what it shows, with a blank line before.
    pub fn heading(&self, title: &str, about: &str) -> String {
        let about = fit(about, self.width.saturating_sub(title.len() + 2));
        format!(
            "\n{}  {}",
            self.styled(title, Style::new().bold().cyan()),
            self.dimmed(&about)
        )
    }

    /// One event: what stands before it, its type, further columns, and what happened as far as
    /// there is room.
    pub fn event(&self, before: &str, recorded: &Recorded, columns: &[String]) -> String {
        let Some(event) = recorded.event() else {
            return String::new();
        };
        let mut taken = before.len() + 1 + TYPE_WIDTH + 1;
        let name = pad(event.event_type.as_str(), TYPE_WIDTH);
        let mut line = format!(
            "{} {} ",
            self.dimmed(before),
            self.styled(&name, type_style(recorded))
        );
        for column in columns {
            taken += column.len() + 1;
            line.push_str(&self.dimmed(column));
            line.push(' ');
        }
        let text = summary(event);
        line.push_str(&fit(&one_line(&text), self.width.saturating_sub(taken)));
        line.truncate(line.trim_end().len());
        line
    }
}
