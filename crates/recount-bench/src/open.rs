//! `recount-bench open`: how long opening a log takes, with much and with little history.

use std::path::Path;
use std::time::Instant;

use clap::Args;
use recount_core::EventLog;
use tempfile::TempDir;

use crate::generator::{Generator, IdOrder};
use crate::report::{Bound, CaseReport, Cell, Floor, Row, median};
use crate::timing::Timing;
use crate::{Common, Failure, files, ours, report};

const SEED: u64 = 1;
const BATCH_EVENTS: usize = 1_024;
const SMALL_EVENTS: u64 = 100_000;
/// What both logs hold in their active segment when they are opened: about half of it.
const FILL_EVENTS: u64 = 40 * BATCH_EVENTS as u64;
/// More than fit into a segment, however small they are stored.
const SEGMENT_EVENTS_MAX: u64 = 1_000_000;
/// A log is opened this many times for each run asked for: it takes milliseconds.
const OPENS_A_RUN: u32 = 5;

/// The command's arguments.
#[derive(Args)]
pub struct Options {
    /// How many events the large log holds at least
    #[arg(long, default_value_t = 5_000_000)]
    events: u64,
    #[command(flatten)]
    common: Common,
}

/// Runs the benchmark and prints what it found.
pub fn run(options: &Options) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let case = runtime.block_on(case(options))?;
    report::print("open", &[case], options.common.json);
    Ok(())
}

async fn case(options: &Options) -> Result<CaseReport, Failure> {
    let parent = options.common.dir.as_deref();
    let mut small = Log::fill(parent, SMALL_EVENTS).await?;
    let mut large = Log::fill(parent, options.events).await?;
    let mut ratios = Vec::new();
    for _ in 0..options.common.runs * OPENS_A_RUN {
        let few = small.open().await?;
        let many = large.open().await?;
        ratios.push(many / few);
    }
    Ok(CaseReport {
        name: "open".to_owned(),
        what: format!(
            "opening for writing after a close, {FILL_EVENTS} events in the active segment of both, {} pairs, medians",
            ratios.len()
        ),
        rows: vec![small.row(), large.row()],
        floors: vec![Floor {
            what: "large / small, median of the pairs".to_owned(),
            value: median(ratios),
            bound: Bound::AtMost(2.0),
        }],
        notes: vec!["both logs are in the page cache".to_owned()],
    })
}

/// A log to be opened.
struct Log {
    dir: TempDir,
    events: u64,
    open_ms: Vec<f64>,
}

impl Log {
    /// Publishes about `events` events, but ends [`FILL_EVENTS`] after the start of a segment.
    async fn fill(parent: Option<&Path>, events: u64) -> Result<Self, Failure> {
        let dir = files::fresh_dir(parent)?;
        eprintln!("filling a log with about {events} events");
        let log = ours::open(dir.path(), false).await?;
        let mut generator = Generator::new(SEED, IdOrder::Ordered);
        let mut published = 0;
        let mut segment_start = 0;
        let mut segments = files::segments(dir.path())?;
        loop {
            let now = files::segments(dir.path())?;
            if now > segments {
                segments = now;
                segment_start = published;
            }
            let in_segment = published - segment_start;
            if published + FILL_EVENTS >= events && segment_start > 0 && in_segment == FILL_EVENTS {
                break;
            }
            if in_segment > SEGMENT_EVENTS_MAX {
                return Err(format!("no new segment after {in_segment} events").into());
            }
            let batch = vec![generator.take(BATCH_EVENTS)];
            ours::append_all(&log, batch, 1, &mut Timing::new()).await?;
            published += BATCH_EVENTS as u64;
        }
        log.close().await?;
        Ok(Self {
            dir,
            events: published,
            open_ms: Vec::new(),
        })
    }

    async fn open(&mut self) -> Result<f64, Failure> {
        let start = Instant::now();
        let log = ours::open(self.dir.path(), true).await?;
        let ms = start.elapsed().as_secs_f64() * 1_000.0;
        let length = log.info().await?.length();
        if length != self.events {
            return Err(format!("the log holds {length} events, not {}", self.events).into());
        }
        log.close().await?;
        self.open_ms.push(ms);
        Ok(ms)
    }

    fn row(&self) -> Row {
        Row {
            subject: format!("{} events", self.events),
            cells: vec![Cell::new(
                "open_ms",
                median(self.open_ms.iter().copied()),
                2,
            )],
        }
    }
}
