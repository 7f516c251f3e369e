//! `recount timeline`

mod line;

use std::ops::Bound;

use recount::{At, IdRange, Moment, Query, Recorded, Recount, json};
use serde_json::json;

use self::line::{Timed, Timeline};
use super::error::Result;
use super::mirror::prepare;
use super::numbers::{from_1, id};
use super::output::{Output, quoted};
use super::session::{SessionCheck, unknown};
use super::settings::Settings;

/// Show what happened in a session, one line an event
///
/// Each line has the event's revision, which recount state --at takes, and when it happened by its
/// producer's word. Pauses are told between lines, how long a tool took and what tokens were used at their ends.
/// Events stand in the order in which they were recorded. On a terminal a line is cut to its width.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The session
    #[arg(value_name = "SESSION", value_parser = id)]
    session: String,

    /// From this event on: a revision (12), an entry id, or a time at which events were recorded (1h,
    /// 2026-01-02T10:00)
    #[arg(long, value_name = "X")]
    from: Option<At>,

    /// Up to this event: as --from
    #[arg(long, value_name = "X")]
    to: Option<At>,

    /// At most so many events
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = from_1::<u64>)]
    limit: Option<u64>,

    /// Only the last so many events
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = from_1::<u64>,
        conflicts_with_all = ["from", "limit"]
    )]
    last: Option<u64>,

    /// Show texts whole, in their own lines
    #[arg(long)]
    full: bool,

    /// Print each event as a JSON object, one a line
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  recount timeline s1
  recount timeline s1 --last 20 --full
  recount timeline s1 --from 100 --limit 50
  recount timeline s1 --json | jq .took_ms";

pub(super) async fn run(args: Args, settings: &Settings) -> Result {
    let log = settings.open_read_only().await?;
    prepare(&log, &Query::session(&args.session), settings).await?;
    let page = log.session(&args.session).recent(1).await?;
    let revision = page.revision;
    let whole =
        args.from.is_none() && args.to.is_none() && args.limit.is_none() && args.last.is_none();
    let mut check = SessionCheck::of(&args.session, page, whole);
    let mut output = Output::new();
    let mut timeline = Timeline::for_output(settings.color(), args.full, revision);
    let mut walk = Walk::start(&log, &args).await?;
    let mut first = None;
    let mut shown = 0;
    while let Some(entries) = walk.next_page().await? {
        // Gives Ctrl-C its turn where no page has to be waited for.
        tokio::task::yield_now().await;
        check.see(&entries);
        for recorded in &entries {
            let timed = timeline.time(recorded);
            if walk.is_before(recorded) {
                continue;
            }
            first.get_or_insert_with(|| recorded.clone());
            shown += 1;
            if args.json {
                output.line(document(recorded, &timed))?;
            } else {
                for line in timeline.lines(recorded, &timed) {
                    output.line(line)?;
                }
            }
        }
    }
    output.flush()?;
    if first.is_none() && whole {
        check.end(true);
        return Err(unknown(&args.session, revision > 0, settings));
    }
    check.end(whole);
    tell_more(&args, first.as_ref(), walk.next, shown, settings);
    log.close().await?;
    Ok(())
}

/// Says where to look for what is not shown.
fn tell_more(
    args: &Args,
    first: Option<&Recorded>,
    next: Option<u64>,
    shown: u64,
    settings: &Settings,
) {
    if shown == 0 {
        settings.note("no events");
    }
    let timeline = |session: &str, rest: &str| {
        settings.command(format_args!("timeline {}{rest}", quoted(session)))
    };
    if let (Some(next), Some(limit)) = (next, args.limit) {
        let rest = format!(" --from {next} --limit {limit}");
        settings.note(format_args!("{} goes on", timeline(&args.session, &rest)));
    }
    if let Some((parent, revision)) = first.and_then(line::parent) {
        let rest = format!(" --to {revision}");
        settings.note(format_args!(
            "{} shows what came before",
            timeline(&parent, &rest)
        ));
    }
}

/// What the arguments ask for, in pages.
struct Walk {
    events: recount::Events,
    /// Where events lie before what is asked for, by their revision.
    from: Option<u64>,
    to: Option<u64>,
    left: u64,
    /// The revision of the first event that there was no room for.
    next: Option<u64>,
    ended: bool,
    /// The newest ones, where these are asked for.
    last: Option<Vec<Recorded>>,
}

impl Walk {
    async fn start(log: &Recount, args: &Args) -> Result<Self> {
        let mut query = Query::session(&args.session);
        query.range.ids = IdRange {
            start: match args.from {
                Some(At::Entry(id)) => Bound::Included(id),
                Some(At::Recorded(at)) => Bound::Included(Moment::Time(at).entry_id()),
                _ => Bound::Unbounded,
            },
            end: match args.to {
                Some(At::Entry(id)) => Bound::Included(id),
                // All of that millisecond.
                Some(At::Recorded(at)) => {
                    let mut id = Moment::Time(at).entry_id();
                    id.seq = u64::MAX;
                    Bound::Included(id)
                }
                _ => Bound::Unbounded,
            },
        };
        let revision = |at| match at {
            Some(At::Revision(number)) => Some(number),
            _ => None,
        };
        let (from, to) = (revision(args.from), revision(args.to));
        let mut last = None;
        if let Some(number) = args.last {
            let mut backward = query.clone();
            backward.range = backward.range.backward();
            let mut newest = Vec::new();
            let mut events = log.events(backward);
            while let Some(recorded) = events.next().await? {
                if to.is_some_and(|to| recorded.revision > to) {
                    continue;
                }
                newest.push(recorded);
                if newest.len() as u64 == number {
                    break;
                }
            }
            newest.reverse();
            last = Some(newest);
        }
        // What is recorded meanwhile is left out, else this would never end beside a busy writer.
        let now = log.log().tail().await?;
        Ok(Self {
            events: log.events(query).up_to(&now),
            from,
            to,
            left: args.limit.unwrap_or(u64::MAX),
            next: None,
            ended: false,
            last,
        })
    }

    /// The next events, those before what is asked for too: tools may have been called by them.
    async fn next_page(&mut self) -> Result<Option<Vec<Recorded>>> {
        if self.ended {
            return Ok(None);
        }
        if let Some(newest) = self.last.take() {
            self.ended = true;
            return Ok(Some(newest));
        }
        let Some(mut page) = self.events.next_page().await? else {
            return Ok(None);
        };
        let mut keep = page.len();
        for (at, recorded) in page.iter().enumerate() {
            let behind = self.to.is_some_and(|to| recorded.revision > to);
            let shown = !self.is_before(recorded);
            if behind || (shown && self.left == 0) {
                self.next = (!behind).then_some(recorded.revision);
                self.ended = true;
                keep = at;
                break;
            }
            self.left -= u64::from(shown);
        }
        page.truncate(keep);
        Ok(Some(page))
    }

    /// Whether an event lies before what is asked for.
    fn is_before(&self, recorded: &Recorded) -> bool {
        self.from.is_some_and(|from| recorded.revision < from)
    }
}

/// The event, and what the timeline tells of it besides.
fn document(recorded: &Recorded, timed: &Timed) -> String {
    format!(
        r#"{{"revision":{},"after_ms":{},"took_ms":{},"event":{}}}"#,
        recorded.revision,
        json!(timed.after_ms),
        json!(timed.took_ms),
        json::line(recorded)
    )
}
