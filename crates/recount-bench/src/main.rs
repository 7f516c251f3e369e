//! The benchmark: Recount's log beside a bare log and Redis, on the same disk, in the same run.
//!
//! Every measurement is a process of its own with a fresh directory, so that none inherits
//! another's memory. Ours and a rival take turns; a floor is about the median of the pairs'
//! ratios. Making events is not timed, publishing them is, freeing them included.

#![forbid(unsafe_code)]

mod bare;
mod files;
mod fill;
mod generator;
mod groups;
mod measure;
mod memory;
mod open;
mod ours;
mod process;
mod publish;
mod redis;
mod redis_engine;
mod replay;
mod report;
mod session;
mod stall;
mod timing;
mod trim;
mod views;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Whatever ends a benchmark early.
type Failure = Box<dyn Error + Send + Sync>;

#[derive(Parser)]
#[command(
    name = "recount-bench",
    version,
    about = "Measures Recount beside a bare log and Redis"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// How fast events are published
    Publish(publish::Options),
    /// How long opening a log takes, with many events in it and with few
    Open(open::Options),
    /// How fast a whole stream is read back as events
    Replay(replay::Options),
    /// How long one session takes to fetch, out of much and out of little
    Session(session::Options),
    /// How long dropping half of a log takes
    Trim(trim::Options),
    /// How long publishing waits while the log is trimmed, sealed and followed
    Stall(stall::Options),
    /// How the log on a Redis server does beside the bare commands of the same server
    Redis(redis_engine::Options),
    /// How fast consumer groups deliver, on disk and on Redis, and how soon
    Groups(groups::Options),
    /// What views cost to keep, and how fast they answer
    Views(views::Options),
    /// One measurement in this process, for the other commands
    #[command(hide = true)]
    Measure(measure::Run),
    #[command(hide = true)]
    MeasureReplay(replay::Run),
    #[command(hide = true)]
    MeasureSession(session::Run),
    #[command(hide = true)]
    MeasureTrim(trim::Run),
    #[command(hide = true)]
    MeasureStall(stall::Run),
    #[command(hide = true)]
    MeasureRedisPublish(redis_engine::PublishRun),
    #[command(hide = true)]
    MeasureRedisMirror(redis_engine::MirrorRun),
    #[command(hide = true)]
    MeasureRedisLag(redis_engine::LagRun),
    #[command(hide = true)]
    MeasureRedisSession(redis_engine::SessionRun),
    #[command(hide = true)]
    MeasureRedisMemory(redis_engine::MemoryRun),
    #[command(hide = true)]
    MeasureGroupsDeliver(groups::DeliverRun),
    #[command(hide = true)]
    MeasureGroupsTails(groups::TailsRun),
    #[command(hide = true)]
    MeasureGroupsIdle(groups::IdleRun),
    #[command(hide = true)]
    MeasureViews(views::Run),
    /// Follows a log until standard input ends
    #[command(hide = true)]
    Follow(stall::FollowRun),
}

/// What all benchmarks have in common.
#[derive(clap::Args)]
struct Common {
    /// How many pairs of measurements to take the median of
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Print one JSON document instead of tables
    #[arg(long)]
    json: bool,
    /// Where to put the logs; they are removed at the end [default: beside this program]
    #[arg(long)]
    dir: Option<PathBuf>,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Publish(options) => publish::run(&options),
        Command::Open(options) => open::run(&options),
        Command::Replay(options) => replay::run(&options),
        Command::Session(options) => session::run(&options),
        Command::Trim(options) => trim::run(&options),
        Command::Stall(options) => stall::run(&options),
        Command::Redis(options) => redis_engine::run(&options),
        Command::Groups(options) => groups::run(&options),
        Command::Views(options) => views::run(&options),
        Command::Measure(run) => measure::run(&run),
        Command::MeasureReplay(run) => replay::measure(&run),
        Command::MeasureSession(run) => session::measure(&run),
        Command::MeasureTrim(run) => trim::measure(&run),
        Command::MeasureStall(run) => stall::measure(&run),
        Command::MeasureRedisPublish(run) => redis_engine::measure_publish(&run),
        Command::MeasureRedisMirror(run) => redis_engine::measure_mirror(&run),
        Command::MeasureRedisLag(run) => redis_engine::measure_lag(&run),
        Command::MeasureRedisSession(run) => redis_engine::measure_session(&run),
        Command::MeasureRedisMemory(run) => redis_engine::measure_memory(&run),
        Command::MeasureGroupsDeliver(run) => groups::measure_deliver(&run),
        Command::MeasureGroupsTails(run) => groups::measure_tails(&run),
        Command::MeasureGroupsIdle(run) => groups::measure_idle(&run),
        Command::MeasureViews(run) => views::measure(&run),
        Command::Follow(run) => stall::follow(&run),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
