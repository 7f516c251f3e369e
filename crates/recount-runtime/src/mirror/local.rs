//! The mirror's own logs: opening them, and beginning one anew.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use recount_core::{
    AppendError, EntryId, EventLog, IdRange, Partition, ReadError, ReadRange, Retention,
};
use recount_disk::{DiskLog, DiskOptions, OpenError, SyncMode, rename_stream, streams};

use super::MirrorError;
use super::compare::tail_of;
use super::place::Place;
use super::shared::Shared;

/// The options of a mirror's logs.
pub(crate) fn options(disk: &DiskOptions) -> DiskOptions {
    let mut options = DiskOptions {
        // What is synced, and when, is the mirror's business: its registration tells of it.
        sync: SyncMode::Os,
        // Nobody asks a mirror whether it knows an event's id.
        idempotency_window: Duration::ZERO,
        retention: Retention::default(),
        // Who has the mirror's lock is the one who writes; another's logs are being closed.
        lock_wait: disk.lock_wait.max(Duration::from_secs(5)),
        ..disk.clone()
    };
    // What the server took is kept.
    options.limits.batch_events_max = usize::MAX;
    options.limits.batch_bytes_max = usize::MAX;
    options
}

/// Opens the partitions to write them.
pub(crate) async fn open(
    place: &Place,
    names: &[String],
    options: &DiskOptions,
) -> Result<Vec<Arc<DiskLog>>, MirrorError> {
    let mut logs = Vec::new();
    for name in names {
        finish_swap(place, name)?;
        let log = DiskLog::open(place.data(), name, options.clone()).await?;
        if let Some(recovery) = log.recovery() {
            tracing::warn!(%recovery, "the mirror's end is mirrored again");
        }
        logs.push(Arc::new(log));
    }
    Ok(logs)
}

/// Opens the partitions to read them; none while whoever maintains them is creating or replacing one.
pub(crate) async fn follow(
    place: &Place,
    names: &[String],
    options: &DiskOptions,
) -> Result<Option<Vec<Arc<DiskLog>>>, MirrorError> {
    let mut logs = Vec::new();
    for name in names {
        match DiskLog::open_read_only(place.data(), name, options.clone()).await {
            Ok(log) => logs.push(Arc::new(log)),
            Err(OpenError::NoStream { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(logs))
}

/// What failed on this machine's disk, for whoever reads from the mirror.
pub(crate) fn read_error(shared: &Shared, error: &AppendError) -> ReadError {
    match error {
        AppendError::Closed => ReadError::Closed,
        error => ReadError::Storage {
            action: "mirroring to",
            path: shared.place.dir().display().to_string(),
            message: error.to_string(),
        },
    }
}

/// The name under which a partition is rebuilt before it takes the other's place.
fn rebuilding(name: &str) -> String {
    format!("{name}:rebuilding")
}

/// The first name of a kind that no stream has.
fn free(place: &Place, name: &str, kind: &str) -> Result<String, OpenError> {
    let taken = streams(&place.data())?;
    let names = (1_u32..).map(|n| format!("{name}:{kind}-{n}"));
    let mut free = names.filter(|name| !taken.contains(name));
    Ok(free.next().unwrap_or_default())
}

/// What was set aside of all partitions; it grows with each.
pub(crate) fn set_aside(place: &Place, names: &[String]) -> Vec<String> {
    let aside = |stream: &String| {
        names
            .iter()
            .filter_map(|name| stream.strip_prefix(name.as_str()))
            .any(|rest| rest.starts_with(":diverged-"))
    };
    let mut streams = streams(&place.data()).unwrap_or_default();
    streams.retain(aside);
    streams
}

/// Puts a partition that was rebuilt in its place, where a crash came between.
fn finish_swap(place: &Place, name: &str) -> Result<(), OpenError> {
    let there = streams(&place.data())?;
    let rebuilt = rebuilding(name);
    if there.contains(&rebuilt) && !there.iter().any(|stream| stream == name) {
        rename_stream(&place.data(), &rebuilt, name)?;
    }
    Ok(())
}

/// Setting a partition aside and putting a new one, with its beginning, in its place.
pub(crate) struct Swap<'a> {
    shared: &'a Shared,
    name: &'a str,
}

impl<'a> Swap<'a> {
    pub(crate) fn new(shared: &'a Shared, partition: Partition) -> Self {
        Self {
            shared,
            name: &shared.names[partition as usize],
        }
    }

    /// What the partition will be called.
    pub(crate) fn set_aside_as(&self) -> Result<String, MirrorError> {
        Ok(free(&self.shared.place, self.name, "diverged")?)
    }

    /// Copies what lies up to `common` and puts the copy in the log's place. A crash leaves the old one or
    /// the new one there, or the new one yet to be renamed.
    pub(crate) async fn run(
        &self,
        old: &DiskLog,
        common: EntryId,
        set_aside: &str,
    ) -> Result<Arc<DiskLog>, MirrorError> {
        let (place, data) = (&self.shared.place, self.shared.place.data());
        let rebuilt = rebuilding(self.name);
        let options = &self.shared.disk;
        let mut new = DiskLog::open(&data, &rebuilt, options.clone()).await?;
        // A copy that was interrupted is gone on with, unless it was begun for another end.
        let begun = self.is_part_of(old, &new, common).await;
        if !begun.map_err(|error| MirrorError::from_read(place, &error))? {
            new.close().await.map_err(|error| self.failed(&error))?;
            rename_stream(&data, &rebuilt, &free(place, self.name, "leftover")?)?;
            new = DiskLog::open(&data, &rebuilt, options.clone()).await?;
        }
        let copied = self.copy(old, &new, common).await;
        copied.map_err(|error| MirrorError::from_read(place, &error))?;
        new.close().await.map_err(|error| self.failed(&error))?;
        old.close().await.map_err(|error| self.failed(&error))?;
        rename_stream(&data, self.name, set_aside)?;
        rename_stream(&data, &rebuilt, self.name)?;
        Ok(Arc::new(
            DiskLog::open(&data, self.name, options.clone()).await?,
        ))
    }

    /// Whether a copy ends at an entry of the log it was made of, not after `common`.
    async fn is_part_of(
        &self,
        old: &DiskLog,
        copy: &DiskLog,
        common: EntryId,
    ) -> Result<bool, ReadError> {
        let newest = ReadRange::new(IdRange::ALL).backward().limit(1);
        let Some(last) = copy.entries(&newest).await?.pop() else {
            return Ok(true);
        };
        let same = ReadRange::new(IdRange {
            start: Bound::Included(last.id),
            end: Bound::Included(last.id),
        });
        let there = old.entries(&same).await?.pop();
        Ok(last.id <= common && there.is_some_and(|there| there.fields == last.fields))
    }

    async fn copy(&self, old: &DiskLog, new: &DiskLog, common: EntryId) -> Result<(), ReadError> {
        let failed = |error: AppendError| read_error(self.shared, &error);
        loop {
            let after = tail_of(new).await?;
            let ids = IdRange {
                start: Bound::Excluded(after),
                end: Bound::Included(common),
            };
            let entries = old.entries(&ReadRange::new(ids)).await?;
            if entries.is_empty() {
                // Closing syncs as well, but this says whether it succeeded.
                return new.sync().await.map_err(failed);
            }
            new.append_with_ids(entries).await.map_err(failed)?;
        }
    }

    fn failed(&self, error: &AppendError) -> MirrorError {
        MirrorError::from_read(&self.shared.place, &read_error(self.shared, error))
    }
}
