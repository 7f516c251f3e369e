//! How long it takes from publishing an event until it can be read in the mirror.

mod measure;

use super::Options;
use crate::report::{Bound, CaseReport, Cell, Floor, Row, median};
use crate::timing::Took;
use crate::{Failure, files, process};

use measure::{EVENTS_PER_S, Measured};
pub use measure::{Run, run as measure};

/// Publishes at a steady pace, some seconds a run.
pub fn case(options: &Options) -> Result<CaseReport, Failure> {
    let mut runs = Vec::new();
    for run in 1..=options.common.runs {
        let dir = files::fresh_dir(options.common.dir.as_deref())?;
        process::settle();
        let mut arguments = vec![("seconds", options.lag_seconds.to_string())];
        arguments.extend(options.server.arguments());
        let measured: Measured = process::measured("measure-redis-lag", dir.path(), &arguments)?;
        eprintln!(
            "lag {run}: p99 {:.0} us from handing over, {:.0} us from the acknowledgement; round trip {:.0} us",
            measured.from_handed_over.p99, measured.from_acknowledged.p99, measured.round_trip.p50,
        );
        runs.push(measured);
    }
    let floor = |what: &str, of: fn(&Measured) -> &Took| Floor {
        what: format!("{what} / round trip meanwhile p50, median of the runs"),
        value: median(runs.iter().map(|run| of(run).p99 / run.round_trip.p50)),
        bound: Bound::AtMost(10.0),
    };
    Ok(CaseReport {
        name: "lag".to_owned(),
        what: format!(
            "{EVENTS_PER_S} single events a second for {} s a run, {} runs, medians",
            options.lag_seconds, options.common.runs
        ),
        rows: vec![
            row("handed over -> readable", &runs, |run| &run.from_handed_over),
            row("acknowledged -> readable", &runs, |run| {
                &run.from_acknowledged
            }),
            row("handed over -> acknowledged", &runs, |run| &run.publishing),
            row("round trip (PING) meanwhile", &runs, |run| &run.round_trip),
            row("round trip, nothing else going on", &runs, |run| {
                &run.round_trip_idle
            }),
        ],
        floors: vec![
            floor("handed over -> readable, p99", |run| &run.from_handed_over),
            floor("acknowledged -> readable, p99", |run| {
                &run.from_acknowledged
            }),
        ],
        notes: vec![
            format!(
                "{:.0} events/s were published; the first second is left out",
                median(runs.iter().map(|run| run.events_per_s)).unwrap_or(0.0)
            ),
            "an event is handed over when its time has come, whether or not the one before is acknowledged".to_owned(),
            "what was readable before its acknowledgement came counts as 0 from there".to_owned(),
            "publisher, mirror and round trips have connections of their own in one process".to_owned(),
        ],
    })
}

fn row(subject: &str, runs: &[Measured], of: fn(&Measured) -> &Took) -> Row {
    let middle = |value: fn(&Took) -> f64| median(runs.iter().map(|run| value(of(run))));
    Row {
        subject: subject.to_owned(),
        cells: vec![
            Cell::new("p50_us", middle(|took| took.p50), 0),
            Cell::new("p99_us", middle(|took| took.p99), 0),
            Cell::new("max_us", middle(|took| took.max), 0),
        ],
    }
}
