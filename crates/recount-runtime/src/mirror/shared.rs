//! What the parts of a mirror share.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use recount_core::{EntryId, Origin, Partition, ReadError, Standing, Timestamp};
use recount_disk::{DiskLog, DiskOptions};
use tokio::sync::{Notify, watch};

use super::MirrorError;
use super::counts::{Count, Counts, Missing};
use super::incident::{Incident, IncidentKind, Incidents};
use super::local;
use super::place::Place;
use super::progress::{Progress, Role, Status, still_to_come};

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
    /// What was set aside when the logs were opened to be followed.
    aside: Mutex<Vec<String>>,
    /// Told when a reader found that a partition has to be compared again.
    pub(crate) doubted: Notify,
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
            aside: Mutex::default(),
            doubted: Notify::new(),
            logs: RwLock::default(),
            status: watch::Sender::new(Status {
                role: None,
                trouble: None,
                compared: vec![false; names.len()],
                unregistered: None,
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
            progress.push(Progress::of(log).await?);
        }
        if role == Role::Maintainer {
            *self.counts.lock() = Counts::load(self.place.counts(), self.names.len());
        }
        *self.logs.write() = logs;
        self.progress.send_replace(progress);
        self.status.send_modify(|status| {
            status.role = Some(role);
            status.trouble = None;
            status.compared.fill(false);
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
        let new = Progress::of(log).await?;
        self.counts.lock().set(partition as usize, None);
        self.logs.write()[partition as usize] = Arc::clone(log);
        self.progress
            .send_modify(|progress| progress[partition as usize] = new);
        self.status.send_modify(|status| status.replaced += 1);
        Ok(())
    }

    /// Notes whether a partition was compared with the server as it is.
    pub(crate) fn compared(&self, partition: Partition, compared: bool) {
        self.status.send_if_modified(|status| {
            let before = std::mem::replace(&mut status.compared[partition as usize], compared);
            let trouble = if compared {
                status.trouble.take()
            } else {
                None
            };
            before != compared || trouble.is_some()
        });
    }

    pub(crate) fn is_compared(&self, partition: Partition) -> bool {
        self.status.borrow().compared[partition as usize]
    }

    /// Has a partition compared again, by whoever maintains the mirror.
    pub(crate) fn doubt(&self, partition: Partition) {
        self.compared(partition, false);
        self.doubted.notify_waiters();
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
            match Progress::of(&log).await {
                Ok(at) => progress.push(at),
                Err(_) => return,
            }
        }
        self.progress.send_replace(progress);
    }

    /// Notes that a partition lost its server.
    pub(crate) fn away(&self, partition: Partition) {
        self.compared(partition, false);
        self.progress
            .send_modify(|progress| progress[partition as usize].live = false);
    }

    /// What was counted last, by whoever maintains the mirror.
    pub(crate) fn count(&self, partition: Partition) -> Option<Count> {
        let mut counts = self.counts.lock();
        if self.status.borrow().role == Some(Role::Follower) {
            *counts = Counts::load(self.place.counts(), self.names.len());
        }
        counts.get(partition as usize)
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
        if before.is_some_and(|before| before.began_anew(standing, ours.mirrored)) {
            // That is for a comparison to find.
            return Ok(());
        }
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

    /// Reads what the maintainer recorded.
    pub(crate) fn refresh_incidents(&self) {
        // Whoever asks for them is told if they cannot be read.
        let _ = self.incidents.lock().refresh();
    }

    /// Remembers what is set aside by now; to be called before logs are opened to be followed.
    pub(crate) fn remember_aside(&self) {
        *self.aside.lock() = local::set_aside(&self.place, &self.names);
    }

    /// Whether a partition was set aside since: what is open is not what is mirrored to any more.
    pub(crate) fn is_aside(&self) -> bool {
        *self.aside.lock() != local::set_aside(&self.place, &self.names)
    }

    /// Where a partition was found to have diverged at `ours` and is to be set aside as `name`: up to
    /// which entry both are the same.
    pub(crate) fn begun(&self, partition: Partition, ours: EntryId, name: &str) -> Option<EntryId> {
        let incidents = self.incidents().into_iter().rev();
        let mut of_partition = incidents.filter(|incident| incident.partition == partition);
        of_partition.find_map(|incident| match incident.kind {
            IncidentKind::Divergence {
                common,
                ours: end,
                set_aside: Some(set_aside),
                ..
            } if end == ours && set_aside == name => Some(common),
            _ => None,
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
            settled: false,
        };
        let mut incidents = self.incidents.lock();
        incidents.refresh()?;
        incidents.record(&incident)
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
