//! `recount doctor`

mod document;
mod progress;
mod text;

use std::path::Path;

use recount::LogUrl;
use recount::config::Origin;
use recount_disk::DiskOptions;
use recount_disk::doctor::{self, Done, Repaired, Report, Root, Severity};

use self::progress::Progress;
use super::error::{Failure, Result};
use super::output::{Output, count};
use super::settings::Settings;

/// Check every file of the log, explain it, and repair what can be repaired
///
/// Reads everything and changes nothing: each record, the indexes and tables against the records, the
/// numbering, the watermark, the lock. Works beside a process that writes, up to what that process
/// answers for. Checks every stream of the directory, unless --stream names one.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Keep every record that checks out, save what does not as lost-*, list what is lost
    #[arg(long)]
    repair: bool,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  recount doctor
  recount doctor --stream demo:events --json
  recount doctor --repair

Exit codes:
  0    nothing is wrong, or all was repaired and nothing lost
  1    something is damaged or to be made again, or entries were lost
  2    the arguments were wrong
  130  ended by Ctrl-C; a repair goes on when it is run again";

/// What was found of a data directory.
struct Examined {
    root: Root,
    root_done: Vec<Done>,
    streams: Vec<Patient>,
}

/// A stream before and after a repair, if there was one.
enum Patient {
    Examined(Report),
    Repaired(Repaired),
}

impl Patient {
    /// As it is now.
    fn report(&self) -> &Report {
        match self {
            Self::Examined(report) => report,
            Self::Repaired(repaired) => &repaired.after,
        }
    }

    fn done(&self) -> &[Done] {
        match self {
            Self::Examined(_) => &[],
            Self::Repaired(repaired) => &repaired.done,
        }
    }

    /// Whether nothing is wrong any more, and nothing was lost.
    fn is_well(&self) -> bool {
        let left = self.report().findings.iter();
        let lost = self.done().iter().any(|done| done.lost.is_some());
        !lost
            && left
                .map(|finding| finding.severity)
                .all(|it| it == Severity::Notice)
    }
}

pub(super) async fn run(args: Args, settings: &Settings) -> Result {
    let LogUrl::Disk(dir) = settings.url().clone() else {
        return Err(Failure::usage("doctor looks at the files of a disk: URL"));
    };
    let named = *settings.resolved().origin("stream") != Origin::Default;
    let only = named.then(|| settings.stream().to_owned());
    let options = DiskOptions {
        idempotency_window: settings.config().idempotency_window,
        lock_wait: settings.config().lock_wait,
        ..DiskOptions::default()
    };
    let progress = Progress::new(settings.quiet());
    let repair = args.repair;
    let work = move || examine(&dir, only, repair, &options, &progress);
    let examined = tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::new(format!("examining {}: {error}", settings.url())))??;
    let mut output = Output::new();
    if args.json {
        output.line(format_args!(
            "{:#}",
            document::of(&examined, settings.url())
        ))?;
    } else {
        text::print(&examined, settings, &mut output)?;
    }
    output.flush()?;
    verdict(&examined, args.repair, settings)
}

fn examine(
    dir: &Path,
    only: Option<String>,
    repair: bool,
    options: &DiskOptions,
    progress: &Progress,
) -> Result<Examined> {
    let refused = |error| Failure::from(recount::OpenError::Disk(error));
    let root_done = if repair {
        doctor::repair_root(dir, options).map_err(refused)?
    } else {
        Vec::new()
    };
    let root = doctor::examine_root(dir, options).map_err(refused)?;
    let streams = only.map_or_else(|| root.streams.clone(), |only| vec![only]);
    let mut patients = Vec::new();
    for stream in streams {
        let mut told = |at: doctor::Progress<'_>| progress.update(&stream, at);
        patients.push(if repair {
            let repaired = doctor::repair(dir, &stream, options, &mut told).map_err(refused)?;
            Patient::Repaired(repaired)
        } else {
            let report = doctor::examine(dir, &stream, options, &mut told).map_err(refused)?;
            Patient::Examined(report)
        });
    }
    progress.finish();
    Ok(Examined {
        root,
        root_done,
        streams: patients,
    })
}

/// Fails unless all is well, or was made so without a loss.
fn verdict(examined: &Examined, repair: bool, settings: &Settings) -> Result {
    let root_well = examined
        .root
        .findings
        .iter()
        .all(|finding| finding.severity == Severity::Notice);
    let ill: Vec<&str> = examined
        .streams
        .iter()
        .filter(|patient| !patient.is_well())
        .map(|patient| patient.report().stream.as_str())
        .collect();
    if root_well && ill.is_empty() {
        return Ok(());
    }
    let lost = |patient: &Patient| patient.done().iter().any(|done| done.lost.is_some());
    let left = |patient: &Patient| patient.report().count(Severity::Damage) > 0;
    Err(if !root_well {
        Failure::new("the data directory is damaged").hint(settings.command("doctor --repair"))
    } else if !repair {
        Failure::new(format!("{} not in order", are(&ill)))
            .hint(settings.command("doctor --repair"))
    } else if examined.streams.iter().any(left) {
        Failure::new(format!("{} damaged still", are(&ill)))
            .hint("restore the files that are named from a backup")
    } else if examined.streams.iter().any(lost) {
        Failure::new(format!(
            "{} in order again, but entries were lost",
            are(&ill)
        ))
        .hint("what was taken out of the files is in lost-*; a backup may hold the entries")
    } else {
        Failure::new(format!("{} not in order", are(&ill)))
    })
}

fn are(streams: &[&str]) -> String {
    match streams {
        [one] => format!("{one} is"),
        several if several.len() <= 3 => format!("{} are", several.join(", ")),
        several => format!("{} are", count(several.len() as u64, "stream")),
    }
}
