//! What the log's own index can answer of a question.

use recount_core::{EntryId, Filter, IdRange, Query, ReadRange};
use recount_views::{Clause, Question, Term};
use std::ops::Bound;

/// A question as the log is asked it.
pub(super) struct Plan {
    /// Nothing that passes one of them passes another. None where the question contradicts itself.
    filters: Vec<Filter>,
    /// The first and the last entry id.
    ids: (EntryId, EntryId),
    /// What is to be checked entry by entry.
    pub(super) rest: Question,
}

/// Sessions or users that are looked up one by one at most. More of them are looked for by going through
/// the log.
const LOOK_UPS_MAX: usize = 64;

impl Plan {
    pub(super) fn of(question: &Question) -> Self {
        let mut plan = Self {
            filters: vec![Filter::default()],
            ids: (EntryId::MIN, EntryId::MAX),
            rest: Question::default(),
        };
        let mut chosen = Filter::default();
        let (mut sessions, mut users) = (None, None);
        for clause in &question.clauses {
            match &clause.term {
                Term::Since(_) | Term::Until(_) => plan.narrow(clause),
                Term::Session(ids) if may_choose(clause, ids, sessions.is_none()) => {
                    sessions = Some(distinct(ids));
                }
                Term::User(ids) if may_choose(clause, ids, users.is_none()) => {
                    users = Some(distinct(ids));
                }
                Term::Type(types) if !clause.negated && chosen.types.is_empty() => {
                    chosen.types.clone_from(types);
                }
                _ => plan.rest.clauses.push(clause.clone()),
            }
        }
        // Of two lists the engine takes one; the other has to be checked unless it names one alone.
        if let (Some(_), Some(several)) = (&sessions, &users)
            && several.len() > 1
        {
            plan.rest = plan.rest.and(Term::User(several.clone()));
            users = None;
        }
        let sessions = options(sessions);
        let users = options(users);
        plan.filters = Vec::new();
        for session_id in &sessions {
            for user_id in &users {
                plan.filters.push(Filter {
                    session_id: session_id.clone(),
                    user_id: user_id.clone(),
                    types: chosen.types.clone(),
                });
            }
        }
        plan
    }

    fn narrow(&mut self, clause: &Clause) {
        let (first, last) = &mut self.ids;
        match (&clause.term, clause.negated) {
            (Term::Since(id), false) | (Term::Until(id), true) => *first = (*first).max(*id),
            (Term::Until(id), false) | (Term::Since(id), true) => match id.previous() {
                Some(before) => *last = (*last).min(before),
                // Nothing comes before the first id.
                None => (*first, *last) = (EntryId::MAX, EntryId::MIN),
            },
            _ => {}
        }
    }

    /// What the log is asked, in one direction: from `after` on, which is included.
    pub(super) fn queries(&self, backward: bool, after: Option<EntryId>) -> Vec<Query> {
        let (mut first, mut last) = self.ids;
        match after {
            Some(after) if backward => last = last.min(after),
            Some(after) => first = first.max(after),
            None => {}
        }
        if first > last {
            return Vec::new();
        }
        let mut range = ReadRange::new(IdRange {
            start: Bound::Included(first),
            end: Bound::Included(last),
        });
        if backward {
            range = range.backward();
        }
        let query = |filter: &Filter| Query {
            range: range.clone(),
            filter: filter.clone(),
        };
        self.filters.iter().map(query).collect()
    }

    /// Whether the index of texts finds the answer sooner: it has words, agents and traces of all sessions.
    pub(super) fn wants_index(question: &Question) -> bool {
        let holds = |wanted: fn(&Term) -> bool| {
            let mut clauses = question.clauses.iter();
            clauses.any(|clause| !clause.negated && wanted(&clause.term))
        };
        let indexed = holds(|term| matches!(term, Term::Agent(_) | Term::Trace(_)));
        let session = holds(|term| matches!(term, Term::Session(_)));
        (indexed || Self::ranks(question)) && !session
    }

    /// Whether a word is looked for, so that some entries fit better than others.
    pub(super) fn ranks(question: &Question) -> bool {
        let word = |clause: &Clause| {
            !clause.negated && matches!(clause.term, Term::Word(_) | Term::Phrase(_))
        };
        question.clauses.iter().any(word)
    }
}

fn may_choose(clause: &Clause, ids: &[String], first: bool) -> bool {
    first && !clause.negated && ids.len() <= LOOK_UPS_MAX
}

fn distinct(ids: &[String]) -> Vec<String> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Each of the ids, or no matter which.
fn options(ids: Option<Vec<String>>) -> Vec<Option<String>> {
    match ids {
        Some(ids) => ids.into_iter().map(Some).collect(),
        None => vec![None],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language;

    /// The filters, the ids and what is checked entry by entry, in words.
    fn planned(text: &str) -> (Vec<String>, String) {
        let question = language::parse(text, "2026-01-02T10:00:00Z".parse().unwrap()).unwrap();
        let plan = Plan::of(&question);
        let queries = plan.queries(false, None).into_iter().map(|query| {
            let Filter {
                session_id,
                user_id,
                types,
            } = query.filter;
            let types: Vec<_> = types.iter().map(ToString::to_string).collect();
            let id = |id: Option<String>| id.unwrap_or_else(|| "*".to_owned());
            format!("{} {} {}", id(session_id), id(user_id), types.join(","))
        });
        (queries.collect(), plan.rest.to_string())
    }

    #[test]
    fn the_index_is_asked_for_what_it_has() {
        for (text, filters, rest) in [
            ("", &["* * "][..], ""),
            ("session:a type:t user:u", &["a u t"], ""),
            ("session:b,a,b", &["a * ", "b * "], ""),
            ("user:b,a type:t,x", &["* a t,x", "* b t,x"], ""),
            ("session:a,b user:u,v", &["a * ", "b * "], "user:u,v"),
            ("session:a session:b", &["a * "], "session:b"),
            (
                "-session:a -type:t word",
                &["* * "],
                "-session:a -type:t word",
            ),
            ("type:t type:x", &["* * t"], "type:x"),
            ("since:2026-01-02 until:2026-01-01", &[], ""),
            ("until:1969-01-01", &[], ""),
            ("-since:1969-01-01", &[], ""),
        ] {
            let filters = filters.iter().map(|&filter| filter.to_owned()).collect();
            assert_eq!(planned(text), (filters, rest.to_owned()), "{text}");
        }
        let many: Vec<_> = (0..65).map(|n| format!("s{n}")).collect();
        let many = format!("session:{}", many.join(","));
        assert_eq!(planned(&many), (vec!["* * ".to_owned()], many));
    }

    #[test]
    fn the_index_of_texts_is_asked_where_no_session_is_named() {
        for (text, wanted) in [
            ("", false),
            ("type:t", false),
            ("-word -agent:a", false),
            ("word", true),
            ("\"a phrase\" type:t", true),
            ("agent:a", true),
            ("trace:t", true),
            ("word session:a", false),
            ("word -session:a", true),
        ] {
            let question = language::parse(text, "2026-01-02T10:00:00Z".parse().unwrap()).unwrap();
            assert_eq!(Plan::wants_index(&question), wanted, "{text}");
        }
    }
}
