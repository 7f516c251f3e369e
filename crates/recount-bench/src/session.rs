//! `recount-bench session`: how long one session takes to fetch, out of much and out of little.

mod measure;

use std::path::Path;

use clap::{Args, ValueEnum};
use recount_core::EventLog;
use tempfile::TempDir;

use crate::generator::{Generator, IdOrder, Scatter};
use crate::process::name;
use crate::report::{Bound, CaseReport, Cell, Floor, Row, median};
use crate::timing::Timing;
use crate::{Common, Failure, files, fill, ours, process, report};

use measure::{Handle, Measured, SESSION_EVENTS, SESSIONS};
pub use measure::{Run, run as measure};

const SEED: u64 = 1;
const OTHER_SEED: u64 = 2;
const BATCH_EVENTS: usize = 1_024;
/// The scattered sessions are at most half of a log.
const EVENTS_MIN: u64 = 2 * SESSIONS * SESSION_EVENTS;
/// Up to this size the smaller floor holds.
const LARGE_EVENTS: u64 = 5_000_000;
/// Larger logs are scanned once only: it takes many seconds and says the same.
const SCANS_REPEATED_UP_TO: u64 = 10_000_000;
/// What an event takes on disk with its part of the indexes, and some more.
const BYTES_PER_EVENT: u64 = 650;

/// The command's arguments.
#[derive(Args)]
pub struct Options {
    /// How many events the logs hold; the first one is what the others are compared with
    #[arg(
        long,
        value_delimiter = ',',
        default_values_t = [100_000, 5_000_000, 20_000_000],
        value_parser = clap::value_parser!(u64).range(EVENTS_MIN..),
    )]
    sizes: Vec<u64>,
    /// How many fetches a measurement makes
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    fetches: u32,
    #[command(flatten)]
    common: Common,
}

/// Runs the benchmark and prints what it found.
pub fn run(options: &Options) -> Result<(), Failure> {
    let parent = options.common.dir.as_deref();
    check_space(parent, &options.sizes)?;
    let runtime = process::runtime()?;
    let mut logs = Vec::new();
    for &events in &options.sizes {
        logs.push(runtime.block_on(Log::fill(parent, events))?);
    }
    let published = measure_all(options, &logs, true)?;
    for log in &mut logs {
        runtime.block_on(log.seal())?;
    }
    let sealed = measure_all(options, &logs, false)?;
    let cases = [
        case(options, "session", "as published", &published),
        case(
            options,
            "session-sealed",
            "in complete segments only",
            &sealed,
        ),
    ];
    report::print("session", &cases, options.common.json);
    Ok(())
}

/// Measures all logs in turns; `scan` where the naive way is to be measured as well.
fn measure_all(options: &Options, logs: &[Log], scan: bool) -> Result<Vec<Taken>, Failure> {
    process::settle();
    let mut taken = logs.iter().map(Taken::new).collect::<Result<Vec<_>, _>>()?;
    for run in 1..=options.common.runs {
        for (log, taken) in logs.iter().zip(&mut taken) {
            let scan = scan && (run == 1 || log.events <= SCANS_REPEATED_UP_TO);
            taken.measure(log, run, options.fetches, scan)?;
        }
    }
    Ok(taken)
}

fn check_space(parent: Option<&Path>, sizes: &[u64]) -> Result<(), Failure> {
    let dir = files::fresh_dir(parent)?;
    let free = rustix::fs::statvfs(dir.path())?;
    let free = free.f_bavail * free.f_frsize;
    let needed = sizes.iter().sum::<u64>() * BYTES_PER_EVENT;
    if free < needed {
        return Err(format!(
            "the logs take about {:.1} GB, {} has {:.1} GB left: give smaller --sizes or another --dir",
            needed as f64 / 1e9,
            dir.path().display(),
            free as f64 / 1e9,
        )
        .into());
    }
    Ok(())
}

/// A log with the sessions to be fetched scattered through it.
struct Log {
    dir: TempDir,
    events: u64,
}

impl Log {
    async fn fill(parent: Option<&Path>, events: u64) -> Result<Self, Failure> {
        let dir = files::fresh_dir(parent)?;
        eprintln!("filling a log with {events} events");
        let scatter = Scatter::new(SESSIONS, SESSION_EVENTS, events);
        let generator = Generator::new(SEED, IdOrder::Ordered).scattering(scatter);
        let (log, _) = fill::log(dir.path(), false, generator, events).await?;
        log.close().await?;
        Ok(Self { dir, events })
    }

    /// Adds events of other sessions until the segment that is being written is complete.
    async fn seal(&mut self) -> Result<(), Failure> {
        let last = files::last_segment(self.dir.path())?;
        let log = ours::open(self.dir.path(), false).await?;
        let mut generator = Generator::new(OTHER_SEED, IdOrder::Ordered);
        while files::last_segment(self.dir.path())? == last {
            let batch = vec![generator.take(BATCH_EVENTS)];
            ours::append_all(&log, batch, 1, &mut Timing::new()).await?;
        }
        log.close().await?;
        Ok(())
    }
}

/// What was measured of a log.
struct Taken {
    events: u64,
    segments: u64,
    runs: Vec<(Handle, Measured)>,
}

impl Taken {
    fn new(log: &Log) -> Result<Self, Failure> {
        Ok(Self {
            events: log.events,
            segments: files::last_segment(log.dir.path())?,
            runs: Vec::new(),
        })
    }

    fn measure(&mut self, log: &Log, run: u32, fetches: u32, scan: bool) -> Result<(), Failure> {
        for handle in Handle::value_variants() {
            let options = [
                ("handle", name(handle)),
                ("fetches", fetches.to_string()),
                ("scan", (scan && *handle == Handle::Writer).to_string()),
            ];
            let measured: Measured =
                process::measured("measure-session", log.dir.path(), &options)?;
            let scanned = measured.scan_ms.map(|ms| format!(", scan {ms:.0} ms"));
            eprintln!(
                "{run}: {} events, {handle:?}: p50 {:.0} us, p99 {:.0} us{}",
                self.events,
                measured.p50_us,
                measured.p99_us,
                scanned.unwrap_or_default(),
            );
            self.runs.push((*handle, measured));
        }
        Ok(())
    }

    fn of(&self, handle: Handle) -> impl Iterator<Item = &Measured> {
        let of_handle = self.runs.iter().filter(move |(who, _)| *who == handle);
        of_handle.map(|(_, measured)| measured)
    }

    fn p50_us(&self, handle: Handle) -> impl Iterator<Item = f64> {
        self.of(handle).map(|run| run.p50_us)
    }

    fn row(&self, handle: Handle) -> Row {
        let scans = self.runs.iter().filter_map(|(_, run)| run.scan_ms);
        let scan_ms = median(scans);
        let p50_us = median(self.p50_us(handle));
        let times = scan_ms
            .zip(p50_us)
            .map(|(scan, fetch)| scan * 1_000.0 / fetch);
        Row {
            subject: format!("{} events, {}", self.events, name(&handle)),
            cells: vec![
                Cell::new("segments", self.segments as f64, 0),
                Cell::new("fetch_p50_us", p50_us, 0),
                Cell::new(
                    "fetch_p99_us",
                    median(self.of(handle).map(|run| run.p99_us)),
                    0,
                ),
                Cell::new("scan_ms", scan_ms, 0),
                Cell::new("scan_to_fetch", times, 0),
            ],
        }
    }
}

fn case(options: &Options, case: &str, how: &str, logs: &[Taken]) -> CaseReport {
    let mut rows = Vec::new();
    let mut floors = Vec::new();
    for handle in Handle::value_variants() {
        rows.extend(logs.iter().map(|log| log.row(*handle)));
        for log in &logs[1..] {
            let pairs = log.p50_us(*handle).zip(logs[0].p50_us(*handle));
            let most = if log.events <= LARGE_EVENTS { 1.5 } else { 2.0 };
            floors.push(Floor {
                what: format!(
                    "{}: out of {} / out of {}, median of the pairs",
                    name(handle),
                    log.events,
                    logs[0].events
                ),
                value: median(pairs.map(|(many, few)| many / few)),
                bound: Bound::AtMost(most),
            });
        }
    }
    CaseReport {
        name: case.to_owned(),
        what: format!(
            "one session of {SESSION_EVENTS} events fetched warm, {how}, {SESSIONS} such sessions scattered evenly, {} fetches a run, {} runs, medians",
            options.fetches, options.common.runs
        ),
        rows,
        floors,
        notes: vec![
            "writer: the process that writes the log fetches; reader: another one, which looks for news at every fetch"
                .to_owned(),
            "scan: the whole log read and filtered by session".to_owned(),
            "as published, the newest of a session's events lie in the segment being written; then other events complete it"
                .to_owned(),
        ],
    }
}
