//! Fetching one session by a process that keeps nothing, beside one `XRANGE` of as many entries.

mod measure;

use recount_redis::RedisOptions;

use super::{Options, fill};
use crate::generator::{Generator, IdOrder, Scatter};
use crate::report::{Bound, CaseReport, Cell, Floor, Row, median};
use crate::timing::Took;
use crate::{Failure, files, process};

use measure::{Measured, SESSION_EVENTS, SESSIONS};
pub use measure::{Run, run as measure};

const SEED: u64 = 1;
/// Fewer would not leave the sessions scattered.
pub const EVENTS_MIN: u64 = 4 * SESSIONS * SESSION_EVENTS;

/// Measures streams of all sizes, one after the other: two at a time would share the memory.
pub fn case(options: &Options) -> Result<CaseReport, Failure> {
    let mut taken = Vec::new();
    for &events in &options.session_sizes {
        taken.push((events, of_size(options, events)?));
    }
    let (fewest, base) = &taken[0];
    let mut rows = Vec::new();
    let mut floors = Vec::new();
    for (events, runs) in &taken {
        rows.push(row(&format!("{events} events, session"), runs, |run| {
            &run.session
        }));
        rows.push(row(&format!("{events} events, XRANGE"), runs, |run| {
            &run.range
        }));
        rows.push(row(
            &format!("{events} events, read of the range"),
            runs,
            |run| &run.read,
        ));
        floors.push(Floor {
            what: format!("out of {events}: session / XRANGE, p50, median of the runs"),
            value: median(runs.iter().map(|run| run.session.p50 / run.range.p50)),
            bound: Bound::AtMost(3.0),
        });
    }
    for (events, runs) in &taken[1..] {
        let pairs = runs.iter().zip(base);
        floors.push(Floor {
            what: format!("out of {events} / out of {fewest}: session, p50, median of the pairs"),
            value: median(pairs.map(|(many, few)| many.session.p50 / few.session.p50)),
            bound: Bound::AtMost(1.5),
        });
    }
    Ok(CaseReport {
        name: "session".to_owned(),
        what: format!(
            "a session of {SESSION_EVENTS} events, {SESSIONS} such sessions scattered evenly, {} fetches a run, {} runs, medians",
            options.fetches, options.common.runs
        ),
        rows,
        floors,
        notes: vec![
            "session: found by its index and decoded, with its revision, by a log opened for reading only".to_owned(),
            format!("XRANGE: one COUNT {SESSION_EVENTS} of entries that lie side by side, parsed and not decoded, in turns with the fetches"),
            "read of the range: the same entries through EventLog::read, decoded".to_owned(),
        ],
    })
}

fn of_size(options: &Options, events: u64) -> Result<Vec<Measured>, Failure> {
    let dir = files::fresh_dir(options.common.dir.as_deref())?;
    let server = options.server.start(dir.path())?;
    eprintln!("filling a stream with {events} events");
    let scatter = Scatter::new(SESSIONS, SESSION_EVENTS, events);
    let generator = Generator::new(SEED, IdOrder::Ordered).scattering(scatter);
    let filling = fill::stream(server.port(), RedisOptions::default(), generator, events);
    process::runtime()?.block_on(filling)?;
    process::settle();
    let mut runs = Vec::new();
    for run in 1..=options.common.runs {
        let arguments = [
            ("port", server.port().to_string()),
            ("fetches", options.fetches.to_string()),
        ];
        let measured: Measured =
            process::measured("measure-redis-session", dir.path(), &arguments)?;
        eprintln!(
            "session {run}: {events} events, p50 {:.0} us, XRANGE {:.0} us",
            measured.session.p50, measured.range.p50
        );
        runs.push(measured);
    }
    Ok(runs)
}

fn row(subject: &str, runs: &[Measured], of: fn(&Measured) -> &Took) -> Row {
    Row {
        subject: subject.to_owned(),
        cells: vec![
            Cell::new("p50_us", median(runs.iter().map(|run| of(run).p50)), 0),
            Cell::new("p99_us", median(runs.iter().map(|run| of(run).p99)), 0),
        ],
    }
}
