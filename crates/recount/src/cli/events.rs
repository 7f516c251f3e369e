//! `recount events`

use recount::{Events, Finder, Found, Order, PageCursor, Question, Recorded, Recount, Term, json};
use serde_json::json;
use unicode_width::UnicodeWidthStr as _;

use super::error::Result;
use super::line::Lines;
use super::mirror::warn_of_incidents;
use super::numbers::from_1;
use super::output::{Output, one_line, pad};
use super::select::{QueryArgs, SelectArgs, indexed, ready, session_check};
use super::settings::Settings;

/// Show what is recorded, by session, user, type, time, agent, trace, and the words in it
///
/// Times are about when an event was recorded; what is shown is when it happened, by its producer's
/// word. Without --json a line is cut to the terminal's width. Words, agents and traces are found by an index that
/// the first such question builds (see recount views). On a server, what is asked for by user or type
/// is looked for in a mirror on this machine, which the first such question builds (see recount mirrors).
#[derive(clap::Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{}", super::select::QUERIES))]
// Each is a flag of its own.
#[expect(clippy::struct_excessive_bools)]
pub(super) struct Args {
    #[command(flatten)]
    query: QueryArgs,

    /// Sort by when events were recorded, or by when they happened
    #[arg(long, value_name = "BY", default_value = "recorded")]
    sort: Sort,

    /// The last ones first
    #[arg(long)]
    reverse: bool,

    /// At most so many
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = from_1::<u64>)]
    limit: Option<u64>,

    /// Go on where a page ended: what --limit said at its end, asked for likewise
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<PageCursor>,

    /// Print each event as a JSON object, one a line; with --count, one document
    #[arg(long)]
    json: bool,

    /// Show what is stored: each entry's fields, in no other version than their own
    #[arg(long)]
    raw: bool,

    /// Print only how many there are
    #[arg(long, conflicts_with_all = ["raw", "cursor"])]
    count: bool,
}

/// By which time.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Sort {
    Recorded,
    Happened,
}

const EXAMPLES: &str = "\
Examples:
  recount events --session s1
  recount events --since 1h --type error.occurred --type tool.returned
  recount events 'user:ada agent:planner since:2d \"timed out\"'
  recount events --reverse --limit 20
  recount events --user ada --since 2026-01-02 --count
  recount events 'type:tool.called -refund' --sort happened --limit 100
  recount events --start 1526919030474-0 --end + --json | jq .data
  recount events --session s1 --limit 1 --raw";

/// Events that are fetched at a time where there is no limit.
const PAGE: usize = 1_000;

pub(super) async fn run(args: Args, settings: &Settings) -> Result {
    let question = args.query.question()?;
    let mut log = settings.open_read_only().await?;
    if args.raw {
        log = log.raw();
    }
    let finder = args.finder(&log, &question);
    let newest = args.reverse && args.limit.is_some() && args.sort == Sort::Recorded;
    let (mut finder, searching) = if newest && is_about_ids_only(&question) {
        // The newest are on the server.
        for query in finder.queries() {
            warn_of_incidents(&log, &query, settings).await;
        }
        indexed(finder, settings).await?
    } else {
        ready(&log, finder, settings).await?
    };
    let all = args.limit.is_none() && args.cursor.is_none();
    let mut session = session_check(&log, &question, &args.query.select, all).await?;
    let mut output = Output::new();
    let (count, next) = if args.count && searching.by_index {
        let limit = args.limit.unwrap_or(u64::MAX);
        (finder.count().await?.min(limit), None)
    } else {
        let mut shown = Shown::new(&args, settings);
        loop {
            let (page, next) = args.page(&mut finder).await?;
            let end = page.is_empty() || args.limit.is_some();
            session.see(&page);
            searching.aside(&mut output, |output| shown.take(&page, output))?;
            if end {
                break (shown.count, next);
            }
        }
    };
    drop(searching);
    if args.count && args.json {
        let mut document = json!({"count": count});
        session.tell(&mut document);
        output.line(document)?;
    } else if args.count {
        output.line(count)?;
    }
    output.flush()?;
    session.end(true);
    if count == 0 && !args.count {
        settings.note("no events");
    }
    if let Some(next) = next.filter(|_| !args.count) {
        settings.note(format_args!(
            "there may be more: the same with --cursor {next}"
        ));
    }
    log.close().await?;
    Ok(())
}

/// Whether nothing but a range is asked for.
fn is_about_ids_only(question: &Question) -> bool {
    let mut terms = question.clauses.iter().map(|clause| &clause.term);
    terms.all(|term| matches!(term, Term::Since(_) | Term::Until(_)))
}

impl Args {
    fn finder(&self, log: &Recount, question: &Question) -> Finder {
        let limit = self
            .limit
            .map_or(PAGE, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let mut finder = log.find(question).limit(limit).order(match self.sort {
            Sort::Recorded => Order::Recorded,
            Sort::Happened => Order::Happened,
        });
        if self.reverse {
            finder = finder.reverse();
        }
        match self.cursor {
            Some(cursor) => finder.after(cursor),
            None => finder,
        }
    }

    /// The page that is asked for, or what is at hand of everything.
    async fn page(&self, finder: &mut Finder) -> Result<(Vec<Recorded>, Option<PageCursor>)> {
        if self.limit.is_none() {
            return Ok((finder.next_some().await?.unwrap_or_default(), None));
        }
        let Found { entries, next, .. } = finder.next_page().await?;
        Ok((entries, next))
    }
}

/// Events as they are shown.
struct Shown<'a> {
    args: &'a Args,
    lines: Lines,
    count: u64,
}

impl<'a> Shown<'a> {
    fn new(args: &'a Args, settings: &Settings) -> Self {
        Self {
            args,
            lines: Lines::for_output(settings.color()),
            count: 0,
        }
    }

    fn take(&mut self, page: &[Recorded], output: &mut Output) -> Result {
        self.count += page.len() as u64;
        if self.args.count {
            return Ok(());
        }
        self.lines.widen(page);
        for recorded in page {
            match (self.args.json, self.args.raw) {
                (true, true) => output.line(json::stored_line(recorded))?,
                (true, false) => output.line(json::line(recorded))?,
                (false, true) => print_fields(output, recorded)?,
                (false, false) => output.line(self.lines.format(recorded))?,
            }
        }
        Ok(())
    }
}

/// An entry's id and its fields, one a line.
fn print_fields(output: &mut Output, recorded: &Recorded) -> Result {
    output.line(recorded.position)?;
    let fields = recorded.fields();
    let names: Vec<String> = fields.iter().map(|(name, _)| shown(name)).collect();
    let widest = names.iter().map(|name| name.width()).max().unwrap_or(0);
    for (name, (_, value)) in names.iter().zip(&fields) {
        output.line(format_args!("  {}  {}", pad(name, widest), shown(value)))?;
    }
    Ok(())
}

/// Text as it may be shown; other bytes with their values.
fn shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => one_line(text).into_owned(),
        Err(_) => bytes.escape_ascii().to_string(),
    }
}

/// What is selected of `log` as it is now. What is recorded meanwhile is left out, else a command
/// beside a busy writer would never end.
pub(super) async fn select(log: &Recount, select: &SelectArgs, reverse: bool) -> Result<Events> {
    let mut query = select.query();
    if reverse {
        query.range = query.range.backward();
    }
    let now = log.log().tail().await?;
    Ok(log.events(query).up_to(&now))
}
