//! Publishing beside plain `XADD`, and what it costs the server.

mod measure;

use std::collections::BTreeSet;

use super::Options;
use super::usage::{Calls, Usage};
use crate::process::name;
use crate::report::{Bound, CaseReport, Cell, Floor, Row, median};
use crate::{Failure, files, process};

pub use measure::{Load, Measured, Run, Subject, run as measure};

/// Idempotent and plain publishing in batches, and what the server does for each.
pub fn batch(options: &Options) -> Result<[CaseReport; 2], Failure> {
    let mut taken = Taken::new(options, Load::Batch, options.batch_events);
    taken.rounds(&[Subject::Ours, Subject::NoWindow, Subject::Xadd])?;
    let costs = taken.costs();
    let report = taken.report(
        "batch",
        "one producer, 100 events a batch or pipeline, one at a time",
        0.3,
    );
    Ok([report, costs])
}

/// Single events of many tasks.
pub fn single(options: &Options) -> Result<CaseReport, Failure> {
    let mut taken = Taken::new(options, Load::Single, options.single_events);
    taken.rounds(&[Subject::Ours, Subject::NoWindow, Subject::Xadd])?;
    Ok(taken.report("single", "64 tasks, single events, one at a time each", 0.5))
}

/// The measurements of one load.
pub struct Taken<'a> {
    options: &'a Options,
    load: Load,
    events: u64,
    masters: u32,
    partitions: u32,
    pub runs: Vec<(Subject, Measured)>,
}

impl<'a> Taken<'a> {
    pub fn new(options: &'a Options, load: Load, events: u64) -> Self {
        Self {
            options,
            load,
            events,
            masters: 1,
            partitions: 1,
            runs: Vec::new(),
        }
    }

    /// On so many masters, with so many partitions.
    pub fn over(mut self, masters: u32, partitions: u32) -> Self {
        (self.masters, self.partitions) = (masters, partitions);
        self
    }

    /// Measures the subjects in turns.
    fn rounds(&mut self, subjects: &[Subject]) -> Result<(), Failure> {
        for round in 1..=self.options.common.runs {
            for &subject in subjects {
                self.measure(round, subject)?;
            }
        }
        Ok(())
    }

    /// Measures once: a process, a directory and servers of its own.
    pub fn measure(&mut self, round: u32, subject: Subject) -> Result<(), Failure> {
        let dir = files::fresh_dir(self.options.common.dir.as_deref())?;
        process::settle();
        let mut arguments = vec![
            ("subject", name(&subject)),
            ("load", name(&self.load)),
            ("events", self.events.to_string()),
            ("masters", self.masters.to_string()),
            ("partitions", self.partitions.to_string()),
        ];
        arguments.extend(self.options.server.arguments());
        let measured: Measured =
            process::measured("measure-redis-publish", dir.path(), &arguments)?;
        dir.close()?;
        eprintln!(
            "{:?} {round}: {} on {} master(s), {:.0} events/s, p99 {:.0} us",
            self.load,
            subject.shown(),
            self.masters,
            measured.events_per_s(),
            measured.append_p99_us,
        );
        self.runs.push((subject, measured));
        Ok(())
    }

    fn of(&self, subject: Subject) -> impl Iterator<Item = &Measured> {
        let of_subject = self.runs.iter().filter(move |(who, _)| *who == subject);
        of_subject.map(|(_, measured)| measured)
    }

    fn subjects(&self) -> Vec<Subject> {
        let mut seen = Vec::new();
        for (subject, _) in &self.runs {
            if !seen.contains(subject) {
                seen.push(*subject);
            }
        }
        seen
    }

    /// The median of the rounds' ratios to plain `XADD`.
    fn ratio(&self, subject: Subject) -> Option<f64> {
        let pairs = self.of(subject).zip(self.of(Subject::Xadd));
        median(pairs.map(|(who, xadd)| who.events_per_s() / xadd.events_per_s()))
    }

    fn report(&self, name: &str, what: &str, least: f64) -> CaseReport {
        let rows = self.subjects().into_iter().map(|subject| {
            let runs: Vec<&Measured> = self.of(subject).collect();
            let mut row = row(subject.shown(), &runs);
            row.cells
                .insert(1, Cell::new("to_xadd", self.ratio(subject), 2));
            row
        });
        CaseReport {
            name: name.to_owned(),
            what: format!(
                "{what}; {} events a run, {} rounds, medians",
                self.events, self.options.common.runs
            ),
            rows: rows.collect(),
            floors: vec![Floor {
                what: "ours / plain XADD, median of the rounds".to_owned(),
                value: self.ratio(Subject::Ours),
                bound: Bound::AtLeast(least),
            }],
            notes: vec![
                "ours: an idempotency window of 10 minutes, sessions indexed, one script a call; no window: XADD in a transaction, nothing remembered".to_owned(),
                "plain XADD: the same fields but `_revision`, which only the script adds; a p50 or p99 is of one append, batch or pipeline".to_owned(),
                "server_us: processor time of all threads of the server, an event".to_owned(),
            ],
        }
    }

    /// Which command took how long on the server, by its own count.
    fn costs(&self) -> CaseReport {
        let mut rows = Vec::new();
        for subject in self.subjects() {
            let shown = subject.shown();
            let names: BTreeSet<&String> = self
                .of(subject)
                .flat_map(|run| run.usage.commands.keys())
                .collect();
            let mut costs: Vec<(f64, Row)> = names
                .into_iter()
                .map(|name| self.cost(subject, name))
                .collect();
            costs.sort_by(|(a, _), (b, _)| b.total_cmp(a));
            rows.extend(costs.into_iter().map(|(_, row)| row));
            let rest = self.of(subject).filter_map(|run| {
                let rest = run.usage.outside_commands("evalsha")?;
                Some(rest / run.events as f64)
            });
            if let Some(rest) = median(rest) {
                rows.push(cost_row(format!("{shown}: evalsha but for them"), rest));
            }
        }
        CaseReport {
            name: "batch-costs".to_owned(),
            what: "the same runs, by the server's INFO commandstats, medians".to_owned(),
            rows,
            floors: Vec::new(),
            notes: vec![
                "evalsha and exec include the commands they call; evalsha but for them: arguments to and from Lua, and the script itself".to_owned(),
                "hmget: is the id known, and the session's state; hset: remember both; rpush: move ids to the session's list; hlen: is the window's slot full".to_owned(),
            ],
        }
    }

    /// What one command took, an event, and the row that says so.
    fn cost(&self, subject: Subject, command: &str) -> (f64, Row) {
        let calls = |run: &Measured| run.usage.commands.get(command).copied();
        let middle = |of: fn(&Measured, Calls) -> f64| {
            let runs = self.of(subject);
            median(runs.filter_map(|run| Some(of(run, calls(run)?))))
        };
        let us = middle(|run, calls| calls.us / run.events as f64).unwrap_or(0.0);
        let mut row = cost_row(format!("{}: {command}", subject.shown()), us);
        row.cells[1].value = middle(|run, calls| calls.calls / run.events as f64);
        row.cells[2].value = middle(|_, calls| calls.us / calls.calls);
        (us, row)
    }
}

fn cost_row(subject: String, us_per_event: f64) -> Row {
    Row {
        subject,
        cells: vec![
            Cell::new("us_per_event", us_per_event, 2),
            Cell::new("calls_per_event", None, 3),
            Cell::new("us_per_call", None, 2),
        ],
    }
}

/// Speed, latency and what the server used.
pub fn row(subject: &str, runs: &[&Measured]) -> Row {
    let middle = |of: fn(&Measured) -> f64| median(runs.iter().map(|run| of(run)));
    let used =
        |of: fn(&Usage) -> f64| median(runs.iter().map(|run| of(&run.usage) / run.events as f64));
    Row {
        subject: subject.to_owned(),
        cells: vec![
            Cell::new("events_per_s", middle(Measured::events_per_s), 0),
            Cell::new("append_p50_us", middle(|run| run.append_p50_us), 0),
            Cell::new("append_p99_us", middle(|run| run.append_p99_us), 0),
            Cell::new("server_us", used(|usage| usage.cpu_us), 1),
            Cell::new("in_bytes", used(|usage| usage.in_bytes), 0),
            Cell::new("out_bytes", used(|usage| usage.out_bytes), 0),
            Cell::new("aof_bytes", used(|usage| usage.aof_bytes), 0),
        ],
    }
}
