//! One delivery of a stream, in a process of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use clap::{Args, ValueEnum};
use recount_core::{EventLog, GroupStart, GroupStore};
use recount_disk::{DiskLog, DiskOptions, SyncMode};
use recount_redis::{RedisLog, RedisOptions};
use recount_runtime::{BatchHandler, Consumer, ConsumerBuilder, Handler, HandlerError, Message};
use serde::{Deserialize, Serialize};

use crate::generator::{Generator, IdOrder};
use crate::groups::plain;
use crate::memory::Sampler;
use crate::ours::STREAM;
use crate::redis_engine::{ServerOptions, fill_stream, url};
use crate::{Failure, fill, process};

const SEED: u64 = 1;
/// The group that is measured.
pub const GROUP: &str = "bench";
const CONCURRENCY: usize = 16;

/// Who delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Subject {
    /// The runtime on the disk engine
    Disk,
    /// The runtime on Redis
    Redis,
    /// The runtime on Redis, a handler for single events
    Runtime,
    /// Bare commands on Redis
    Plain,
}

/// The arguments of a measurement.
#[derive(Args)]
pub struct Run {
    #[arg(long)]
    subject: Subject,
    #[arg(long)]
    events: u64,
    #[arg(long)]
    batch: usize,
    #[arg(long)]
    sync: SyncMode,
    #[command(flatten)]
    server: ServerOptions,
    #[arg(long)]
    dir: PathBuf,
}

/// What came out.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Measured {
    pub events: u64,
    /// From starting the consumer to the end of its last acknowledgement.
    pub seconds: f64,
    pub rss_anon_bytes: Option<u64>,
}

impl Measured {
    pub fn events_per_s(&self) -> f64 {
        self.events as f64 / self.seconds
    }

    pub fn us_an_event(&self) -> f64 {
        self.seconds * 1e6 / self.events as f64
    }
}

/// Counts what it is given.
#[derive(Clone, Default)]
struct Count(Arc<AtomicU64>);

impl Count {
    fn see(&self, message: &Message) {
        let seen = message.event().is_some();
        self.0.fetch_add(u64::from(seen), Ordering::Relaxed);
    }
}

#[async_trait]
impl Handler for Count {
    async fn handle(&self, message: &Message) -> Result<(), HandlerError> {
        self.see(message);
        Ok(())
    }
}

#[async_trait]
impl BatchHandler for Count {
    async fn handle(&self, messages: &[Message]) -> Vec<Result<(), HandlerError>> {
        messages
            .iter()
            .map(|message| self.see(message))
            .map(Ok)
            .collect()
    }
}

/// Measures and prints what came out as JSON.
pub fn run(run: &Run) -> Result<(), Failure> {
    let measured = process::runtime()?.block_on(async {
        match run.subject {
            Subject::Disk => disk(run).await,
            Subject::Redis | Subject::Runtime | Subject::Plain => redis(run).await,
        }
    })?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

async fn disk(run: &Run) -> Result<Measured, Failure> {
    let generator = Generator::new(SEED, IdOrder::Ordered);
    let (log, _) = fill::log(&run.dir, false, generator, run.events).await?;
    log.close().await?;
    drop(log);
    let options = DiskOptions {
        groups_sync: run.sync,
        ..DiskOptions::default()
    };
    let log = Arc::new(DiskLog::open(&run.dir, STREAM, options).await?);
    let measured = deliver(run, &log).await?;
    log.close().await?;
    Ok(measured)
}

async fn redis(run: &Run) -> Result<Measured, Failure> {
    let server_dir = run.dir.join("server");
    std::fs::create_dir_all(&server_dir)?;
    let server = run.server.start(&server_dir)?;
    let generator = Generator::new(SEED, IdOrder::Ordered);
    fill_stream(
        server.port(),
        RedisOptions::default(),
        generator,
        run.events,
    )
    .await?;
    let log = RedisLog::open(&url(server.port())?, STREAM, RedisOptions::default()).await?;
    let log = Arc::new(log);
    let measured = if run.subject == Subject::Plain {
        log.create(GROUP, &GroupStart::Start).await?;
        let sampler = Sampler::start();
        let start = Instant::now();
        let seen = plain::consume(server.port()).await?;
        measured(run, seen, start.elapsed(), sampler)?
    } else {
        deliver(run, &log).await?
    };
    log.close().await?;
    Ok(measured)
}

async fn deliver<L: EventLog + GroupStore>(run: &Run, log: &Arc<L>) -> Result<Measured, Failure> {
    log.create(GROUP, &GroupStart::Start).await?;
    let count = Count::default();
    let sampler = Sampler::start();
    let start = Instant::now();
    let consumer: ConsumerBuilder = Consumer::builder(Arc::clone(log))
        .group(GROUP)
        .name("one")
        .keep_failing()
        .drain(true);
    let running = match (run.subject, run.batch) {
        (Subject::Runtime, _) => {
            let consumer = consumer.concurrency(CONCURRENCY);
            consumer.start(count.clone()).await?
        }
        (_, 1) => {
            let consumer = consumer.concurrency(1).buffer(1);
            consumer.start(count.clone()).await?
        }
        (_, batch) => consumer.start_batch(count.clone(), batch).await?,
    };
    running.finished().await?;
    let took = start.elapsed();
    let left = log.pending(GROUP).await?.count;
    if left > 0 {
        return Err(format!("{left} entries are still pending").into());
    }
    measured(run, count.0.load(Ordering::Relaxed), took, sampler)
}

fn measured(run: &Run, seen: u64, took: Duration, sampler: Sampler) -> Result<Measured, Failure> {
    if seen != run.events {
        return Err(format!("of {} events {seen} were handled", run.events).into());
    }
    Ok(Measured {
        events: run.events,
        seconds: took.as_secs_f64(),
        rss_anon_bytes: sampler.peak(),
    })
}
