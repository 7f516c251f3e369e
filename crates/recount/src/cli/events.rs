//! `recount events`

use recount::{Events, Recorded, Recount, json};
use serde_json::json;
use unicode_width::UnicodeWidthStr as _;

use super::error::Result;
use super::line::Lines;
use super::mirror::{prepare, warn_of_incidents};
use super::numbers::from_1;
use super::output::{Output, one_line, pad};
use super::select::SelectArgs;
use super::session::SessionCheck;
use super::settings::Settings;

/// Show what is recorded, by session, user, type, entry id and time
///
/// Times are about when an event was recorded; what is shown is when it happened, by its producer's
/// word. Without --json a line is cut to the terminal's width. On a server, what is asked for by user or type
/// is looked for in a mirror on this machine, which the first such question builds (see recount mirrors).
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
// Each is a flag of its own.
#[expect(clippy::struct_excessive_bools)]
pub(super) struct Args {
    #[command(flatten)]
    select: SelectArgs,

    /// The last ones first
    #[arg(long)]
    reverse: bool,

    /// At most so many
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = from_1::<u64>)]
    limit: Option<u64>,

    /// Print each event as a JSON object, one a line; with --count, one document
    #[arg(long)]
    json: bool,

    /// Show what is stored: each entry's fields, in no other version than their own
    #[arg(long)]
    raw: bool,

    /// Print only how many there are
    #[arg(long, conflicts_with = "raw")]
    count: bool,
}

const EXAMPLES: &str = "\
Examples:
  recount events --session s1
  recount events --since 1h --type error.occurred --type tool.returned
  recount events --reverse --limit 20
  recount events --user ada --since 2026-01-02 --count
  recount events --start 1526919030474-0 --end + --json | jq .data
  recount events --session s1 --limit 1 --raw";

pub(super) async fn run(args: Args, settings: &Settings) -> Result {
    let mut log = settings.open_read_only().await?;
    if args.raw {
        log = log.raw();
    }
    let query = args.select.query();
    if query.filter.is_empty() && args.reverse && args.limit.is_some() {
        // The newest are on the server.
        warn_of_incidents(&log, &query, settings).await;
    } else {
        prepare(&log, &query, settings).await?;
    }
    let mut session = SessionCheck::begin(&log, &args.select, args.limit).await?;
    let mut events = select(&log, &args.select, args.reverse).await?;
    if let Some(limit) = args.limit {
        events = events.limit(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    let mut output = Output::new();
    let mut lines = Lines::for_output(settings.color());
    let mut count = 0;
    while let Some(page) = events.next_page().await? {
        // Gives Ctrl-C its turn where no page has to be waited for.
        tokio::task::yield_now().await;
        count += page.len();
        session.see(&page);
        lines.widen(&page);
        for recorded in page.iter().filter(|_| !args.count) {
            if args.json && args.raw {
                output.line(json::stored_line(recorded))?;
            } else if args.json {
                output.line(json::line(recorded))?;
            } else if args.raw {
                print_fields(&mut output, recorded)?;
            } else {
                output.line(lines.format(recorded))?;
            }
        }
    }
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
    log.close().await?;
    Ok(())
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
