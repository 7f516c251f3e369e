//! `recount.toml`: read with the place of every value, every mistake in it found at once.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::excerpt::{repeated, tells_a_password};
use super::given::Given;
use super::setting::alike;
use super::{Config, ConfigError, ConfigErrors, Excerpt, Place, SETTINGS, Setting};
use crate::LogUrl;

/// Bytes of a file at most: far more than all settings and many comments take.
pub const FILE_BYTES_MAX: usize = 1 << 20;

/// Errors that are told of one file at most.
const ERRORS_MAX: usize = 20;

/// What a file sets.
#[derive(Clone)]
pub struct ConfigFile {
    path: PathBuf,
    pub(super) values: Vec<FileValue>,
}

/// One value of a file, which its setting accepts.
#[derive(Clone)]
pub(super) struct FileValue {
    pub(super) key: &'static str,
    pub(super) given: Given,
    pub(super) excerpt: Excerpt,
}

impl ConfigFile {
    /// Reads the contents of the file at `path`. Whatever the bytes are, the answer is what they set
    /// or all that is wrong with them, with its places. The file system is not touched: `path` is the
    /// name that places get, and its folder is where relative `disk:` paths begin.
    ///
    /// Whether values contradict each other is known only once all sources are:
    /// [`super::Sources::resolve`] tells.
    pub fn parse(path: &Path, contents: &[u8]) -> Result<Self, ConfigErrors> {
        let name = path.display().to_string();
        if contents.len() > FILE_BYTES_MAX {
            let excerpt = Excerpt::new(&name, "", &(0..0));
            return Err(error(
                excerpt,
                "the file is longer than 1 MiB: is it the right one?",
            )
            .into());
        }
        let text = str::from_utf8(contents).map_err(|invalid| {
            let at = invalid.valid_up_to();
            // Up to there it is the same text.
            let lossy = String::from_utf8_lossy(contents);
            let mark = at..at + char::REPLACEMENT_CHARACTER.len_utf8();
            let excerpt = Excerpt::new(&name, &lossy, &mark);
            error(
                excerpt,
                "the file is not UTF-8 text from here on: save it as UTF-8",
            )
        })?;
        let mut reader = Reader {
            name: &name,
            text,
            values: Vec::new(),
            errors: Vec::new(),
        };
        reader.read();
        let Reader {
            values, mut errors, ..
        } = reader;
        if errors.is_empty() {
            return Ok(Self {
                path: path.to_owned(),
                values,
            });
        }
        errors.sort_by_key(|(span, _)| span.start);
        // What follows on a line is mostly a consequence of its first mistake.
        let mut last = None;
        errors.retain(|(span, _)| {
            let since = last.replace(span.start);
            since.is_none_or(|last| text.as_bytes()[last..span.start].contains(&b'\n'))
        });
        let left_out = errors.len().saturating_sub(ERRORS_MAX);
        errors.truncate(ERRORS_MAX);
        let located = |(span, problem): (Range<usize>, Problem)| {
            let message = match problem {
                Problem::UnknownKey(key) => unknown(&key),
                Problem::Other(message) => message,
            };
            error(Excerpt::new(&name, text, &span), message)
        };
        Err(ConfigErrors {
            errors: errors.into_iter().map(located).collect(),
            left_out,
        })
    }

    /// The path that was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `url` with a relative path, or those of certificates and their key, begun at the file's folder.
    pub(super) fn relative(&self, url: &LogUrl) -> LogUrl {
        match (url, self.path.parent()) {
            (LogUrl::Disk(path), _) => LogUrl::Disk(self.in_folder(path)),
            (LogUrl::Redis(url), Some(folder)) => LogUrl::Redis(url.clone().with_files_in(folder)),
            (LogUrl::Redis(_), None) => url.clone(),
        }
    }

    /// `path`, if it is relative, begun at the file's folder.
    pub(super) fn in_folder(&self, path: &Path) -> PathBuf {
        match self.path.parent() {
            Some(folder) => folder.join(path),
            None => path.to_owned(),
        }
    }
}

impl fmt::Debug for ConfigFile {
    /// Without the values: among them may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.values.iter().map(|value| value.key);
        f.debug_struct("ConfigFile")
            .field("path", &self.path)
            .field("keys", &keys.collect::<Vec<_>>())
            .finish()
    }
}

fn error(excerpt: Excerpt, message: impl Into<String>) -> ConfigError {
    ConfigError {
        place: Place::File(excerpt),
        message: message.into(),
    }
}

struct Reader<'a> {
    name: &'a str,
    text: &'a str,
    values: Vec<FileValue>,
    errors: Vec<(Range<usize>, Problem)>,
}

/// What is wrong with a part of the file. What was meant is sought for what is told only.
enum Problem {
    UnknownKey(String),
    Other(String),
}

impl Reader<'_> {
    fn read(&mut self) {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let end = self.text.len();
            let span = span.start.min(end)..span.end.min(end);
            match bare_word(self.text, &span) {
                Some(word) => {
                    let line = self.text[..word.start]
                        .lines()
                        .next_back()
                        .unwrap_or_default();
                    let message = if tells_a_password(line) {
                        "text must stand in quotes".to_owned()
                    } else {
                        in_quotes(&self.text[word.clone()])
                    };
                    self.wrong(word, message);
                }
                None => self.wrong(span, syntax(error.message())),
            }
        }
        // What could be read is looked at all the same.
        self.table("", table.get_ref());
    }

    fn table(&mut self, within: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key = match within {
                "" => name.get_ref().to_string(),
                within => format!("{within}.{}", name.get_ref()),
            };
            if let Some(setting) = Setting::find(&key) {
                self.value(setting, value);
            } else if is_table(&key) {
                match value.get_ref() {
                    DeValue::Table(table) => self.table(&key, table),
                    DeValue::Array(_) => {
                        self.wrong(name.span(), format!("there is one {key}: write [{key}]"));
                    }
                    _ => self.wrong(
                        value.span(),
                        format!("{key} is a table: write [{key}] and its settings below it"),
                    ),
                }
            } else {
                self.errors.push((name.span(), Problem::UnknownKey(key)));
            }
        }
    }

    fn value(&mut self, setting: &'static Setting, value: &Spanned<DeValue<'_>>) {
        let given = Given::of_file(value.get_ref());
        match setting.apply(&given, &mut Config::default()) {
            Ok(()) => self.values.push(FileValue {
                key: setting.key,
                given,
                excerpt: Excerpt::new(self.name, self.text, &value.span()),
            }),
            Err(message) => self.wrong(value.span(), message),
        }
    }

    fn wrong(&mut self, span: Range<usize>, message: String) {
        self.errors.push((span, Problem::Other(message)));
    }
}

/// The tables that settings stand in.
fn tables() -> impl Iterator<Item = &'static str> {
    let within = |setting: &Setting| setting.key.rsplit_once('.').map(|(within, _)| within);
    SETTINGS.iter().filter_map(within)
}

/// Whether settings stand in a table of that name.
fn is_table(key: &str) -> bool {
    tables().any(|table| table == key)
}

/// What to say of a key that no setting has.
fn unknown(key: &str) -> String {
    let shown = repeated(key);
    if let Some(Setting { key: meant, .. }) = Setting::meant(key) {
        return match meant.split_once('.') {
            Some((table, _)) => {
                format!("unknown setting {shown}: did you mean {meant}, in the table [{table}]?")
            }
            None => format!("unknown setting {shown}: did you mean {meant}?"),
        };
    }
    let table = tables().find(|table| key.starts_with(&format!("{table}.")));
    if table.is_none()
        && let Some(table) = tables().find(|table| alike(key, table))
    {
        return format!("unknown setting {shown}: did you mean the table [{table}]?");
    }
    let inside: Vec<_> = SETTINGS
        .iter()
        .filter_map(|setting| match (table, setting.key.rsplit_once('.')) {
            (None, None) => Some(setting.key),
            (Some(table), Some((within, name))) if within == table => Some(name),
            _ => None,
        })
        .collect();
    let inside = inside.join(", ");
    match table {
        Some(table) => format!("unknown setting {shown}: the table [{table}] has {inside}"),
        None => {
            format!("unknown setting {shown}: there are {inside}, and those of tables")
        }
    }
}

/// Where the value stands that an error at `span` is about, if that is a word without quotes.
fn bare_word(text: &str, span: &Range<usize>) -> Option<Range<usize>> {
    let start = text.floor_char_boundary(span.start);
    let begin = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line = text[begin..].lines().next().unwrap_or_default();
    let after = line.find('=')? + 1;
    let value = line[after..].split('#').next().unwrap_or_default();
    let word = value.trim();
    let at = begin + after + (value.len() - value.trim_start().len());
    let is_word = word.starts_with(|c: char| c.is_ascii_alphabetic())
        && !word.contains(|c: char| "\"'[]{}=,".contains(c) || c.is_control());
    let word = at..at + word.len();
    // What is before the value is no part of it.
    (is_word && (word.start..=word.end).contains(&start)).then_some(word)
}

/// What to say of a word without quotes.
fn in_quotes(word: &str) -> String {
    match word.to_ascii_lowercase().as_str() {
        lower @ ("true" | "false") => {
            format!("{} is not allowed: write {lower}", repeated(word))
        }
        _ => format!("text must stand in quotes: write {}", repeated(word)),
    }
}

/// The parser's words, and what to write where they leave that open.
fn syntax(message: &str) -> String {
    let what = message.split(", expected").next().unwrap_or(message);
    if what.starts_with("string values must be quoted") {
        return "text must stand in quotes, also times and sizes: write \"5s\", \"1MiB\""
            .to_owned();
    }
    match what {
        "duplicate key" => "this stands in the file already: write it once".to_owned(),
        "key with no value" => "a setting is written key = value".to_owned(),
        _ => format!("this is not TOML: {message}"),
    }
}
