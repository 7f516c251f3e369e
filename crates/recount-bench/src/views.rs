//! `recount-bench views`: what views cost, and what they save.

mod measure;

use std::collections::BTreeMap;
use std::path::Path;

use clap::{Args, ValueEnum as _};
use recount_core::EventLog as _;
use tempfile::TempDir;

use crate::generator::{Generator, IdOrder, Scatter};
use crate::process::name;
use crate::report::{Bound, CaseReport, Cell, Floor, Row, median};
use crate::{Common, Failure, files, fill, process, report};

use measure::{Measured, What};
pub use measure::{Run, run as measure};

const SEED: u64 = 1;
/// Sessions of 500 events that are asked for in turn, and the long one.
const SHORT_SESSIONS: u64 = 20;
const SHORT_EVENTS: u64 = 500;
const LONG_EVENTS: u64 = 100_000;
/// What is searched for: rare words and frequent ones, alone and together.
const WORDS: &[&str] = &[
    "refund",
    "flight reservation",
    "certificate",
    "\"gift card\"",
    "insurance bags",
    "error",
];

/// The command's arguments.
#[derive(Args)]
pub struct Options {
    /// How many events the logs hold; the long session is in the largest. The first one is what the others
    /// are compared with
    #[arg(
        long,
        value_delimiter = ',',
        default_values_t = [100_000, 1_000_000, 5_000_000],
        value_parser = clap::value_parser!(u64).range(50_000..),
    )]
    sizes: Vec<u64>,
    /// How many events are published, without and with live views
    #[arg(long, default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(1..))]
    publish: u64,
    /// How many times something is asked for in a measurement
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    times: u32,
    #[command(flatten)]
    common: Common,
}

/// Runs the benchmark and prints what it found.
pub fn run(options: &Options) -> Result<(), Failure> {
    let parent = options.common.dir.as_deref();
    let runtime = process::runtime()?;
    let mut logs = Vec::new();
    for &events in &options.sizes {
        logs.push(runtime.block_on(Log::fill(parent, events))?);
    }
    let mut taken = Taken {
        options,
        values: BTreeMap::new(),
    };
    let Some((large, small)) = logs.last().zip(logs.first()) else {
        return Ok(());
    };
    for log in &logs {
        // What is asked later needs it; measured where it counts.
        taken.measure(What::Sessions, log.dir.path(), log.events)?;
        taken.measure(What::Search, log.dir.path(), log.events)?;
        taken.measure(What::Scan, log.dir.path(), log.events)?;
        taken.measure(What::Timeline, log.dir.path(), log.events)?;
    }
    for run in 1..=options.common.runs {
        eprintln!("{run} of {}", options.common.runs);
        process::settle();
        for what in [What::Replay, What::Sessions] {
            taken.measure(what, large.dir.path(), large.events)?;
        }
        for what in [
            What::StateLong,
            What::State500,
            What::Whole500,
            What::Read500,
        ] {
            taken.measure(what, large.dir.path(), large.events)?;
        }
        for what in [What::Timeline, What::User, What::Text] {
            for log in [small, large] {
                taken.measure(what, log.dir.path(), log.events)?;
            }
        }
        for what in [What::Publish, What::PublishLive] {
            let fresh = files::fresh_dir(parent)?;
            taken.measure(what, fresh.path(), options.publish)?;
        }
    }
    report::print(
        "views",
        &[taken.case(small.events, large.events)],
        options.common.json,
    );
    Ok(())
}

/// A log with the sessions that are asked for scattered through it.
struct Log {
    dir: TempDir,
    events: u64,
}

impl Log {
    async fn fill(parent: Option<&Path>, events: u64) -> Result<Self, Failure> {
        let dir = files::fresh_dir(parent)?;
        eprintln!("filling a log with {events} events");
        let mut generator = Generator::new(SEED, IdOrder::Ordered).scattering(Scatter::new(
            SHORT_SESSIONS,
            SHORT_EVENTS,
            events,
        ));
        if events >= LONG_EVENTS * 10 {
            generator = generator.scattering(Scatter::long(LONG_EVENTS, events));
        }
        let (log, _) = fill::log(dir.path(), false, generator, events).await?;
        log.close().await?;
        Ok(Self { dir, events })
    }
}

/// What was measured, by what and out of how many events.
struct Taken<'a> {
    options: &'a Options,
    values: BTreeMap<(String, u64), Vec<Measured>>,
}

impl Taken<'_> {
    fn measure(&mut self, what: What, dir: &Path, events: u64) -> Result<(), Failure> {
        let options = [
            ("what", name(&what)),
            ("events", events.to_string()),
            ("times", self.options.times.to_string()),
        ];
        let measured: Measured = process::measured("measure-views", dir, &options)?;
        eprintln!("  {} of {events}: {:.0}", name(&what), measured.value);
        self.values
            .entry((name(&what), events))
            .or_default()
            .push(measured);
        Ok(())
    }

    fn values(&self, what: What, events: u64) -> impl Iterator<Item = f64> {
        let values = self.values.get(&(name(&what), events));
        values.into_iter().flatten().map(|measured| measured.value)
    }

    /// The median of the ratios of pairs; what was measured once more often counts from its end.
    fn ratio(&self, a: (What, u64), b: (What, u64)) -> Option<f64> {
        let last = |(what, events)| {
            let mut values: Vec<f64> = self.values(what, events).collect();
            values.reverse();
            values
        };
        let pairs = last(a).into_iter().zip(last(b));
        median(pairs.map(|(a, b)| a / b))
    }

    fn case(&self, small: u64, large: u64) -> CaseReport {
        let published = self.options.publish;
        let least = |what: &str, a, b, limit| Floor {
            what: what.to_owned(),
            value: self.ratio(a, b),
            bound: Bound::AtLeast(limit),
        };
        let most = |what: &str, a, b, limit| Floor {
            what: what.to_owned(),
            value: self.ratio(a, b),
            bound: Bound::AtMost(limit),
        };
        let mut floors = vec![
            least(
                "view of sessions, upkeep / replay",
                (What::Sessions, large),
                (What::Replay, large),
                0.5,
            ),
            Floor {
                what: "index of texts, upkeep in events a second".to_owned(),
                value: median(self.values(What::Search, large)),
                bound: Bound::AtLeast(40_000.0),
            },
            least(
                "publishing with a live view / without",
                (What::PublishLive, published),
                (What::Publish, published),
                0.7,
            ),
            most(
                "state and last 100 messages at any point: 100,000 events / 500",
                (What::StateLong, large),
                (What::State500, large),
                3.0,
            ),
            most(
                "a session's whole state / reading its events",
                (What::Whole500, large),
                (What::Read500, large),
                2.0,
            ),
        ];
        for (words, what, limit) in [
            ("first page of a timeline", What::Timeline, 2.0),
            ("first page of a user's events", What::User, 2.0),
            ("text search, p50", What::Text, 5.0),
        ] {
            let words = format!("{words}: out of {large} / out of {small}");
            floors.push(most(&words, (what, large), (what, small), limit));
        }
        CaseReport {
            name: "views".to_owned(),
            what: format!(
                "sessions of 5 to 2,000 events, {SHORT_SESSIONS} of {SHORT_EVENTS} and one of {LONG_EVENTS}; {} runs, medians",
                self.options.common.runs
            ),
            rows: self.rows(),
            floors,
            notes: vec![
                "replay, sessions, search, publish: events a second; others: microseconds".to_owned(),
                "each measurement is a process of its own, warm; views were made before it".to_owned(),
                format!("published on stable storage in batches of 64, 4 at a time: {published} events"),
                "naive: the whole stream read and filtered by session, to a first page of that session's timeline".to_owned(),
            ],
        }
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for what in What::value_variants() {
            for ((_, events), measured) in
                self.values.iter().filter(|((of, _), _)| *of == name(what))
            {
                let naive = match what {
                    What::Scan => median(self.values(What::Timeline, *events))
                        .and_then(|page| Some(median(self.values(What::Scan, *events))? / page)),
                    _ => None,
                };
                rows.push(Row {
                    subject: format!("{}, {events} events", name(what)),
                    cells: vec![
                        Cell::new("median", median(measured.iter().map(|run| run.value)), 0),
                        Cell::new("p99", median(measured.iter().filter_map(|run| run.p99)), 0),
                        Cell::new("naive_to_ours", naive, 0),
                    ],
                });
            }
        }
        rows
    }
}
