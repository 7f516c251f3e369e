//! Many readers of one stream in one process: when the last of them has an event.

mod measure;

use crate::process::name;
use crate::redis::Fsync;
use crate::report::{Bound, CaseReport, Cell, Floor, Row, median};
use crate::{Failure, files, process};

use super::Options;
use measure::{EVERY, Measured, Subject};
pub use measure::{Run, run as measure};

/// Publishes at a steady pace to readers that all wait.
pub fn case(options: &Options) -> Result<CaseReport, Failure> {
    let (mut ours, mut redis, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for run in 1..=options.common.runs {
        let our = measure_once(options, Subject::Disk)?;
        let rival = measure_once(options, Subject::Redis)?;
        let ratio = our.last.p99 / rival.last.p99;
        eprintln!(
            "tails {run}: last delivery p99 {:.0} us, redis {:.0} us, ratio {ratio:.2}",
            our.last.p99, rival.last.p99,
        );
        ratios.push(ratio);
        ours.push(our);
        redis.push(rival);
    }
    Ok(CaseReport {
        name: "tails".to_owned(),
        what: format!(
            "{} readers, an event every {} ms, {} events a run, {} pairs, medians",
            options.tails,
            EVERY.as_millis(),
            options.tail_events,
            options.common.runs
        ),
        rows: vec![
            row("tails on disk", &ours),
            row("blocked XREAD on redis", &redis),
        ],
        floors: vec![Floor {
            what: "publish -> last delivery p99, ours / redis, median of the pairs".to_owned(),
            value: median(ratios),
            bound: Bound::AtMost(1.0),
        }],
        notes: vec![
            "publisher and readers in one process; on disk the log syncs always, the server everysec"
                .to_owned(),
            "a blocked reader of redis has a connection of its own and decodes what it reads".to_owned(),
        ],
    })
}

fn measure_once(options: &Options, subject: Subject) -> Result<Measured, Failure> {
    let dir = files::fresh_dir(options.common.dir.as_deref())?;
    process::settle();
    let mut arguments = vec![
        ("subject", name(&subject)),
        ("events", options.tail_events.to_string()),
        ("tails", options.tails.to_string()),
    ];
    arguments.extend(options.server(Fsync::Everysec).arguments());
    let measured = process::measured("measure-groups-tails", dir.path(), &arguments)?;
    dir.close()?;
    Ok(measured)
}

fn row(subject: &str, runs: &[Measured]) -> Row {
    let middle = |of: fn(&Measured) -> f64| median(runs.iter().map(of));
    let memory = runs.iter().filter_map(|run| run.rss_anon_bytes);
    Row {
        subject: subject.to_owned(),
        cells: vec![
            Cell::new("last_p50_us", middle(|run| run.last.p50), 0),
            Cell::new("last_p99_us", middle(|run| run.last.p99), 0),
            Cell::new("last_max_us", middle(|run| run.last.max), 0),
            Cell::new(
                "rss_anon_mb",
                median(memory.map(|bytes| bytes as f64 / 1e6)),
                0,
            ),
        ],
    }
}
