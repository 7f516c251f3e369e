//! `recount-bench redis`: the log on a Redis server beside the bare commands of the same server.
//!
//! Both sides use the same client (the `redis` crate's multiplexed connection), the same server settings
//! and the same events. Every measurement of publishing has a server of its own, started empty; reading
//! shares one that was filled before. Neither connecting nor the first batches are timed.

mod client;
mod cluster;
mod fill;
mod lag;
mod memory;
mod mirror;
mod publish;
mod servers;
mod session;
mod usage;

use clap::{Args, ValueEnum};

use crate::report::CaseReport;
use crate::{Common, Failure, redis, report};

pub use client::Client;
pub use fill::stream as fill_stream;
pub use lag::{Run as LagRun, measure as measure_lag};
pub use memory::{Run as MemoryRun, measure as measure_memory};
pub use mirror::{Run as MirrorRun, measure as measure_mirror};
pub use publish::{Run as PublishRun, measure as measure_publish};
pub use servers::{ServerOptions, url};
pub use session::{Run as SessionRun, measure as measure_session};

/// The command's arguments.
#[derive(Args)]
pub struct Options {
    /// Only this case
    #[arg(long)]
    case: Option<Case>,
    /// How many events a run of `batch` publishes; in full: 1000000
    #[arg(long, default_value_t = 100_000, value_parser = positive())]
    batch_events: u64,
    /// How many events a run of `single` publishes; in full: 500000
    #[arg(long, default_value_t = 50_000, value_parser = positive())]
    single_events: u64,
    /// How many events are mirrored; in full: 1000000
    #[arg(long, default_value_t = 200_000, value_parser = positive())]
    mirror_events: u64,
    /// For how many seconds a run of `lag` publishes 5,000 events a second; in full: 30
    #[arg(long, default_value_t = 5, value_parser = positive())]
    lag_seconds: u64,
    /// How many events the streams of `session` hold; the first one is what the others are compared with; in full: 100000,5000000
    #[arg(
        long,
        value_delimiter = ',',
        default_values_t = [100_000, 300_000],
        value_parser = clap::value_parser!(u64).range(session::EVENTS_MIN..),
    )]
    session_sizes: Vec<u64>,
    /// How many sessions a measurement of `session` fetches; in full: 200
    #[arg(long, default_value_t = 200, value_parser = positive())]
    fetches: u64,
    /// How many events a run of `cluster` publishes; in full: 500000
    #[arg(long, default_value_t = 100_000, value_parser = positive())]
    cluster_events: u64,
    /// How many events the memory is measured of; in full: 1000000
    #[arg(long, default_value_t = 100_000, value_parser = positive())]
    memory_events: u64,
    #[command(flatten)]
    server: ServerOptions,
    #[command(flatten)]
    common: Common,
}

fn positive() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..)
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Case {
    /// Idempotent publishing in batches of 100, beside XADD in pipelines of 100
    Batch,
    /// Single events from 64 tasks, beside XADD from 64 tasks
    Single,
    /// Catching up into a fresh mirror, beside XRANGE
    Mirror,
    /// From publishing an event to reading it in the mirror
    Lag,
    /// Fetching one session, beside XRANGE
    Session,
    /// Three masters with six partitions, beside one master
    Cluster,
    /// What an event takes of the server's memory
    Memory,
}

/// Runs the cases and prints what they found.
pub fn run(options: &Options) -> Result<(), Failure> {
    let program = &options.server.server;
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
        match case {
            Case::Batch => cases.extend(publish::batch(options)?),
            Case::Single => cases.push(publish::single(options)?),
            Case::Mirror => cases.push(mirror::case(options)?),
            Case::Lag => cases.push(lag::case(options)?),
            Case::Session => cases.push(session::case(options)?),
            Case::Cluster => cases.extend(cluster::cases(options)?),
            Case::Memory => cases.push(memory::case(options)?),
        }
    }
    for case in &mut cases {
        add_server(case, options, &version);
    }
    report::print("redis", &cases, options.common.json);
    Ok(())
}

fn add_server(case: &mut CaseReport, options: &Options, version: &str) {
    let fsync = crate::process::name(&options.server.fsync);
    case.notes.push(format!(
        "server {version} over loopback, append-only file synced: {fsync}, no rewrites"
    ));
}
