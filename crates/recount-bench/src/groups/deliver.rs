//! Delivering a filled stream to a group, and acknowledging all of it.

mod measure;

use crate::process::name;
use crate::redis::Fsync;
use crate::report::{Bound, CaseReport, Cell, Floor, Row, median};
use crate::{Failure, files, process};

use super::Options;
pub use measure::{GROUP, Run, run as measure};
use measure::{Measured, Subject};

/// What is compared in a case.
struct Pair {
    case: &'static str,
    what: String,
    ours: (Subject, &'static str),
    rival: (Subject, &'static str),
    /// When the disk syncs the groups' state, and when the server syncs its file.
    sync: &'static str,
    fsync: Fsync,
    events: u64,
    batch: usize,
    least: f64,
    note: &'static str,
}

const SHARED: &str = "both through the same runtime and the same handler, which counts; filling the stream is not timed";

/// Batches of 100, synced now and then.
pub fn batch(options: &Options) -> Result<CaseReport, Failure> {
    compare(
        options,
        &Pair {
            case: "batch",
            what: "deliver and acknowledge in batches of 100".to_owned(),
            ours: (Subject::Disk, "disk, interval:100ms"),
            rival: (Subject::Redis, "redis, everysec"),
            sync: "interval:100ms",
            fsync: Fsync::Everysec,
            events: options.batch_events,
            batch: 100,
            least: 3.0,
            note: SHARED,
        },
    )
}

/// One event at a time: the next is read when the one before is acknowledged.
pub fn single(options: &Options) -> Result<CaseReport, Failure> {
    compare(
        options,
        &Pair {
            case: "single",
            what: "one event at a time, read, handled and acknowledged before the next".to_owned(),
            ours: (Subject::Disk, "disk, interval:100ms"),
            rival: (Subject::Redis, "redis, everysec"),
            sync: "interval:100ms",
            fsync: Fsync::Everysec,
            events: options.single_events,
            batch: 1,
            least: 3.0,
            note: SHARED,
        },
    )
}

/// Batches of 100, every call synced before it returns.
pub fn always(options: &Options) -> Result<CaseReport, Failure> {
    compare(
        options,
        &Pair {
            case: "always",
            what: "deliver and acknowledge in batches of 100, each on stable storage".to_owned(),
            ours: (Subject::Disk, "disk, always"),
            rival: (Subject::Redis, "redis, always"),
            sync: "always",
            fsync: Fsync::Always,
            events: options.batch_events,
            batch: 100,
            least: 1.5,
            note: SHARED,
        },
    )
}

/// The runtime beside a loop that does no more than it must.
pub fn runtime(options: &Options) -> Result<CaseReport, Failure> {
    compare(
        options,
        &Pair {
            case: "runtime",
            what: "the runtime on Redis beside a hand-written loop".to_owned(),
            ours: (Subject::Runtime, "runtime, 16 at once"),
            rival: (Subject::Plain, "XREADGROUP COUNT 100, XACK"),
            sync: "interval:100ms",
            fsync: Fsync::Everysec,
            events: options.batch_events,
            batch: 100,
            least: 0.75,
            note: "the loop decodes each event as the runtime does, counts it, and sends the XACK of a page with the XREADGROUP of the next",
        },
    )
}

fn compare(options: &Options, pair: &Pair) -> Result<CaseReport, Failure> {
    let (mut ours, mut rivals, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for run in 1..=options.common.runs {
        let our = measure_once(options, pair, pair.ours.0)?;
        let rival = measure_once(options, pair, pair.rival.0)?;
        let ratio = our.events_per_s() / rival.events_per_s();
        eprintln!(
            "{} {run}: {} {:.0} events/s, {} {:.0} events/s, ratio {ratio:.2}",
            pair.case,
            pair.ours.1,
            our.events_per_s(),
            pair.rival.1,
            rival.events_per_s(),
        );
        ratios.push(ratio);
        ours.push(our);
        rivals.push(rival);
    }
    Ok(CaseReport {
        name: pair.case.to_owned(),
        what: format!(
            "{}, {} events a run, {} pairs, medians",
            pair.what, pair.events, options.common.runs
        ),
        rows: vec![row(pair.ours.1, &ours), row(pair.rival.1, &rivals)],
        floors: vec![Floor {
            what: format!("{} / {}, median of the pairs", pair.ours.1, pair.rival.1),
            value: median(ratios),
            bound: Bound::AtLeast(pair.least),
        }],
        notes: vec![pair.note.to_owned()],
    })
}

fn measure_once(options: &Options, pair: &Pair, subject: Subject) -> Result<Measured, Failure> {
    let dir = files::fresh_dir(options.common.dir.as_deref())?;
    process::settle();
    let mut arguments = vec![
        ("subject", name(&subject)),
        ("events", pair.events.to_string()),
        ("batch", pair.batch.to_string()),
        ("sync", pair.sync.to_owned()),
    ];
    arguments.extend(options.server(pair.fsync).arguments());
    let measured = process::measured("measure-groups-deliver", dir.path(), &arguments)?;
    dir.close()?;
    Ok(measured)
}

fn row(subject: &str, runs: &[Measured]) -> Row {
    let middle = |of: fn(&Measured) -> f64| median(runs.iter().map(of));
    Row {
        subject: subject.to_owned(),
        cells: vec![
            Cell::new("events_per_s", middle(Measured::events_per_s), 0),
            Cell::new("us_an_event", middle(Measured::us_an_event), 2),
            Cell::new(
                "rss_anon_mb",
                median(
                    runs.iter()
                        .filter_map(|run| run.rss_anon_bytes.map(|bytes| bytes as f64 / 1e6)),
                ),
                0,
            ),
        ],
    }
}
