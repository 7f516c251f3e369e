//! `recount search`

mod hits;

use recount::{Found, Order, PageCursor, Question, Term};
use serde_json::json;

use self::hits::{Hits, document};
use super::error::{Failure, Result};
use super::numbers::from_1;
use super::output::Output;
use super::select::{QueryArgs, ready, session_check};
use super::settings::Settings;

/// Find events by the words in them
///
/// Looks through what was said, the names and arguments of tools, their results, errors, summaries and searches.
/// One hit a line: when it happened, its session and its number there (which recount state --at takes), who, and
/// the place that was found. The index is built by the first search and kept up to date by later ones (see
/// recount views); in a session, events are looked at one by one.
#[derive(clap::Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{}", super::select::QUERIES))]
pub(super) struct Args {
    #[command(flatten)]
    query: QueryArgs,

    /// What comes first: what fits best, or what was recorded or happened last. In a session, where all is to be
    /// found in order, what was recorded first, unless something else is asked for
    #[arg(long, value_name = "BY")]
    sort: Option<Sort>,

    /// At most so many
    #[arg(
        long,
        value_name = "N",
        default_value = "20",
        allow_negative_numbers = true,
        value_parser = from_1::<u64>
    )]
    limit: u64,

    /// Go on where a page ended: what was said at its end, asked for likewise
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<PageCursor>,

    /// Print each hit as a JSON object, one a line: event, excerpt, score
    #[arg(long)]
    json: bool,

    /// Print only how many events are found
    #[arg(long, conflicts_with = "cursor")]
    count: bool,
}

/// What comes first.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Sort {
    Relevance,
    Recorded,
    Happened,
}

const EXAMPLES: &str = "\
Examples:
  recount search refund
  recount search '\"timed out\" type:error.occurred since:1d'
  recount search 'refund -policy user:ada' --sort recorded --limit 50
  recount search 'session:s1 order'
  recount search refund --json | jq -r .event.session_id
  recount search refund --count";

pub(super) async fn run(args: Args, settings: &Settings) -> Result {
    let question = args.query.question()?;
    if !question.is_about_text() {
        return Err(Failure::usage("no word to look for").hint(
            "recount search refund looks for a word; recount events lists events by anything else",
        ));
    }
    let log = settings.open_read_only().await?;
    let (order, reverse) = args.order(&question);
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let mut finder = log.find(&question).order(order).limit(limit);
    if reverse {
        finder = finder.reverse();
    }
    if let Some(cursor) = args.cursor {
        finder = finder.after(cursor);
    }
    let (mut finder, searching) = ready(&log, finder, settings).await?;
    session_check(&log, &question, &args.query.select, false).await?;
    let mut output = Output::new();
    if args.count {
        let count = finder.count().await?;
        drop(searching);
        if args.json {
            output.line(json!({"count": count}))?;
        } else {
            output.line(count)?;
        }
        output.flush()?;
        return Ok(log.close().await?);
    }
    let found = finder.next_page().await?;
    drop(searching);
    print(&found, &question, &args, settings, &mut output)?;
    output.flush()?;
    if found.entries.is_empty() {
        settings.note("nothing found");
    }
    if let Some(next) = found.next {
        settings.note(format_args!(
            "there may be more: the same with --cursor {next}"
        ));
    }
    log.close().await?;
    Ok(())
}

fn print(
    found: &Found,
    question: &Question,
    args: &Args,
    settings: &Settings,
    output: &mut Output,
) -> Result {
    if !args.json {
        let hits = Hits::new(&found.entries, settings.color());
        for recorded in &found.entries {
            output.line(hits.line(recorded, question))?;
        }
        return Ok(());
    }
    let scores = found.scores.iter().copied().map(Some);
    let scores = scores.chain(std::iter::repeat(None));
    for (recorded, score) in found.entries.iter().zip(scores) {
        output.line(document(recorded, score, question))?;
    }
    Ok(())
}

impl Args {
    /// What events are sorted by, and whether the last ones come first.
    fn order(&self, question: &Question) -> (Order, bool) {
        let in_session = question
            .clauses
            .iter()
            .any(|clause| !clause.negated && matches!(clause.term, Term::Session(_)));
        match self.sort {
            Some(Sort::Recorded) => (Order::Recorded, true),
            Some(Sort::Happened) => (Order::Happened, true),
            None if in_session => (Order::Recorded, false),
            None | Some(Sort::Relevance) => (Order::Relevance, false),
        }
    }
}
