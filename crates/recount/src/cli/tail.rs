//! `recount tail`

use std::time::Duration;

use recount::{
    Filter, IdRange, Moment, Query, ReadError, ReadRange, Recorded, Recount, StartFrom, Tail, json,
};
use tokio::time::timeout;

use super::error::{Failure, Result};
use super::line::Lines;
use super::mirror::prepare;
use super::numbers::from_1;
use super::output::Output;
use super::select::FilterArgs;
use super::settings::{Settings, warn};

/// Show events live, as they are recorded
///
/// Goes on until Ctrl-C, or until nothing came for as long as --block says. A server that is lost
/// meanwhile is waited for. A stream that does not exist yet is created empty, so that tail can be
/// started before whoever publishes.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Where to begin: $ (what comes from now on), - (the first event), an entry id (after it), or a
    /// time such as 10m or 2026-01-02T10:00 (UTC)
    #[arg(long, value_name = "PLACE", default_value = "$", value_parser = place)]
    from: StartFrom,

    #[command(flatten)]
    filter: FilterArgs,

    /// Print each event as a JSON object, one a line
    #[arg(long)]
    json: bool,

    /// End after so many events
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = from_1::<u64>)]
    limit: Option<u64>,

    /// End once no event came for so long: 500ms, 5s, 1h; or forever [env: RECOUNT_BLOCK_TIMEOUT]
    /// [default: forever]
    #[arg(long, value_name = "TIME", allow_negative_numbers = true)]
    pub(super) block: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  recount tail
  recount tail --from 10m --session s1
  recount tail --type error.occurred --json
  recount tail --from - --limit 100
  recount tail --from - --block 1s";

pub(super) async fn run(args: Args, settings: &Settings) -> Result {
    let log = open(settings).await?;
    if let StartFrom::After(after) = args.from {
        // Before anything is waited for only so long: what the server no longer has comes from the mirror.
        let from = Query {
            range: ReadRange::new(IdRange::after(after)),
            filter: Filter::default(),
        };
        prepare(&log, &from, settings).await?;
    }
    let mut tail = log
        .tail(args.from)
        .await?
        .filter(Filter::from(&args.filter));
    // Said once nothing can be missed any more.
    settings.note("following, Ctrl-C ends");
    let mut output = Output::new();
    let mut lines = Lines::for_output(settings.color());
    let mut left = args.limit.unwrap_or(u64::MAX);
    while left > 0 {
        left -= 1;
        let quiet = settings.config().block_timeout;
        let Some(recorded) = next(&mut tail, &log, settings, quiet).await? else {
            warn_of_skipped(&mut tail);
            let quiet = quiet.unwrap_or_default();
            settings.note(format_args!("no event came for {quiet:?}: done"));
            break;
        };
        warn_of_skipped(&mut tail);
        if args.json {
            output.line(json::line(&recorded))?;
        } else {
            output.line(lines.format(&recorded))?;
        }
        output.flush()?;
    }
    log.close().await?;
    Ok(())
}

/// The next event, if one comes before it was quiet for that long; a server that does not answer is waited for.
async fn next(
    tail: &mut Tail,
    log: &Recount,
    settings: &Settings,
    quiet: Option<Duration>,
) -> Result<Option<Recorded>> {
    loop {
        let next = match quiet {
            None => tail.next().await.map(Some),
            Some(quiet) => tail.next_within(quiet).await,
        };
        let Err(ReadError::Unavailable { address, message }) = next else {
            return Ok(next?);
        };
        warn(format_args!(
            "{address} does not answer; waiting for it ({message})"
        ));
        let back = wait_for_server(log);
        match quiet {
            None => back.await?,
            Some(quiet) => match timeout(quiet, back).await {
                Ok(back) => back?,
                Err(_) => return Ok(None),
            },
        }
        settings.note(format_args!("{address} answers again, following"));
    }
}

/// Returns once the server answers. Each attempt is tried for as long as calls are, and then there is a
/// pause.
async fn wait_for_server(log: &Recount) -> Result<(), ReadError> {
    const FIRST_PAUSE: Duration = Duration::from_millis(100);
    const PAUSE_MAX: Duration = Duration::from_secs(2);
    let mut pause = FIRST_PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
        match log.log().tail().await {
            Err(ReadError::Unavailable { .. }) => {}
            answered => return answered.map(drop),
        }
    }
}

/// A tail goes on where a trim overtook it, and says so.
fn warn_of_skipped(tail: &mut Tail) {
    while let Some(skipped) = tail.skipped() {
        warn(format_args!(
            "whatever was recorded between {} and {} was trimmed before it could be shown",
            skipped.after, skipped.before
        ));
    }
}

/// Opens for reading; a stream that is not there is created first, by a short opening for writing.
async fn open(settings: &Settings) -> Result<Recount> {
    match settings.try_open_read_only().await {
        Ok(log) => Ok(log),
        Err(error) if error.is_no_stream() => {
            settings.note(format_args!(
                "no stream {} in {} yet, creating it",
                settings.stream(),
                settings.url()
            ));
            settings.create().await?;
            settings.open_read_only().await
        }
        Err(error) => Err(Failure::from(error)),
    }
}

/// Reads a place to begin, by id or by time.
fn place(text: &str) -> Result<StartFrom, String> {
    if let Ok(start) = text.parse() {
        return Ok(start);
    }
    if text == "now" {
        return Ok(StartFrom::End);
    }
    match text.parse::<Moment>() {
        // What was recorded in that very millisecond is wanted.
        Ok(at) => Ok(match at.entry_id().previous() {
            Some(before) => StartFrom::After(before),
            None => StartFrom::After(at.entry_id()),
        }),
        Err(error) => Err(format!("{error}; or $ (from now on) or - (the beginning)")),
    }
}

#[cfg(test)]
mod tests {
    use recount::EntryId;

    use super::*;

    #[test]
    fn places_are_ids_or_times() {
        assert_eq!(place("$"), Ok(StartFrom::End));
        assert_eq!(place("now"), Ok(StartFrom::End));
        assert_eq!(place("-"), Ok(StartFrom::After(EntryId::MIN)));
        assert_eq!(place("7-3"), Ok(StartFrom::After(EntryId::new(7, 3))));
        assert_eq!(
            place("2026-01-02"),
            Ok(StartFrom::After(EntryId::new(1_767_311_999_999, u64::MAX)))
        );
        assert_eq!(place("1960-01-02"), Ok(StartFrom::After(EntryId::MIN)));
        assert!(place("then").unwrap_err().contains("$ (from now on)"));
    }
}
