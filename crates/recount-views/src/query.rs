//! What can be asked of a log in one line: conditions that must all hold.

mod matching;
mod print;

use recount_core::{EntryId, EventType, Timestamp};

/// A question in the query language, as it was understood. It prints as text that is understood again as
/// the same question.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Question {
    /// All of them must hold.
    pub clauses: Vec<Clause>,
}

/// One condition, or its opposite.
#[derive(Debug, Clone, PartialEq)]
pub struct Clause {
    /// Whether it must *not* hold.
    pub negated: bool,
    /// The condition.
    pub term: Term,
}

/// What is asked of an entry. Of a list, any one.
#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    /// `session:`
    Session(Vec<String>),
    /// `user:`
    User(Vec<String>),
    /// `agent:`
    Agent(Vec<String>),
    /// `trace:`
    Trace(Vec<String>),
    /// `type:`
    Type(Vec<EventType>),
    /// `id:`, the event's.
    Id(Vec<String>),
    /// `since:`, recorded at this entry id or later.
    Since(EntryId),
    /// `until:`, recorded before this entry id.
    Until(EntryId),
    /// `happened-since:`
    HappenedSince(Timestamp),
    /// `happened-until:`, before it.
    HappenedUntil(Timestamp),
    /// One word of the text: as the index of texts splits and folds it.
    Word(String),
    /// `"several words"` that stand next to one another, in this order.
    Phrase(String),
}

impl Question {
    /// Whether everything is an answer.
    pub fn is_empty(&self) -> bool {
        self.clauses.is_empty()
    }

    /// Whether the texts of events decide: a word or a phrase is asked for, or must not stand there.
    pub fn is_about_text(&self) -> bool {
        let text = |clause: &Clause| matches!(clause.term, Term::Word(_) | Term::Phrase(_));
        self.clauses.iter().any(text)
    }

    /// The same question with one more condition.
    #[must_use]
    pub fn and(mut self, term: Term) -> Self {
        self.clauses.push(term.into());
        self
    }
}

/// The condition, which must hold.
impl From<Term> for Clause {
    fn from(term: Term) -> Self {
        Self {
            negated: false,
            term,
        }
    }
}
