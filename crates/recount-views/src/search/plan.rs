//! What a question means to the index: a query over its terms, others that must not match, and a test of
//! its columns.

use recount_core::{EntryId, Position};
use tantivy::DocId;
use tantivy::query::{
    AllQuery, BooleanQuery, ConstScoreQuery, EmptyQuery, Occur, PhraseQuery, Query, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};

use super::columns::Columns;
use super::schema::{Fields, hash};
use super::words;
use crate::{Question, Term};

/// A question as the index answers it.
pub(super) struct Plan {
    pub query: Box<dyn Query>,
    /// None of these may match. They are no part of the query: the index library's exclusion of phrases
    /// relies on what its phrases do not promise.
    pub without: Vec<Box<dyn Query>>,
    pub test: Test,
    /// Whether a word is looked for: only then do scores differ.
    pub ranks: bool,
}

impl Plan {
    /// All clauses of `question` must hold and, where some are given, one of `any` stand in the text.
    pub(super) fn of(question: &Question, any: &str, fields: &Fields) -> Self {
        let mut parts: Vec<Box<dyn Query>> = Vec::new();
        let mut without = Vec::new();
        let mut test = Test::default();
        let mut ranks = false;
        for clause in &question.clauses {
            let query = match &clause.term {
                Term::Word(text) | Term::Phrase(text) => {
                    ranks |= !clause.negated;
                    phrase(fields.text, text)
                }
                Term::Session(ids) => any_of(fields.session, ids.iter().map(String::as_str)),
                Term::User(ids) => any_of(fields.user, ids.iter().map(String::as_str)),
                Term::Agent(ids) => any_of(fields.agent, ids.iter().map(String::as_str)),
                Term::Trace(ids) => any_of(fields.trace, ids.iter().map(String::as_str)),
                Term::Type(types) => any_of(
                    fields.event_type,
                    types.iter().map(recount_core::EventType::as_str),
                ),
                other => {
                    test.require(other, clause.negated);
                    continue;
                }
            };
            if clause.negated {
                without.push(query);
            } else {
                parts.push(query);
            }
        }
        let any = words::of(any);
        if !any.is_empty() {
            ranks = true;
            let any = any
                .iter()
                .map(|word| (Occur::Should, term(fields.text, word)))
                .collect();
            parts.push(Box::new(BooleanQuery::new(any)));
        }
        // A query of one part is the fastest that it can be.
        let query = match parts.len() {
            0 => Box::new(AllQuery),
            1 => parts.remove(0),
            _ => Box::new(BooleanQuery::intersection(parts)),
        };
        Self {
            query,
            without,
            test,
            ranks,
        }
    }
}

fn term(field: Field, word: &str) -> Box<dyn Query> {
    Box::new(TermQuery::new(
        tantivy::Term::from_field_text(field, word),
        IndexRecordOption::WithFreqs,
    ))
}

/// The words of `text`, next to one another; nothing where it has none.
fn phrase(field: Field, text: &str) -> Box<dyn Query> {
    match &words::of(text)[..] {
        [] => Box::new(EmptyQuery),
        [word] => term(field, word),
        words => Box::new(PhraseQuery::new(
            words
                .iter()
                .map(|word| tantivy::Term::from_field_text(field, word))
                .collect(),
        )),
    }
}

/// Any of `ids`; it adds nothing to a score.
fn any_of<'a>(field: Field, ids: impl Iterator<Item = &'a str>) -> Box<dyn Query> {
    let one = |id| -> Box<dyn Query> {
        Box::new(TermQuery::new(
            tantivy::Term::from_field_text(field, id),
            IndexRecordOption::Basic,
        ))
    };
    let mut queries: Vec<Box<dyn Query>> = ids.map(one).collect();
    let query = match queries.len() {
        1 => queries.remove(0),
        _ => Box::new(BooleanQuery::union(queries)),
    };
    Box::new(ConstScoreQuery::new(query, 0.0))
}

/// What must hold of the columns.
#[derive(Debug, Clone)]
pub(super) struct Test {
    /// Recorded at this id or later.
    pub since: EntryId,
    /// Recorded before this id.
    pub until: Option<EntryId>,
    happened_since: i64,
    happened_until: Option<i64>,
    ids: Vec<(bool, Vec<u64>)>,
}

impl Default for Test {
    fn default() -> Self {
        Self {
            since: EntryId::MIN,
            until: None,
            happened_since: i64::MIN,
            happened_until: None,
            ids: Vec::new(),
        }
    }
}

impl Test {
    fn require(&mut self, term: &Term, negated: bool) {
        let earlier = |a: Option<EntryId>, b| Some(a.map_or(b, |a| a.min(b)));
        match (term, negated) {
            (Term::Since(id), false) | (Term::Until(id), true) => self.since = self.since.max(*id),
            (Term::Until(id), false) | (Term::Since(id), true) => {
                self.until = earlier(self.until, *id);
            }
            (Term::HappenedSince(at), false) | (Term::HappenedUntil(at), true) => {
                self.happened_since = self.happened_since.max(at.as_millis());
            }
            (Term::HappenedUntil(at), false) | (Term::HappenedSince(at), true) => {
                let at = at.as_millis();
                self.happened_until = Some(self.happened_until.map_or(at, |until| until.min(at)));
            }
            (Term::Id(ids), negated) => {
                let ids = ids.iter().map(|id| hash(id)).collect();
                self.ids.push((negated, ids));
            }
            // The other terms are a matter of the query.
            _ => {}
        }
    }

    /// Whether everything passes.
    pub(super) fn is_empty(&self) -> bool {
        self.since == EntryId::MIN
            && self.until.is_none()
            && self.happened_since == i64::MIN
            && self.happened_until.is_none()
            && self.ids.is_empty()
    }

    /// Whether `doc`, which is at `position`, passes.
    pub(super) fn passes(&self, columns: &Columns, doc: DocId, position: Position) -> bool {
        let id = position.entry_id;
        if id < self.since || self.until.is_some_and(|until| id >= until) {
            return false;
        }
        if self.happened_since > i64::MIN || self.happened_until.is_some() {
            let happened = columns.happened.get_val(doc);
            if happened < self.happened_since
                || self.happened_until.is_some_and(|until| happened >= until)
            {
                return false;
            }
        }
        self.ids.is_empty() || {
            let id = columns.id.get_val(doc);
            self.ids
                .iter()
                .all(|(negated, ids)| ids.contains(&id) != *negated)
        }
    }
}
