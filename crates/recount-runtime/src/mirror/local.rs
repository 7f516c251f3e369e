//! The mirror's own logs: opening them, and beginning one anew.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use recount_core::{
    AppendError, EntryId, EventLog, IdRange, Partition, ReadError, ReadRange, Retention,
};
use recount_disk::{DiskLog, DiskOptions, OpenError, SyncMode, rename_stream, streams};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::MirrorError;
use super::compare::tail_of;
use super::place::Place;
use super::shared::Shared;
use super::task::joined;

/// How long a stream that is to be renamed may be locked, and how often that is tried.
const LOCKED_MAX: Duration = Duration::from_secs(5);
const LOCKED_LOOK: Duration = Duration::from_millis(5);
/// So many partitions are opened at a time.
const AT_ONCE: usize = 16;

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
    finish_swaps(place, names).await?;
    let open = |name: String| {
        let (data, options) = (place.data(), options.clone());
        async move { DiskLog::open(data, &name, options).await }
    };
    let logs = each(names, open).await?;
    for recovery in logs.iter().filter_map(|log| log.recovery()) {
        tracing::warn!(%recovery, "the mirror's end is mirrored again");
    }
    Ok(logs)
}

/// Opens the partitions to read them; none while whoever maintains them is creating or replacing one.
pub(crate) async fn follow(
    place: &Place,
    names: &[String],
    options: &DiskOptions,
) -> Result<Option<Vec<Arc<DiskLog>>>, MirrorError> {
    let open = |name: String| {
        let (data, options) = (place.data(), options.clone());
        async move { DiskLog::open_read_only(data, &name, options).await }
    };
    match each(names, open).await {
        Ok(logs) => Ok(Some(logs)),
        Err(OpenError::NoStream { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Opens the logs of all partitions, some at a time.
async fn each<F>(
    names: &[String],
    open: impl Fn(String) -> F,
) -> Result<Vec<Arc<DiskLog>>, OpenError>
where
    F: Future<Output = Result<DiskLog, OpenError>> + Send + 'static,
{
    let mut logs = vec![None; names.len()];
    let mut opening = JoinSet::new();
    let mut left = names.iter().enumerate();
    loop {
        for (partition, name) in left.by_ref().take(AT_ONCE - opening.len()) {
            let opened = open(name.clone());
            opening.spawn(async move { (partition, opened.await) });
        }
        match opening.join_next().await {
            Some(ended) => {
                let (partition, opened) = joined(ended).await;
                logs[partition] = Some(Arc::new(opened?));
            }
            None => return Ok(logs.into_iter().flatten().collect()),
        }
    }
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

/// Puts partitions that were rebuilt in their places, where a crash came between.
async fn finish_swaps(place: &Place, names: &[String]) -> Result<(), OpenError> {
    let there: BTreeSet<String> = streams(&place.data())?.into_iter().collect();
    for name in names {
        let rebuilt = rebuilding(name);
        if there.contains(&rebuilt) && !there.contains(name) {
            rename(&place.data(), &rebuilt, name).await?;
        }
    }
    Ok(())
}

/// Renames a stream of which nobody here is the writer. Whoever follows it holds its lock for an instant now and
/// then, to see whether there is a writer.
async fn rename(data: &Path, from: &str, to: &str) -> Result<(), OpenError> {
    let began = Instant::now();
    loop {
        match rename_stream(data, from, to) {
            Err(OpenError::Locked { .. }) if began.elapsed() < LOCKED_MAX => {
                sleep(LOCKED_LOOK).await;
            }
            renamed => return renamed,
        }
    }
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
            let leftover = free(place, self.name, "leftover")?;
            rename(&data, &rebuilt, &leftover).await?;
            new = DiskLog::open(&data, &rebuilt, options.clone()).await?;
        }
        let copied = self.copy(old, &new, common).await;
        copied.map_err(|error| MirrorError::from_read(place, &error))?;
        new.close().await.map_err(|error| self.failed(&error))?;
        old.close().await.map_err(|error| self.failed(&error))?;
        rename(&data, self.name, set_aside).await?;
        rename(&data, &rebuilt, self.name).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_looks_at_a_stream_does_not_keep_it_from_being_renamed() {
        let base = tempfile::tempdir().unwrap();
        let options = options(&DiskOptions::default());
        let log = DiskLog::open(base.path(), "a", options).await.unwrap();
        log.close().await.unwrap();
        let lock = base.path().join("streams").join("a").join("writer.lock");
        let looking = std::fs::File::open(lock).unwrap();
        looking.lock_shared().unwrap();
        let data = base.path().to_owned();
        let renaming = tokio::spawn(async move { rename(&data, "a", "b").await });
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!renaming.is_finished());
        drop(looking);
        renaming.await.unwrap().unwrap();
        assert_eq!(streams(base.path()).unwrap(), ["b"]);
    }
}
