//! `recount-bench trim`: how long dropping half of a log takes.

mod measure;

use clap::Args;

use crate::process::name;
use crate::report::{Bound, CaseReport, Cell, Floor, Row, median};
use crate::{Common, Failure, files, process, redis, report};

use measure::{Measured, Subject};
pub use measure::{Run, run as measure};

/// The command's arguments.
#[derive(Args)]
pub struct Options {
    /// How many events are written before half of them is dropped
    #[arg(long, default_value_t = 5_000_000, value_parser = clap::value_parser!(u64).range(2..))]
    events: u64,
    #[command(flatten)]
    common: Common,
}

/// Runs the benchmark and prints what it found.
pub fn run(options: &Options) -> Result<(), Failure> {
    let mut notes = vec![
        "ours: until the new first entry is on stable storage; files are removed in the background"
            .to_owned(),
        "1,024 events a batch, trimmed right after the last acknowledgement".to_owned(),
    ];
    let mut subjects = vec![Subject::Os, Subject::Always];
    if let Some(version) = redis::version() {
        notes.push(format!(
            "redis-server {version}: XTRIM MAXLEN, appendfsync no, so nothing is on stable storage"
        ));
        subjects.push(Subject::Redis);
    } else {
        notes.push(redis::MISSING.to_owned());
    }
    let mut runs = Vec::new();
    for run in 1..=options.common.runs {
        for &subject in &subjects {
            let measured = measure_once(options, subject)?;
            eprintln!(
                "{run}: {subject:?}: written in {:.2} s, trimmed in {:.1} ms",
                measured.write_seconds, measured.trim_ms
            );
            runs.push((subject, measured));
        }
    }
    let floor = |subject, what: &str| Floor {
        what: format!("ours, {what}: time to trim / time to write, median"),
        value: median(of(&runs, subject).map(Measured::trim_to_write)),
        bound: Bound::AtMost(0.02),
    };
    let case = CaseReport {
        name: "trim".to_owned(),
        what: format!(
            "dropping half of {} events, {} runs, medians",
            options.events, options.common.runs
        ),
        rows: subjects
            .iter()
            .map(|subject| row(&runs, *subject))
            .collect(),
        floors: vec![
            floor(Subject::Os, "written without sync"),
            floor(Subject::Always, "written with sync"),
        ],
        notes,
    };
    report::print("trim", &[case], options.common.json);
    Ok(())
}

fn measure_once(options: &Options, subject: Subject) -> Result<Measured, Failure> {
    let dir = files::fresh_dir(options.common.dir.as_deref())?;
    process::settle();
    let arguments = [
        ("subject", name(&subject)),
        ("events", options.events.to_string()),
    ];
    let measured = process::measured("measure-trim", dir.path(), &arguments)?;
    dir.close()?;
    Ok(measured)
}

fn of(runs: &[(Subject, Measured)], subject: Subject) -> impl Iterator<Item = &Measured> {
    let of_subject = runs.iter().filter(move |(who, _)| *who == subject);
    of_subject.map(|(_, measured)| measured)
}

fn row(runs: &[(Subject, Measured)], subject: Subject) -> Row {
    let middle = |value: fn(&Measured) -> f64| median(of(runs, subject).map(value));
    let who = match subject {
        Subject::Os => "ours, written without sync",
        Subject::Always => "ours, written with sync",
        Subject::Redis => "redis",
    };
    Row {
        subject: who.to_owned(),
        cells: vec![
            Cell::new("write_s", middle(|run| run.write_seconds), 2),
            Cell::new("trim_ms", middle(|run| run.trim_ms), 1),
            Cell::new("trim_to_write", middle(Measured::trim_to_write), 4),
        ],
    }
}
