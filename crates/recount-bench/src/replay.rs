//! `recount-bench replay`: how fast a whole stream is read back as events.

mod measure;

use std::path::Path;

use clap::{Args, ValueEnum};
use recount_core::EventLog;

use crate::generator::{Generator, IdOrder};
use crate::process::name;
use crate::redis::{self, Fsync, Server};
use crate::report::{Bound, CaseReport, Cell, Floor, Row, median};
use crate::{Common, Failure, files, fill, process, report};

use measure::{Measured, PAGE_EVENTS, Reader};
pub use measure::{Run, run as measure};

const SEED: u64 = 1;

/// The command's arguments.
#[derive(Args)]
pub struct Options {
    /// How many events are read back
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    events: u64,
    #[command(flatten)]
    common: Common,
}

/// Runs the benchmark and prints what it found.
pub fn run(options: &Options) -> Result<(), Failure> {
    let case = process::runtime()?.block_on(case(options))?;
    report::print("replay", &[case], options.common.json);
    Ok(())
}

async fn case(options: &Options) -> Result<CaseReport, Failure> {
    let events = options.events;
    let parent = options.common.dir.as_deref();
    let generator = || Generator::new(SEED, IdOrder::Ordered);
    let dir = files::fresh_dir(parent)?;
    eprintln!("filling a log with {events} events");
    let (log, _) = fill::log(dir.path(), false, generator(), events).await?;
    log.close().await?;

    let mut notes = vec![format!(
        "all in the page cache; pages of {PAGE_EVENTS}; ours is opened for reading by a process of its own"
    )];
    let redis_dir = files::fresh_dir(parent)?;
    let server = if let Some(version) = redis::version() {
        notes.push(format!(
            "redis-server {version} over loopback, XRANGE pages of {PAGE_EVENTS} of the same fields, decoded to the same type"
        ));
        let server = Server::start(redis_dir.path(), Fsync::No)?;
        eprintln!("filling redis with {events} events");
        fill::redis(&mut server.connect().await?, generator(), events).await?;
        Some(server)
    } else {
        notes.push(redis::MISSING.to_owned());
        None
    };
    process::settle();

    let port = server.as_ref().map(Server::port);
    let mut taken = Taken::default();
    for pair in 1..=options.common.runs {
        taken.pair(pair, events, dir.path(), port)?;
    }
    let ratio = median(taken.ratios.iter().copied());
    Ok(CaseReport {
        name: "replay".to_owned(),
        what: format!(
            "reading {events} events back as typed events, {} pairs, medians",
            options.common.runs
        ),
        rows: Reader::value_variants()
            .iter()
            .filter_map(|reader| taken.row(*reader))
            .collect(),
        floors: vec![Floor {
            what: "ours, replay / redis, median of the pairs".to_owned(),
            value: ratio,
            bound: Bound::AtLeast(2.5),
        }],
        notes,
    })
}

#[derive(Default)]
struct Taken {
    runs: Vec<(Reader, Measured)>,
    ratios: Vec<f64>,
}

impl Taken {
    /// Measures each reader once.
    fn pair(
        &mut self,
        pair: u32,
        events: u64,
        dir: &Path,
        port: Option<u16>,
    ) -> Result<(), Failure> {
        let mut measure = |reader: Reader| -> Result<f64, Failure> {
            let mut options = vec![("reader", name(&reader)), ("events", events.to_string())];
            options.extend(port.map(|port| ("port", port.to_string())));
            let measured: Measured = process::measured("measure-replay", dir, &options)?;
            self.runs.push((reader, measured));
            Ok(measured.events_per_s())
        };
        let replay = measure(Reader::Replay)?;
        let read = measure(Reader::Read)?;
        eprint!("{pair}: replay {replay:.0}, read {read:.0} events/s");
        if port.is_some() {
            let redis = measure(Reader::Redis)?;
            let ratio = replay / redis;
            eprint!(", redis {redis:.0} events/s, ratio {ratio:.2}");
            self.ratios.push(ratio);
        }
        eprintln!();
        Ok(())
    }

    fn row(&self, reader: Reader) -> Option<Row> {
        let runs: Vec<_> = self.runs.iter().filter(|(who, _)| *who == reader).collect();
        let first = runs.first()?.1;
        let middle = |of: fn(&Measured) -> f64| median(runs.iter().map(|(_, run)| of(run)));
        let subject = match reader {
            Reader::Replay => "ours, replay",
            Reader::Read => "ours, read",
            Reader::Redis => "redis",
        };
        Some(Row {
            subject: subject.to_owned(),
            cells: vec![
                Cell::new("events_per_s", middle(Measured::events_per_s), 0),
                Cell::new("seconds", middle(|run| run.seconds), 2),
                Cell::new("data_bytes_per_event", first.data_bytes_per_event(), 1),
            ],
        })
    }
}
