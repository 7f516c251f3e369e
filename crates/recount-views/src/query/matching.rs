//! Whether an entry is an answer.

use std::borrow::Cow;
use std::cell::OnceCell;

use recount_core::{Event, Recorded};

use super::{Clause, Question, Term};
use crate::search::{contains, text_of};

impl Question {
    /// Whether an entry is an answer: the definition that every index is held to.
    ///
    /// Of an entry that is no event only its place is known: it is an answer to a question about
    /// nothing else, and to no other one.
    pub fn matches(&self, recorded: &Recorded) -> bool {
        let text = OnceCell::new();
        self.clauses
            .iter()
            .all(|clause| clause.holds(recorded, &text))
    }
}

impl Clause {
    fn holds<'e>(&self, recorded: &'e Recorded, text: &OnceCell<Cow<'e, str>>) -> bool {
        let id = recorded.position.entry_id;
        match (&self.term, recorded.event()) {
            (Term::Since(since), _) => (id >= *since) != self.negated,
            (Term::Until(until), _) => (id < *until) != self.negated,
            (_, None) => false,
            (term, Some(event)) => term.is_true_of(event, text) != self.negated,
        }
    }
}

impl Term {
    /// Of what does not depend on the place.
    fn is_true_of<'e>(&self, event: &'e Event, text: &OnceCell<Cow<'e, str>>) -> bool {
        let any = |ids: &[String], id: Option<&str>| {
            id.is_some_and(|id| ids.iter().any(|wanted| wanted == id))
        };
        match self {
            Self::Session(ids) => any(ids, Some(&event.session_id)),
            Self::User(ids) => any(ids, event.user_id.as_deref()),
            Self::Agent(ids) => any(ids, event.agent_id.as_deref()),
            Self::Trace(ids) => any(ids, event.trace_id.as_deref()),
            Self::Id(ids) => any(ids, Some(event.id.as_str())),
            Self::Type(types) => types.contains(&event.event_type),
            Self::HappenedSince(at) => event.timestamp >= *at,
            Self::HappenedUntil(at) => event.timestamp < *at,
            Self::Word(_) | Self::Phrase(_) => contains(text.get_or_init(|| text_of(event)), self),
            Self::Since(_) | Self::Until(_) => unreachable!("they are about the place"),
        }
    }
}
