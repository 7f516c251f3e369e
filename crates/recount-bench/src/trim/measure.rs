//! Writing a log and dropping half of it, in a process of its own.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use recount_core::{EventLog, TrimLimit, TrimRequest};
use serde::{Deserialize, Serialize};

use crate::generator::{Generator, IdOrder};
use crate::redis::{Fsync, Server};
use crate::{Failure, fill, process};

const SEED: u64 = 1;

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Subject {
    /// Ours, written without sync
    Os,
    /// Ours, written with sync
    Always,
    Redis,
}

/// The arguments of a measurement.
#[derive(Args)]
pub struct Run {
    #[arg(long)]
    subject: Subject,
    #[arg(long)]
    events: u64,
    #[arg(long)]
    dir: PathBuf,
}

/// What came out.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Measured {
    pub write_seconds: f64,
    pub trim_ms: f64,
}

impl Measured {
    pub fn trim_to_write(&self) -> f64 {
        self.trim_ms / 1_000.0 / self.write_seconds
    }
}

/// Measures and prints what came out as JSON.
pub fn run(run: &Run) -> Result<(), Failure> {
    let kept = run.events / 2;
    let (write, trim) = process::runtime()?.block_on(async {
        match run.subject {
            Subject::Os => ours(&run.dir, false, run.events, kept).await,
            Subject::Always => ours(&run.dir, true, run.events, kept).await,
            Subject::Redis => redis(&run.dir, run.events, kept).await,
        }
    })?;
    let measured = Measured {
        write_seconds: write.as_secs_f64(),
        trim_ms: trim.as_secs_f64() * 1_000.0,
    };
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

async fn ours(
    dir: &Path,
    sync: bool,
    events: u64,
    kept: u64,
) -> Result<(Duration, Duration), Failure> {
    let generator = Generator::new(SEED, IdOrder::Ordered);
    let (log, write) = fill::log(dir, sync, generator, events).await?;
    let start = Instant::now();
    let report = log
        .trim(&TrimRequest::exact(TrimLimit::MaxLength(kept)))
        .await?;
    let trim = start.elapsed();
    check(report.removed, events - kept)?;
    check(log.info().await?.length(), kept)?;
    log.close().await?;
    Ok((write, trim))
}

async fn redis(dir: &Path, events: u64, kept: u64) -> Result<(Duration, Duration), Failure> {
    let server = Server::start(dir, Fsync::No)?;
    let mut connection = server.connect().await?;
    let generator = Generator::new(SEED, IdOrder::Ordered);
    let write = fill::redis(&mut connection, generator, events).await?;
    let start = Instant::now();
    let removed = connection.trim(kept).await?;
    let trim = start.elapsed();
    check(removed, events - kept)?;
    Ok((write, trim))
}

fn check(found: u64, expected: u64) -> Result<(), Failure> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{found} entries, not {expected}").into())
}
