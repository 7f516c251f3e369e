//! `recount doctor`

mod document;
mod progress;
mod text;

use std::path::Path;

use recount::LogUrl;
use recount::config::Origin;
use recount_disk::DiskOptions;
use recount_disk::doctor::{self, Done, Finding, Repaired, Report, Root, Severity};

use self::progress::Progress;
use super::error::{Failure, Result};
use super::output::{Output, PrintArgs, count};
use super::settings::Settings;

/// Check every file of the log, explain it, and repair what can be repaired
///
/// Reads everything and changes nothing: each record, the indexes and tables against the records, the
/// numbering, the watermark, the lock. Works beside a process that writes, up to what that process
/// answers for. Checks every stream of the directory, unless --stream names one. A server checks its own
/// files: recount info tells what is known of it.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Keep every record that checks out, save what does not as lost-*, list what is lost
    #[arg(long)]
    repair: bool,

    #[command(flatten)]
    print: PrintArgs,
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
    /// Streams that could not be examined, and why.
    failed: Vec<(String, String)>,
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

    /// What was found at first.
    fn found(&self) -> &[Finding] {
        match self {
            Self::Examined(report) => &report.findings,
            Self::Repaired(repaired) => &repaired.before.findings,
        }
    }

    /// Whether a repair would change anything: not without `stream.meta`, nor while a file cannot be
    /// read.
    fn can_be_mended(&self) -> bool {
        self.report().findings.iter().all(|finding| {
            let meta = finding.code == "meta" && finding.severity == Severity::Damage;
            !meta && finding.code != "unreadable"
        })
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
        return Err(Failure::usage(format!(
            "doctor checks the files of a disk: URL, and the log is {}: a server keeps its own",
            settings.url()
        ))
        .hint(format!(
            "{} tells what the server promises and warns of what endangers the log",
            settings.command("info")
        )));
    };
    let named = *settings.resolved().origin("stream") != Origin::Default;
    let only = named.then(|| settings.stream().to_owned());
    let options = DiskOptions {
        idempotency_window: settings.config().idempotency_window(),
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
    if args.print.json {
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
    let one = only.is_some();
    let streams = only.map_or_else(|| root.streams.clone(), |only| vec![only]);
    let mut patients = Vec::new();
    let mut failed = Vec::new();
    for stream in streams {
        let mut told = |at: doctor::Progress<'_>| progress.update(&stream, at);
        let patient = if repair {
            doctor::repair(dir, &stream, options, &mut told).map(Patient::Repaired)
        } else {
            doctor::examine(dir, &stream, options, &mut told).map(Patient::Examined)
        };
        match patient {
            Ok(patient) => patients.push(patient),
            Err(error) if one => return Err(refused(error)),
            // It keeps nobody from looking at the others.
            Err(error) => failed.push((stream, error.to_string())),
        }
    }
    progress.finish();
    Ok(Examined {
        root,
        root_done,
        streams: patients,
        failed,
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
    if let [(_, why), ..] = &examined.failed[..] {
        let failed: Vec<&str> = examined
            .failed
            .iter()
            .map(|(stream, _)| stream.as_str())
            .collect();
        return Err(Failure::new(format!("{} not checked: {why}", are(&failed))));
    }
    if root_well && ill.is_empty() {
        return Ok(());
    }
    let lost = |patient: &Patient| patient.done().iter().any(|done| done.lost.is_some());
    let left = |patient: &Patient| patient.report().count(Severity::Damage) > 0;
    let remains = |finding: &Finding| finding.code == "remains";
    Err(if examined.root.findings.iter().any(remains) {
        Failure::new("the data directory holds what is left of a stream")
            .hint("restore its directory from a backup, or delete it")
    } else if !root_well {
        Failure::new("the data directory is damaged").hint(settings.command("doctor --repair"))
    } else if !repair && !examined.streams.iter().any(Patient::can_be_mended) {
        Failure::new(format!("{} not in order", are(&ill)))
            .hint("restore the files that are named from a backup, or give the right to read them")
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
