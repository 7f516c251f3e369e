//! Publishing with and without disturbance, in a process of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use recount_core::{EventLog, TrimLimit, TrimRequest};
use recount_disk::DiskLog;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::follow::Follower;
use crate::generator::{Generator, IdOrder};
use crate::timing::Timing;
use crate::{Failure, files, ours, process};

const SEED: u64 = 1;
const BATCH_EVENTS: usize = 64;
/// How many events are made at a time, while the clock stands still.
const CHUNK_EVENTS: u64 = 32 << 10;

/// The arguments of a measurement.
#[derive(Args)]
pub struct Run {
    #[arg(long)]
    events: u64,
    #[arg(long)]
    keep: u64,
    #[arg(long)]
    trim_every: u64,
    /// Whether the log is trimmed and followed meanwhile
    #[arg(long, action = clap::ArgAction::Set)]
    disturbed: bool,
    #[arg(long)]
    dir: PathBuf,
}

/// What came out.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Measured {
    pub events: u64,
    pub seconds: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub max_us: f64,
    /// How many segments were completed.
    pub seals: u64,
    pub disturbance: Option<Disturbance>,
}

/// What went on beside publishing.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Disturbance {
    /// How many trims removed something.
    pub trims: u64,
    pub trim_p50_us: f64,
    pub trim_max_us: f64,
    /// How many events the follower saw.
    pub followed: u64,
}

impl Measured {
    pub fn events_per_s(&self) -> f64 {
        self.events as f64 / self.seconds
    }

    pub fn followed_percent(&self, disturbance: Disturbance) -> f64 {
        disturbance.followed as f64 * 100.0 / self.events as f64
    }
}

/// Measures and prints what came out as JSON.
pub fn run(run: &Run) -> Result<(), Failure> {
    let measured = process::runtime()?.block_on(measured(run))?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

async fn measured(run: &Run) -> Result<Measured, Failure> {
    let log = Arc::new(ours::open(&run.dir, true).await?);
    let mut timing = Timing::new();
    let disturbance = if run.disturbed {
        let follower = Follower::start(&run.dir)?;
        let (ended, end) = oneshot::channel();
        let every = Duration::from_millis(run.trim_every);
        let trims = tokio::spawn(trim_repeatedly(Arc::clone(&log), run.keep, every, end));
        publish(&log, run.events, &mut timing).await?;
        let _ = ended.send(());
        let trims = trims.await??;
        Some(Disturbance {
            trims: trims.count(),
            trim_p50_us: trims.append_us(0.5),
            trim_max_us: trims.append_us(1.0),
            followed: follower.finish()?,
        })
    } else {
        publish(&log, run.events, &mut timing).await?;
        None
    };
    let seals = files::last_segment(&run.dir)?.saturating_sub(1);
    log.close().await?;
    Ok(Measured {
        events: run.events,
        seconds: timing.seconds(),
        p50_us: timing.append_us(0.5),
        p99_us: timing.append_us(0.99),
        max_us: timing.append_us(1.0),
        seals,
        disturbance,
    })
}

async fn publish(log: &DiskLog, events: u64, timing: &mut Timing) -> Result<(), Failure> {
    let mut generator = Generator::new(SEED, IdOrder::Ordered);
    let mut left = events;
    while left > 0 {
        let chunk = left.min(CHUNK_EVENTS);
        left -= chunk;
        let batches = (0..chunk)
            .step_by(BATCH_EVENTS)
            .map(|at| generator.take(BATCH_EVENTS.min((chunk - at) as usize)))
            .collect();
        let start = Instant::now();
        ours::append_all(log, batches, 1, timing).await?;
        timing.pause(start);
    }
    Ok(())
}

/// Trims, waits, and trims again until told to end. Notes those trims that removed something.
async fn trim_repeatedly(
    log: Arc<DiskLog>,
    keep: u64,
    every: Duration,
    mut end: oneshot::Receiver<()>,
) -> Result<Timing, Failure> {
    let request = TrimRequest::exact(TrimLimit::MaxLength(keep));
    let mut timing = Timing::new();
    loop {
        let start = Instant::now();
        if log.trim(&request).await?.removed > 0 {
            timing.append_done(start);
        }
        tokio::select! {
            _ = &mut end => return Ok(timing),
            () = tokio::time::sleep(every) => {}
        }
    }
}
