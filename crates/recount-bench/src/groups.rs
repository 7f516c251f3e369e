//! `recount-bench groups`: consumer groups on disk and on Redis, through the same runtime.
//!
//! Every measurement is a process of its own with a stream that was filled before. What is timed begins when
//! the consumer starts and ends when its last acknowledgement is done.

mod deliver;
mod idle;
mod plain;
mod tails;

use clap::{Args, ValueEnum};

use crate::redis_engine::ServerOptions;
use crate::report::CaseReport;
use crate::{Common, Failure, redis, report};

pub use deliver::{Run as DeliverRun, measure as measure_deliver};
pub use idle::{Run as IdleRun, measure as measure_idle};
pub use tails::{Run as TailsRun, measure as measure_tails};

/// The command's arguments.
#[derive(Args)]
pub struct Options {
    /// Only this case
    #[arg(long)]
    case: Option<Case>,
    /// How many events a run of `batch`, `always` and `runtime` delivers; in full: 500000
    #[arg(long, default_value_t = 100_000, value_parser = positive())]
    batch_events: u64,
    /// How many events a run of `single` delivers; in full: 100000
    #[arg(long, default_value_t = 20_000, value_parser = positive())]
    single_events: u64,
    /// How many events are published to the tails; in full: 500
    #[arg(long, default_value_t = 200, value_parser = positive())]
    tail_events: u64,
    /// How many readers there are
    #[arg(long, default_value_t = 1_000, value_parser = positive())]
    tails: u64,
    /// How many events are published on the idle system; in full: 1000
    #[arg(long, default_value_t = 500, value_parser = positive())]
    idle_events: u64,
    /// The server's program, found in PATH if it is a mere name
    #[arg(long, default_value = redis::PROGRAM)]
    server: std::path::PathBuf,
    #[command(flatten)]
    common: Common,
}

fn positive() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..)
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Case {
    /// Batches of 100 delivered and acknowledged: disk (interval) beside Redis (everysec)
    Batch,
    /// One event at a time, in the same way
    Single,
    /// Batches of 100, every acknowledgement on stable storage: disk (always) beside Redis (always)
    Always,
    /// The runtime on Redis beside a hand-written loop of XREADGROUP and XACK
    Runtime,
    /// Many tails of one stream in one process, beside as many blocked readers of Redis
    Tails,
    /// From publishing to the handler on an idle system, beside one fdatasync
    Idle,
}

/// Runs the cases and prints what they found.
pub fn run(options: &Options) -> Result<(), Failure> {
    let program = &options.server;
    let version = redis::version_of(program).ok_or_else(|| {
        format!(
            "{} does not run: name a server with --server",
            program.display()
        )
    })?;
    let mut cases = Vec::new();
    for case in Case::value_variants() {
        if options.case.is_some_and(|only| only != *case) {
            continue;
        }
        cases.push(match case {
            Case::Batch => deliver::batch(options)?,
            Case::Single => deliver::single(options)?,
            Case::Always => deliver::always(options)?,
            Case::Runtime => deliver::runtime(options)?,
            Case::Tails => tails::case(options)?,
            Case::Idle => idle::case(options)?,
        });
    }
    for case in &mut cases {
        add_server(case, &version);
    }
    report::print("groups", &cases, options.common.json);
    Ok(())
}

fn add_server(case: &mut CaseReport, version: &str) {
    case.notes
        .push(format!("Redis {version} over loopback, no rewrites"));
}

impl Options {
    fn server(&self, fsync: redis::Fsync) -> ServerOptions {
        ServerOptions {
            server: self.server.clone(),
            fsync,
        }
    }
}
