//! A query and flags that narrow it, as one question, and what is shown while it is answered.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::ProgressBar;
use recount::{Finder, Looked, Query, Question, Recount, Term, Timestamp, ViewProgress, language};

use super::SelectArgs;
use crate::cli::error::Result;
use crate::cli::mirror::prepare;
use crate::cli::output::{Output, count, progress_bar, thousands};
use crate::cli::session::SessionCheck;
use crate::cli::settings::Settings;

/// What to look for: all of it must hold.
#[derive(clap::Args)]
pub(crate) struct QueryArgs {
    /// What to look for, such as: type:error.occurred since:1h "timed out"
    #[arg(value_name = "QUERY")]
    query: Vec<String>,

    #[command(flatten)]
    pub(crate) select: SelectArgs,
}

/// The last part of the help of commands that take a query.
pub(crate) const QUERIES: &str = "\
Queries:
  session:ID user:ID agent:ID trace:ID
  type:TYPE id:ID               each a,b for any of several
  since:TIME until:TIME         recorded then; TIME as for --since
  happened-since:TIME happened-until:TIME
  refund \"timed out\"            words of its text; next to one another
  -type:message.added -refund   - before what must not hold
  All of it must hold. Single quotes around the whole query keep it from the
  shell; if it begins with -, put a space before it: ' -refund'.";

impl QueryArgs {
    /// All that must hold.
    pub(crate) fn question(&self) -> Result<Question> {
        let mut question = language::parse(&self.query.join(" "), Timestamp::now())?;
        for term in self.select.terms() {
            question = question.and(term);
        }
        Ok(question)
    }
}

/// Whether of the session that a question is about, if it is about one, all that is to be read is there.
pub(crate) async fn session_check(
    log: &Recount,
    question: &Question,
    select: &SelectArgs,
    all: bool,
) -> Result<SessionCheck> {
    let session = question
        .clauses
        .iter()
        .find_map(|clause| match &clause.term {
            Term::Session(ids) if !clause.negated && ids.len() == 1 => ids.first(),
            _ => None,
        });
    match session {
        None => SessionCheck::begin(log, select, None).await,
        Some(session) => {
            let page = log.session(session).recent(1).await?;
            let whole = all && question.clauses.len() == 1;
            Ok(SessionCheck::of(session, page, whole))
        }
    }
}

/// Sees to it that everything that `finder` asks is there and up to date, and shows how far that is where it
/// takes long.
pub(crate) async fn ready(
    log: &Recount,
    finder: Finder,
    settings: &Settings,
) -> Result<(Finder, Searching)> {
    prepare_mirror(log, &finder.queries(), settings).await?;
    indexed(finder, settings).await
}

/// As [`ready`], of what needs no mirror but for its index.
pub(crate) async fn indexed(
    mut finder: Finder,
    settings: &Settings,
) -> Result<(Finder, Searching)> {
    let bar = progress_bar(None, TEMPLATE, settings.quiet());
    let rebuilt = Mutex::new(None);
    let tell = |progress: ViewProgress| {
        if let Some(why) = progress.rebuilt {
            *rebuilt.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        }
        bar.set_message(format!(
            "indexing texts: {} of about {}",
            thousands(progress.done),
            count(progress.total.max(progress.done), "event")
        ));
        bar.tick();
    };
    let prepared = finder.prepare(&tell).await;
    bar.finish_and_clear();
    if let Some(why) = rebuilt.into_inner().unwrap_or_else(PoisonError::into_inner) {
        settings.note(format_args!("the index of texts was built anew: {why}"));
    }
    let searching = Searching::new(prepared?, settings);
    let bar = searching.bar.clone();
    let finder = finder.watch(move |Looked { entries, at }| {
        let at = Timestamp::saturating_from_millis(at.ms);
        bar.set_message(format!(
            "{} looked at, now those of {at}",
            count(entries, "event")
        ));
    });
    Ok((finder, searching))
}

const TEMPLATE: &str = "{spinner} {msg}, {elapsed}";

/// Sees to it that a mirror has what the log is asked of it.
pub(crate) async fn prepare_mirror(
    log: &Recount,
    queries: &[Query],
    settings: &Settings,
) -> Result {
    for query in queries {
        if log.needs_mirror(query).await? {
            return prepare(log, query, settings).await;
        }
    }
    match queries.first() {
        Some(query) => prepare(log, query, settings).await,
        None => Ok(()),
    }
}

/// Shows on standard error how far a search is, until it is dropped.
pub(crate) struct Searching {
    bar: ProgressBar,
    /// Whether the index of texts answers, so that little is looked at in vain.
    pub(crate) by_index: bool,
}

impl Searching {
    fn new(by_index: bool, settings: &Settings) -> Self {
        const REDRAWN: Duration = Duration::from_millis(250);
        let bar = progress_bar(None, TEMPLATE, settings.quiet());
        bar.enable_steady_tick(REDRAWN);
        Self { bar, by_index }
    }

    /// Prints something in between.
    pub(crate) fn aside(
        &self,
        output: &mut Output,
        print: impl FnOnce(&mut Output) -> Result,
    ) -> Result {
        if self.bar.is_hidden() {
            return print(output);
        }
        self.bar.suspend(|| {
            print(output)?;
            output.flush()
        })
    }
}

impl Drop for Searching {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
