//! What is to be replayed, as it was asked for and as it was understood then.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command, Error, FromArgMatches};
use recount::{
    EntryId, EventType, Filter, IdRange, Query, Question, ReadRange, Term, Timestamp, language,
};
use serde::{Deserialize, Serialize};

use crate::cli::error::{Failure, Result};

/// The flags that say which events, in the words in which they were given: the same words ask for the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Asked(BTreeMap<String, Vec<String>>);

/// Names of arguments, of which all but the query are flags.
const QUERY: &str = "query";
const SESSION: &str = "session";
const USER: &str = "user";
const TYPES: &str = "types";
const NAMES: [&str; 10] = [
    QUERY,
    SESSION,
    USER,
    TYPES,
    "start",
    "end",
    "since",
    "until",
    "happened_since",
    "happened_until",
];

impl FromArgMatches for Asked {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let given = |name: &&str| matches.value_source(name) == Some(ValueSource::CommandLine);
        let words = |name: &str| {
            let raw = matches.get_raw(name).into_iter().flatten();
            let words = raw.map(|word| word.to_string_lossy().into_owned());
            (name.to_owned(), words.collect())
        };
        Ok(Self(NAMES.into_iter().filter(given).map(words).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// It has no arguments of its own: it looks at those beside it.
impl clap::Args for Asked {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

impl Asked {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn words(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// The flags and the query as a shell reads them.
    pub(super) fn told(&self) -> String {
        use crate::cli::output::quoted;

        let query = self
            .words(QUERY)
            .iter()
            .map(|word| quoted(word).into_owned());
        let flags = self.0.iter().filter(|(name, _)| *name != QUERY);
        let flags = flags.flat_map(|(name, words)| {
            let flag = match &**name {
                TYPES => "type".to_owned(),
                name => name.replace('_', "-"),
            };
            words
                .iter()
                .map(move |word| format!("--{flag} {}", quoted(word)))
        });
        let all: Vec<_> = query.chain(flags).collect();
        if all.is_empty() {
            "everything".to_owned()
        } else {
            all.join(" ")
        }
    }
}

/// Times are read once: of a replay that goes on later, `1h` is an hour before it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Selection {
    pub(super) asked: Asked,
    /// When it was asked for.
    at_ms: i64,
    /// The first and the last entry id.
    first: String,
    last: String,
    happened_since_ms: Option<i64>,
    happened_until_ms: Option<i64>,
}

impl Selection {
    /// Of entries within `ids`, what happened at the first moment or later and before the second.
    pub(super) fn new(
        asked: Asked,
        ids: IdRange,
        happened: (Option<Timestamp>, Option<Timestamp>),
        now: Timestamp,
    ) -> Self {
        // An inverted range holds nothing.
        let (first, last) = ids.inclusive().unwrap_or((EntryId::MAX, EntryId::MIN));
        Self {
            asked,
            at_ms: now.as_millis(),
            first: first.to_string(),
            last: last.to_string(),
            happened_since_ms: happened.0.map(Timestamp::as_millis),
            happened_until_ms: happened.1.map(Timestamp::as_millis),
        }
    }

    pub(super) fn understood(&self) -> Result<Understood> {
        let damaged = || Failure::new("what is to be replayed cannot be read");
        let moment = |ms: Option<i64>| ms.map(Timestamp::from_millis).transpose();
        let happened = (
            moment(self.happened_since_ms).map_err(|_| damaged())?,
            moment(self.happened_until_ms).map_err(|_| damaged())?,
        );
        let asked_at = Timestamp::from_millis(self.at_ms).map_err(|_| damaged())?;
        let question = language::parse(&self.asked.words(QUERY).join(" "), asked_at)?;
        let id = |text: &str| text.parse::<EntryId>().map_err(|_| damaged());
        let types = self.asked.words(TYPES).iter();
        let types: Result<Vec<EventType>, _> = types.map(|text| text.parse()).collect();
        let mut range = ReadRange::new(IdRange {
            start: Bound::Included(id(&self.first)?),
            end: Bound::Included(id(&self.last)?),
        });
        let mut filter = Filter {
            session_id: None,
            user_id: self.asked.words(USER).first().cloned(),
            types: types.map_err(|_| damaged())?,
        };
        let mut sessions: Option<BTreeSet<String>> = None;
        match self.asked.words(SESSION) {
            [] => {}
            named => narrow(&mut sessions, named),
        }
        for clause in question.clauses.iter().filter(|clause| !clause.negated) {
            match &clause.term {
                Term::Session(named) => narrow(&mut sessions, named),
                Term::User(named) if filter.user_id.is_none() && named.len() == 1 => {
                    filter.user_id = named.first().cloned();
                }
                Term::Type(types) if filter.types.is_empty() => filter.types.clone_from(types),
                Term::Since(from) => raise(&mut range.ids, *from),
                Term::Until(before) => lower(&mut range.ids, *before),
                _ => {}
            }
        }
        Ok(Understood {
            query: Query { range, filter },
            sessions: sessions.map(|sessions| sessions.into_iter().collect()),
            happened,
            question,
        })
    }
}

/// What the engine is asked for, and what is left to be asked of each entry.
pub(super) struct Understood {
    /// Without the sessions.
    query: Query,
    /// In which order of theirs does not matter; none for all.
    pub(super) sessions: Option<Vec<String>>,
    pub(super) happened: (Option<Timestamp>, Option<Timestamp>),
    pub(super) question: Question,
}

impl Understood {
    /// What to look for in the log: a query for each session, or one for everything.
    pub(super) fn queries(&self) -> Vec<Query> {
        let Some(sessions) = &self.sessions else {
            return vec![self.query.clone()];
        };
        let queries = sessions.iter().map(|session| {
            let mut query = self.query.clone();
            query.filter.session_id = Some(session.clone());
            query
        });
        queries.collect()
    }

    /// Whether it is about all of the sessions that it names, as far as flags other than those of `SelectArgs` say.
    pub(super) fn is_unconditional(&self) -> bool {
        self.question.is_empty() && self.happened == (None, None)
    }

    /// The query, of the one session where there is no other.
    pub(super) fn query(&self) -> Query {
        let mut query = self.query.clone();
        if let Some([only]) = self.sessions.as_deref() {
            query.filter.session_id = Some(only.clone());
        }
        query
    }
}

/// Only those of `named`, too.
fn narrow(sessions: &mut Option<BTreeSet<String>>, named: &[String]) {
    let named: BTreeSet<_> = named.iter().cloned().collect();
    *sessions = Some(match sessions.take() {
        None => named,
        Some(so_far) => so_far.intersection(&named).cloned().collect(),
    });
}

fn raise(ids: &mut IdRange, from: EntryId) {
    match ids.start {
        Bound::Included(first) if first >= from => {}
        _ => ids.start = Bound::Included(from),
    }
}

fn lower(ids: &mut IdRange, before: EntryId) {
    match ids.end {
        Bound::Included(last) if last < before => {}
        _ => ids.end = Bound::Excluded(before),
    }
}
