//! One measurement of views, in a process of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, ValueEnum};
use recount::language;
use recount::{
    At, EntryId, Events, Filter, Order, Pace, Query, ReadRange, Recorded, Recount, Timestamp,
    ViewsOptions,
};
use recount_core::EventLog as _;
use serde::{Deserialize, Serialize};

use crate::generator::{Generator, IdOrder, Scatter};
use crate::timing::Timing;
use crate::{Failure, fill, ours, process};

/// How many events are read at a time.
const PAGE_EVENTS: usize = 1_000;
/// How many events a first page shows.
const FIRST_PAGE: usize = 50;
/// How many messages an agent asks for with a state.
const MESSAGES: usize = 100;
/// Published at a time, and not waited for meanwhile.
const BATCH_EVENTS: usize = 64;
const IN_FLIGHT: usize = 4;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// Reading every event, as fast as possible: events a second
    Replay,
    /// Making the view of sessions from nothing: events a second
    Sessions,
    /// Making the index of texts from nothing: events a second
    Search,
    /// Publishing without views: events a second
    Publish,
    /// Publishing while the view of sessions is kept up to date: events a second
    PublishLive,
    /// The state and the last messages at random points of the long session: microseconds
    StateLong,
    /// The same of sessions of 500 events
    State500,
    /// A whole state with all of its messages, of a session of 500 events
    Whole500,
    /// Reading the events of a session of 500
    Read500,
    /// The first page of a session's timeline
    Timeline,
    /// The first page of a user's events
    User,
    /// The best hits of a search over all sessions
    Text,
    /// One session's events by reading the whole stream, once: microseconds
    Scan,
}

/// The arguments of a measurement.
#[derive(Args)]
pub struct Run {
    #[arg(long)]
    what: What,
    /// How many events are published
    #[arg(long)]
    events: u64,
    /// How many times something is asked for
    #[arg(long)]
    times: u32,
    #[arg(long)]
    dir: PathBuf,
}

/// What came out: a rate, or the median of latencies.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Measured {
    pub value: f64,
    pub p99: Option<f64>,
}

/// Measures and prints what came out as JSON.
pub fn run(run: &Run) -> Result<(), Failure> {
    let measured = process::runtime()?.block_on(measured(run))?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

async fn measured(run: &Run) -> Result<Measured, Failure> {
    match run.what {
        What::Replay => Ok(rate(replay(&run.dir).await?)),
        What::Sessions => Ok(rate(rebuild(&run.dir, "sessions").await?)),
        What::Search => Ok(rate(rebuild(&run.dir, "search").await?)),
        What::Publish => Ok(rate(publish(&run.dir, run.events, false).await?)),
        What::PublishLive => Ok(rate(publish(&run.dir, run.events, true).await?)),
        What::Scan => {
            let recount = ours::handle(&run.dir, true).await?;
            let start = Instant::now();
            scan(&recount, &Scatter::session(0)).await?;
            Ok(Measured {
                value: start.elapsed().as_secs_f64() * 1e6,
                p99: None,
            })
        }
        what => latency(what, run).await,
    }
}

fn rate((events, seconds): (u64, f64)) -> Measured {
    Measured {
        value: events as f64 / seconds,
        p99: None,
    }
}

async fn replay(dir: &Path) -> Result<(u64, f64), Failure> {
    let recount = ours::handle(dir, true).await?;
    let start = Instant::now();
    let mut replay = recount.replay(everything()).await?.pace(Pace::Fast);
    let mut events = 0;
    loop {
        let batch = replay.next_batch(PAGE_EVENTS).await?;
        if batch.is_empty() {
            return Ok((events, start.elapsed().as_secs_f64()));
        }
        for recorded in batch {
            recorded.event().ok_or("an entry is not an event")?;
            events += 1;
        }
    }
}

async fn rebuild(dir: &Path, view: &str) -> Result<(u64, f64), Failure> {
    let recount = ours::handle(dir, true).await?;
    let views = recount.views()?;
    let start = Instant::now();
    views.rebuild(&[view], &|_| {}).await?;
    let seconds = start.elapsed().as_secs_f64();
    let status = views.status().await?;
    let kept = status
        .iter()
        .find(|status| status.name == view)
        .ok_or("the view is not there")?;
    Ok((kept.checkpoint.entries(), seconds))
}

/// Publishes to a fresh log; with a view of sessions that is kept up to date by the same process.
async fn publish(dir: &Path, events: u64, live: bool) -> Result<(u64, f64), Failure> {
    let log = Arc::new(ours::open(dir, true).await?);
    let running = if live {
        let views = recount::Views::open(
            log.dir().join("views"),
            Arc::clone(&log) as _,
            ViewsOptions::default(),
        )?;
        Some((views.start(&["sessions"])?, views))
    } else {
        None
    };
    let mut generator = Generator::new(1, IdOrder::Ordered);
    let mut seconds = 0.0;
    for batches in fill::chunks(&mut generator, events, BATCH_EVENTS) {
        let start = Instant::now();
        ours::append_all(&log, batches, IN_FLIGHT, &mut Timing::new()).await?;
        seconds += start.elapsed().as_secs_f64();
    }
    if let Some((running, views)) = running {
        // What was published must be in the view, else it was cheap for a wrong reason.
        views.wait_for("sessions", &log.tail().await?, None).await?;
        running.stop().await;
    }
    log.close().await?;
    Ok((events, seconds))
}

async fn latency(what: What, run: &Run) -> Result<Measured, Failure> {
    let recount = ours::handle(&run.dir, true).await?;
    let mut timing = Timing::new();
    // The first round warms what is asked for.
    for round in 0..run.times * 2 {
        let start = Instant::now();
        ask(what, &recount, u64::from(round)).await?;
        if round >= run.times {
            timing.append_done(start);
        }
    }
    recount.close().await?;
    Ok(Measured {
        value: timing.append_us(0.5),
        p99: Some(timing.append_us(0.99)),
    })
}

async fn ask(what: What, recount: &Recount, round: u64) -> Result<(), Failure> {
    let short = Scatter::session(round % super::SHORT_SESSIONS);
    match what {
        What::StateLong => {
            let at = 1 + spread(round) % super::LONG_EVENTS;
            point(recount, Scatter::LONG, at).await
        }
        What::State500 => {
            let at = 1 + spread(round) % super::SHORT_EVENTS;
            point(recount, &short, at).await
        }
        What::Whole500 => {
            let session = recount.session(&short);
            let whole = session.at(At::Now, 1_000).await?;
            let messages = whole.messages.messages.len() as u64;
            if !whole.messages.complete || messages != whole.state.message_count {
                return Err("not all messages".into());
            }
            expect(whole.state.events, super::SHORT_EVENTS)
        }
        What::Read500 => {
            let events = recount.session(&short).events().collect().await?;
            expect(events.len() as u64, super::SHORT_EVENTS)
        }
        What::Timeline => page(recount.session(&short).events()).await,
        What::User => {
            let user = format!("user-{:07}", round % 20);
            let query = Query {
                range: ReadRange::all().limit(FIRST_PAGE),
                filter: Filter {
                    user_id: Some(user),
                    ..Filter::default()
                },
            };
            page(recount.events(query)).await
        }
        What::Text => {
            let words = super::WORDS;
            let line = words[round as usize % words.len()];
            let question = language::parse(line, Timestamp::now())?;
            let mut found = recount.find(&question).order(Order::Relevance).limit(10);
            let page = found.next_page().await?;
            if page.entries.is_empty() {
                return Err(format!("nothing was found for {line}").into());
            }
            Ok(())
        }
        _ => Err("not a latency".into()),
    }
}

/// Numbers from all over, the same ones every time.
fn spread(round: u64) -> u64 {
    round.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20
}

async fn point(recount: &Recount, session: &str, revision: u64) -> Result<(), Failure> {
    let session = recount.session(session);
    let at = session.at(At::Revision(revision), MESSAGES).await?;
    expect(at.state.revision, revision)
}

fn expect(found: u64, expected: u64) -> Result<(), Failure> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{found}, not {expected}").into())
}

async fn page(events: Events) -> Result<(), Failure> {
    let first = events.limit(FIRST_PAGE).collect().await?;
    if first.is_empty() {
        return Err("a first page without events".into());
    }
    Ok(())
}

/// The naive way: everything is read, one session's events are kept.
async fn scan(recount: &Recount, session: &str) -> Result<(), Failure> {
    let mut found = 0;
    let mut last = EntryId::MIN;
    let mut events = recount.events(everything());
    while let Some(page) = events.next_page().await? {
        let of_session = |recorded: &&Recorded| {
            recorded
                .event()
                .is_some_and(|event| event.session_id == session)
        };
        for recorded in page.iter().filter(of_session) {
            found += 1;
            last = last.max(recorded.position.entry_id);
        }
    }
    expect(found, super::SHORT_EVENTS)
}

fn everything() -> Query {
    Query {
        range: ReadRange::all(),
        filter: Filter::default(),
    }
}
