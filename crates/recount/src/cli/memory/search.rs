//! `recount memory search`

use recount::Query;
use recount::memory::{Found, Hit, Scope};
use serde_json::json;

use super::shown::{document, said};
use super::writer::{self, Writer};
use crate::cli::error::Result;
use crate::cli::mirror::prepare;
use crate::cli::numbers::from_1;
use crate::cli::output::{Output, count, fit, one_line, terminal_width};
use crate::cli::settings::{Settings, warn};
use crate::cli::views::current;

/// Find the messages that say most about some words, and record the search
///
/// The best first, by BM25: any of the words may stand in them. One a line: how well it fits, when it was said, where
/// and by whom. recount search looks through everything that was recorded, and records nothing.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    pub(super) writer: Writer,

    /// The words
    #[arg(value_name = "WORDS", allow_hyphen_values = true)]
    query: String,

    /// Whose memories: this session's, those of all sessions of the user (--user, else the one whom the session
    /// names), or all. For more than the session, a log on a server needs a mirror
    #[arg(long, value_name = "session|user|all", default_value = "session")]
    scope: Scope,

    /// At most so many
    #[arg(
        long,
        short = 'n',
        value_name = "N",
        default_value = "10",
        allow_negative_numbers = true,
        value_parser = from_1::<usize>
    )]
    limit: usize,

    /// Record nothing: it works beside the process that writes
    #[arg(long, conflicts_with = "expect_revision")]
    no_record: bool,
}

const EXAMPLES: &str = "\
Examples:
  recount memory search s1 \"broken order\"
  recount memory search s1 refund --scope user --limit 5
  recount memory search s1 refund --no-record --json | jq '.hits[0].content'";

pub(super) async fn run(args: &Args, settings: &Settings) -> Result {
    let Args {
        writer,
        query,
        scope,
        limit,
        ..
    } = args;
    let log = if args.no_record {
        settings.open_read_only().await?
    } else {
        settings.open().await?
    };
    let memory = writer.memory(&log);
    prepare(&log, &Query::session(&writer.session), settings).await?;
    // Where there can be none, the search says what it needs.
    if *scope != Scope::Session && log.views().is_ok() {
        current(&log, &["sessions", "search"], settings).await?;
    }
    let found = if args.no_record {
        memory.find(query, *limit, *scope).await
    } else {
        memory.search(query, *limit, *scope).await
    };
    let found = found.map_err(|error| writer.failed(error, settings))?;
    if found.left_out > 0 {
        warn(format_args!(
            "{} of the memory not searched: no longer in the log, or too many came after",
            match found.left_out {
                1 => "1 message was".to_owned(),
                more => format!("{} were", count(more, "message")),
            }
        ));
    }
    let mut output = Output::new();
    if writer.json {
        let told = json!({
            "query": query,
            "scope": scope.as_str(),
            "left_out": found.left_out,
            "hits": found.hits.iter().map(hit_document).collect::<Vec<_>>(),
            "recorded": found.recorded.as_ref().map(writer::document),
        });
        output.line(format_args!("{told:#}"))?;
    } else {
        print(&found, &mut output)?;
    }
    output.flush()?;
    if found.hits.is_empty() {
        settings.note("nothing found");
    }
    if found.recorded.as_ref().is_some_and(|written| written.began) {
        writer.tell_of_beginning(settings);
    }
    log.close().await?;
    Ok(())
}

fn print(found: &Found, output: &mut Output) -> Result {
    let width = terminal_width().unwrap_or(usize::MAX);
    for Hit { message, score } in &found.hits {
        let session = one_line(&message.session_id);
        let line = format!(
            "{score:>5.2}  {} {session} {}",
            message.happened,
            said(message)
        );
        output.line(fit(&line, width))?;
    }
    Ok(())
}

fn hit_document(hit: &Hit) -> serde_json::Value {
    let mut told = document(&hit.message);
    told["score"] = json!(hit.score);
    told
}
