//! What the parts of a mirror share.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use recount_core::{EntryId, EventLog, Origin, Partition, ReadError, Standing, Timestamp};
use recount_disk::{DiskLog, DiskOptions, streams};
use tokio::sync::watch;

use super::MirrorError;
use super::compare::tail_of;
use super::counts::{Count, Counts, Missing};
use super::incident::{Incident, IncidentKind, Incidents};
use super::place::Place;

/// How far a partition's mirror is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// How many entries it holds.
    pub mirrored: u64,
    /// How many there are to hold, as far as could be told when it last connected: an estimate.
    pub expected: u64,
    /// Its last entry.
    pub last: EntryId,
    /// Whether it has caught up and gets entries as they come.
    pub live: bool,
}

/// What a process does for a mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It mirrors.
    Maintainer,
    /// It reads what another process mirrors.
    Follower,
}

/// What a mirror does at present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    /// None while it is opened, again too.
    pub(crate) role: Option<Role>,
    /// Why it cannot go on by itself at present.
    pub(crate) trouble: Option<ReadError>,
    /// Counts the times that logs were replaced.
    pub(crate) replaced: u64,
    pub(crate) closing: bool,
}

/// State that every part of a mirror sees.
pub(crate) struct Shared {
    pub(crate) origin: Arc<dyn Origin>,
    pub(crate) place: Place,
    pub(crate) name: String,
    /// What each partition is called, on the server and here.
    pub(crate) names: Vec<String>,
    pub(crate) lease: Duration,
    pub(crate) sync_every: Duration,
    pub(crate) look_every: Duration,
    pub(crate) disk: DiskOptions,
    logs: RwLock<Vec<Arc<DiskLog>>>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) progress: watch::Sender<Vec<Progress>>,
    incidents: Mutex<Incidents>,
    counts: Mutex<Counts>,
}

impl Shared {
    pub(crate) fn new(
        origin: Arc<dyn Origin>,
        place: Place,
        name: String,
        options: &super::MirrorOptions,
        disk: DiskOptions,
    ) -> Result<Self, MirrorError> {
        let names = origin.partition_names();
        Ok(Self {
            incidents: Mutex::new(Incidents::load(place.incidents())?),
            counts: Mutex::new(Counts::load(place.counts(), names.len())),
            logs: RwLock::default(),
            status: watch::Sender::new(Status {
                role: None,
                trouble: None,
                replaced: 0,
                closing: false,
            }),
            progress: watch::Sender::new(Vec::new()),
            lease: options.lease,
            sync_every: options.sync_every,
            look_every: options.look_every,
            origin,
            place,
            name,
            names,
            disk,
        })
    }

    /// The log of a partition there is.
    pub(crate) fn log(&self, partition: Partition) -> Arc<DiskLog> {
        Arc::clone(&self.logs.read()[partition as usize])
    }

    pub(crate) fn logs(&self) -> Vec<Arc<DiskLog>> {
        self.logs.read().clone()
    }

    /// Takes up logs that were opened, in a role.
    pub(crate) async fn set_logs(
        &self,
        logs: Vec<Arc<DiskLog>>,
        role: Role,
    ) -> Result<(), ReadError> {
        let mut progress = Vec::new();
        for log in &logs {
            progress.push(at(log).await?);
        }
        if role == Role::Maintainer {
            *self.counts.lock() = Counts::load(self.place.counts(), self.names.len());
        }
        *self.logs.write() = logs;
        self.progress.send_replace(progress);
        self.status.send_modify(|status| {
            status.role = Some(role);
            status.trouble = None;
            status.replaced += 1;
        });
        Ok(())
    }

    /// Puts a partition's new log in the place of the one that was set aside.
    pub(crate) async fn set_log(
        &self,
        partition: Partition,
        log: &Arc<DiskLog>,
    ) -> Result<(), ReadError> {
        let new = at(log).await?;
        self.counts.lock().set(partition as usize, None);
        self.logs.write()[partition as usize] = Arc::clone(log);
        self.progress
            .send_modify(|progress| progress[partition as usize] = new);
        self.status.send_modify(|status| status.replaced += 1);
        Ok(())
    }

    /// How many entries the mirror of a partition was given.
    pub(crate) fn mirrored(&self, partition: Partition) -> u64 {
        let progress = self.progress.borrow();
        progress.get(partition as usize).map_or(0, |p| p.mirrored)
    }

    /// Notes that entries up to `last` can be read.
    pub(crate) fn advance(&self, partition: Partition, last: EntryId, count: u64) {
        self.progress.send_modify(|progress| {
            let progress = &mut progress[partition as usize];
            progress.mirrored += count;
            progress.expected = progress.expected.max(progress.mirrored);
            progress.last = last;
            progress.live |= progress.mirrored >= progress.expected;
        });
    }

    /// Notes what is to come, by where the server stands and the mirror ends.
    pub(crate) fn expect(&self, partition: Partition, tail: EntryId, standing: &Standing) {
        self.progress.send_modify(|progress| {
            let progress = &mut progress[partition as usize];
            progress.expected = progress.mirrored + still_to_come(tail, standing);
            progress.live = standing.last <= tail;
        });
    }

    /// Notes how far the maintainer is.
    pub(crate) async fn follow_progress(&self) {
        let mut progress = Vec::new();
        for log in self.logs() {
            match at(&log).await {
                Ok(at) => progress.push(at),
                Err(_) => return,
            }
        }
        self.progress.send_replace(progress);
    }

    /// Notes that a partition lost its server.
    pub(crate) fn away(&self, partition: Partition) {
        self.progress
            .send_modify(|progress| progress[partition as usize].live = false);
    }

    pub(crate) fn count(&self, partition: Partition) -> Option<Count> {
        self.counts.lock().get(partition as usize)
    }

    /// Remembers the server's count where it is known how much of it the mirror has: both end at the same
    /// entry, or the server holds nothing up to the mirror's end.
    ///
    /// Records what is missing since the last time. A comparison that met it has recorded it: `told`.
    pub(crate) fn set_count(
        &self,
        partition: Partition,
        standing: &Standing,
        told: bool,
    ) -> Result<(), MirrorError> {
        let ours = self.progress.borrow()[partition as usize];
        let after = match standing.first {
            _ if standing.last == ours.last => 0,
            // Entries came since.
            _ if standing.last < ours.last => return Ok(()),
            Some(first) if first <= ours.last => return Ok(()),
            _ => standing.length,
        };
        let added = standing.entries_added;
        let Some(theirs) = added.and_then(|added| added.checked_sub(after)) else {
            return Ok(());
        };
        let before = self.count(partition);
        if !told
            && let Some(before) = before
            && let Missing::Known(missing) = before.missing(standing, ours.mirrored, after)
            && missing > 0
        {
            let kind = IncidentKind::Gap {
                after: before.last,
                before: Some(ours.last).filter(|&last| last > before.last),
                missing: Some(missing),
                certain: true,
            };
            self.record(partition, kind)?;
        }
        let count = Count {
            last: ours.last,
            theirs,
            ours: ours.mirrored,
        };
        self.counts.lock().set(partition as usize, Some(count));
        Ok(())
    }

    pub(crate) fn incidents(&self) -> Vec<Incident> {
        let mut incidents = self.incidents.lock();
        if let Err(error) = incidents.refresh() {
            tracing::warn!(%error, "the mirror's incidents may be older than they are");
        }
        incidents.all().to_vec()
    }

    /// Reads what the maintainer recorded; whether there was anything.
    pub(crate) fn refresh_incidents(&self) -> bool {
        self.incidents.lock().refresh().unwrap_or(false)
    }

    /// Whether a partition is recorded as set aside that is not: whoever maintains the mirror is about to.
    pub(crate) fn swap_pending(&self) -> bool {
        let there = streams(&self.place.data()).unwrap_or_default();
        let incidents = self.incidents.lock();
        incidents.all().iter().any(|incident| match &incident.kind {
            IncidentKind::Divergence {
                set_aside: Some(name),
                ..
            } => !there.contains(name),
            _ => false,
        })
    }

    pub(crate) fn record(
        &self,
        partition: Partition,
        kind: IncidentKind,
    ) -> Result<(), MirrorError> {
        let incident = Incident {
            at: Timestamp::now(),
            partition,
            kind,
        };
        let mut incidents = self.incidents.lock();
        incidents.refresh()?;
        incidents.record(incident)
    }

    pub(crate) fn trouble(&self, error: ReadError) {
        self.status
            .send_modify(|status| status.trouble = Some(error));
    }

    /// Returns once the mirror is being closed.
    pub(crate) async fn closing(&self) {
        let mut status = self.status.subscribe();
        // The sender lives as long as `self`.
        let _ = status.wait_for(|status| status.closing).await;
    }
}

/// How far a log is.
async fn at(log: &DiskLog) -> Result<Progress, ReadError> {
    let added = log
        .info()
        .await?
        .partitions
        .first()
        .map(|p| p.entries_added);
    let mirrored = added.unwrap_or(0);
    Ok(Progress {
        mirrored,
        expected: mirrored,
        last: tail_of(log).await?,
        live: false,
    })
}

/// About how many entries follow `tail`: as if the server's were spread evenly over their time.
fn still_to_come(tail: EntryId, standing: &Standing) -> u64 {
    let Some(first) = standing.first.filter(|_| standing.last > tail) else {
        return 0;
    };
    if first > tail {
        return standing.length;
    }
    let left = (standing.last.ms - tail.ms) as f64;
    let all = (standing.last.ms - first.ms).max(1) as f64;
    ((standing.length as f64 * left / all) as u64).clamp(1, standing.length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_come_is_estimated_by_time() {
        let standing = Standing {
            length: 100,
            first: Some(EntryId::new(1_000, 0)),
            last: EntryId::new(2_000, 0),
            entries_added: None,
            trimmed_to: None,
        };
        let to_come = |ms| still_to_come(EntryId::new(ms, 0), &standing);
        assert_eq!(
            [0, 999, 1_500, 1_999, 2_000, 3_000].map(to_come),
            [100, 100, 50, 1, 0, 0]
        );
        let empty = Standing {
            length: 0,
            first: None,
            ..standing
        };
        assert_eq!(still_to_come(EntryId::MIN, &empty), 0);
    }
}
