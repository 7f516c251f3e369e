//! `recount sessions`

mod document;
mod shown;

use recount::{ListCursor, Moment, SessionList, SessionOrder, SessionStanding, Timestamp};
use serde_json::json;

use self::document::document;
use self::shown::table;
use super::error::Result;
use super::numbers::{from_1, id};
use super::output::{Output, terminal_width};
use super::settings::Settings;
use super::views::{SESSIONS, current, list_failure};

/// List sessions: whose they are, how they stand, what happened in them
///
/// A session is active until it is ended, and idle where nothing happened in it for long; failed means that it had an
/// error, ended badly or was worth less than 1. The list is made from a view that the first such question
/// builds and later ones bring up to date (see recount views), so it takes as long with a million sessions as with
/// ten. In a narrow terminal the columns that matter least are left out.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
// Each is a flag of its own.
#[expect(clippy::struct_excessive_bools)]
pub(super) struct Args {
    /// Only sessions with events of this user
    #[arg(long, value_name = "ID", value_parser = id)]
    user: Option<String>,

    /// Only sessions whose last agent is this one
    #[arg(long, value_name = "ID", value_parser = id)]
    agent: Option<String>,

    /// Only sessions that stand so
    #[arg(long, value_name = "STATUS")]
    status: Option<Status>,

    /// Only sessions in which something went wrong
    #[arg(long)]
    failed: bool,

    /// Only sessions that were forked from this one
    #[arg(long, value_name = "ID", value_parser = id)]
    forked_from: Option<String>,

    /// Only sessions whose id begins so
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,

    /// Only sessions whose last event was recorded since: 1h, 30m, 2d (ago), 2026-01-02 (midnight UTC),
    /// 2026-01-02T10:00 (UTC), RFC 3339, or an entry id
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,

    /// Only sessions whose last event was recorded before: as --since
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,

    /// What comes first: of names the first, of times the last, of numbers the greatest
    #[arg(long, value_name = "BY", default_value = "recent")]
    sort: Sort,

    /// The other way round
    #[arg(long)]
    reverse: bool,

    /// At most so many
    #[arg(
        long,
        value_name = "N",
        default_value = "50",
        allow_negative_numbers = true,
        value_parser = from_1::<u32>
    )]
    limit: u32,

    /// Go on where a page ended: what was said at its end, asked for likewise
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<ListCursor>,

    /// A session is idle after so many minutes without an event
    #[arg(
        long,
        value_name = "MINUTES",
        default_value = "30",
        allow_negative_numbers = true,
        value_parser = from_1::<u32>
    )]
    idle_after: u32,

    /// Print only how many there are
    #[arg(long, conflicts_with = "cursor")]
    count: bool,

    /// Print each session as a JSON object, one a line; with --count, one document
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Status {
    Active,
    Idle,
    Ended,
}

impl From<Status> for SessionStanding {
    fn from(status: Status) -> Self {
        match status {
            Status::Active => Self::Active,
            Status::Idle => Self::Idle,
            Status::Ended => Self::Ended,
        }
    }
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Sort {
    /// The last event that was recorded
    Recent,
    /// The first thing that happened
    Started,
    Events,
    Messages,
    Errors,
    Tokens,
    Cost,
    /// From the first thing that happened to the last
    Duration,
    /// What its end was worth
    Reward,
    /// The session's id
    Name,
}

impl From<Sort> for SessionOrder {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Recent => Self::Recent,
            Sort::Started => Self::Started,
            Sort::Events => Self::Events,
            Sort::Messages => Self::Messages,
            Sort::Errors => Self::Errors,
            Sort::Tokens => Self::Tokens,
            Sort::Cost => Self::Cost,
            Sort::Duration => Self::Duration,
            Sort::Reward => Self::Reward,
            Sort::Name => Self::Name,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  recount sessions
  recount sessions --failed --sort reward --reverse
  recount sessions --user ada --status idle --idle-after 5
  recount sessions --prefix task-7/ --sort name
  recount sessions --since 1d --count
  recount sessions --json | jq -r .session_id";

pub(super) async fn run(args: Args, settings: &Settings) -> Result {
    let log = settings.open_read_only().await?;
    let views = current(&log, &[SESSIONS], settings).await?;
    let (json, count) = (args.json, args.count);
    let list = args.list();
    let page = views.sessions().list(&list).map_err(list_failure)?;
    let mut output = Output::new();
    if count {
        let total = page.total.unwrap_or(0);
        if json {
            output.line(json!({"count": total}))?;
        } else {
            output.line(total)?;
        }
    } else if json {
        for state in &page.sessions {
            output.line(document(state, &list))?;
        }
    } else {
        for line in table(&page.sessions, &list, settings.color(), terminal_width()) {
            output.line(line)?;
        }
    }
    output.flush()?;
    if page.sessions.is_empty() && !count {
        settings.note("no sessions");
    }
    if let Some(next) = page.next.filter(|_| !count) {
        settings.note(format_args!(
            "there are more: the same with --cursor {next}"
        ));
    }
    log.close().await?;
    Ok(())
}

impl Args {
    fn list(self) -> SessionList {
        SessionList {
            user: self.user,
            agent: self.agent,
            standing: self.status.map(SessionStanding::from),
            failed: self.failed,
            forked_from: self.forked_from,
            prefix: self.prefix,
            since: self.since.map(Moment::entry_id),
            until: self.until.map(Moment::entry_id),
            order: self.sort.into(),
            reverse: self.reverse,
            limit: self.limit as usize,
            after: self.cursor,
            count: self.count,
            now: Timestamp::now(),
            idle_after_ms: u64::from(self.idle_after) * 60_000,
            ..SessionList::default()
        }
    }
}
