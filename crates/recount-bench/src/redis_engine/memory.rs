//! What an event takes of the server's memory, and what of it is window and index.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use recount_redis::RedisOptions;
use redis::Value;
use serde::{Deserialize, Serialize};

use super::client::Client;
use super::servers::ServerOptions;
use super::usage::number;
use super::{Options, fill};
use crate::generator::{Generator, IdOrder};
use crate::process::name;
use crate::report::{CaseReport, Cell, Row};
use crate::{Failure, files, process};

const SEED: u64 = 1;
/// Keys asked for at a time.
const SCAN_COUNT: usize = 1_000;

/// How the stream is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Window {
    /// As by default
    On,
    /// An idempotency window of zero
    Off,
}

/// The arguments of a measurement.
#[derive(Args)]
pub struct Run {
    #[arg(long)]
    window: Window,
    #[arg(long)]
    events: u64,
    #[command(flatten)]
    server: ServerOptions,
    #[arg(long)]
    dir: PathBuf,
}

/// Bytes of `used_memory` an event.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Measured {
    all: f64,
    /// Once the ids that are remembered were removed.
    without_ids: f64,
    /// Once the sessions' indexes were removed as well.
    without_indexes: f64,
    sessions: u64,
    /// Names and values of an event's fields.
    field_bytes: f64,
}

/// Measures with the window and without.
pub fn case(options: &Options) -> Result<CaseReport, Failure> {
    let events = options.memory_events;
    let measure = |window: Window| -> Result<Measured, Failure> {
        let dir = files::fresh_dir(options.common.dir.as_deref())?;
        let mut arguments = vec![("window", name(&window)), ("events", events.to_string())];
        arguments.extend(options.server.arguments());
        process::measured("measure-redis-memory", dir.path(), &arguments)
    };
    let ours = measure(Window::On)?;
    let plain = measure(Window::Off)?;
    let row = |subject: &str, bytes: f64| Row {
        subject: subject.to_owned(),
        cells: vec![Cell::new("bytes_per_event", bytes, 1)],
    };
    Ok(CaseReport {
        name: "memory".to_owned(),
        what: format!(
            "used_memory of {events} events in {} sessions, once",
            ours.sessions
        ),
        rows: vec![
            row("names and values of the fields", ours.field_bytes),
            row("plain xadd (no window)", plain.all),
            row("with _revision", ours.without_indexes),
            row("and the index of sessions", ours.without_ids),
            row("and the window", ours.all),
            row("the window alone", ours.all - ours.without_ids),
        ],
        floors: Vec::new(),
        notes: vec![
            "the window alone: bytes an id that is remembered, at this number of ids; its hashes double their tables at powers of two".to_owned(),
        ],
    })
}

/// Measures and prints what came out as JSON.
pub fn measure(run: &Run) -> Result<(), Failure> {
    let measured = process::runtime()?.block_on(measured(run))?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

async fn measured(run: &Run) -> Result<Measured, Failure> {
    let server = run.server.start(&run.dir)?;
    let client = Client::connect(server.port()).await?;
    let empty = used_memory(&client).await?;
    let mut options = RedisOptions::default();
    if run.window == Window::Off {
        options.idempotency_window = Duration::ZERO;
    }
    let generator = || Generator::new(SEED, IdOrder::Ordered);
    fill::stream(server.port(), options, generator(), run.events).await?;
    let per_event = |bytes: f64| (bytes - empty) / run.events as f64;
    let all = per_event(used_memory(&client).await?);
    remove(&client, "*:recount:ids:*").await?;
    let without_ids = per_event(used_memory(&client).await?);
    let sessions = remove(&client, "*:recount:s:*").await?;
    let without_indexes = per_event(used_memory(&client).await?);
    Ok(Measured {
        all,
        without_ids,
        without_indexes,
        sessions,
        field_bytes: field_bytes(generator(), run.events),
    })
}

async fn used_memory(client: &Client) -> Result<f64, Failure> {
    let used = number(&client.info().await?, "used_memory");
    used.ok_or_else(|| "the server does not say how much memory it uses".into())
}

/// Removes the keys that match, at once; how many.
async fn remove(client: &Client, pattern: &str) -> Result<u64, Failure> {
    let (mut cursor, mut removed) = (0_u64, 0);
    loop {
        let mut scan = ::redis::cmd("SCAN");
        scan.arg(cursor)
            .arg("MATCH")
            .arg(pattern)
            .arg("COUNT")
            .arg(SCAN_COUNT);
        let (next, keys): (u64, Vec<Value>) = ::redis::from_redis_value(client.ask(&scan).await?)?;
        for key in keys {
            let key: Vec<u8> = ::redis::from_redis_value(key)?;
            client.ask(::redis::cmd("DEL").arg(key)).await?;
            removed += 1;
        }
        if next == 0 {
            return Ok(removed);
        }
        cursor = next;
    }
}

fn field_bytes(mut generator: Generator, events: u64) -> f64 {
    let bytes: usize = crate::fill::chunks(&mut generator, events, SCAN_COUNT)
        .flatten()
        .flatten()
        .map(|event| event.wire_bytes())
        .sum();
    bytes as f64 / events as f64
}
