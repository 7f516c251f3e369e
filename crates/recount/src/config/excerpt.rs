//! The place in a file that is meant, with its line as it may be shown.

use std::ops::Range;

/// What stands where a password or a user would.
const MASK: &str = "***";
/// Characters of a line that are shown at most, and of these before what is meant.
const SHOWN_MAX: usize = 120;
const BEFORE_MAX: usize = 60;

/// A place in a file. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The file as it was named.
    pub file: String,
    /// The line.
    pub line: usize,
    /// The column where what is meant begins.
    pub column: usize,
    /// The line or, of a long one, the part that matters: without control characters and without
    /// what could be a password.
    pub text: String,
    /// The bytes of `text` that are meant. At the end of a line they are none.
    pub marked: Range<usize>,
}

impl Excerpt {
    /// The place of the bytes `span` of `text`, which lie within it.
    pub(super) fn new(file: &str, text: &str, span: &Range<usize>) -> Self {
        let start = floor(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let rest = &text[line_start..];
        let line = rest.split('\n').next().unwrap_or_default();
        let line = line.strip_suffix('\r').unwrap_or(line);
        let begin = (start - line_start).min(line.len());
        let end = floor(text, span.end)
            .saturating_sub(line_start)
            .clamp(begin, line.len());
        let (shown, marked) = shown(line, begin..end);
        Self {
            file: file.to_owned(),
            line: text[..line_start].matches('\n').count() + 1,
            column: line[..begin].chars().count() + 1,
            text: shown,
            marked,
        }
    }
}

/// The beginning of `text` as it may be repeated in an error, in quotes.
pub(super) fn repeated(text: &str) -> String {
    const REPEATED_MAX: usize = 64;
    let beginning = match secret(text) {
        Some(secret) => format!("{}{MASK}{}", &text[..secret.start], &text[secret.end..]),
        None => text.to_owned(),
    };
    format!(
        "{:?}",
        beginning.chars().take(REPEATED_MAX).collect::<String>()
    )
}

/// `url` with everything between `//` and the last `@` masked.
pub(super) fn masked(url: &str) -> String {
    match credentials(url) {
        Some(secret) => format!("{}{MASK}{}", &url[..secret.start], &url[secret.end..]),
        None => url.to_owned(),
    }
}

/// Where a URL's user and password stand, if it has any. What follows three slashes is a path.
fn credentials(text: &str) -> Option<Range<usize>> {
    let end = text.rfind('@')?;
    let mut start = 0;
    loop {
        start += text[start..end].find("//")? + 2;
        let path = &text[start..end];
        let rest = path.trim_start_matches('/');
        if rest.len() == path.len() {
            return Some(start..end);
        }
        start = end - rest.len();
    }
}

/// Whether what follows `=` in a line is a password, by the name before it, mistyped or not.
pub(super) fn tells_a_password(line: &str) -> bool {
    password(line).is_some()
}

/// What is in the names of secrets: of `redis.password`, often mistyped, and of `summarizer.key`.
const SECRETS: [&str; 2] = ["pas", "key"];

/// Where a password begins in a line.
fn password(line: &str) -> Option<usize> {
    let equals = line.find('=')?;
    let (key, value) = line.split_at(equals + 1);
    // In a table that stands on one line the name is within.
    let find = |text: &str| {
        let text = text.to_ascii_lowercase();
        SECRETS.iter().filter_map(|name| text.find(name)).min()
    };
    let named = find(key).is_some();
    let within = find(value);
    let tables = ["redis", "summarizer"];
    let in_table = |key: &str| {
        tables
            .iter()
            .any(|table| key.trim_start().starts_with(table))
    };
    match (named, within) {
        (true, _) => Some(equals + 1),
        (false, Some(at)) if in_table(key) => {
            let after = equals + 1 + at;
            line[after..].find('=').map(|equals| after + equals + 1)
        }
        _ => None,
    }
}

/// What could be credentials in a line, also of a URL whose slashes were forgotten.
fn secret(line: &str) -> Option<Range<usize>> {
    if let Some(start) = password(line) {
        return Some(start..line.len());
    }
    credentials(line).or_else(|| {
        let end = line.rfind('@')?;
        let start = line[..end].find(['"', '\'', '=']).map_or(0, |at| at + 1);
        line[start..end].contains(':').then_some(start..end)
    })
}

/// The line as it may be shown, and where the marked bytes are then.
fn shown(line: &str, marked: Range<usize>) -> (String, Range<usize>) {
    let secret = secret(line).unwrap_or(line.len()..line.len());
    let mut chars = Vec::new();
    let (mut begin, mut end) = (None, None);
    for (at, c) in line.char_indices() {
        if begin.is_none() && at >= marked.start {
            begin = Some(chars.len());
        }
        if end.is_none() && at >= marked.end {
            end = Some(chars.len());
        }
        if !secret.contains(&at) {
            chars.push(clean(c));
        } else if at == secret.start {
            chars.extend(MASK.chars());
        }
    }
    let begin = begin.unwrap_or(chars.len());
    let end = end.unwrap_or(chars.len());

    let from = if chars.len() > SHOWN_MAX {
        begin.saturating_sub(BEFORE_MAX)
    } else {
        0
    };
    let to = chars.len().min(from + SHOWN_MAX);
    let mut text = String::new();
    if from > 0 {
        text.push('…');
    }
    let mut marked = text.len()..text.len();
    for (at, &c) in (from..).zip(&chars[from..to]) {
        text.push(c);
        if at < begin {
            marked.start = text.len();
        }
        if at < end {
            marked.end = text.len();
        }
    }
    marked.end = marked.end.max(marked.start);
    if to < chars.len() {
        text.push('…');
    }
    (text, marked)
}

/// What a terminal would obey becomes visible, at the same width.
fn clean(c: char) -> char {
    match c {
        '\t' => ' ',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// The greatest place between two characters that is not above `at`.
fn floor(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(text: &str, meant: &str) -> (usize, usize, String, String) {
        let start = text.find(meant).unwrap();
        let excerpt = Excerpt::new("f", text, &(start..start + meant.len()));
        let mark = excerpt.text[excerpt.marked.clone()].to_owned();
        (excerpt.line, excerpt.column, excerpt.text, mark)
    }

    #[test]
    fn lines_and_columns_count_characters_from_1() {
        let text = "a = 1\r\nü = \"日\"  # c\r\n";
        assert_eq!(
            marked(text, "\"日\""),
            (2, 5, "ü = \"日\"  # c".into(), "\"日\"".into())
        );
        let end = Excerpt::new("f", "a = 1\nb", &(7..7));
        assert_eq!((end.line, end.column, end.marked), (2, 2, 1..1));
        let empty = Excerpt::new("f", "", &(0..0));
        assert_eq!(
            (empty.line, empty.column, empty.text),
            (1, 1, String::new())
        );
    }

    #[test]
    fn what_spans_lines_is_shown_up_to_the_first_lines_end() {
        assert_eq!(
            marked("a = [1,\n2]\n", "[1,\n2]"),
            (1, 5, "a = [1,".into(), "[1,".into())
        );
    }

    #[test]
    fn nothing_that_could_be_a_password_is_shown() {
        for line in [
            "url = \"redis://ada:hunter2@h\"",
            "url = \"redis://:hun/ter2@x@h\"",
            "url = \"ada:hunter2@h\"",
            "url = redis://ada:hunter2@h",
            "url=ada:hunter2@h",
        ] {
            for start in 0..line.len() {
                for end in start..=line.len() {
                    let excerpt = Excerpt::new("f", line, &(start..end));
                    assert!(!excerpt.text.contains("ter2"), "{}", excerpt.text);
                    assert!(excerpt.text.ends_with("@h\"") || excerpt.text.ends_with("@h"));
                    let _ = &excerpt.text[excerpt.marked];
                }
            }
        }
        assert_eq!(masked("redis://ada:hunter2@h:1"), "redis://***@h:1");
        assert_eq!(masked("redis:////x//ada:hunter2@h"), "redis:////x//***@h");
        assert_eq!(masked("disk:///data/a@b"), "disk:///data/a@b");
    }

    #[test]
    fn a_password_of_its_own_is_not_shown_either() {
        for line in [
            "password = \"hunter2\"",
            "redis.password=hunter2",
            "pasword = 'hunter2' # mine",
            "passwrd = hunter2",
            "redis = { timeout = \"1s\", password = \"hunter2\" }",
            "summarizer.key = hunter2",
            "key = \"hunter2\"",
            "summarizer = { url = \"https://h/v1\", key = \"hunter2\" }",
        ] {
            for start in 0..line.len() {
                let excerpt = Excerpt::new("f", line, &(start..line.len()));
                assert!(!excerpt.text.contains("hunter2"), "{}", excerpt.text);
                let _ = &excerpt.text[excerpt.marked];
            }
        }
        assert!(!tells_a_password("stream = \"pass\""));
    }

    #[test]
    fn long_lines_and_control_characters_are_fit_for_a_terminal() {
        let line = format!("{}\u{1b}[2J!{}", "a".repeat(5_000), "b".repeat(5_000));
        let (_, column, text, mark) = marked(&line, "!");
        assert_eq!((column, &*mark), (5_005, "!"));
        assert!(text.starts_with("…a") && text.ends_with("b…"), "{text}");
        assert!(
            text.contains("\u{fffd}[2J!") && text.chars().count() <= SHOWN_MAX + 2,
            "{text}"
        );
    }
}
