//! `recount mirrors run`

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use recount::{EntryId, Incident, Mirror, MirrorProgress, MirrorRole, Origin, Partition};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use super::open;
use crate::cli::error::{Failure, Result};
use crate::cli::interrupt::Interrupt;
use crate::cli::mirror::note_copied;
use crate::cli::output::{Output, count, progress_bar, span, thousands};
use crate::cli::settings::{Settings, warn};

/// Keep the mirror of a stream going until Ctrl-C
///
/// Copies what is recorded into segments on this machine's disk, under the same entry ids, as it comes.
/// Where another process keeps the same mirror, this one follows, and takes over when that one is gone.
/// What was trimmed before it was copied, and what the server lost, is recorded and told.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// End once everything that is recorded by now is copied
    #[arg(long)]
    once: bool,

    /// Print one JSON document at the end
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  recount mirrors run
  recount mirrors run --once --stream demo:events";

/// How often what is shown is renewed.
const TICK: Duration = Duration::from_millis(500);

pub(super) async fn run(args: &Args, settings: &Settings, mut interrupt: Interrupt) -> Result {
    let (log, origin) = interrupt.unless(open(settings)).await?;
    let opening = async { Ok(log.mirror().await?) };
    let Some(mirror) = interrupt.unless(opening).await? else {
        return Err(Failure::usage("no directory for mirrors is known here")
            .hint("--mirror DIR names one, as do XDG_STATE_HOME and HOME"));
    };
    settings.note(format_args!(
        "mirror {} in {}{}",
        mirror.name(),
        mirror.dir().display(),
        if args.once { "" } else { ", Ctrl-C ends" }
    ));
    note_copied(&mirror, settings);
    let end = log.log().tail().await?;
    let caught_up = async {
        mirror.caught_up(&end).await?;
        if args.once {
            return Ok(());
        }
        settings.note("caught up: copying what is recorded from now on as it comes");
        std::future::pending().await
    };
    let mut watch = Watch::new(&mirror, &origin, settings);
    watch.tell();
    let ended = tokio::select! {
        ended = caught_up => ended,
        never = watch.run() => never,
        () = interrupt.pressed() => Err(Failure::Interrupted),
    };
    watch.finish();
    // What is copied is synced, and the server told.
    interrupt.or_soon(async { Ok(log.close().await?) }).await?;
    let mut output = Output::new();
    if args.json {
        output.line(format_args!("{:#}", document(&mirror)))?;
        output.flush()?;
    } else {
        settings.note(format_args!(
            "{} in the mirror, all on stable storage",
            count(held(&mirror), "event")
        ));
    }
    ended
}

/// Entries that the mirror holds.
fn held(mirror: &Mirror) -> u64 {
    let progress = mirror.progress();
    let progress = progress.borrow();
    progress.iter().map(|partition| partition.mirrored).sum()
}

/// The last id of each partition.
async fn ends(origin: &Arc<dyn Origin>) -> Result<Vec<EntryId>, Failure> {
    let mut ends = Vec::new();
    for partition in 0..origin.partition_names().len() as Partition {
        ends.push(origin.standing(partition).await?.last);
    }
    Ok(ends)
}

/// How long before `end` something was recorded, in milliseconds; none where nothing is missing.
fn behind(end: EntryId, up_to: EntryId) -> Option<u64> {
    // What a mirror has not begun with was recorded any time.
    (up_to < end && up_to > EntryId::MIN).then(|| end.ms - up_to.ms)
}

/// Shows how far the mirror is, and tells what happens to it.
struct Watch<'a> {
    mirror: &'a Mirror,
    origin: &'a Arc<dyn Origin>,
    settings: &'a Settings,
    bar: ProgressBar,
    role: Option<MirrorRole>,
    told: HashSet<String>,
    /// How many entries there were at the last look, and when that was.
    last: (u64, Instant),
}

impl<'a> Watch<'a> {
    fn new(mirror: &'a Mirror, origin: &'a Arc<dyn Origin>, settings: &'a Settings) -> Self {
        Self {
            mirror,
            origin,
            settings,
            bar: progress_bar(None, "{spinner} {msg}", settings.quiet()),
            role: None,
            told: HashSet::new(),
            last: (held(mirror), Instant::now()),
        }
    }

    /// Goes on for ever.
    async fn run(&mut self) -> Result {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.tell();
            if !self.bar.is_hidden() {
                // The server may be away for a while; the mirror waits for it.
                let ends = ends(self.origin).await.unwrap_or_default();
                self.show(&ends);
            }
        }
    }

    /// Says what has changed.
    fn tell(&mut self) {
        let role = self.mirror.role();
        if role != self.role && role.is_some() {
            self.role = role;
            let settings = self.settings;
            self.bar.suspend(|| match role {
                Some(MirrorRole::Follower) => settings
                    .note("another process keeps this mirror: following, to take over from it"),
                _ => settings.note("keeping the mirror"),
            });
        }
        let mut texts = Vec::new();
        for incident in self.mirror.incidents() {
            if !incident.settled {
                texts.push(incident.to_string());
            }
        }
        texts.extend(self.mirror.trouble().map(|trouble| trouble.to_string()));
        texts.extend(self.mirror.unregistered().map(|refused| {
            format!(
                "the mirror is not registered, so what it has not copied may be trimmed: {refused}"
            )
        }));
        for text in texts {
            // Once: it tries again all the time.
            if self.told.insert(text.clone()) {
                self.bar.suspend(|| warn(text));
            }
        }
    }

    fn show(&mut self, ends: &[EntryId]) {
        let progress = self.mirror.progress().borrow().clone();
        let now = (held(self.mirror), Instant::now());
        let took = (now.1 - self.last.1).as_secs_f64().max(0.001);
        let rate = (now.0.saturating_sub(self.last.0)) as f64 / took;
        self.last = now;
        self.bar.set_message(words(&progress, rate as u64, ends));
        self.bar.tick();
    }

    fn finish(&mut self) {
        self.tell();
        self.bar.finish_and_clear();
    }
}

/// `12,000 of about 50,000 events, 80,000/s, 3.2 s behind`
fn words(progress: &[MirrorProgress], rate: u64, ends: &[EntryId]) -> String {
    let mirrored: u64 = progress.iter().map(|partition| partition.mirrored).sum();
    let expected: u64 = progress.iter().map(|partition| partition.expected).sum();
    let live = progress.iter().all(|partition| partition.live);
    let whole = if live || expected <= mirrored {
        count(mirrored, "event")
    } else {
        format!(
            "{} of about {}",
            thousands(mirrored),
            count(expected, "event")
        )
    };
    let lag = ends
        .iter()
        .zip(progress)
        .filter_map(|(end, partition)| behind(*end, partition.last));
    let lag = match lag.max() {
        None if progress
            .iter()
            .any(|partition| partition.last == EntryId::MIN && !partition.live) =>
        {
            "beginning".to_owned()
        }
        None => "nothing behind".to_owned(),
        Some(ms) => format!("{} behind", span(ms)),
    };
    format!("{whole}, {}/s, {lag}", thousands(rate))
}

fn document(mirror: &Mirror) -> serde_json::Value {
    let progress = mirror.progress().borrow().clone();
    let partitions = (0..).zip(progress).map(|(partition, progress): (u32, _)| {
        json!({
            "partition": partition,
            "mirrored": progress.mirrored,
            "up_to": progress.last.to_string(),
        })
    });
    let incidents = mirror.incidents();
    json!({
        "name": mirror.name(),
        "dir": mirror.dir().display().to_string(),
        "partitions": partitions.collect::<Vec<_>>(),
        "incidents": incidents.iter().map(Incident::to_string).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_it_is_is_told_in_a_line() {
        let progress = |mirrored, expected, last, live| MirrorProgress {
            mirrored,
            expected,
            last: EntryId::new(last, 0),
            live,
        };
        let ends = [EntryId::new(9_000, 0), EntryId::new(10_000, 0)];
        let catching_up = [
            progress(5, 10, 9_000, true),
            progress(1_000, 2_000, 8_000, false),
        ];
        assert_eq!(
            words(&catching_up, 80_000, &ends),
            "1,005 of about 2,010 events, 80,000/s, 2 s behind"
        );
        let live = [progress(10, 10, 9_000, true), progress(3, 2, 10_000, true)];
        assert_eq!(words(&live, 0, &ends), "13 events, 0/s, nothing behind");
        let begun = [progress(0, 10, 0, false)];
        assert_eq!(
            words(&begun, 0, &ends),
            "0 of about 10 events, 0/s, beginning"
        );
        assert_eq!(words(&live, 0, &[]), "13 events, 0/s, nothing behind");
    }
}
