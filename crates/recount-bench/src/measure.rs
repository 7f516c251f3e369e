//! One measurement: one subject, one case, one process.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, ValueEnum};
use recount_core::{Event, EventLog};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::bare::BareLog;
use crate::generator::{Generator, IdOrder};
use crate::memory::Sampler;
use crate::redis::{Fsync, Server};
use crate::timing::Timing;
use crate::{Failure, files, ours};

const SEED: u64 = 1;
const PRODUCERS: usize = 64;
/// How many events are made at a time, while the clock stands still.
const CHUNK_EVENTS: usize = 32 << 10;

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Subject {
    Ours,
    Bare,
    Redis,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Case {
    /// One producer, 64 events a batch, each batch synced
    Batch,
    /// 64 producers at once, single events, synced
    Single,
    /// One producer, 1,024 events a batch, no sync
    Bulk,
}

impl Case {
    fn synced(self) -> bool {
        self != Self::Bulk
    }

    fn batch_events(self) -> usize {
        match self {
            Self::Batch => 64,
            Self::Single => 1,
            Self::Bulk => 1_024,
        }
    }
}

/// The arguments of a measurement.
#[derive(Args)]
pub struct Run {
    #[arg(long)]
    pub subject: Subject,
    #[arg(long)]
    pub case: Case,
    #[arg(long)]
    pub events: usize,
    #[arg(long)]
    pub ids: IdOrder,
    #[arg(long)]
    pub in_flight: usize,
    #[arg(long)]
    pub dir: PathBuf,
}

/// What came out.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Measured {
    pub events: usize,
    /// From handing over the first event to the last acknowledgement.
    pub seconds: f64,
    /// The same, until the log was closed as well; ours syncs then.
    pub closed_seconds: f64,
    pub append_p50_us: f64,
    pub append_p99_us: f64,
    pub rss_anon_bytes: Option<u64>,
    pub segment_bytes: u64,
    pub other_bytes: u64,
}

impl Measured {
    pub fn events_per_s(&self) -> f64 {
        self.events as f64 / self.seconds
    }
}

/// Measures and prints what came out as JSON.
pub fn run(run: &Run) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let mut timing = Timing::new();
    let mut generator = Generator::new(SEED, run.ids);
    let sampler = Sampler::start();
    let closing = match run.subject {
        Subject::Bare => bare(run, &mut generator, &mut timing)?,
        Subject::Ours => runtime.block_on(ours(run, &mut generator, &mut timing))?,
        Subject::Redis => runtime.block_on(redis(run, &mut generator, &mut timing))?,
    };
    let rss_anon_bytes = sampler.peak();
    let sizes = files::sizes(&run.dir)?;
    let measured = Measured {
        events: run.events,
        seconds: timing.seconds(),
        closed_seconds: timing.seconds() + closing,
        append_p50_us: timing.append_us(0.5),
        append_p99_us: timing.append_us(0.99),
        rss_anon_bytes,
        segment_bytes: sizes.segment_bytes,
        other_bytes: sizes.other_bytes,
    };
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

impl Run {
    /// The run's events in batches, some at a time.
    fn chunks(&self, generator: &mut Generator) -> impl Iterator<Item = Vec<Vec<Event>>> {
        let mut left = self.events;
        std::iter::from_fn(move || {
            let mut chunk = left.min(CHUNK_EVENTS);
            left -= chunk;
            let mut batches = Vec::with_capacity(chunk.div_ceil(self.case.batch_events()));
            while chunk > 0 {
                let batch = chunk.min(self.case.batch_events());
                batches.push(generator.take(batch));
                chunk -= batch;
            }
            (!batches.is_empty()).then_some(batches)
        })
    }

    /// The run's events, one list a producer.
    fn shares(&self, generator: &mut Generator) -> Vec<Vec<Event>> {
        (0..PRODUCERS)
            .map(|producer| {
                let rest = usize::from(producer < self.events % PRODUCERS);
                generator.take(self.events / PRODUCERS + rest)
            })
            .collect()
    }
}

fn bare(run: &Run, generator: &mut Generator, timing: &mut Timing) -> io::Result<f64> {
    let mut log = BareLog::create(&run.dir, run.case.synced())?;
    for batches in run.chunks(generator) {
        let start = Instant::now();
        for events in batches {
            let append = Instant::now();
            log.append(&events)?;
            timing.append_done(append);
        }
        timing.pause(start);
    }
    Ok(0.0)
}

async fn ours(run: &Run, generator: &mut Generator, timing: &mut Timing) -> Result<f64, Failure> {
    let log = Arc::new(ours::open(&run.dir, run.case.synced()).await?);
    if run.case == Case::Single {
        let mut producers = Vec::new();
        for events in run.shares(generator) {
            let log = Arc::clone(&log);
            producers.push(async move {
                let mut timing = Timing::new();
                let batches = events.into_iter().map(|event| vec![event]).collect();
                ours::append_all(&log, batches, 1, &mut timing).await?;
                Ok(timing)
            });
        }
        together(producers, timing).await?;
    } else {
        for batches in run.chunks(generator) {
            let start = Instant::now();
            ours::append_all(&log, batches, run.in_flight, timing).await?;
            timing.pause(start);
        }
    }
    let start = Instant::now();
    log.close().await?;
    Ok(start.elapsed().as_secs_f64())
}

async fn redis(run: &Run, generator: &mut Generator, timing: &mut Timing) -> Result<f64, Failure> {
    let server = Server::start(&run.dir, Fsync::Always)?;
    if run.case == Case::Single {
        let mut producers = Vec::new();
        for events in run.shares(generator) {
            let mut connection = server.connect().await?;
            producers.push(async move {
                let mut timing = Timing::new();
                for event in events {
                    let append = Instant::now();
                    connection.append(&[event]).await?;
                    timing.append_done(append);
                }
                Ok(timing)
            });
        }
        together(producers, timing).await?;
    } else {
        let mut connection = server.connect().await?;
        for batches in run.chunks(generator) {
            let start = Instant::now();
            for events in batches {
                let append = Instant::now();
                connection.append(&events).await?;
                timing.append_done(append);
            }
            timing.pause(start);
        }
    }
    Ok(0.0)
}

/// Lets all producers publish at once.
async fn together<P>(producers: Vec<P>, timing: &mut Timing) -> Result<(), Failure>
where
    P: Future<Output = Result<Timing, Failure>> + Send + 'static,
{
    let start = Instant::now();
    let mut running: JoinSet<_> = producers.into_iter().collect();
    while let Some(producer) = running.join_next().await {
        timing.merge_appends(&producer??);
    }
    timing.pause(start);
    Ok(())
}
