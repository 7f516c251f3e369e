//! What is known of a setting.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use strsim::normalized_damerau_levenshtein;

use super::given::{FOREVER, Given};
use super::{Config, units};

/// One setting: how it is called in each source, what it means, and its field of [`Config`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Setting {
    /// Its key in the file; one with a dot stands in a table.
    pub key: &'static str,
    /// The flag that gives it, if there is one.
    pub flag: Option<&'static str>,
    /// A variable that other programs read too and that counts where nobody gave the setting.
    pub also: Option<&'static str>,
    /// The commands that have the flag; empty where all have it.
    pub commands: &'static str,
    /// What it means, for people.
    pub meaning: &'static str,
    pub(super) field: Field,
}

impl Setting {
    /// One that the file and a variable of its own give.
    pub(super) const fn new(key: &'static str, meaning: &'static str, field: Field) -> Self {
        Self {
            key,
            flag: None,
            also: None,
            commands: "",
            meaning,
            field,
        }
    }

    /// The same with a flag of these commands; of all where none is named.
    pub(super) const fn flag(mut self, flag: &'static str, commands: &'static str) -> Self {
        self.flag = Some(flag);
        self.commands = commands;
        self
    }

    /// The same with a variable of other programs.
    pub(super) const fn also(mut self, variable: &'static str) -> Self {
        self.also = Some(variable);
        self
    }

    /// The setting of that key.
    pub fn find(key: &str) -> Option<&'static Self> {
        super::SETTINGS.iter().find(|setting| setting.key == key)
    }

    /// The setting that was probably meant by a key, also where its table was left out or another
    /// one written.
    pub fn meant(key: &str) -> Option<&'static Self> {
        let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
        let likeness = |setting: &Self| {
            let whole = likeness(key, setting.key);
            whole.max(likeness(&last(key), &last(setting.key)))
        };
        super::SETTINGS
            .iter()
            .map(|setting| (likeness(setting), setting))
            .filter(|(likeness, _)| *likeness >= ALIKE_MIN)
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
            .map(|(_, setting)| setting)
    }

    /// The variable of the environment that gives it.
    pub fn variable(&self) -> String {
        format!(
            "RECOUNT_{}",
            self.key.replace('.', "_").to_ascii_uppercase()
        )
    }

    /// What `config` has.
    pub fn value(&self, config: &Config) -> Value {
        match &self.field {
            Field::Text { get, .. } => Value::Text(get(config)),
            Field::Number { get, .. } => Value::Number(get(config)),
            Field::NumberOr { word, get, .. } => match get(config) {
                Some(number) => Value::Number(number),
                None => Value::Text((*word).to_owned()),
            },
            Field::Size { get, .. } => Value::Text(units::show_size(get(config))),
            Field::Span { get, .. } => Value::Text(units::show_span(get(config))),
            Field::SpanOrForever { get, .. } => Value::Text(match get(config) {
                Some(span) => units::show_span(span),
                None => FOREVER.to_owned(),
            }),
            Field::Switch { get, .. } => Value::Switch(get(config)),
            Field::Secret { get, .. } => {
                Value::Text(if get(config) { "set" } else { "none" }.to_owned())
            }
        }
    }

    /// Puts what was given into `config`, or says what is wrong with it.
    pub(super) fn apply(&self, given: &Given, config: &mut Config) -> Result<(), String> {
        match &self.field {
            Field::Text { example, set, .. } => set(config, given.text(example)?)?,
            Field::Number { range, set, .. } => set(config, given.number(range)?),
            Field::NumberOr {
                word, range, set, ..
            } => set(config, given.number_or(word, range)?),
            Field::Size { range, set, .. } => set(config, given.size(range)?),
            Field::Span { range, set, .. } => set(config, given.span(range)?),
            Field::SpanOrForever { range, set, .. } => set(config, given.span_or_forever(range)?),
            Field::Switch { set, .. } => set(config, given.switch()?),
            Field::Secret { set, .. } => set(config, given.text("...")?),
        }
        Ok(())
    }
}

/// From which likeness on one name was probably meant by another.
const ALIKE_MIN: f64 = 0.7;

/// Whether `meant` was probably meant by `written`.
pub(super) fn alike(written: &str, meant: &str) -> bool {
    likeness(written, meant) >= ALIKE_MIN
}

/// How much two names are alike, from 0 to 1, by letters and digits only.
fn likeness(a: &str, b: &str) -> f64 {
    const COMPARED_MAX: usize = 64;
    let plain = |text: &str| {
        let letters = text.chars().filter(|c| c.is_alphanumeric());
        let letters = letters.flat_map(char::to_lowercase);
        letters.take(COMPARED_MAX).collect::<String>()
    };
    normalized_damerau_levenshtein(&plain(a), &plain(b))
}

/// What a setting holds and how it is read and written.
#[derive(Debug)]
pub(super) enum Field {
    Text {
        example: &'static str,
        get: fn(&Config) -> String,
        set: fn(&mut Config, &str) -> Result<(), String>,
    },
    Number {
        range: RangeInclusive<u64>,
        get: fn(&Config) -> u64,
        set: fn(&mut Config, u64),
    },
    NumberOr {
        /// What stands for no number.
        word: &'static str,
        range: RangeInclusive<u64>,
        get: fn(&Config) -> Option<u64>,
        set: fn(&mut Config, Option<u64>),
    },
    Size {
        range: RangeInclusive<u64>,
        get: fn(&Config) -> u64,
        set: fn(&mut Config, u64),
    },
    Span {
        range: RangeInclusive<Duration>,
        get: fn(&Config) -> Duration,
        set: fn(&mut Config, Duration),
    },
    SpanOrForever {
        range: RangeInclusive<Duration>,
        get: fn(&Config) -> Option<Duration>,
        set: fn(&mut Config, Option<Duration>),
    },
    Switch {
        get: fn(&Config) -> bool,
        set: fn(&mut Config, bool),
    },
    /// Text of which it is only told whether it is there.
    Secret {
        get: fn(&Config) -> bool,
        set: fn(&mut Config, &str),
    },
}

/// What a setting is, as a file would have it. Times and sizes are text with their unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text, in quotes in a file.
    Text(String),
    /// A whole number.
    Number(u64),
    /// Yes or no.
    Switch(bool),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Switch(switch) => switch.fmt(f),
        }
    }
}
