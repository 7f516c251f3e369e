//! `recount dead list`

use recount::{DeadLetters, Letter};

use super::letters;
use super::words::reason;
use crate::cli::error::Result;
use crate::cli::groups::{GroupFlag, Opened};
use crate::cli::numbers::from_1;
use crate::cli::output::{Output, fit, one_line, terminal_width, thousands};
use crate::cli::settings::Settings;
use crate::cli::table::columns;

/// Show the open dead letters of a group, in the order of their entries
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    group: GroupFlag,

    /// At most so many
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = from_1::<u64>)]
    limit: Option<u64>,

    /// Print each letter as a JSON object, one a line, with its event and its attempts
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  recount dead list --group audit
  recount dead list --group audit --limit 10
  recount dead list --group audit --json | jq .error";

pub(super) async fn run(args: &Args, settings: &Settings) -> Result {
    let opened = Opened::for_reading(settings).await?;
    let letters = letters(&opened, &args.group, settings).await?;
    let listed = open_ones(&letters, args.limit.unwrap_or(u64::MAX)).await?;
    let count = letters.count().await?;
    opened.close().await?;
    let mut output = Output::new();
    if args.json {
        for letter in &listed {
            output.line(letter.json())?;
        }
    } else {
        for line in table(&listed, terminal_width()) {
            output.line(line)?;
        }
    }
    output.flush()?;
    let shown = listed.len() as u64;
    if count == 0 {
        settings.note("no dead letters");
    } else if shown < count {
        settings.note(format_args!(
            "the first {} of {}",
            thousands(shown),
            thousands(count)
        ));
    }
    Ok(())
}

/// The first open letters.
pub(super) async fn open_ones(letters: &DeadLetters, limit: u64) -> Result<Vec<Letter>> {
    const PAGE: u64 = 500;
    let mut all: Vec<Letter> = Vec::new();
    loop {
        let want = PAGE.min(limit - all.len() as u64) as usize;
        if want == 0 {
            return Ok(all);
        }
        let after = all.last().map(|letter| letter.position);
        let page = letters.list(after, want).await?;
        let end = page.len() < want;
        all.extend(page);
        if end {
            return Ok(all);
        }
    }
}

fn table(letters: &[Letter], terminal: Option<usize>) -> Vec<String> {
    const ERROR_WIDTH_MAX: usize = 60;
    if letters.is_empty() {
        return Vec::new();
    }
    let rows = letters.iter().map(|letter| {
        let error = one_line(&letter.error);
        let error = match terminal {
            Some(_) => fit(&error, ERROR_WIDTH_MAX).into_owned(),
            None => error.into_owned(),
        };
        vec![
            letter.position.to_string(),
            thousands(letter.delivery_count),
            letter.dead_at.to_string(),
            one_line(letter.session_id.as_deref().unwrap_or("")).into_owned(),
            reason(letter.reason).to_owned(),
            error,
        ]
    });
    let rows: Vec<_> = rows.collect();
    let titles = ["entry", "tried", "dead since", "session", "reason", "error"];
    columns(&titles, &rows, 2, terminal)
}
