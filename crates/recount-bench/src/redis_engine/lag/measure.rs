//! Publishing at a steady pace and reading from the mirror, in a process of its own.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use recount_core::{Cursor, Event, EventId, EventLog, IdRange, Origin, ReadRange};
use recount_disk::DiskLog;
use recount_redis::{RedisLog, RedisOptions};
use recount_runtime::{Mirror, MirrorOptions};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::generator::{Generator, IdOrder};
use crate::ours::STREAM;
use crate::redis_engine::client::Client;
use crate::redis_engine::servers::{ServerOptions, url};
use crate::timing::{Timing, Took};
use crate::{Failure, process};

const SEED: u64 = 1;
pub const EVENTS_PER_S: u64 = 5_000;
/// Published before those that count.
const WARM_UP_EVENTS: usize = EVENTS_PER_S as usize;
const PINGS: usize = 1_000;
/// Between two round trips while events are published.
const PING_EVERY: Duration = Duration::from_millis(2);
const PAGE_ENTRIES: usize = 1_000;

/// The arguments of a measurement.
#[derive(Args)]
pub struct Run {
    #[arg(long)]
    seconds: u64,
    #[command(flatten)]
    server: ServerOptions,
    #[arg(long)]
    dir: PathBuf,
}

/// What came out.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Measured {
    pub events_per_s: f64,
    pub from_handed_over: Took,
    pub from_acknowledged: Took,
    pub publishing: Took,
    /// While the events were published.
    pub round_trip: Took,
    /// Before and after.
    pub round_trip_idle: Took,
}

/// Measures and prints what came out as JSON.
pub fn run(run: &Run) -> Result<(), Failure> {
    let measured = process::runtime()?.block_on(measured(run))?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

async fn measured(run: &Run) -> Result<Measured, Failure> {
    let server_dir = run.dir.join("server");
    std::fs::create_dir_all(&server_dir)?;
    let server = run.server.start(&server_dir)?;
    let url = url(server.port())?;
    let open = || RedisLog::open(&url, STREAM, RedisOptions::default());
    let (log, origin) = (Arc::new(open().await?), Arc::new(open().await?));
    let options = MirrorOptions::new(run.dir.join("mirror"));
    let mirror = Mirror::open(Arc::clone(&origin) as Arc<dyn Origin>, options).await?;
    mirror.maintaining().await?;
    let local = mirror.log(0).ok_or("the mirror has no partition")?;

    let client = Client::connect(server.port()).await?;
    let mut idle = Timing::new();
    pings(&client, &mut Timing::new()).await?;
    pings(&client, &mut idle).await?;
    let count = WARM_UP_EVENTS + (run.seconds * EVENTS_PER_S) as usize;
    let events = Generator::new(SEED, IdOrder::Ordered).take(count);
    let times = Arc::new(Times::new(&events));
    // Both on the runtime's threads: what waits in the main thread costs switches that no service has.
    let publishing = tokio::spawn(publish(log.clone(), events, Arc::clone(&times)));
    let reading = tokio::spawn(read(local, Arc::clone(&times)));
    let (published, over) = oneshot::channel();
    let pinging = tokio::spawn(ping_until(client.clone(), over));
    publishing.await??;
    reading.await??;
    // The other end waits for it.
    let _ = published.send(());
    let round_trip = pinging.await??;
    pings(&client, &mut idle).await?;
    mirror.close().await;
    origin.close().await?;
    log.close().await?;
    Ok(times.measured(round_trip, idle))
}

async fn pings(client: &Client, timing: &mut Timing) -> Result<(), Failure> {
    let ping = ::redis::cmd("PING");
    for _ in 0..PINGS {
        let start = Instant::now();
        client.ask(&ping).await?;
        timing.append_done(start);
    }
    Ok(())
}

/// Round trips by the way, until `over`.
async fn ping_until(client: Client, mut over: oneshot::Receiver<()>) -> Result<Timing, Failure> {
    let ping = ::redis::cmd("PING");
    let mut timing = Timing::new();
    loop {
        let start = Instant::now();
        client.ask(&ping).await?;
        timing.append_done(start);
        if timeout(PING_EVERY, &mut over).await.is_ok() {
            return Ok(timing);
        }
    }
}

/// Hands over one event after the other, each at its time.
async fn publish(log: Arc<RedisLog>, events: Vec<Event>, times: Arc<Times>) -> Result<(), Failure> {
    let mut due = ticks(events.len());
    let mut running = JoinSet::new();
    for (number, event) in events.into_iter().enumerate() {
        due.recv().await.ok_or("the clock stopped")?;
        let (log, times) = (Arc::clone(&log), Arc::clone(&times));
        times.handed_over.note(number);
        running.spawn(async move {
            crate::redis_engine::fill::append(&log, vec![event]).await?;
            times.acknowledged.note(number);
            Ok::<_, Failure>(())
        });
        while let Some(done) = running.try_join_next() {
            done??;
        }
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    Ok(())
}

/// A message when each event is due. The runtime's own timer is too coarse for that.
fn ticks(count: usize) -> mpsc::UnboundedReceiver<()> {
    let (tick, due) = mpsc::unbounded_channel();
    thread::spawn(move || {
        let start = Instant::now();
        for number in 0..count as u64 {
            let due = Duration::from_nanos(number * 1_000_000_000 / EVENTS_PER_S);
            thread::sleep(due.saturating_sub(start.elapsed()));
            if tick.send(()).is_err() {
                return;
            }
        }
    });
    due
}

/// Reads what comes, as soon as it can be read.
async fn read(local: Arc<DiskLog>, times: Arc<Times>) -> Result<(), Failure> {
    let mut last = local.tail().await?.get(0);
    let mut seen = 0;
    while seen < times.numbers.len() {
        local.wait(&Cursor::after(last)).await?;
        let range = ReadRange::new(IdRange::after(last)).limit(PAGE_ENTRIES);
        let page = local.read(&range).await?;
        for recorded in page.entries {
            last = recorded.position.entry_id;
            let event = recorded.event().ok_or("an entry is not an event")?;
            let number = times.numbers.get(&event.id);
            times
                .readable
                .note(*number.ok_or("an event that was not published")?);
            seen += 1;
        }
    }
    Ok(())
}

/// When what happened to each event.
struct Times {
    numbers: HashMap<EventId, usize>,
    handed_over: Moments,
    acknowledged: Moments,
    readable: Moments,
}

impl Times {
    fn new(events: &[Event]) -> Self {
        let start = Instant::now();
        let moments = || Moments {
            start,
            nanos: events.iter().map(|_| AtomicU64::new(0)).collect(),
        };
        Self {
            numbers: events
                .iter()
                .map(|event| event.id.clone())
                .zip(0..)
                .collect(),
            handed_over: moments(),
            acknowledged: moments(),
            readable: moments(),
        }
    }

    fn measured(&self, round_trip: Timing, idle: Timing) -> Measured {
        let count = self.numbers.len();
        let between = |from: &Moments, to: &Moments| -> Took {
            let mut timing = Timing::new();
            for number in WARM_UP_EVENTS..count {
                timing.append_took(to.of(number).saturating_sub(from.of(number)));
            }
            timing.into()
        };
        let first = self.handed_over.of(WARM_UP_EVENTS);
        let spent = self.handed_over.of(count - 1).saturating_sub(first);
        Measured {
            events_per_s: (count - WARM_UP_EVENTS - 1) as f64 / spent.as_secs_f64(),
            from_handed_over: between(&self.handed_over, &self.readable),
            from_acknowledged: between(&self.acknowledged, &self.readable),
            publishing: between(&self.handed_over, &self.acknowledged),
            round_trip: round_trip.into(),
            round_trip_idle: idle.into(),
        }
    }
}

/// A moment an event.
struct Moments {
    start: Instant,
    nanos: Vec<AtomicU64>,
}

impl Moments {
    fn note(&self, number: usize) {
        self.nanos[number].store(self.start.elapsed().as_nanos() as u64, Ordering::Relaxed);
    }

    fn of(&self, number: usize) -> Duration {
        Duration::from_nanos(self.nanos[number].load(Ordering::Relaxed))
    }
}
