//! `recount errors`

mod counts;

use recount::payload::Payload;
use recount::{EventType, Recorded, Term, json};

use self::counts::Counts;
use super::error::Result;
use super::numbers::from_1;
use super::output::{Output, count, fit, one_line, terminal_width};
use super::select::{QueryArgs, ready, session_check};
use super::settings::Settings;
use super::table::columns;

/// Show what went wrong: the newest errors, and how many there are by tool and by code
///
/// An error is an event of the type error.occurred. They come newest first, as they were recorded; the time shown is
/// when they happened, the number that of the event in its session, which recount state --at takes. The counts are of all that match, however many are shown.
#[derive(clap::Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{}", super::select::QUERIES))]
pub(super) struct Args {
    #[command(flatten)]
    query: QueryArgs,

    /// Show at most so many; all are counted
    #[arg(
        long,
        value_name = "N",
        default_value = "20",
        allow_negative_numbers = true,
        value_parser = from_1::<u64>
    )]
    limit: u64,

    /// Print one JSON document: how many, the newest ones, by tool, by code
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  recount errors
  recount errors --since 1h
  recount errors 'user:ada timeout' --limit 5
  recount errors --since 1d --json | jq .by_tool";

/// Errors that are looked at at a time.
const PAGE: usize = 1_000;

pub(super) async fn run(args: Args, settings: &Settings) -> Result {
    let question = args.query.question()?;
    let question = question.and(Term::Type(vec![EventType::ErrorOccurred]));
    let log = settings.open_read_only().await?;
    let finder = log.find(&question).reverse().limit(PAGE);
    let (mut finder, searching) = ready(&log, finder, settings).await?;
    session_check(&log, &question, &args.query.select, false).await?;
    let shown_max = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let mut newest: Vec<Recorded> = Vec::new();
    let mut counts = Counts::default();
    while let Some(page) = finder.next_some().await? {
        for recorded in page {
            counts.take(&recorded);
            if newest.len() < shown_max {
                newest.push(recorded);
            }
        }
    }
    drop(searching);
    let mut output = Output::new();
    if args.json {
        let newest: Vec<_> = newest.iter().map(json::line).collect();
        output.line(counts.document(&newest))?;
    } else {
        for line in lines(&newest) {
            output.line(line)?;
        }
        for line in counts.tables() {
            output.line(line)?;
        }
    }
    output.flush()?;
    if counts.all == 0 {
        settings.note("no errors");
    } else if counts.all > newest.len() as u64 {
        settings.note(format_args!(
            "the newest {} of {}: --limit shows more",
            newest.len(),
            count(counts.all, "error")
        ));
    }
    log.close().await?;
    Ok(())
}

/// When, the session, the tool, the code, and what the error says.
fn lines(errors: &[Recorded]) -> Vec<String> {
    const MESSAGE_MAX: usize = 100;
    let row = |recorded: &Recorded| {
        let event = recorded.event()?;
        let Told {
            tool,
            code,
            message,
        } = Told::by(recorded);
        let text = |text: Option<String>| {
            text.map_or_else(|| "-".to_owned(), |text| one_line(&text).into_owned())
        };
        let message = text(message);
        let message = match terminal_width() {
            Some(_) => fit(&message, MESSAGE_MAX).into_owned(),
            None => message,
        };
        Some(vec![
            event.timestamp.to_string(),
            one_line(&event.session_id).into_owned(),
            match recorded.revision {
                0 => String::new(),
                revision => format!("#{revision}"),
            },
            text(tool),
            text(code),
            message,
        ])
    };
    let rows: Vec<_> = errors.iter().filter_map(row).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let titles = ["happened", "session", "event", "tool", "code", "message"];
    columns(&titles, &rows, 0, terminal_width())
}

/// What an error says of itself.
#[derive(Default)]
struct Told {
    tool: Option<String>,
    code: Option<String>,
    message: Option<String>,
}

impl Told {
    fn by(recorded: &Recorded) -> Self {
        match recorded.event().map(Payload::of) {
            Some(Ok(Payload::ErrorOccurred(error))) => Self {
                tool: error.tool,
                code: error.code,
                message: error.message,
            },
            // Data of another form than documented.
            Some(_) => Self {
                message: recorded.event().map(|event| event.data.as_str().to_owned()),
                ..Self::default()
            },
            None => Self::default(),
        }
    }
}
