//! A value as it was written, before it is known what it means.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use super::excerpt::repeated;
use super::units::{self, SIZE_FORM, SPAN_FORM};

/// The word for no limit to a number.
pub(super) const UNLIMITED: &str = "unlimited";
/// The word for no limit to a time.
pub(super) const FOREVER: &str = "forever";

/// A value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given {
    /// In a variable or a flag, where everything is text.
    Plain(String),
    /// A string in a file.
    Text(String),
    /// A whole number in a file, as its digits.
    Number(String),
    /// `true` or `false` in a file.
    Switch(bool),
    /// Something in a file that no setting can be, and its name.
    Other(&'static str),
}

impl Given {
    /// The value of a file.
    pub(super) fn of_file(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(number) if number.radix() == 10 => {
                Self::Number(number.as_str().to_owned())
            }
            DeValue::Integer(_) => Self::Other("a number that is not decimal"),
            DeValue::Boolean(switch) => Self::Switch(*switch),
            DeValue::Float(_) => Self::Other("a number with a fraction"),
            DeValue::Datetime(_) => Self::Other("a date or time"),
            DeValue::Array(_) => Self::Other("a list"),
            DeValue::Table(_) => Self::Other("a table"),
        }
    }

    /// What it is, in words.
    fn kind(&self) -> &'static str {
        match self {
            Self::Plain(_) | Self::Text(_) => "text",
            Self::Number(_) => "a number",
            Self::Switch(_) => "true or false",
            Self::Other(kind) => kind,
        }
    }

    /// The error that something else was wanted.
    fn unfit(&self, wanted: impl Display) -> String {
        format!("this is {}: write {wanted}", self.kind())
    }

    /// A text.
    pub(super) fn text(&self, example: &str) -> Result<&str, String> {
        match self {
            Self::Plain(text) | Self::Text(text) => Ok(text),
            other => Err(other.unfit(format_args!("text in quotes, such as {example:?}"))),
        }
    }

    /// A whole number within `range`.
    pub(super) fn number(&self, range: &RangeInclusive<u64>) -> Result<u64, String> {
        let (least, most) = (range.start(), range.end());
        let form = match *most {
            u64::MAX => format!("a whole number from {least}"),
            most => format!("a whole number from {least} to {most}"),
        };
        let (Self::Plain(digits) | Self::Number(digits)) = self else {
            return Err(self.unfit(match self {
                Self::Text(text) if units::number(text).is_some() => {
                    format!("{text} without quotes")
                }
                _ => form,
            }));
        };
        match units::number(digits.strip_prefix('+').unwrap_or(digits)) {
            Some(number) if range.contains(&number) => Ok(number),
            Some(_) => Err(format!("{digits} is out of range: write {form}")),
            None => Err(format!("{} is not allowed: write {form}", repeated(digits))),
        }
    }

    /// A whole number within `range`, or a word for none.
    pub(super) fn number_or(
        &self,
        word: &str,
        range: &RangeInclusive<u64>,
    ) -> Result<Option<u64>, String> {
        if self.is_word(word) {
            return Ok(None);
        }
        let number = self.number(range).map_err(|error| match self {
            Self::Plain(_) => format!("{error} or {word}"),
            _ => format!("{error} or \"{word}\""),
        })?;
        Ok(Some(number))
    }

    /// A number of bytes within `range`.
    pub(super) fn size(&self, range: &RangeInclusive<u64>) -> Result<u64, String> {
        let text = match self {
            Self::Plain(text) | Self::Text(text) | Self::Number(text) => text,
            other => return Err(other.unfit(format_args!("a size: {SIZE_FORM}"))),
        };
        match units::size(text).or_else(|| units::number(text)) {
            Some(bytes) if range.contains(&bytes) => Ok(bytes),
            Some(_) => Err(format!(
                "{text} is out of range: write a size from {} to {}",
                units::show_size(*range.start()),
                units::show_size(*range.end())
            )),
            None => Err(format!("{} is no size: write {SIZE_FORM}", repeated(text))),
        }
    }

    /// A span within `range`.
    pub(super) fn span(&self, range: &RangeInclusive<Duration>) -> Result<Duration, String> {
        let text = match self {
            Self::Plain(text) | Self::Text(text) => text,
            Self::Number(digits) => {
                return Err(format!(
                    "{digits} has no unit: write a time in quotes, {SPAN_FORM}"
                ));
            }
            other => return Err(other.unfit(format_args!("a time in quotes, {SPAN_FORM}"))),
        };
        match units::span(text) {
            Some(span) if range.contains(&span) => Ok(span),
            Some(_) => Err(format!(
                "{text} is out of range: write a time from {} to {}",
                units::show_span(*range.start()),
                units::show_span(*range.end())
            )),
            None => Err(format!("{} is no time: write {SPAN_FORM}", repeated(text))),
        }
    }

    /// A span within `range`, or [`FOREVER`].
    pub(super) fn span_or_forever(
        &self,
        range: &RangeInclusive<Duration>,
    ) -> Result<Option<Duration>, String> {
        if self.is_word(FOREVER) {
            return Ok(None);
        }
        let span = self.span(range);
        span.map(Some)
            .map_err(|error| format!("{error}, or {FOREVER}"))
    }

    /// Yes or no.
    pub(super) fn switch(&self) -> Result<bool, String> {
        match self {
            Self::Switch(switch) => Ok(*switch),
            Self::Plain(text) if text == "true" => Ok(true),
            Self::Plain(text) if text == "false" => Ok(false),
            Self::Plain(text) => Err(format!(
                "{} is not allowed: write true or false",
                repeated(text)
            )),
            other => Err(other.unfit("true or false, without quotes")),
        }
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self, Self::Plain(text) | Self::Text(text) if text == word)
    }
}
