//! What is wrong with a query, and where.

use std::fmt;
use std::ops::Range;

/// A text that is no question.
///
/// Prints as one line; [`InvalidQuestion::drawn`] has the query with a caret below what is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidQuestion {
    what: String,
    column: usize,
    /// The query, or of a long one the part that matters, fit for a terminal.
    text: String,
    /// The bytes of it that are meant; at the end of a query they are none.
    marked: Range<usize>,
}

/// Characters of a query that are shown at most, and of these before what is meant.
const SHOWN_MAX: usize = 100;
const BEFORE_MAX: usize = 60;

impl InvalidQuestion {
    /// Of the bytes `span` of `query`.
    pub(super) fn new(query: &str, span: Range<usize>, what: String) -> Self {
        let before = query[..span.start].chars().count();
        let meant = query[span].chars().count();
        let from = before.saturating_sub(BEFORE_MAX);
        let from = if query.chars().count() > SHOWN_MAX {
            from
        } else {
            0
        };
        let mut text = String::new();
        if from > 0 {
            text.push('…');
        }
        let mut marked = None;
        let mut end = text.len();
        let shown = query.chars().map(clean).enumerate().skip(from);
        for (at, c) in shown.take(SHOWN_MAX) {
            if at == before {
                marked = Some(text.len());
            }
            text.push(c);
            if at < before + meant {
                end = text.len();
            }
        }
        let start = marked.unwrap_or(text.len());
        if query.chars().count() > from + SHOWN_MAX {
            text.push('…');
        }
        Self {
            what,
            column: before + 1,
            text,
            marked: start..end.max(start),
        }
    }

    /// What is wrong, and what would be right.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The column where what is meant begins: characters, from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    /// The query or, of a long one, the part that matters, without control characters; and the bytes of it
    /// that are meant, which at its end are none.
    pub fn excerpt(&self) -> (&str, Range<usize>) {
        (&self.text, self.marked.clone())
    }

    /// The query on a line, and a caret below what is meant. `width` tells how many columns a text takes.
    pub fn drawn(&self, width: impl Fn(&str) -> usize) -> String {
        let before = " ".repeat(width(&self.text[..self.marked.start]));
        let carets = "^".repeat(width(&self.text[self.marked.clone()]).max(1));
        format!("  {}\n  {before}{carets}", self.text)
    }
}

impl fmt::Display for InvalidQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "query, column {}: {}", self.column, self.what)
    }
}

impl std::error::Error for InvalidQuestion {}

/// What a terminal would obey becomes visible, at the same width.
fn clean(c: char) -> char {
    match c {
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}
