//! Fetching sessions out of one log, in a process of its own.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use recount::{Query, ReadRange, Recorded, Recount};
use serde::{Deserialize, Serialize};

use crate::generator::Scatter;
use crate::timing::Timing;
use crate::{Failure, ours, process};

/// How many sessions are fetched in turn.
pub const SESSIONS: u64 = 20;
/// How many events each of them has.
pub const SESSION_EVENTS: u64 = 500;

/// How the log is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Handle {
    /// For writing
    Writer,
    /// For reading only
    Reader,
}

/// The arguments of a measurement.
#[derive(Args)]
pub struct Run {
    #[arg(long)]
    handle: Handle,
    #[arg(long)]
    fetches: u32,
    /// Whether to do it by a scan of the whole log as well, once
    #[arg(long, action = clap::ArgAction::Set)]
    scan: bool,
    #[arg(long)]
    dir: PathBuf,
}

/// What came out.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Measured {
    pub p50_us: f64,
    pub p99_us: f64,
    pub scan_ms: Option<f64>,
}

/// Measures and prints what came out as JSON.
pub fn run(run: &Run) -> Result<(), Failure> {
    let measured = process::runtime()?.block_on(measured(run))?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

async fn measured(run: &Run) -> Result<Measured, Failure> {
    let recount = ours::handle(&run.dir, run.handle == Handle::Reader).await?;
    // Once untimed, which warms what is fetched, and with a look at every event.
    for number in 0..SESSIONS {
        let id = Scatter::session(number);
        check(&recount.session(&id).events().collect().await?, &id)?;
    }
    let mut timing = Timing::new();
    for fetch in 0..u64::from(run.fetches) {
        let id = Scatter::session(fetch % SESSIONS);
        let start = Instant::now();
        let events = recount.session(id).events().collect().await?;
        timing.append_done(start);
        if events.len() as u64 != SESSION_EVENTS {
            return Err(format!("a session of {} events", events.len()).into());
        }
    }
    let scan_ms = if run.scan {
        Some(scan(&recount, &Scatter::session(0)).await?)
    } else {
        None
    };
    recount.close().await?;
    Ok(Measured {
        p50_us: timing.append_us(0.5),
        p99_us: timing.append_us(0.99),
        scan_ms,
    })
}

fn check(events: &[Recorded], session: &str) -> Result<(), Failure> {
    let right = |(index, recorded): (usize, &Recorded)| {
        recorded.revision == index as u64 + 1
            && recorded
                .event()
                .is_some_and(|event| event.session_id == session)
    };
    if events.len() as u64 == SESSION_EVENTS && events.iter().enumerate().all(right) {
        return Ok(());
    }
    Err(format!("{session} was not fetched as it was published").into())
}

/// The naive way: everything is read, the session's events are kept. How long it takes.
async fn scan(recount: &Recount, session: &str) -> Result<f64, Failure> {
    let start = Instant::now();
    let mut found = Vec::new();
    let mut events = recount.events(Query {
        range: ReadRange::all(),
        filter: recount::Filter::default(),
    });
    while let Some(page) = events.next_page().await? {
        found.extend(page.into_iter().filter(|recorded| {
            recorded
                .event()
                .is_some_and(|event| event.session_id == session)
        }));
    }
    let ms = start.elapsed().as_secs_f64() * 1_000.0;
    check(&found, session)?;
    Ok(ms)
}
