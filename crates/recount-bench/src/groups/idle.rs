//! From publishing an event to its handler, where nothing else goes on.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use clap::Args;
use recount_core::{Batch, EventLog, GroupStart};
use recount_disk::{DiskLog, DiskOptions, SyncMode};
use recount_runtime::{Consumer, Handler, HandlerError, Message};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::Options;
use crate::generator::{Generator, IdOrder};
use crate::ours::STREAM;
use crate::report::{Bound, CaseReport, Cell, Floor, Row, median};
use crate::timing::{Timing, Took};
use crate::{Failure, files, process};

const SEED: u64 = 1;
const WARM_UP_EVENTS: u64 = 50;
/// Between two events, so that everybody waits again.
const PAUSE: Duration = Duration::from_millis(2);
/// What the bare write has: about an event's record.
const BARE_BYTES: usize = 700;

/// The arguments of a measurement.
#[derive(Args)]
pub struct Run {
    #[arg(long)]
    events: u64,
    #[arg(long)]
    dir: PathBuf,
}

/// What came out.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Measured {
    handled: Took,
    acknowledged: Took,
    fdatasync: Took,
}

/// Publishes single events with pauses, and syncs a bare file in between.
pub fn case(options: &Options) -> Result<CaseReport, Failure> {
    let mut runs = Vec::new();
    for run in 1..=options.common.runs {
        let dir = files::fresh_dir(options.common.dir.as_deref())?;
        process::settle();
        let arguments = [("events", options.idle_events.to_string())];
        let measured: Measured = process::measured("measure-groups-idle", dir.path(), &arguments)?;
        dir.close()?;
        eprintln!(
            "idle {run}: publish -> handler p50 {:.0} us, fdatasync p50 {:.0} us, ratio {:.2}",
            measured.handled.p50,
            measured.fdatasync.p50,
            measured.handled.p50 / measured.fdatasync.p50,
        );
        runs.push(measured);
    }
    Ok(CaseReport {
        name: "idle".to_owned(),
        what: format!(
            "one event, a pause of {} ms, {} events a run, {} runs, medians",
            PAUSE.as_millis(),
            options.idle_events,
            options.common.runs
        ),
        rows: vec![
            row("publish -> handler", &runs, |run| &run.handled),
            row("publish -> acknowledged", &runs, |run| &run.acknowledged),
            row("one write and fdatasync", &runs, |run| &run.fdatasync),
        ],
        floors: vec![Floor {
            what: "publish -> handler p50 / fdatasync p50, median of the runs".to_owned(),
            value: median(runs.iter().map(|run| run.handled.p50 / run.fdatasync.p50)),
            bound: Bound::AtMost(3.0),
        }],
        notes: vec![
            "the log and the groups' state with always: the event and its delivery are on stable storage before the handler has it".to_owned(),
            format!("the bare file grows by {BARE_BYTES} bytes a write, on the same disk, in the same pauses"),
        ],
    })
}

fn row(subject: &str, runs: &[Measured], of: fn(&Measured) -> &Took) -> Row {
    let middle = |value: fn(&Took) -> f64| median(runs.iter().map(|run| value(of(run))));
    Row {
        subject: subject.to_owned(),
        cells: vec![
            Cell::new("p50_us", middle(|took| took.p50), 0),
            Cell::new("p99_us", middle(|took| took.p99), 0),
            Cell::new("max_us", middle(|took| took.max), 0),
        ],
    }
}

/// Tells when it is called.
struct Tell(mpsc::UnboundedSender<Instant>);

#[async_trait]
impl Handler for Tell {
    async fn handle(&self, _: &Message) -> Result<(), HandlerError> {
        // Nobody listens any more once the measurement is over.
        let _ = self.0.send(Instant::now());
        Ok(())
    }
}

/// Measures and prints what came out as JSON.
pub fn measure(run: &Run) -> Result<(), Failure> {
    let measured = process::runtime()?.block_on(async {
        // On the runtime's threads, as a service's tasks are.
        let (events, dir) = (run.events, run.dir.clone());
        tokio::spawn(async move { measured(events, &dir).await }).await?
    })?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

async fn measured(events: u64, dir: &Path) -> Result<Measured, Failure> {
    let options = DiskOptions {
        sync: SyncMode::Always,
        groups_sync: SyncMode::Always,
        ..DiskOptions::default()
    };
    let log = Arc::new(DiskLog::open(dir.join("log"), STREAM, options).await?);
    let (tell, mut told) = mpsc::unbounded_channel();
    let running = Consumer::builder(Arc::clone(&log))
        .group("idle")
        .name("one")
        .create_from(GroupStart::Start)
        .keep_failing()
        .start(Tell(tell))
        .await?;
    let mut bare = OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.join("bare"))?;
    let (mut handled, mut acknowledged, mut synced) = (Timing::new(), Timing::new(), Timing::new());
    let mut generator = Generator::new(SEED, IdOrder::Ordered);
    for number in 0..WARM_UP_EVENTS + events {
        let counts = number >= WARM_UP_EVENTS;
        let event = generator.take(1);
        tokio::time::sleep(PAUSE).await;
        let start = Instant::now();
        log.append(Batch::new(event)).await?;
        let appended = start.elapsed();
        let at = told.recv().await.ok_or("the consumer stopped")?;
        if counts {
            acknowledged.append_took(appended);
            handled.append_took(at - start);
        }
        tokio::time::sleep(PAUSE).await;
        let start = Instant::now();
        bare.write_all(&[b'x'; BARE_BYTES])?;
        bare.sync_data()?;
        if counts {
            synced.append_done(start);
        }
    }
    running.stop().await?;
    log.close().await?;
    Ok(Measured {
        handled: handled.into(),
        acknowledged: acknowledged.into(),
        fdatasync: synced.into(),
    })
}
