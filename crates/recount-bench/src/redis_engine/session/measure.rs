//! Fetching sessions and ranges in turns, in a process of its own.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use recount_core::{EntryId, EventLog, IdRange, ReadRange, SessionPage, SessionRead};
use recount_redis::{RedisLog, RedisOptions};
use serde::{Deserialize, Serialize};

use crate::generator::Scatter;
use crate::ours::STREAM;
use crate::redis_engine::client::Client;
use crate::redis_engine::servers::url;
use crate::timing::{Timing, Took};
use crate::{Failure, process};

/// How many sessions are fetched in turn.
pub const SESSIONS: u64 = 20;
/// How many events each of them has.
pub const SESSION_EVENTS: u64 = 500;
/// Ranges begin at these entries of a session: each of them has as many entries after it as are read.
const RANGES_FROM: usize = 400;
const RANGES_EVERY: usize = 20;

/// The arguments of a measurement.
#[derive(Args)]
pub struct Run {
    #[arg(long)]
    port: u16,
    #[arg(long)]
    fetches: u64,
    /// Not used: every measurement is given one
    #[arg(long)]
    _dir: PathBuf,
}

/// What came out.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Measured {
    pub session: Took,
    pub range: Took,
    pub read: Took,
}

/// Measures and prints what came out as JSON.
pub fn run(run: &Run) -> Result<(), Failure> {
    let measured = process::runtime()?.block_on(measured(run))?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

async fn measured(run: &Run) -> Result<Measured, Failure> {
    let log = RedisLog::open_read_only(&url(run.port)?, STREAM, RedisOptions::default()).await?;
    let client = Client::connect(run.port).await?;
    let wanted = SESSION_EVENTS as usize;
    // Once untimed, which warms what is fetched, and with a look at every event.
    let mut starts: Vec<EntryId> = Vec::new();
    for number in 0..SESSIONS {
        let id = Scatter::session(number);
        let page = log.session(&SessionRead::last(&id, wanted)).await?;
        check(&page, &id)?;
        let from = page.entries[..RANGES_FROM].iter().step_by(RANGES_EVERY);
        starts.extend(from.map(|recorded| recorded.position.entry_id));
    }
    for start in &starts {
        client.range(*start, wanted).await?;
    }
    let (mut session, mut range, mut read) = (Timing::new(), Timing::new(), Timing::new());
    for (fetch, from) in (0..run.fetches).zip(starts.iter().cycle()) {
        let one = SessionRead::last(Scatter::session(fetch % SESSIONS), wanted);
        let start = Instant::now();
        let page = log.session(&one).await?;
        session.append_done(start);
        expect(page.entries.len())?;

        let start = Instant::now();
        let entries = client.range(*from, wanted).await?;
        range.append_done(start);
        expect(entries.len())?;

        let ids = ReadRange::new(IdRange::ALL).continued(*from).limit(wanted);
        let start = Instant::now();
        let page = log.read(&ids).await?;
        read.append_done(start);
        expect(page.entries.len())?;
    }
    log.close().await?;
    Ok(Measured {
        session: session.into(),
        range: range.into(),
        read: read.into(),
    })
}

fn expect(entries: usize) -> Result<(), Failure> {
    match entries as u64 {
        SESSION_EVENTS => Ok(()),
        other => Err(format!("{other} entries were read, not {SESSION_EVENTS}").into()),
    }
}

fn check(page: &SessionPage, session: &str) -> Result<(), Failure> {
    let right = |(index, recorded): (usize, &recount_core::Recorded)| {
        recorded.revision == index as u64 + 1
            && recorded
                .event()
                .is_some_and(|event| event.session_id == session)
    };
    let whole = page.entries.len() as u64 == SESSION_EVENTS && page.revision == SESSION_EVENTS;
    if whole && page.entries.iter().enumerate().all(right) {
        return Ok(());
    }
    Err(format!("{session} was not fetched as it was published").into())
}
