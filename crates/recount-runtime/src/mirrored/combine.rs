//! What server and mirror say together.

use std::sync::Arc;

use recount_core::{
    Direction, EventLog, LogInfo, Origin, Partition, Query, ReadError, SessionPage, SessionRead,
    Standing,
};
use recount_disk::DiskLog;

use crate::mirror::{self, Incident, Mirror, MirrorOptions, Role};

/// What the server said before the mirror caught up with it.
pub(super) struct Behind<'a> {
    pub(super) page: &'a SessionPage,
    pub(super) standing: Standing,
}

/// A session that the server has only a part of.
pub(super) async fn session(
    mirror: &Mirror,
    partition: Partition,
    read: &SessionRead,
    behind: Behind<'_>,
) -> Result<SessionPage, ReadError> {
    let Behind {
        page: server,
        standing,
    } = behind;
    let gaps = mirror.partitions_with_gaps().contains(&partition);
    let local = |log: Arc<DiskLog>| async move {
        let mut page = log.session(read).await?;
        if gaps {
            page.retained_from = unbroken_from(&log, &read.session_id).await?;
        }
        Ok(page)
    };
    let mut page = mirror.reading(partition, local).await?.unwrap_or_default();
    for entry in &mut page.entries {
        entry.position.partition = partition;
    }
    if page.revision < server.revision {
        // Its last entries never came here.
        page.retained_from = None;
    }
    if server.revision > 0 {
        // The mirror counts what other programs wrote too, and whoever publishes is held to the server's count.
        page.revision = server.revision;
    }
    // What other programs wrote the mirror knows, if it was there from the beginning.
    let has_all = server.unindexed > 0
        && match standing.entries_added {
            Some(added) => added <= given(mirror, partition).await?,
            None => false,
        };
    page.unindexed = if has_all { 0 } else { server.unindexed };
    Ok(page)
}

/// How many entries a partition's mirror was given.
async fn given(mirror: &Mirror, partition: Partition) -> Result<u64, ReadError> {
    let info = |log: Arc<DiskLog>| async move { log.info().await };
    let info = mirror.reading(partition, info).await?;
    let partitions = info.map(|info| info.partitions).unwrap_or_default();
    let added = partitions.first().map(|local| local.entries_added);
    Ok(added.unwrap_or(0))
}

/// From which revision on nothing of a session is missing up to its last: where a mirror has gaps, its
/// first entry does not tell.
async fn unbroken_from(log: &DiskLog, session_id: &str) -> Result<Option<u64>, ReadError> {
    let mut query = Query::session(session_id);
    query.range.direction = Direction::Backward;
    let mut from: Option<u64> = None;
    loop {
        let page = log.query(&query).await?;
        for entry in &page.entries {
            if from.is_some_and(|from| entry.revision + 1 != from) {
                return Ok(from);
            }
            from = Some(entry.revision);
        }
        match page.next {
            Some(next) => query.range = query.range.continued(next),
            None => return Ok(from),
        }
    }
}

/// Adds to what the server says of itself what there is to say of the mirror. None is opened for it.
pub(super) async fn info(
    info: &mut LogInfo,
    open: Option<&Mirror>,
    options: &MirrorOptions,
    origin: &dyn Origin,
) {
    let (dir, incidents) = if let Some(mirror) = open {
        for (partition, progress) in mirror.progress().borrow().iter().enumerate() {
            let state = if progress.live { ", live" } else { "" };
            let said = format!(
                "{} entries up to {}{state}",
                progress.mirrored, progress.last
            );
            info.details
                .push((format!("mirror_partition_{partition}"), said));
        }
        let role = match mirror.role() {
            Some(Role::Maintainer) => "maintained by this process",
            Some(Role::Follower) => "maintained by another process",
            None => "being opened",
        };
        info.details.push(("mirror_role".into(), role.into()));
        if let Some(refused) = mirror.unregistered() {
            info.warnings
                .push(format!("The mirror is not registered with the server, which may trim what is not mirrored: {refused}"));
        }
        if let Some(trouble) = mirror.trouble() {
            info.warnings
                .push(format!("The mirror cannot go on: {trouble}"));
        }
        (mirror.dir().to_owned(), mirror.incidents())
    } else if let Some(recorded) = mirror::recorded(options, origin) {
        let name = recorded.name.or_else(|| options.name.clone());
        let registrations = origin.registrations().await.unwrap_or_default();
        let ours = registrations
            .into_iter()
            .find(|registration| Some(&registration.name) == name.as_ref());
        for position in ours.iter().flat_map(|ours| ours.synced.iter()) {
            let said = format!("synced up to {}", position.entry_id);
            let name = format!("mirror_partition_{}", position.partition);
            info.details.push((name, said));
        }
        (recorded.dir, recorded.incidents)
    } else {
        return;
    };
    info.details
        .push(("mirror".into(), dir.display().to_string()));
    let settled = incidents.iter().filter(|incident| incident.settled).count();
    if settled > 0 {
        info.details
            .push(("mirror_incidents_settled".into(), settled.to_string()));
    }
    info.warnings.extend(warnings(&incidents));
}

/// The latest incidents, so many of them.
const TOLD: usize = 5;

fn warnings(incidents: &[Incident]) -> Vec<String> {
    let open: Vec<_> = incidents
        .iter()
        .filter(|incident| !incident.settled)
        .collect();
    let untold = open.len().saturating_sub(TOLD);
    let mut said: Vec<String> = open[untold..]
        .iter()
        .map(|incident| format!("the mirror differs from the stream: {incident}."))
        .collect();
    if untold > 0 {
        said.push(format!(
            "The mirror recorded {untold} more gaps and divergences: they are in its incidents.ndjson."
        ));
    }
    if !open.is_empty() {
        said.push(
            "recount mirrors lists what befell the mirror, and recount mirrors settle takes note of it: nobody is warned then."
                .into(),
        );
    }
    said
}
