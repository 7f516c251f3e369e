//! Reading a whole stream once, in a process of its own.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use recount::{EntryId, Pace, Query, ReadRange, Recorded, Recount};
use serde::{Deserialize, Serialize};

use crate::redis::Connection;
use crate::{Failure, ours, process};

/// How many events are asked for at a time.
pub const PAGE_EVENTS: usize = 1_000;

/// Who reads, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Reader {
    /// Ours, through the library's replay as fast as possible
    Replay,
    /// Ours, page by page
    Read,
    /// Redis, XRANGE page by page
    Redis,
}

/// The arguments of a measurement.
#[derive(Args)]
pub struct Run {
    #[arg(long)]
    reader: Reader,
    #[arg(long)]
    events: u64,
    #[arg(long)]
    dir: PathBuf,
    /// Where Redis listens
    #[arg(long)]
    port: Option<u16>,
}

/// What came out.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Measured {
    pub events: u64,
    pub data_bytes: u64,
    pub seconds: f64,
}

impl Measured {
    pub fn events_per_s(&self) -> f64 {
        self.events as f64 / self.seconds
    }

    pub fn data_bytes_per_event(&self) -> f64 {
        self.data_bytes as f64 / self.events as f64
    }
}

/// Measures and prints what came out as JSON.
pub fn run(run: &Run) -> Result<(), Failure> {
    let measured = process::runtime()?.block_on(measured(run))?;
    if measured.events != run.events {
        let Measured { events, .. } = measured;
        return Err(format!("{events} events were read, not {}", run.events).into());
    }
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

async fn measured(run: &Run) -> Result<Measured, Failure> {
    let mut counted = Counted {
        events: 0,
        data_bytes: 0,
        last: EntryId::MIN,
    };
    let start = match run.reader {
        Reader::Replay => {
            let recount = ours::handle(&run.dir, true).await?;
            let start = Instant::now();
            let mut replay = recount.replay(everything()).await?.pace(Pace::Fast);
            while counted.page(replay.next_batch(PAGE_EVENTS).await?)? {}
            start
        }
        Reader::Read => {
            let recount = ours::handle(&run.dir, true).await?;
            let start = Instant::now();
            pages(&recount, &mut counted).await?;
            start
        }
        Reader::Redis => {
            let port = run.port.ok_or("no port of a redis-server was given")?;
            let mut connection = Connection::open(port).await?;
            let start = Instant::now();
            while counted.page(connection.page(counted.last, PAGE_EVENTS).await?)? {}
            start
        }
    };
    Ok(Measured {
        events: counted.events,
        data_bytes: counted.data_bytes,
        seconds: start.elapsed().as_secs_f64(),
    })
}

fn everything() -> Query {
    Query {
        range: ReadRange::all(),
        filter: recount::Filter::default(),
    }
}

async fn pages(recount: &Recount, counted: &mut Counted) -> Result<(), Failure> {
    let mut range = ReadRange::all().limit(PAGE_EVENTS);
    loop {
        let page = recount.log().read(&range).await?;
        counted.page(page.entries)?;
        match page.next {
            Some(next) => range = range.continued(next),
            None => return Ok(()),
        }
    }
}

/// What was read so far. Every event is looked at, then freed.
struct Counted {
    events: u64,
    data_bytes: u64,
    last: EntryId,
}

impl Counted {
    /// Adds a page; false if it is empty.
    fn page(&mut self, page: Vec<Recorded>) -> Result<bool, Failure> {
        let before = self.events;
        for recorded in page {
            let event = recorded.event().ok_or("an entry is not an event")?;
            self.events += 1;
            self.data_bytes += event.data.as_bytes().len() as u64;
            if recorded.position.entry_id <= self.last {
                return Err("the entries are not in order".into());
            }
            self.last = recorded.position.entry_id;
        }
        Ok(self.events > before)
    }
}
