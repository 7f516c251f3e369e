//! A question as text.

use std::fmt;

use recount_core::{EntryId, Timestamp};

use super::{Clause, Question, Term};

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, clause) in self.clauses.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            clause.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negated {
            f.write_str("-")?;
        }
        self.term.fmt(f)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(ids) => list(f, "session", ids),
            Self::User(ids) => list(f, "user", ids),
            Self::Agent(ids) => list(f, "agent", ids),
            Self::Trace(ids) => list(f, "trace", ids),
            Self::Type(types) => list(f, "type", types),
            Self::Id(ids) => list(f, "id", ids),
            Self::Since(id) => write!(f, "since:{}", Moment(*id)),
            Self::Until(id) => write!(f, "until:{}", Moment(*id)),
            Self::HappenedSince(at) => write!(f, "happened-since:{at}"),
            Self::HappenedUntil(at) => write!(f, "happened-until:{at}"),
            Self::Word(word) => f.write_str(word),
            Self::Phrase(words) => quoted(f, words),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, field: &str, values: &[impl ToString]) -> fmt::Result {
    write!(f, "{field}:")?;
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            f.write_str(",")?;
        }
        let value = value.to_string();
        if value.contains(|c: char| c.is_whitespace() || c == ',' || c == '"') {
            quoted(f, &value)?;
        } else {
            f.write_str(&value)?;
        }
    }
    Ok(())
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let escaped = text.replace('\\', r"\\").replace('"', r#"\""#);
    write!(f, "\"{escaped}\"")
}

/// The time where that is all that an id says, else the id: with as many digits as tell it from a date.
struct Moment(EntryId);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(id) = *self;
        let at = Timestamp::saturating_from_millis(id.ms);
        if id.seq == 0 && u64::try_from(at.as_millis()) == Ok(id.ms) {
            at.fmt(f)
        } else {
            write!(f, "{:011}-{}", id.ms, id.seq)
        }
    }
}
