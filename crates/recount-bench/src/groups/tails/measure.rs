//! One run of readers, in a process of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use recount::{Batch, Event, Recount, StartFrom};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::generator::{Generator, IdOrder};
use crate::groups::plain;
use crate::memory::Sampler;
use crate::redis_engine::{Client, ServerOptions};
use crate::timing::{Timing, Took};
use crate::{Failure, ours, process};

const SEED: u64 = 1;
/// From one event to the next: all readers wait again by then.
pub const EVERY: Duration = Duration::from_millis(50);
const WARM_UP_EVENTS: usize = 10;

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Subject {
    /// Tails of one handle
    Disk,
    /// Blocked readers, each with its connection
    Redis,
}

/// The arguments of a measurement.
#[derive(Args)]
pub struct Run {
    #[arg(long)]
    subject: Subject,
    #[arg(long)]
    events: usize,
    #[arg(long)]
    tails: u64,
    #[command(flatten)]
    server: ServerOptions,
    #[arg(long)]
    dir: PathBuf,
}

/// What came out.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Measured {
    /// From publishing an event until the last reader had it.
    pub last: Took,
    pub rss_anon_bytes: Option<u64>,
}

/// Measures and prints what came out as JSON.
pub fn run(run: &Run) -> Result<(), Failure> {
    let sampler = Sampler::start();
    let last = process::runtime()?.block_on(async {
        match run.subject {
            Subject::Disk => disk(run).await,
            Subject::Redis => redis(run).await,
        }
    })?;
    let measured = Measured {
        last,
        rss_anon_bytes: sampler.peak(),
    };
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

/// How many readers had each event, and word from the last.
struct Arrivals {
    readers: u64,
    seen: Vec<AtomicU64>,
    complete: mpsc::UnboundedSender<Instant>,
}

impl Arrivals {
    fn new(run: &Run) -> (Arc<Self>, mpsc::UnboundedReceiver<Instant>) {
        let (complete, completed) = mpsc::unbounded_channel();
        let count = WARM_UP_EVENTS + run.events;
        let arrivals = Self {
            readers: run.tails,
            seen: (0..count).map(|_| AtomicU64::new(0)).collect(),
            complete,
        };
        (Arc::new(arrivals), completed)
    }

    /// A reader had the event of this number.
    fn arrived(&self, number: usize) {
        if self.seen[number].fetch_add(1, Ordering::Relaxed) + 1 == self.readers {
            // The other end waits for it.
            let _ = self.complete.send(Instant::now());
        }
    }
}

async fn disk(run: &Run) -> Result<Took, Failure> {
    let recount = ours::handle(&run.dir, false).await?;
    let (arrivals, completed) = Arrivals::new(run);
    let mut readers = JoinSet::new();
    for _ in 0..run.tails {
        let mut tail = recount.tail(StartFrom::End).await?;
        let arrivals = Arc::clone(&arrivals);
        readers.spawn(async move {
            for number in 0..arrivals.seen.len() {
                tail.next().await?;
                arrivals.arrived(number);
            }
            Ok::<(), Failure>(())
        });
    }
    let took = publish(run, completed, &Publisher::Disk(recount.clone())).await?;
    finish(readers).await?;
    recount.close().await?;
    Ok(took)
}

async fn redis(run: &Run) -> Result<Took, Failure> {
    let server_dir = run.dir.join("server");
    std::fs::create_dir_all(&server_dir)?;
    let server = run.server.start(&server_dir)?;
    let (arrivals, completed) = Arrivals::new(run);
    let mut readers = JoinSet::new();
    let mut ready = Vec::new();
    for _ in 0..run.tails {
        let client = Client::connect(server.port()).await?;
        let arrivals = Arc::clone(&arrivals);
        let (tell, told) = oneshot::channel();
        ready.push(told);
        readers.spawn(async move {
            // It is connected; the first block may still be on its way, which the warm-up waits for.
            let _ = tell.send(());
            let mut after = "0-0".to_owned();
            let mut number = 0;
            while number < arrivals.seen.len() {
                for id in plain::tail(&client, &after).await? {
                    after = id;
                    arrivals.arrived(number);
                    number += 1;
                }
            }
            Ok::<(), Failure>(())
        });
    }
    for told in ready {
        told.await?;
    }
    let client = Client::connect(server.port()).await?;
    let took = publish(run, completed, &Publisher::Redis(client)).await?;
    finish(readers).await?;
    Ok(took)
}

async fn finish(mut readers: JoinSet<Result<(), Failure>>) -> Result<(), Failure> {
    while let Some(done) = readers.join_next().await {
        done??;
    }
    Ok(())
}

/// Who publishes.
enum Publisher {
    Disk(Recount),
    Redis(Client),
}

impl Publisher {
    async fn publish(&self, events: Vec<Event>) -> Result<(), Failure> {
        match self {
            Self::Disk(recount) => {
                recount.append(Batch::new(events)).await?;
            }
            Self::Redis(client) => client.add(&events).await?,
        }
        Ok(())
    }
}

/// Publishes one event after another, each when all readers had the one before.
async fn publish(
    run: &Run,
    mut completed: mpsc::UnboundedReceiver<Instant>,
    publisher: &Publisher,
) -> Result<Took, Failure> {
    let mut generator = Generator::new(SEED, IdOrder::Ordered);
    let mut timing = Timing::new();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0..WARM_UP_EVENTS + run.events {
        let events = generator.take(1);
        ticks.tick().await;
        let start = Instant::now();
        publisher.publish(events).await?;
        let last = completed.recv().await.ok_or("the readers stopped")?;
        if number >= WARM_UP_EVENTS {
            timing.append_took(last - start);
        }
    }
    Ok(timing.into())
}
