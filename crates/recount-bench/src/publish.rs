//! `recount-bench publish`: how fast events are published.

use std::path::Path;

use clap::{Args, ValueEnum};

use crate::generator::IdOrder;
use crate::measure::{Case, Measured, Subject};
use crate::process::name;
use crate::report::{Bound, CaseReport, Cell, Floor, Row, median};
use crate::{Common, Failure, files, process, redis, report};

const MB: f64 = 1_000_000.0;

/// The command's arguments.
#[derive(Args)]
pub struct Options {
    /// Only this case
    #[arg(long)]
    case: Option<Case>,
    /// How many events a run without sync publishes
    #[arg(long, default_value_t = 5_000_000, value_parser = positive)]
    events: usize,
    /// How many events a synced run publishes at most
    #[arg(long, default_value_t = 200_000, value_parser = positive)]
    synced_events: usize,
    /// How many batches ours has under way at once in the runs without sync
    #[arg(long, default_value_t = 4, value_parser = in_flight)]
    in_flight: usize,
    #[command(flatten)]
    common: Common,
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..) => Ok(number),
        _ => Err("give a whole number from 1".to_owned()),
    }
}

fn in_flight(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=64) => Ok(number),
        _ => Err("give a number from 1 to 64".to_owned()),
    }
}

/// Runs the cases and prints what they found.
pub fn run(options: &Options) -> Result<(), Failure> {
    let mut cases = Vec::new();
    let wanted = |case| options.case.is_none_or(|only| only == case);
    if wanted(Case::Batch) {
        cases.push(batch(options)?);
    }
    if wanted(Case::Single) {
        cases.push(single(options)?);
    }
    if wanted(Case::Bulk) {
        cases.push(bulk(options, IdOrder::Ordered)?);
        cases.push(bulk(options, IdOrder::Random)?);
    }
    report::print("publish", &cases, options.common.json);
    Ok(())
}

fn batch(options: &Options) -> Result<CaseReport, Failure> {
    let mut taken = Taken::new(options, Case::Batch, IdOrder::Ordered);
    let bare = taken.pairs(Subject::Bare)?;
    let redis = taken.pairs_with_redis()?;
    Ok(taken.report(
        "batch",
        "one producer, 64 events a batch, each batch synced",
        vec![
            ratio_floor("ours / bare log", bare, 0.7),
            ratio_floor("ours / redis always, pipelined by 64", redis, 2.0),
        ],
    ))
}

fn single(options: &Options) -> Result<CaseReport, Failure> {
    let mut taken = Taken::new(options, Case::Single, IdOrder::Ordered);
    let redis = taken.pairs_with_redis()?;
    Ok(taken.report(
        "single",
        "64 producers at once, single events, each synced",
        vec![ratio_floor(
            "ours / redis always, 64 connections",
            redis,
            2.0,
        )],
    ))
}

fn bulk(options: &Options, ids: IdOrder) -> Result<CaseReport, Failure> {
    let mut taken = Taken::new(options, Case::Bulk, ids);
    let bare = taken.pairs(Subject::Bare)?;
    let in_flight = options.in_flight;
    taken.notes.push(format!(
        "ours has up to {in_flight} batches under way, the bare log one; MB of the whole process, generator included"
    ));
    let ours = taken.of(Subject::Ours);
    let rss = median(ours.iter().filter_map(rss_mb));
    let index = median(ours.iter().map(|run| per_event(run, run.other_bytes)));
    let floors = vec![
        ratio_floor("ours / bare log", bare, 0.6),
        Floor {
            what: "ours: peak RssAnon, MB".to_owned(),
            value: rss,
            bound: Bound::AtMost(150.0),
        },
        Floor {
            what: "ours: index and id table, bytes an event".to_owned(),
            value: index,
            bound: Bound::AtMost(45.0),
        },
    ];
    let (name, order) = match ids {
        IdOrder::Ordered => ("bulk", "time-ordered"),
        IdOrder::Random => ("bulk-random", "random"),
    };
    let what = format!("one producer, 1,024 events a batch, no sync, {order} event ids");
    Ok(taken.report(name, &what, floors))
}

fn ratio_floor(what: &str, value: Option<f64>, least: f64) -> Floor {
    Floor {
        what: format!("{what}, median of the pairs"),
        value,
        bound: Bound::AtLeast(least),
    }
}

/// The measurements of one case.
struct Taken<'a> {
    options: &'a Options,
    case: Case,
    ids: IdOrder,
    runs: Vec<(Subject, Measured)>,
    notes: Vec<String>,
}

impl<'a> Taken<'a> {
    fn new(options: &'a Options, case: Case, ids: IdOrder) -> Self {
        Self {
            options,
            case,
            ids,
            runs: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Measures ours and `rival` in turns; the median of the pairs' ratios.
    fn pairs(&mut self, rival: Subject) -> Result<Option<f64>, Failure> {
        let mut ratios = Vec::new();
        for pair in 1..=self.options.common.runs {
            let ours = self.measure(Subject::Ours)?;
            let theirs = self.measure(rival)?;
            let ratio = ours.events_per_s() / theirs.events_per_s();
            eprintln!(
                "{:?} {pair}: ours {:.0}, {rival:?} {:.0} events/s, ratio {ratio:.2}",
                self.case,
                ours.events_per_s(),
                theirs.events_per_s(),
            );
            ratios.push(ratio);
        }
        Ok(median(ratios))
    }

    fn pairs_with_redis(&mut self) -> Result<Option<f64>, Failure> {
        if let Some(version) = redis::version() {
            self.notes.push(format!(
                "redis-server {version} over loopback, appendonly yes, appendfsync always, no rewrites, the same fields"
            ));
            return self.pairs(Subject::Redis);
        }
        self.notes.push(redis::MISSING.to_owned());
        if self.runs.is_empty() {
            self.measure(Subject::Ours)?;
        }
        Ok(None)
    }

    /// Measures once, in a process and a directory of its own.
    fn measure(&mut self, subject: Subject) -> Result<Measured, Failure> {
        let options = self.options;
        let events = match self.case {
            Case::Bulk => options.events,
            _ => options.events.min(options.synced_events),
        };
        let dir = files::fresh_dir(options.common.dir.as_deref())?;
        let in_flight = match self.case {
            Case::Bulk => options.in_flight,
            _ => 1,
        };
        process::settle();
        let measured = in_a_process(subject, self.case, self.ids, events, in_flight, dir.path())?;
        self.runs.push((subject, measured));
        dir.close()?;
        Ok(measured)
    }

    fn of(&self, subject: Subject) -> Vec<Measured> {
        let of_subject = self.runs.iter().filter(|(who, _)| *who == subject);
        of_subject.map(|(_, measured)| *measured).collect()
    }

    fn report(self, name: &str, what: &str, floors: Vec<Floor>) -> CaseReport {
        let mut rows = Vec::new();
        for subject in Subject::value_variants() {
            let runs = self.of(*subject);
            if !runs.is_empty() {
                rows.push(self.row(*subject, &runs));
            }
        }
        let events = self.runs.first().map_or(0, |(_, run)| run.events);
        let pairs = self.options.common.runs;
        CaseReport {
            name: name.to_owned(),
            what: format!("{what}; {events} events a run, {pairs} pairs a rival, medians"),
            rows,
            floors,
            notes: self.notes,
        }
    }

    fn row(&self, subject: Subject, runs: &[Measured]) -> Row {
        let middle = |of: fn(&Measured) -> f64| median(runs.iter().map(of));
        let mut cells = vec![
            Cell::new("events_per_s", middle(Measured::events_per_s), 0),
            Cell::new("append_p50_us", middle(|run| run.append_p50_us), 1),
            Cell::new("append_p99_us", middle(|run| run.append_p99_us), 1),
        ];
        if self.case == Case::Bulk {
            let closed = middle(|run| run.events as f64 / run.closed_seconds);
            let rss = median(runs.iter().filter_map(rss_mb));
            let log = middle(|run| per_event(run, run.segment_bytes));
            let index = middle(|run| per_event(run, run.other_bytes));
            cells.push(Cell::new("events_per_s_closed", closed, 0));
            cells.push(Cell::new("rss_anon_mb", rss, 1));
            cells.push(Cell::new("log_bytes_per_event", log, 1));
            cells.push(Cell::new("index_bytes_per_event", index, 1));
        }
        let subject = match subject {
            Subject::Ours => "ours",
            Subject::Bare => "bare log",
            Subject::Redis => "redis",
        };
        Row {
            subject: subject.to_owned(),
            cells,
        }
    }
}

fn rss_mb(run: &Measured) -> Option<f64> {
    run.rss_anon_bytes.map(|bytes| bytes as f64 / MB)
}

fn per_event(run: &Measured, bytes: u64) -> f64 {
    bytes as f64 / run.events as f64
}

fn in_a_process(
    subject: Subject,
    case: Case,
    ids: IdOrder,
    events: usize,
    in_flight: usize,
    dir: &Path,
) -> Result<Measured, Failure> {
    let options = [
        ("subject", name(&subject)),
        ("case", name(&case)),
        ("ids", name(&ids)),
        ("events", events.to_string()),
        ("in-flight", in_flight.to_string()),
    ];
    process::measured("measure", dir, &options)
}
