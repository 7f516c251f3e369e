//! A cluster of three masters beside one master, all on this machine.

use super::Options;
use super::publish::{Load, Measured, Subject, Taken, row};
use crate::Failure;
use crate::report::{CaseReport, Cell, median};

const MASTERS: u32 = 3;
const PARTITIONS: u32 = 6;

/// Both loads, in turns on one master and on the cluster.
pub fn cases(options: &Options) -> Result<[CaseReport; 2], Failure> {
    Ok([
        case(
            options,
            Load::Single,
            "cluster-single",
            "64 tasks, single events",
        )?,
        case(
            options,
            Load::Batches,
            "cluster-batches",
            "16 tasks, 100 events a batch",
        )?,
    ])
}

fn case(options: &Options, load: Load, name: &str, what: &str) -> Result<CaseReport, Failure> {
    let events = options.cluster_events;
    let mut one = Taken::new(options, load, events);
    let mut many = Taken::new(options, load, events).over(MASTERS, PARTITIONS);
    for pair in 1..=options.common.runs {
        one.measure(pair, Subject::Ours)?;
        many.measure(pair, Subject::Ours)?;
    }
    let pairs = runs(&many).into_iter().zip(runs(&one));
    let ratio = median(pairs.map(|(many, one)| many.events_per_s() / one.events_per_s()));
    let mut alone = row("1 master, 1 partition", &runs(&one));
    alone.cells.insert(1, Cell::new("to_one", None, 2));
    let mut cluster = row(
        &format!("{MASTERS} masters, {PARTITIONS} partitions"),
        &runs(&many),
    );
    cluster.cells.insert(1, Cell::new("to_one", ratio, 2));
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    Ok(CaseReport {
        name: name.to_owned(),
        what: format!(
            "{what}, idempotent; {events} events a run, {} pairs, medians",
            options.common.runs
        ),
        rows: vec![alone, cluster],
        floors: Vec::new(),
        notes: vec![
            format!(
                "all masters, without replicas, and the client share the {cores} cores of this machine: what a cluster gains is seen on several only"
            ),
            "a batch over several partitions is several calls at once, one a partition".to_owned(),
            "server_us: processor time of all masters, an event".to_owned(),
        ],
    })
}

fn runs<'a>(taken: &'a Taken<'_>) -> Vec<&'a Measured> {
    taken.runs.iter().map(|(_, run)| run).collect()
}
