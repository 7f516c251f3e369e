//! `recount users`

use recount::{ListCursor, Moment, Timestamp, UserList, UserOrder, UserRow};
use serde_json::{Value, json};

use super::error::Result;
use super::numbers::from_1;
use super::output::{Output, one_line, terminal_width, thousands};
use super::settings::Settings;
use super::table::{Column, fitted};
use super::views::{SESSIONS, cost, current, list_failure, minute};

/// List users: their sessions, and what these came to
///
/// Every event counts for the user whom its session named last. The list is made from the same view as recount
/// sessions (see recount views). In a narrow terminal the columns that matter least are left out.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Only users whose id begins so
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,

    /// Only users whose last event was recorded since: 1h, 30m, 2d (ago), 2026-01-02 (midnight UTC),
    /// 2026-01-02T10:00 (UTC), RFC 3339, or an entry id
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,

    /// Only users whose last event was recorded before: as --since
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

    /// Print only how many there are
    #[arg(long, conflicts_with = "cursor")]
    count: bool,

    /// Print each user as a JSON object, one a line; with --count, one document
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Sort {
    /// The last event that was recorded
    Recent,
    /// The first thing that happened
    Started,
    Sessions,
    Events,
    Messages,
    Errors,
    Tokens,
    Cost,
    /// The user's id
    Name,
}

impl From<Sort> for UserOrder {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Recent => Self::Recent,
            Sort::Started => Self::Started,
            Sort::Sessions => Self::Sessions,
            Sort::Events => Self::Events,
            Sort::Messages => Self::Messages,
            Sort::Errors => Self::Errors,
            Sort::Tokens => Self::Tokens,
            Sort::Cost => Self::Cost,
            Sort::Name => Self::Name,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  recount users
  recount users --sort tokens --limit 10
  recount users --since 1d --count
  recount users --json | jq -r .user_id";

pub(super) async fn run(args: Args, settings: &Settings) -> Result {
    let log = settings.open_read_only().await?;
    let views = current(&log, &[SESSIONS], settings).await?;
    let list = UserList {
        prefix: args.prefix,
        since: args.since.map(Moment::entry_id),
        until: args.until.map(Moment::entry_id),
        order: args.sort.into(),
        reverse: args.reverse,
        limit: args.limit as usize,
        after: args.cursor,
        count: args.count,
    };
    let page = views.sessions().users(&list).map_err(list_failure)?;
    let mut output = Output::new();
    if args.count {
        let total = page.total.unwrap_or(0);
        if args.json {
            output.line(json!({"count": total}))?;
        } else {
            output.line(total)?;
        }
    } else if args.json {
        for user in &page.users {
            output.line(document(user))?;
        }
    } else {
        for line in table(&page.users, terminal_width()) {
            output.line(line)?;
        }
    }
    output.flush()?;
    if page.users.is_empty() && !args.count {
        settings.note("no users");
    }
    if let Some(next) = page.next.filter(|_| !args.count) {
        settings.note(format_args!(
            "there are more: the same with --cursor {next}"
        ));
    }
    log.close().await?;
    Ok(())
}

fn document(user: &UserRow) -> Value {
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    json!({
        "user_id": user.user_id,
        "sessions": user.sessions,
        "events": user.events,
        "messages": user.messages,
        "errors": user.errors,
        "tokens": {
            "in": user.tokens.input,
            "out": user.tokens.output,
            "total": user.tokens.total,
        },
        "cost": user.cost,
        "first_happened": time(user.first_happened),
        "last_happened": time(user.last_happened),
        "last_entry_id": user.last_recorded.to_string(),
    })
}

/// A row a user. What nobody has, tokens or a cost, has no column.
fn table(users: &[UserRow], terminal: Option<usize>) -> Vec<String> {
    if users.is_empty() {
        return Vec::new();
    }
    let column = |title, keep, cell: &dyn Fn(&UserRow) -> String| Column {
        title,
        keep,
        number: true,
        cells: users.iter().map(cell).collect(),
    };
    let text = |title, keep, cell: &dyn Fn(&UserRow) -> String| Column {
        number: false,
        ..column(title, keep, cell)
    };
    let mut columns = vec![
        text("last happened", 5, &|user| minute(user.last_happened)),
        column("sessions", 7, &|user| thousands(user.sessions)),
        column("events", 6, &|user| thousands(user.events)),
        column("messages", 2, &|user| thousands(user.messages)),
        column("errors", 4, &|user| thousands(user.errors)),
    ];
    if users.iter().any(|user| user.tokens.total > 0) {
        columns.push(column("tokens", 3, &|user| thousands(user.tokens.total)));
    }
    if users.iter().any(|user| user.cost != 0.0) {
        columns.push(column("cost", 1, &|user| cost(user.cost)));
    }
    columns.push(text("user", 9, &|user| {
        one_line(&user.user_id).into_owned()
    }));
    fitted(columns, terminal)
}
