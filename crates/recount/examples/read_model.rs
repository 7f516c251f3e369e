//! A read model: how many tickets each user has open, kept from events as a view of one's own.
//!
//! ```text
//! cargo run --example read_model [-- FOLDER]
//! ```
//!
//! The side that writes only records what happened: a ticket was opened, a ticket was closed. The side that reads
//! never goes through events: it asks a table that is kept up to date beside the log. The table can be dropped at
//! any time and built anew; the log is the truth.
//!
//! The rows and how far the view is are committed together: after a crash nothing is counted twice and nothing left
//! out. Any number of processes read them, and one at a time keeps them.

use std::error::Error;
use std::ops::Bound;
use std::time::Duration;

use recount::{
    Cursor, Direction, Event, EventType, Fault, JsonObject, Outcome, Recorded, Recount, Rows,
    Snapshot, View, ViewError, Views,
};

const OPENED: &str = "ticket.opened";
const CLOSED: &str = "ticket.closed";

/// The view.
///
/// | key | value |
/// |---|---|
/// | `t`, the ticket | the user who opened it; no row once it is closed |
/// | `u`, the user | tickets open now, and ever opened: two numbers of 8 bytes |
struct Tickets;

impl Tickets {
    const NAME: &str = "tickets";
    /// Of a ticket's id, so that its key is one that rows can have.
    const ID_BYTES_MAX: usize = 256;
}

impl View for Tickets {
    fn name(&self) -> &str {
        Self::NAME
    }

    /// To be raised with every change to what follows: what was kept is then dropped and built anew.
    fn version(&self) -> u32 {
        1
    }

    fn apply(&mut self, entry: &Recorded, rows: &mut Rows<'_>) -> Result<(), Fault> {
        // Whatever else the log holds is none of its business.
        let Some(event) = entry.event() else {
            return Ok(());
        };
        let data = event.data.to_map();
        let ticket = data.get("ticket").and_then(|ticket| ticket.as_str());
        let Some(ticket) = ticket.filter(|ticket| ticket.len() <= Self::ID_BYTES_MAX) else {
            return Ok(());
        };
        let ticket = [b"t", ticket.as_bytes()].concat();
        match event.event_type.as_str() {
            OPENED => {
                let user = event.user_id.as_deref().unwrap_or("nobody");
                if rows.get(&ticket)?.is_some() {
                    return Ok(()); // opened twice
                }
                rows.put(&ticket, user.as_bytes())?;
                count(rows, user.as_bytes(), |count| {
                    count.open += 1;
                    count.ever += 1;
                })
            }
            CLOSED => {
                // Whoever closes it: it counts for the one who opened it.
                let Some(user) = rows.get(&ticket)?.map(<[u8]>::to_vec) else {
                    return Ok(()); // closed twice, or never opened
                };
                rows.delete(&ticket)?;
                count(rows, &user, |count| count.open -= 1)
            }
            _ => Ok(()),
        }
    }
}

/// A user's tickets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    open: u64,
    ever: u64,
}

impl Count {
    fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.open.to_be_bytes());
        bytes[8..].copy_from_slice(&self.ever.to_be_bytes());
        bytes
    }

    fn of(bytes: &[u8]) -> Self {
        let number = |at: usize| {
            let number = bytes.get(at..at + 8).and_then(|part| part.try_into().ok());
            number.map_or(0, u64::from_be_bytes)
        };
        Self {
            open: number(0),
            ever: number(8),
        }
    }
}

fn count(rows: &mut Rows<'_>, user: &[u8], change: impl Fn(&mut Count)) -> Result<(), Fault> {
    let key = [b"u", user].concat();
    let mut count = rows.get(&key)?.map(Count::of).unwrap_or_default();
    change(&mut count);
    Ok(rows.put(&key, &count.to_bytes())?)
}

/// The side that reads.
fn tickets_of(views: &Views, user: &str) -> Result<Count, ViewError> {
    let Some(snapshot) = views.snapshot(Tickets::NAME)? else {
        return Ok(Count::default());
    };
    let key = [b"u", user.as_bytes()].concat();
    Ok(snapshot.get(&key)?.map(Count::of).unwrap_or_default())
}

/// All users, by name, as of one moment.
fn everybody(snapshot: &Snapshot) -> Result<Vec<(String, Count)>, ViewError> {
    let rows = snapshot.range(b"u", Bound::Unbounded, Direction::Forward)?;
    let users = rows.map(|row| {
        let (key, value) = row?;
        let user = String::from_utf8_lossy(&key[1..]).into_owned();
        Ok((user, Count::of(value)))
    });
    users.collect()
}

/// The side that writes. Returns where it was recorded, for those who want to read what they wrote.
async fn record(
    recount: &Recount,
    what: &str,
    ticket: u64,
    user: &str,
) -> Result<Cursor, Box<dyn Error + Send + Sync>> {
    let event = Event::builder(what.parse::<EventType>()?, format!("ticket-{ticket}"))
        .id(format!("{what}-{ticket}"))
        .user(user)
        .data(JsonObject::parse(format!(r#"{{"ticket":"{ticket}"}}"#))?)
        .build()?;
    let (Outcome::Appended { position, .. }
    | Outcome::Duplicate { position }
    | Outcome::Conflict { position, .. }) = recount.record(event).await?;
    Ok([position].into_iter().collect())
}

async fn open(url: &str) -> Result<(Recount, Views), Box<dyn Error>> {
    let builder = Recount::builder().url(url).stream("tickets");
    let recount = builder.view(|| Tickets).open().await?;
    let views = recount.views()?;
    Ok((recount, views))
}

const USERS: [&str; 3] = ["ada", "bob", "eve"];
const TICKETS: u64 = 300;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let temporary = tempfile::tempdir()?;
    let folder = std::env::args().nth(1).map(Into::into);
    let folder = folder.unwrap_or_else(|| temporary.path().join("tickets"));
    let url = format!("disk:{}", folder.display());

    // Asked while it is written: what is shown is as of a moment, and never half a commit.
    let (recount, views) = open(&url).await?;
    let keeping = views.start(&[Tickets::NAME])?;
    let writer = tokio::spawn({
        let recount = recount.clone();
        async move {
            let mut last = Cursor::start();
            for ticket in 0..TICKETS {
                let user = USERS[(ticket % 3) as usize];
                last = record(&recount, OPENED, ticket, user).await?;
                if ticket % 4 == 0 {
                    last = record(&recount, CLOSED, ticket, "support").await?;
                }
            }
            Ok::<_, Box<dyn Error + Send + Sync>>(last)
        }
    });
    while !writer.is_finished() {
        let ada = tickets_of(&views, "ada")?;
        println!("meanwhile: ada has {} open of {}", ada.open, ada.ever);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Reading one's own writes: wait until the view has taken them in.
    let last = writer.await?.map_err(|error| error.to_string())?;
    views.wait_for(Tickets::NAME, &last, None).await?;
    show(&views)?;
    keeping.stop().await;
    recount.close().await?;

    // Started again, it goes on where its rows are: there is nothing to do.
    let (recount, views) = open(&url).await?;
    let before = tickets_of(&views, "ada")?;
    views.catch_up(&[Tickets::NAME], &|_| ()).await?;
    assert_eq!(tickets_of(&views, "ada")?, before);

    // Built anew from the log, it is the same.
    let rebuilt = views
        .rebuild(&[Tickets::NAME], &|progress| {
            eprintln!("rebuilding: {} of about {}", progress.done, progress.total);
        })
        .await?;
    for view in rebuilt {
        if let Some(finding) = view.finding {
            return Err(format!("the view stands still: {finding:?}").into());
        }
    }
    assert_eq!(tickets_of(&views, "ada")?, before);
    show(&views)?;
    recount.close().await?;
    Ok(())
}

fn show(views: &Views) -> Result<(), ViewError> {
    if let Some(snapshot) = views.snapshot(Tickets::NAME)? {
        for (user, count) in everybody(&snapshot)? {
            println!("{user:<8} {:>4} open of {:>4}", count.open, count.ever);
        }
    }
    Ok(())
}
