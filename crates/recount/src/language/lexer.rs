//! What a query consists of.

use std::ops::Range;

use super::error::InvalidQuestion;

/// A condition as it is written, without the `-` before it. Places are in bytes.
pub(super) enum Token {
    /// `name:value,"other value"`
    Field {
        /// Where the name stands.
        name: Range<usize>,
        /// One or more.
        values: Vec<Value>,
    },
    /// A word and where it stands.
    Word(Range<usize>),
    /// `"a phrase"`
    Phrase(Value),
}

/// What stands in quotes or behind a colon.
pub(super) struct Value {
    /// Without quotes.
    pub(super) text: String,
    /// Where it stands, its quotes included.
    pub(super) span: Range<usize>,
}

pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// The next condition, and whether it is negated.
    pub(super) fn next(&mut self) -> Result<Option<(bool, Token)>, InvalidQuestion> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        let start = self.at;
        let negated = self.take('-');
        let token = match self.peek() {
            None if !negated => return Ok(None),
            None => return self.nothing_negated(start),
            Some(c) if c.is_whitespace() => return self.nothing_negated(start),
            Some('-') => {
                return self.refused(start..self.at + 1, "one - negates a condition");
            }
            Some('"') => {
                let phrase = self.quoted()?;
                self.at_its_end("the phrase")?;
                Token::Phrase(phrase)
            }
            Some(_) => match self.name() {
                Some(name) => self.field(name)?,
                None => Token::Word(self.word()?),
            },
        };
        Ok(Some((negated, token)))
    }

    fn nothing_negated<T>(&self, start: usize) -> Result<T, InvalidQuestion> {
        self.refused(
            start..start + 1,
            "nothing follows the -: it stands right before what must not hold, as in -type:error.occurred",
        )
    }

    fn refused<T>(
        &self,
        span: Range<usize>,
        what: impl Into<String>,
    ) -> Result<T, InvalidQuestion> {
        Err(InvalidQuestion::new(self.text, span, what.into()))
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let there = self.peek() == Some(wanted);
        if there {
            self.at += wanted.len_utf8();
        }
        there
    }

    /// The name of a field, if a letter begins it and a colon ends it; the colon is passed.
    fn name(&mut self) -> Option<Range<usize>> {
        let rest = self.rest();
        let inside = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let end = rest.find(|c| !inside(c))?;
        let is_one =
            rest.starts_with(|c: char| c.is_ascii_alphabetic()) && rest[end..].starts_with(':');
        is_one.then(|| {
            let start = self.at;
            self.at += end + 1;
            start..start + end
        })
    }

    fn field(&mut self, name: Range<usize>) -> Result<Token, InvalidQuestion> {
        let mut values = Vec::new();
        loop {
            values.push(self.value(&name)?);
            if !self.take(',') {
                break;
            }
        }
        self.at_its_end("a value")?;
        Ok(Token::Field { name, values })
    }

    fn value(&mut self, name: &Range<usize>) -> Result<Value, InvalidQuestion> {
        if self.peek() == Some('"') {
            return self.quoted();
        }
        let start = self.at;
        let rest = self.rest();
        let end = rest.find(|c: char| c.is_whitespace() || c == ',' || c == '"');
        self.at += end.unwrap_or(rest.len());
        if self.at == start {
            let name = &self.text[name.clone()];
            let what = match self.text[..start].chars().next_back() {
                Some(',') => {
                    format!("a value is missing: {name}:a,b means any of them, without spaces")
                }
                _ => format!("a value is missing: it follows {name}: without a space"),
            };
            return self.refused(start..start, what);
        }
        Ok(Value {
            text: self.text[start..self.at].to_owned(),
            span: start..self.at,
        })
    }

    /// What stands in quotes; `\"` and `\\` stand for themselves.
    fn quoted(&mut self) -> Result<Value, InvalidQuestion> {
        let start = self.at;
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            match (c, chars.peek()) {
                ('"', _) => {
                    self.at = start + at + 1;
                    let span = start..self.at;
                    return Ok(Value { text, span });
                }
                ('\\', Some(&(_, escaped @ ('"' | '\\')))) => {
                    text.push(escaped);
                    chars.next();
                }
                _ => text.push(c),
            }
        }
        self.refused(
            start..start + 1,
            "the quote is never closed: write another \" at its end (a shell may have taken it: put the \
             whole query in single quotes)",
        )
    }

    fn word(&mut self) -> Result<Range<usize>, InvalidQuestion> {
        let start = self.at;
        let rest = self.rest();
        let end = rest.find(|c: char| c.is_whitespace() || c == '"');
        self.at += end.unwrap_or(rest.len());
        self.at_its_end("a word")?;
        Ok(start..self.at)
    }

    /// What comes next has to be told from what was before by a space.
    fn at_its_end(&self, what: &str) -> Result<(), InvalidQuestion> {
        match self.peek() {
            None => Ok(()),
            Some(c) if c.is_whitespace() => Ok(()),
            Some(c) => {
                let span = self.at..self.at + c.len_utf8();
                self.refused(span, format!("a space is missing after {what}"))
            }
        }
    }
}
