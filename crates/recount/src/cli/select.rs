//! Which events a command is about: the flags that `events`, `export` and `tail` share.

mod query;

use std::ops::Bound;

use recount::{
    EntryId, EventType, Filter, IdRange, Moment, Query, RangeEnd, RangeStart, ReadRange, Term,
};

pub(super) use self::query::{QUERIES, QueryArgs, indexed, prepare_mirror, ready, session_check};

use super::numbers::id;

/// What to look for.
#[derive(clap::Args)]
pub(super) struct FilterArgs {
    /// Only events of this session
    #[arg(long, value_name = "ID", value_parser = id)]
    session: Option<String>,

    /// Only events of this user
    #[arg(long, value_name = "ID", value_parser = id)]
    user: Option<String>,

    /// Only events of this type; may be given several times
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<EventType>,
}

impl From<&FilterArgs> for Filter {
    fn from(args: &FilterArgs) -> Self {
        Self {
            session_id: args.session.clone(),
            user_id: args.user.clone(),
            types: args.types.clone(),
        }
    }
}

/// Where to look.
#[derive(clap::Args)]
pub(super) struct SelectArgs {
    #[command(flatten)]
    filter: FilterArgs,

    /// From this entry id on; (ID for after it, - for the first
    #[arg(long, value_name = "ID", default_value = "-")]
    start: RangeStart,

    /// Up to this entry id; (ID for before it, + for the last
    #[arg(long, value_name = "ID", default_value = "+")]
    end: RangeEnd,

    /// Recorded since: 1h, 30m, 2d (ago), 2026-01-02 (midnight UTC), 2026-01-02T10:00 (UTC),
    /// RFC 3339, or an entry id
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,

    /// Recorded before: as --since
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
}

/// From the smallest to the greatest id there can be.
const RANGE_OF_ALL: IdRange = IdRange {
    start: Bound::Included(EntryId::MIN),
    end: Bound::Included(EntryId::MAX),
};

impl SelectArgs {
    /// The query for what is selected.
    pub(super) fn query(&self) -> Query {
        Query {
            range: ReadRange::new(self.ids()),
            filter: self.filter(),
        }
    }

    /// What to look for.
    pub(super) fn filter(&self) -> Filter {
        Filter::from(&self.filter)
    }

    /// The same as conditions of a question.
    pub(super) fn terms(&self) -> Vec<Term> {
        let filter = &self.filter;
        let mut terms = Vec::new();
        terms.extend(filter.session.clone().map(|id| Term::Session(vec![id])));
        terms.extend(filter.user.clone().map(|id| Term::User(vec![id])));
        if !filter.types.is_empty() {
            terms.push(Term::Type(filter.types.clone()));
        }
        // An inverted range holds nothing, as what is before the first id.
        let (first, last) = self
            .ids()
            .inclusive()
            .unwrap_or((EntryId::MAX, EntryId::MIN));
        let nothing = first > last;
        terms.extend((nothing || first > EntryId::MIN).then_some(Term::Since(first)));
        terms.extend(last.next().map(Term::Until));
        terms
    }

    /// Whether nothing was left out.
    pub(super) fn is_everything(&self) -> bool {
        let filter = &self.filter;
        filter.session.is_none()
            && filter.user.is_none()
            && filter.types.is_empty()
            && self.ids() == RANGE_OF_ALL
    }

    /// The session, if it is about one.
    pub(super) fn session(&self) -> Option<&str> {
        self.filter.session.as_deref()
    }

    /// Whether all of a session is wanted.
    pub(super) fn is_whole_session(&self) -> bool {
        let filter = &self.filter;
        filter.session.is_some()
            && filter.user.is_none()
            && filter.types.is_empty()
            && self.ids() == RANGE_OF_ALL
    }

    fn ids(&self) -> IdRange {
        let named = IdRange::from((self.start, self.end)).inclusive();
        let recorded = IdRange {
            start: self
                .since
                .map_or(Bound::Unbounded, |at| Bound::Included(at.entry_id())),
            end: self
                .until
                .map_or(Bound::Unbounded, |at| Bound::Excluded(at.entry_id())),
        };
        let (first, last) = match (named, recorded.inclusive()) {
            (Some(named), Some(recorded)) => (named.0.max(recorded.0), named.1.min(recorded.1)),
            // An inverted range holds nothing.
            _ => (EntryId::MAX, EntryId::MIN),
        };
        IdRange {
            start: Bound::Included(first),
            end: Bound::Included(last),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        select: SelectArgs,
    }

    /// What is looked through, as text; nothing where the range is empty.
    fn ids(args: &[&str]) -> String {
        let args = ["test"].iter().chain(args);
        let range = Cli::try_parse_from(args).unwrap().select.ids();
        match range.inclusive() {
            Some((first, last)) => format!("{first} to {last}"),
            None => "nothing".to_owned(),
        }
    }

    #[test]
    fn ids_and_times_narrow_each_other() {
        let max = EntryId::MAX;
        assert_eq!(ids(&[]), format!("0-0 to {max}"));
        assert_eq!(
            ids(&["--start", "(7-1", "--end", "9"]),
            "7-2 to 9-18446744073709551615"
        );
        assert_eq!(
            ids(&["--start", "5", "--since", "2026-01-02"]),
            format!("1767312000000-0 to {max}")
        );
        assert_eq!(
            ids(&["--until", "2026-01-02"]),
            "0-0 to 1767311999999-18446744073709551615"
        );
        assert_eq!(ids(&["--since", "2026-01-02", "--end", "7"]), "nothing");
        assert_eq!(ids(&["--until", "1960-01-02"]), "nothing");
    }

    #[test]
    fn flags_are_conditions_too() {
        let terms = |args: &[&str]| {
            let args = ["test"].iter().chain(args);
            let terms = Cli::try_parse_from(args).unwrap().select.terms();
            let terms: Vec<_> = terms.iter().map(ToString::to_string).collect();
            terms.join(" ")
        };
        assert_eq!(terms(&[]), "");
        assert_eq!(
            terms(&[
                "--session",
                "a b",
                "--user",
                "u",
                "--type",
                "t",
                "--type",
                "x"
            ]),
            "session:\"a b\" user:u type:t,x"
        );
        assert_eq!(
            terms(&["--start", "1526919030474-5", "--until", "2026-01-02"]),
            "since:1526919030474-5 until:2026-01-02T00:00:00.000Z"
        );
        // Nothing is in it.
        assert_eq!(
            terms(&["--start", "9-0", "--end", "7-0"]),
            format!("since:{} until:00000000000-1", EntryId::MAX)
        );
    }

    #[test]
    fn everything_is_what_no_flag_narrows() {
        let everything = |args: &[&str]| {
            let args = ["test"].iter().chain(args);
            Cli::try_parse_from(args).unwrap().select.is_everything()
        };
        assert!(everything(&[]));
        assert!(everything(&["--start", "-", "--end", "+"]));
        assert!(!everything(&["--type", "t"]));
        assert!(!everything(&["--until", "2026-01-02"]));
    }
}
