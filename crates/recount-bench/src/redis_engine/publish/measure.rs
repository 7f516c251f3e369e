//! Publishing once, in a process of its own, to servers of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use recount_core::{Event, EventLog};
use recount_redis::{RedisLog, RedisOptions};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::generator::{Generator, IdOrder};
use crate::ours::STREAM;
use crate::redis_engine::client::Client;
use crate::redis_engine::servers::{ServerOptions, Servers};
use crate::redis_engine::usage::Usage;
use crate::timing::Timing;
use crate::{Failure, fill, process};

const SEED: u64 = 1;
/// Published before anything is timed: connections are open then, and scripts loaded.
const WARM_UP_EVENTS: u64 = 2_000;

/// Who publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Subject {
    /// Ours as it is by default: idempotent, sessions indexed
    Ours,
    /// Ours with an idempotency window of zero
    NoWindow,
    /// XADD over the same client
    Xadd,
}

impl Subject {
    /// What it is called in tables.
    pub fn shown(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::NoWindow => "ours, no window",
            Self::Xadd => "plain xadd",
        }
    }
}

/// How many producers there are, and how many events each hands over at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Load {
    /// One producer, batches of 100
    Batch,
    /// 64 producers, single events
    Single,
    /// 16 producers, batches of 100
    Batches,
}

impl Load {
    fn producers(self) -> usize {
        match self {
            Self::Batch => 1,
            Self::Single => 64,
            Self::Batches => 16,
        }
    }

    fn batch_events(self) -> usize {
        match self {
            Self::Batch | Self::Batches => 100,
            Self::Single => 1,
        }
    }
}

/// The arguments of a measurement.
#[derive(Args)]
pub struct Run {
    #[arg(long)]
    subject: Subject,
    #[arg(long)]
    load: Load,
    #[arg(long)]
    events: u64,
    #[arg(long)]
    masters: u32,
    #[arg(long)]
    partitions: u32,
    #[command(flatten)]
    server: ServerOptions,
    #[arg(long)]
    dir: PathBuf,
}

/// What came out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measured {
    pub events: u64,
    /// From handing over the first event to the last acknowledgement.
    pub seconds: f64,
    pub append_p50_us: f64,
    pub append_p99_us: f64,
    /// What the servers used meanwhile.
    pub usage: Usage,
}

impl Measured {
    pub fn events_per_s(&self) -> f64 {
        self.events as f64 / self.seconds
    }
}

/// Measures and prints what came out as JSON.
pub fn run(run: &Run) -> Result<(), Failure> {
    let measured = process::runtime()?.block_on(measured(run))?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

async fn measured(run: &Run) -> Result<Measured, Failure> {
    let servers = Servers::start(&run.server, &run.dir, run.masters).await?;
    let publisher = Arc::new(Publisher::open(run, &servers).await?);
    let mut generator = Generator::new(SEED, IdOrder::Ordered);
    publish(run.load, &publisher, &mut generator, WARM_UP_EVENTS).await?;
    let before = servers.usage().await?;
    let timing = publish(run.load, &publisher, &mut generator, run.events).await?;
    let usage = servers.usage().await?.since(&before);
    publisher.close().await?;
    Ok(Measured {
        events: run.events,
        seconds: timing.seconds(),
        append_p50_us: timing.append_us(0.5),
        append_p99_us: timing.append_us(0.99),
        usage,
    })
}

/// Lets all producers publish; making the events is not timed.
async fn publish(
    load: Load,
    publisher: &Arc<Publisher>,
    generator: &mut Generator,
    events: u64,
) -> Result<Timing, Failure> {
    let mut timing = Timing::new();
    for batches in fill::chunks(generator, events, load.batch_events()) {
        let mut shares: Vec<Vec<Vec<Event>>> = Vec::new();
        shares.resize_with(load.producers(), Vec::new);
        for (number, batch) in batches.into_iter().enumerate() {
            shares[number % load.producers()].push(batch);
        }
        let start = Instant::now();
        let mut running = JoinSet::new();
        for share in shares {
            let publisher = Arc::clone(publisher);
            running.spawn(async move {
                let mut timing = Timing::new();
                for batch in share {
                    let start = Instant::now();
                    publisher.append(batch).await?;
                    timing.append_done(start);
                }
                Ok::<_, Failure>(timing)
            });
        }
        while let Some(done) = running.join_next().await {
            timing.merge_appends(&done??);
        }
        timing.pause(start);
    }
    Ok(timing)
}

enum Publisher {
    Ours(Box<RedisLog>),
    Xadd(Client),
}

impl Publisher {
    async fn open(run: &Run, servers: &Servers) -> Result<Self, Failure> {
        let mut options = RedisOptions {
            partitions: Some(run.partitions),
            ..RedisOptions::default()
        };
        match run.subject {
            Subject::Ours => {}
            Subject::NoWindow => options.idempotency_window = Duration::ZERO,
            Subject::Xadd => return Ok(Self::Xadd(Client::connect(servers.port()).await?)),
        }
        let log = RedisLog::open(&servers.url()?, STREAM, options).await?;
        Ok(Self::Ours(Box::new(log)))
    }

    /// Publishes a batch. Freeing it is part of it.
    async fn append(&self, batch: Vec<Event>) -> Result<(), Failure> {
        match self {
            Self::Ours(log) => crate::redis_engine::fill::append(log, batch).await,
            Self::Xadd(client) => client.add(&batch).await,
        }
    }

    async fn close(&self) -> Result<(), Failure> {
        match self {
            Self::Ours(log) => Ok(log.close().await?),
            Self::Xadd(_) => Ok(()),
        }
    }
}
