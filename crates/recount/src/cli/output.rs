//! Standard output, and how text is made fit for a terminal.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt::{Display, Write as _};
use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::error::{Failure, Result};

/// Standard output, buffered.
pub(crate) struct Output(BufWriter<StdoutLock<'static>>);

impl Output {
    pub(crate) fn new() -> Self {
        Self(BufWriter::with_capacity(64 << 10, io::stdout().lock()))
    }

    /// Writes a line, some time.
    pub(crate) fn line(&mut self, line: impl Display) -> Result {
        writeln!(self.0, "{line}").map_err(|error| Failure::output(&error))
    }

    /// Writes now what was not written yet.
    pub(crate) fn flush(&mut self) -> Result {
        self.0.flush().map_err(|error| Failure::output(&error))
    }
}

/// The flag of commands that print facts.
#[derive(clap::Args)]
pub(crate) struct PrintArgs {
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

/// A bar on standard error, of `length` where that is known. Nothing is drawn where it is to be quiet or
/// standard error is no terminal.
pub(crate) fn progress_bar(length: Option<u64>, template: &str, quiet: bool) -> ProgressBar {
    let target = if quiet {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(length, target).with_style(style)
}

/// The width of the terminal that standard output is; none where it is not one.
pub(crate) fn terminal_width() -> Option<usize> {
    const WIDTH_IF_UNKNOWN: usize = 80;
    let stdout = io::stdout();
    stdout
        .is_terminal()
        .then(|| columns(&stdout).unwrap_or(WIDTH_IF_UNKNOWN))
}

/// A terminal may know how wide it is without knowing how high.
#[cfg(unix)]
fn columns(stdout: &io::Stdout) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stdout).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

#[cfg(not(unix))]
fn columns(stdout: &io::Stdout) -> Option<usize> {
    terminal_size::terminal_size_of(stdout).map(|(width, _)| usize::from(width.0))
}

/// `text` on one line and without anything that a terminal would obey: what was recorded is data.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => clean.push(' '),
            c if obeyed(c) => {
                let _ = write!(clean, "{}", c.escape_unicode());
            }
            c => clean.push(c),
        }
    }
    Cow::Owned(clean)
}

/// Control characters, and those that turn the direction of writing.
fn obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether colours are wanted where nobody forced or forbade them by a flag: on a terminal that can
/// show them, unless the variables that many programs heed say otherwise.
pub(crate) fn wants_color(terminal: bool, variable: &dyn Fn(&str) -> Option<OsString>) -> bool {
    let is = |name: &str, wanted: fn(&OsStr) -> bool| {
        variable(name).is_some_and(|value| !value.is_empty() && wanted(&value))
    };
    if is("NO_COLOR", |_| true) {
        return false;
    }
    if is("CLICOLOR_FORCE", |value| value != "0") {
        return true;
    }
    terminal && !is("TERM", |value| value == "dumb") && !is("CLICOLOR", |value| value == "0")
}

/// `text` in lines of at most `width` columns, broken at spaces. A longer word stands whole, alone.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    lines
}

/// `text` in at most `width` columns, cut with an ellipsis.
pub(crate) fn fit(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let mut left = width.saturating_sub(1);
    let mut cut = String::new();
    for c in text.chars() {
        match left.checked_sub(c.width().unwrap_or(0)) {
            Some(rest) => left = rest,
            None => break,
        }
        cut.push(c);
    }
    if width > 0 {
        cut.push('…');
    }
    Cow::Owned(cut)
}

/// `text` followed by spaces up to `width` columns.
pub(crate) fn pad(text: &str, width: usize) -> String {
    format!("{text}{:1$}", "", width.saturating_sub(text.width()))
}

/// `text` as one word of a shell.
pub(crate) fn quoted(text: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,@%+=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(in_quotes(text))
}

fn in_quotes(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Names as words of a shell, so many that they can be taken in: `a, 'b c', d and 7 more`.
pub(crate) fn some_of(names: &[String]) -> String {
    const SHOWN_MAX: usize = 10;
    let shown = names.iter().take(SHOWN_MAX);
    let shown = shown.map(|name| match one_line(name) {
        name if name.contains(',') => in_quotes(&name),
        name => quoted(&name).into_owned(),
    });
    let shown = shown.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN_MAX) {
        0 => shown,
        more => format!("{shown} and {} more", thousands(more as u64)),
    }
}

/// `number` with its thousands apart: `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 event`, `2 events`, `3 entries`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let number_of = thousands(number);
    let stem = noun.strip_suffix('y');
    match stem.filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u'])) {
        _ if number == 1 => format!("{number_of} {noun}"),
        Some(stem) => format!("{number_of} {stem}ies"),
        None => format!("{number_of} {noun}s"),
    }
}

/// A span for people: `250 ms`, `5.5 s`, `12 s`, `3 min`, `2 h`, `5 days`.
pub(crate) fn span(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..10_000 if !ms.is_multiple_of(1_000) => format!("{:.1} s", ms as f64 / 1_000.0),
        1_000..120_000 => format!("{} s", ms / 1_000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        _ => count(ms / 86_400_000, "day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_given_orders() {
        assert_eq!(one_line("plain ü"), "plain ü");
        assert_eq!(one_line("a\nb\tc"), "a b c");
        assert_eq!(one_line("\u{1b}[2J"), "\\u{1b}[2J");
        assert_eq!(one_line("x\u{202e}y"), "x\\u{202e}y");
    }

    #[test]
    fn spans_are_as_exact_as_people_need() {
        for (ms, told) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (5_500, "5.5 s"),
            (7_000, "7 s"),
            (12_345, "12 s"),
            (120_000, "2 min"),
            (7_200_000, "2 h"),
            (172_800_000, "2 days"),
        ] {
            assert_eq!(span(ms), told);
        }
    }

    #[test]
    fn text_is_cut_by_columns_not_bytes() {
        assert_eq!(fit("hello", 5), "hello");
        assert_eq!(fit("hello", 4), "hel…");
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(fit("日本語", 4), "日…");
        assert_eq!(fit("x", 0), "");
        assert_eq!(pad("日", 4), "日  ");
    }

    #[test]
    fn lines_are_broken_at_spaces() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("much-too-long a b", 3), ["much-too-long", "a b"]);
        assert_eq!(wrapped("日本 語", 5), ["日本", "語"]);
        assert_eq!(wrapped("id  time", 4), ["id", "time"]);
        assert_eq!(wrapped("", 5), [""]);
    }

    #[test]
    fn colours_follow_the_terminal_and_the_usual_variables() {
        let wants = |terminal, variables: &[(&str, &str)]| {
            wants_color(terminal, &|name| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| value.into())
            })
        };
        assert!(wants(true, &[]));
        assert!(!wants(false, &[]));
        assert!(!wants(true, &[("NO_COLOR", "1")]));
        assert!(wants(true, &[("NO_COLOR", "")]));
        assert!(!wants(true, &[("TERM", "dumb")]));
        assert!(!wants(true, &[("CLICOLOR", "0")]));
        assert!(wants(false, &[("CLICOLOR_FORCE", "1")]));
        assert!(!wants(false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!wants(true, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    }

    #[test]
    fn words_survive_the_shell() {
        assert_eq!(
            quoted("disk:/tmp/recount-demo-x"),
            "disk:/tmp/recount-demo-x"
        );
        assert_eq!(quoted("disk:my data"), "'disk:my data'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn a_few_names_are_told_apart_and_the_rest_counted() {
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(some_of(&[]), "");
        assert_eq!(
            some_of(&names(&["a", "b c", "d,e", "x:{3}"])),
            "a, 'b c', 'd,e', 'x:{3}'"
        );
        let many: Vec<_> = (0..1_012).map(|n| format!("s{n}")).collect();
        assert_eq!(
            some_of(&many[..10]),
            "s0, s1, s2, s3, s4, s5, s6, s7, s8, s9"
        );
        assert!(some_of(&many).ends_with(", s9 and 1,002 more"));
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(count(1, "event"), "1 event");
        assert_eq!(count(1000, "event"), "1,000 events");
        assert_eq!(count(1, "entry"), "1 entry");
        assert_eq!(count(2, "entry"), "2 entries");
        assert_eq!(count(0, "key"), "0 keys");
    }
}
