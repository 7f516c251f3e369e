//! What a query on a server's log waits for: the mirror, which the first one builds.

use std::path::Path;

use indicatif::ProgressBar;
use recount::{Incident, IncidentKind, Mirror, MirrorProgress, Query, Recount};

use super::error::Result;
use super::output::{count, progress_bar, thousands};
use super::settings::{Settings, warn};

/// Sees to it that what `query` asks for can be found, and shows how far that is where it takes long. Warns
/// of what befell the mirror and touches it.
pub(super) async fn prepare(log: &Recount, query: &Query, settings: &Settings) -> Result {
    let Some(folder) = log.mirror_dir() else {
        return Ok(());
    };
    if log.needs_mirror(query).await? {
        catch_up(log, &folder, settings).await?;
    }
    warn_of_incidents(log, query, settings).await;
    Ok(())
}

async fn catch_up(log: &Recount, folder: &Path, settings: &Settings) -> Result {
    if !folder.exists() {
        settings.note(format_args!(
            "no mirror of the stream on this machine yet: copying it to {}; if that is stopped, the next \
             query goes on",
            folder.display()
        ));
    }
    let Some(mirror) = log.mirror().await? else {
        return Ok(());
    };
    note_copied(&mirror, settings);
    let end = log.log().tail().await?;
    let bar = progress_bar(None, "{spinner} {msg}, {elapsed}", settings.quiet());
    tokio::select! {
        caught_up = mirror.caught_up(&end) => caught_up?,
        () = show(&mirror, &bar) => {}
    }
    bar.finish_and_clear();
    Ok(())
}

/// Says once that a mirror's directory was copied from another's.
pub(super) fn note_copied(mirror: &Mirror, settings: &Settings) {
    if let Some(other) = mirror.copied_from() {
        settings.note(format_args!(
            "the mirror's directory is a copy of {other}'s: it registers as {} from now on",
            mirror.name()
        ));
    }
}

/// Warns of what is in no copy, and of what the server lost, as long as nobody took note of it.
pub(super) async fn warn_of_incidents(log: &Recount, query: &Query, settings: &Settings) {
    let filter = &query.filter;
    let partition = filter
        .session_id
        .as_ref()
        .map(|session| log.log().partition_of(session));
    let mut incidents = log.mirror_incidents().await;
    incidents.retain(|incident| {
        !incident.settled
            && incident.touches(query.range.ids)
            && partition.is_none_or(|partition| incident.partition == partition)
    });
    // A session knows by itself what it lacks.
    let by_itself = partition.is_some() && filter.user_id.is_none() && filter.types.is_empty();
    if let Some(lacks) = lacks(&incidents).filter(|_| !by_itself) {
        warn(format_args!(
            "the mirror {lacks} of what was looked through, which were trimmed before they were copied: {} tells which",
            settings.command("mirrors")
        ));
    }
    if let Some(lost) = lost(&incidents) {
        warn(format_args!(
            "{lost}: the mirror keeps what the server had given out, and {} tells how to read it",
            settings.command("mirrors")
        ));
    }
}

/// `lacks 2,000 entries`, if it does.
fn lacks(incidents: &[Incident]) -> Option<String> {
    let gaps = incidents.iter().filter_map(|incident| match incident.kind {
        IncidentKind::Gap {
            missing, certain, ..
        } => Some((missing, certain)),
        IncidentKind::Divergence { .. } => None,
    });
    let gaps: Vec<_> = gaps.collect();
    let known: Option<u64> = gaps.iter().map(|(missing, _)| *missing).sum();
    match known {
        _ if gaps.is_empty() => None,
        Some(known) => Some(format!("lacks {}", count(known, "entry"))),
        None if gaps.iter().any(|(_, certain)| *certain) => Some("lacks entries".to_owned()),
        None => Some("may lack entries".to_owned()),
    }
}

/// When the server lost entries last, if it did.
fn lost(incidents: &[Incident]) -> Option<String> {
    let lost = incidents
        .iter()
        .filter(|incident| matches!(incident.kind, IncidentKind::Divergence { .. }));
    let last = lost.clone().next_back()?;
    Some(match lost.count() {
        1 => format!("the server lost entries, as was noticed at {}", last.at),
        // One loss is noticed in each partition.
        often => format!(
            "the server lost entries, as was noticed {often} times, last at {}",
            last.at
        ),
    })
}

/// Goes on as long as the mirror does.
async fn show(mirror: &Mirror, bar: &ProgressBar) {
    let mut progress = mirror.progress();
    while progress.changed().await.is_ok() {
        bar.set_message(words(&progress.borrow_and_update()));
        bar.tick();
    }
    std::future::pending::<()>().await;
}

/// `mirroring: 12,000 of about 50,000 events`
fn words(progress: &[MirrorProgress]) -> String {
    let (mut mirrored, mut expected, mut live) = (0, 0, 0);
    for partition in progress {
        mirrored += partition.mirrored;
        expected += partition.expected.max(partition.mirrored);
        live += u64::from(partition.live);
    }
    let events = format!(
        "mirroring: {} of about {}",
        thousands(mirrored),
        count(expected, "event")
    );
    match progress.len() as u64 {
        0 | 1 => events,
        partitions => format!(
            "{events}, {} of {} partitions have caught up",
            thousands(live),
            thousands(partitions)
        ),
    }
}

#[cfg(test)]
mod tests {
    use recount::{EntryId, Timestamp};

    use super::*;

    fn incident(kind: IncidentKind) -> Incident {
        Incident {
            at: Timestamp::saturating_from_millis(1_700_000_000_000),
            partition: 0,
            kind,
            settled: false,
        }
    }

    fn gap(missing: Option<u64>, certain: bool) -> Incident {
        incident(IncidentKind::Gap {
            after: EntryId::new(1, 0),
            before: None,
            missing,
            certain,
        })
    }

    #[test]
    fn what_is_in_no_copy_is_told() {
        let told = |gaps: &[Incident]| lacks(gaps).unwrap_or_default();
        assert_eq!(told(&[]), "");
        assert_eq!(told(&[gap(Some(1), true)]), "lacks 1 entry");
        let known = [gap(Some(1_500), true), gap(Some(500), true)];
        assert_eq!(told(&known), "lacks 2,000 entries");
        assert_eq!(
            told(&[gap(Some(7), true), gap(None, false)]),
            "lacks entries"
        );
        assert_eq!(told(&[gap(None, false)]), "may lack entries");
        assert_eq!(lost(&known), None);
    }

    #[test]
    fn what_the_server_lost_is_told() {
        let divergence = incident(IncidentKind::Divergence {
            cause: "it was so".into(),
            common: EntryId::MIN,
            ours: EntryId::new(2, 0),
            theirs: EntryId::MIN,
            set_aside: None,
        });
        let once = "the server lost entries, as was noticed at 2023-11-14T22:13:20.000Z";
        assert_eq!(
            lost(&[divergence.clone(), gap(None, true)]).as_deref(),
            Some(once)
        );
        let twice = lost(&[divergence.clone(), divergence]).unwrap();
        assert!(
            twice.contains("as was noticed 2 times, last at 2023"),
            "{twice}"
        );
    }

    #[test]
    fn how_far_the_copy_is_is_told() {
        let progress = |mirrored, live| MirrorProgress {
            mirrored,
            expected: 1_000,
            last: EntryId::MIN,
            live,
        };
        let one = [progress(10, false)];
        assert_eq!(words(&one), "mirroring: 10 of about 1,000 events");
        let two = [progress(10, false), progress(2_000, true)];
        assert_eq!(
            words(&two),
            "mirroring: 2,010 of about 3,000 events, 1 of 2 partitions have caught up"
        );
    }
}
