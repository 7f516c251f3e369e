//! `recount-bench stall`: how long publishing waits while the log is trimmed, sealed and followed.

mod follow;
mod measure;

use clap::Args;

use crate::report::{Bound, CaseReport, Cell, Floor, Row, median};
use crate::{Common, Failure, files, process, report};

pub use follow::{Run as FollowRun, run as follow};
use measure::Measured;
pub use measure::{Run, run as measure};

/// The command's arguments.
#[derive(Args)]
pub struct Options {
    /// How many events a run publishes; a segment takes about 120,000
    #[arg(long, default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(1..))]
    events: u64,
    /// How many events every trim leaves
    #[arg(long, default_value_t = 100_000)]
    keep: u64,
    /// Milliseconds from the end of a trim to the next one
    #[arg(long, default_value_t = 10)]
    trim_every: u64,
    #[command(flatten)]
    common: Common,
}

/// Runs the benchmark and prints what it found.
pub fn run(options: &Options) -> Result<(), Failure> {
    let (mut alone, mut disturbed) = (Vec::new(), Vec::new());
    let mut ratios = Vec::new();
    for pair in 1..=options.common.runs {
        let without = measure_once(options, false)?;
        let with = measure_once(options, true)?;
        let ratio = with.p99_us / without.p99_us;
        eprintln!(
            "{pair}: p99 {:.0} us, with trims and a follower {:.0} us, ratio {ratio:.2}",
            without.p99_us, with.p99_us,
        );
        ratios.push(ratio);
        alone.push(without);
        disturbed.push(with);
    }
    let case = CaseReport {
        name: "stall".to_owned(),
        what: format!(
            "one producer, 64 events a batch, each batch synced, {} events a run, {} pairs, medians",
            options.events, options.common.runs
        ),
        rows: vec![
            row("publishing alone", &alone),
            row("trimmed and followed", &disturbed),
        ],
        floors: vec![Floor {
            what: "p99 trimmed and followed / alone, median of the pairs".to_owned(),
            value: median(ratios),
            bound: Bound::AtMost(3.0),
        }],
        notes: vec![format!(
            "trimmed exactly to the newest {} events, again {} ms after each trim; followed by another process, live; segments are sealed in both",
            options.keep, options.trim_every
        )],
    };
    report::print("stall", &[case], options.common.json);
    Ok(())
}

fn measure_once(options: &Options, disturbed: bool) -> Result<Measured, Failure> {
    let dir = files::fresh_dir(options.common.dir.as_deref())?;
    process::settle();
    let arguments = [
        ("events", options.events.to_string()),
        ("keep", options.keep.to_string()),
        ("trim-every", options.trim_every.to_string()),
        ("disturbed", disturbed.to_string()),
    ];
    let measured = process::measured("measure-stall", dir.path(), &arguments)?;
    dir.close()?;
    Ok(measured)
}

fn row(subject: &str, runs: &[Measured]) -> Row {
    let middle = |of: fn(&Measured) -> f64| median(runs.iter().map(of));
    let maybe = |of: fn(&Measured) -> Option<f64>| median(runs.iter().filter_map(of));
    Row {
        subject: subject.to_owned(),
        cells: vec![
            Cell::new("events_per_s", middle(Measured::events_per_s), 0),
            Cell::new("append_p50_us", middle(|run| run.p50_us), 0),
            Cell::new("append_p99_us", middle(|run| run.p99_us), 0),
            Cell::new("append_max_us", middle(|run| run.max_us), 0),
            Cell::new("seals", middle(|run| run.seals as f64), 0),
            Cell::new("trims", maybe(|run| Some(run.disturbance?.trims as f64)), 0),
            Cell::new(
                "trim_p50_us",
                maybe(|run| Some(run.disturbance?.trim_p50_us)),
                0,
            ),
            Cell::new(
                "trim_max_us",
                maybe(|run| Some(run.disturbance?.trim_max_us)),
                0,
            ),
            Cell::new(
                "followed_percent",
                maybe(|run| Some(run.followed_percent(run.disturbance?))),
                1,
            ),
        ],
    }
}
