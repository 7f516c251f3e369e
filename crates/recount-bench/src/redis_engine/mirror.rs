//! Catching up into a fresh mirror, beside `XRANGE` alone.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, ValueEnum};
use recount_core::{EntryId, EventLog, Origin};
use recount_redis::{RedisLog, RedisOptions};
use recount_runtime::{Mirror, MirrorOptions};
use serde::{Deserialize, Serialize};

use super::client::{Client, entry_id};
use super::{Options, fill, servers};
use crate::generator::{Generator, IdOrder};
use crate::ours::STREAM;
use crate::process::name;
use crate::report::{Bound, CaseReport, Cell, Floor, Row, median};
use crate::{Failure, files, process};

const SEED: u64 = 1;
/// As many as the mirror asks for at a time at most.
const PAGE_ENTRIES: usize = 4_096;

/// Who reads the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Reader {
    /// A fresh mirror, synced at its end
    Mirror,
    /// XRANGE page by page; what comes is parsed, counted and dropped
    Xrange,
}

/// The arguments of a measurement.
#[derive(Args)]
pub struct Run {
    #[arg(long)]
    reader: Reader,
    #[arg(long)]
    events: u64,
    #[arg(long)]
    port: u16,
    #[arg(long)]
    dir: PathBuf,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Measured {
    events: u64,
    /// Until everything was read; by the mirror, also put on stable storage.
    seconds: f64,
    /// Until everything could be read in the mirror.
    readable_seconds: Option<f64>,
}

impl Measured {
    fn events_per_s(&self) -> f64 {
        self.events as f64 / self.seconds
    }
}

/// Measures both in turns.
pub fn case(options: &Options) -> Result<CaseReport, Failure> {
    let events = options.mirror_events;
    let parent = options.common.dir.as_deref();
    let dir = files::fresh_dir(parent)?;
    let server = options.server.start(dir.path())?;
    eprintln!("filling a stream with {events} events");
    let filling = fill::stream(
        server.port(),
        RedisOptions::default(),
        Generator::new(SEED, IdOrder::Ordered),
        events,
    );
    process::runtime()?.block_on(filling)?;

    let measure = |reader: Reader| -> Result<Measured, Failure> {
        let dir = files::fresh_dir(parent)?;
        process::settle();
        let arguments = [
            ("reader", name(&reader)),
            ("events", events.to_string()),
            ("port", server.port().to_string()),
        ];
        process::measured("measure-redis-mirror", dir.path(), &arguments)
    };
    let (mut mirrors, mut ranges, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 1..=options.common.runs {
        let mirror = measure(Reader::Mirror)?;
        let range = measure(Reader::Xrange)?;
        let ratio = mirror.events_per_s() / range.events_per_s();
        eprintln!(
            "mirror {pair}: {:.0}, XRANGE {:.0} events/s, ratio {ratio:.2}",
            mirror.events_per_s(),
            range.events_per_s(),
        );
        ratios.push(ratio);
        mirrors.push(mirror);
        ranges.push(range);
    }
    Ok(CaseReport {
        name: "mirror".to_owned(),
        what: format!(
            "a stream of {events} events into a fresh mirror, {} pairs, medians",
            options.common.runs
        ),
        rows: vec![row("mirror", &mirrors), row("xrange", &ranges)],
        floors: vec![Floor {
            what: "mirror / XRANGE, median of the pairs".to_owned(),
            value: median(ratios),
            bound: Bound::AtLeast(0.7),
        }],
        notes: vec![
            "mirror: from opening it until all of it is on stable storage; readable_s: until it could be read".to_owned(),
            format!(
                "XRANGE: pages of {PAGE_ENTRIES}, one after the other, as the client hands them out"
            ),
        ],
    })
}

fn row(subject: &str, runs: &[Measured]) -> Row {
    let middle = |of: fn(&Measured) -> f64| median(runs.iter().map(of));
    Row {
        subject: subject.to_owned(),
        cells: vec![
            Cell::new("events_per_s", middle(Measured::events_per_s), 0),
            Cell::new("seconds", middle(|run| run.seconds), 2),
            Cell::new(
                "readable_s",
                median(runs.iter().filter_map(|run| run.readable_seconds)),
                2,
            ),
        ],
    }
}

/// Measures and prints what came out as JSON.
pub fn measure(run: &Run) -> Result<(), Failure> {
    let measured = process::runtime()?.block_on(async {
        match run.reader {
            Reader::Mirror => mirror(run).await,
            Reader::Xrange => xrange(run).await,
        }
    })?;
    if measured.events != run.events {
        let Measured { events, .. } = measured;
        return Err(format!("{events} events were read, not {}", run.events).into());
    }
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

async fn mirror(run: &Run) -> Result<Measured, Failure> {
    let origin = RedisLog::open(&servers::url(run.port)?, STREAM, RedisOptions::default()).await?;
    let origin = Arc::new(origin);
    let tail = origin.tail().await?;
    let start = Instant::now();
    let mirror = Mirror::open(
        Arc::clone(&origin) as Arc<dyn Origin>,
        MirrorOptions::new(&run.dir),
    )
    .await?;
    mirror.caught_up(&tail).await?;
    let readable_seconds = start.elapsed().as_secs_f64();
    let local = mirror.log(0).ok_or("the mirror has no partition")?;
    local.sync().await?;
    let seconds = start.elapsed().as_secs_f64();
    if let Some(incident) = mirror.incidents().first() {
        return Err(format!("the mirror met {incident:?}").into());
    }
    let events = local.info().await?.length();
    mirror.close().await;
    origin.close().await?;
    Ok(Measured {
        events,
        seconds,
        readable_seconds: Some(readable_seconds),
    })
}

async fn xrange(run: &Run) -> Result<Measured, Failure> {
    let client = Client::connect(run.port).await?;
    client.info().await?;
    let (mut events, mut from) = (0, EntryId::MIN);
    let start = Instant::now();
    loop {
        let page = client.range(from, PAGE_ENTRIES).await?;
        events += page.len() as u64;
        let next = match page.last() {
            Some(last) if page.len() == PAGE_ENTRIES => entry_id(last)?.next(),
            _ => None,
        };
        match next {
            Some(next) => from = next,
            None => break,
        }
    }
    Ok(Measured {
        events,
        seconds: start.elapsed().as_secs_f64(),
        readable_seconds: None,
    })
}
