//! The query language: one line that says what to look for. `docs/query.md` has its grammar.

mod error;
mod lexer;
#[cfg(test)]
mod tests;

use std::ops::Range;

use recount_core::{EventId, EventType, InvalidId, Timestamp};
use recount_views::{Clause, Question, Term};

use crate::Moment;
pub use error::InvalidQuestion;
use lexer::{Lexer, Token, Value};

/// The longest text that is read, in bytes.
pub const QUERY_BYTES_MAX: usize = 16 << 10;

/// Reads a question. Times may be relative to `now`. A text of nothing but spaces asks for everything.
///
/// ```
/// use recount::{Timestamp, language};
///
/// let now = Timestamp::now();
/// let question = language::parse(r#"type:error.occurred since:1h -user:bob "timed out""#, now)?;
/// assert_eq!(question.clauses.len(), 4);
///
/// let error = language::parse("type:error.occurred usr:bob", now).unwrap_err();
/// assert_eq!(error.column(), 21);
/// assert!(error.to_string().contains("user:"));
/// # Ok::<(), recount::InvalidQuestion>(())
/// ```
pub fn parse(text: &str, now: Timestamp) -> Result<Question, InvalidQuestion> {
    if text.len() > QUERY_BYTES_MAX {
        let end = text.floor_char_boundary(QUERY_BYTES_MAX);
        let what = format!("the query goes on for more than {QUERY_BYTES_MAX} bytes: ask for less");
        return Err(InvalidQuestion::new(text, end..text.len(), what));
    }
    let reader = Reader { text, now };
    let mut clauses: Vec<Clause> = Vec::new();
    let mut tokens = Lexer::new(text);
    while let Some((negated, token)) = tokens.next()? {
        let after_time = clauses.last().is_some_and(|clause| is_time(&clause.term));
        let term = match token {
            Token::Field { name, values } => reader.field(name, &values)?,
            Token::Word(span) => reader.word(span, after_time)?,
            Token::Phrase(phrase) => reader.phrase(phrase)?,
        };
        clauses.push(Clause { negated, term });
    }
    Ok(Question { clauses })
}

/// The fields and what each is about; the names that other programs know them by are guessed.
const FIELDS: [&str; 10] = [
    "session",
    "user",
    "agent",
    "trace",
    "type",
    "id",
    "since",
    "until",
    "happened-since",
    "happened-until",
];

/// Makes terms of tokens.
struct Reader<'t> {
    text: &'t str,
    now: Timestamp,
}

impl Reader<'_> {
    fn refused<T>(
        &self,
        span: Range<usize>,
        what: impl Into<String>,
    ) -> Result<T, InvalidQuestion> {
        Err(InvalidQuestion::new(self.text, span, what.into()))
    }

    fn field(&self, name: Range<usize>, values: &[Value]) -> Result<Term, InvalidQuestion> {
        let written = &self.text[name.clone()];
        Ok(match &*written.to_ascii_lowercase() {
            "session" => Term::Session(self.ids("session", values)?),
            "user" => Term::User(self.ids("user", values)?),
            "agent" => Term::Agent(self.ids("agent", values)?),
            "trace" => Term::Trace(self.ids("trace", values)?),
            "id" => Term::Id(self.ids("id", values)?),
            "type" => Term::Type(self.types(values)?),
            "since" => Term::Since(self.moment("since", values)?.entry_id()),
            "until" => Term::Until(self.moment("until", values)?.entry_id()),
            "happened-since" => Term::HappenedSince(self.happened("happened-since", values)?),
            "happened-until" => Term::HappenedUntil(self.happened("happened-until", values)?),
            _ => return self.refused(name, unknown(written)),
        })
    }

    fn ids(&self, field: &str, values: &[Value]) -> Result<Vec<String>, InvalidQuestion> {
        let id = |value: &Value| match EventId::new(&*value.text) {
            Ok(_) => Ok(value.text.clone()),
            Err(error) => self.refused(value.span.clone(), no_id(field, &error)),
        };
        values.iter().map(id).collect()
    }

    fn types(&self, values: &[Value]) -> Result<Vec<EventType>, InvalidQuestion> {
        let one = |value: &Value| match EventType::new(&value.text) {
            Ok(known) => Ok(known),
            Err(error) => self.refused(value.span.clone(), no_id("type", &error)),
        };
        values.iter().map(one).collect()
    }

    fn moment(&self, field: &str, values: &[Value]) -> Result<Moment, InvalidQuestion> {
        let [value] = values else {
            let span = values[1].span.start..values[values.len() - 1].span.end;
            return self.refused(span, format!("{field}: takes one time"));
        };
        match Moment::parse(&value.text, self.now) {
            Ok(moment) => Ok(moment),
            Err(error) => self.refused(value.span.clone(), error.to_string()),
        }
    }

    fn happened(&self, field: &str, values: &[Value]) -> Result<Timestamp, InvalidQuestion> {
        match self.moment(field, values)? {
            Moment::Time(at) => Ok(at),
            // A number of milliseconds is a time; an entry has been recorded, not happened.
            Moment::Entry(id) if !values[0].text.contains('-') => {
                Ok(Timestamp::saturating_from_millis(id.ms))
            }
            Moment::Entry(_) => self.refused(
                values[0].span.clone(),
                format!(
                    "an entry id tells when something was recorded, not when it happened: write a time, \
                     or {}: for the entry",
                    field.trim_start_matches("happened-")
                ),
            ),
        }
    }

    fn word(&self, span: Range<usize>, after_time: bool) -> Result<Term, InvalidQuestion> {
        let word = &self.text[span.clone()];
        if after_time && (word == "ago" || is_time_of_day(word)) {
            let what = "a time with a space in it stands in quotes: since:\"2026-01-02 10:00\", or without \
                        the space: since:2026-01-02T10:00, since:1h";
            return self.refused(span, what);
        }
        match word {
            "OR" => {
                let what = "there is no OR: all of a query must hold. Of one field any of several values: \
                            type:tool.called,tool.returned. To look for the word, write \"OR\"";
                return self.refused(span, what);
            }
            "AND" | "NOT" => {
                let what = format!(
                    "there is no {word}: all of a query must hold, and - before a condition negates it. To \
                     look for the word, write \"{word}\""
                );
                return self.refused(span, what);
            }
            _ => {}
        }
        if let Some(star) = word.find('*') {
            let at = span.start + star;
            let what = "there are no wildcards: words are looked for whole";
            return self.refused(at..at + 1, what);
        }
        if !has_a_word(word) {
            return self.refused(span, NO_WORD);
        }
        Ok(Term::Word(word.to_owned()))
    }

    fn phrase(&self, phrase: Value) -> Result<Term, InvalidQuestion> {
        if !has_a_word(&phrase.text) {
            return self.refused(phrase.span, NO_WORD);
        }
        Ok(Term::Phrase(phrase.text))
    }
}

const NO_WORD: &str =
    "there is no letter and no digit in it: texts are looked through by their words";

/// Whether the index would find a word in `text`.
fn has_a_word(text: &str) -> bool {
    text.contains(char::is_alphanumeric)
}

fn is_time(term: &Term) -> bool {
    matches!(
        term,
        Term::Since(_) | Term::Until(_) | Term::HappenedSince(_) | Term::HappenedUntil(_)
    )
}

/// `10:00`, `9:05:00.5`
fn is_time_of_day(word: &str) -> bool {
    word.contains(':')
        && word
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b':' || byte == b'.')
}

fn no_id(field: &str, error: &InvalidId) -> String {
    match error {
        InvalidId::Empty { .. } => {
            format!("{field}: has an empty value: write 1 to 128 bytes of text")
        }
        InvalidId::TooLong { bytes, .. } => {
            format!("{field}: has a value of {bytes} bytes, at most 128 are allowed")
        }
        InvalidId::Control { .. } => format!("{field}: has a value with a control character"),
    }
}

/// What is said of a field that there is not.
fn unknown(name: &str) -> String {
    const SIMILAR: f64 = 0.7;
    let lower = name.to_ascii_lowercase().replace('_', "-");
    let stem = lower.strip_suffix("-id").unwrap_or(&lower);
    let similar = |field: &&str| strsim::jaro_winkler(stem, field);
    let nearest = FIELDS
        .iter()
        .max_by(|one, other| similar(one).total_cmp(&similar(other)))
        .filter(|nearest| similar(nearest) >= SIMILAR);
    let instead = match nearest {
        Some(nearest) => format!("did you mean {nearest}:?"),
        None => format!("the fields are {}.", FIELDS.join(", ")),
    };
    format!("there is no field {name}: {instead} To look for the text itself, put it in quotes")
}
