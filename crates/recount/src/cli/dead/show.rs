//! `recount dead show`

use recount::{Letter, LetterState, Position};

use super::words::reason;
use super::{letters, no_letter};
use crate::cli::error::Result;
use crate::cli::groups::{GroupFlag, Opened, position};
use crate::cli::output::{Output, PrintArgs, count, one_line, terminal_width};
use crate::cli::settings::Settings;
use crate::cli::table::facts;

/// Show a dead letter: why the group gave up, every attempt, and the event
///
/// Letters that were retried or discarded are shown, too.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    group: GroupFlag,

    /// The entry that it is about
    #[arg(value_name = "ID", value_parser = position)]
    entry: Position,

    #[command(flatten)]
    print: PrintArgs,
}

const EXAMPLES: &str = "\
Examples:
  recount dead show --group audit 1526919030474-0
  recount dead show --group audit 1526919030474-0 --json | jq .entry";

pub(super) async fn run(args: &Args, settings: &Settings) -> Result {
    let opened = Opened::for_reading(settings).await?;
    let letters = letters(&opened, &args.group, settings).await?;
    let letter = letters.get(args.entry).await?;
    opened.close().await?;
    let Some(letter) = letter else {
        return Err(no_letter(&args.group.group, args.entry, settings));
    };
    let mut output = Output::new();
    if args.print.json {
        output.line(letter.json())?;
    } else {
        for line in facts(&told(&letter), terminal_width()) {
            output.line(line)?;
        }
        if let Some(entry) = &letter.entry {
            output.line(one_line(entry))?;
        }
    }
    output.flush()
}

fn told(letter: &Letter) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut row = |name: &str, fact: String| rows.push((name.to_owned(), fact));
    row("entry", letter.position.to_string());
    if let Some(session) = &letter.session_id {
        row("session", one_line(session).into_owned());
    }
    let state = match (letter.state, letter.retries) {
        (LetterState::Retried, retries) => format!("retried {}", times(retries.into())),
        (state, 0) => state.as_str().to_owned(),
        (state, retries) => format!(
            "{}, retried {} before",
            state.as_str(),
            times(retries.into())
        ),
    };
    row("letter", state);
    row("reason", reason(letter.reason).to_owned());
    row("error", one_line(&letter.error).into_owned());
    row("dead since", letter.dead_at.to_string());
    if let Some(first) = letter.first_delivered {
        row(
            "delivered",
            format!("{}, first at {first}", times(letter.delivery_count)),
        );
    } else {
        row("delivered", times(letter.delivery_count));
    }
    row("given up by", one_line(&letter.consumer).into_owned());
    for attempt in &letter.attempts {
        row(
            &format!("attempt {}", attempt.delivery_count),
            format!(
                "{} {}: {}",
                attempt.at,
                one_line(&attempt.consumer),
                one_line(&attempt.error)
            ),
        );
    }
    if letter.entry.is_none() {
        row("event", "not kept: the error says why".to_owned());
    }
    rows
}

/// `once`, `3 times`.
fn times(times: u64) -> String {
    match times {
        1 => "once".to_owned(),
        more => count(more, "time"),
    }
}
