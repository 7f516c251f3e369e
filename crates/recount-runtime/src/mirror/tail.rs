//! One partition's way into its mirror: compare, catch up, then entry by entry as they come.

use std::convert::Infallible;
use std::sync::Arc;

use recount_core::{AppendError, Entry, EntryId, EventLog, Feed, Partition, ReadError, Standing};
use recount_disk::DiskLog;

use super::backoff::Backoff;
use super::compare::{Comparison, Finding, tail_of};
use super::incident::IncidentKind;
use super::keep::Keeper;
use super::local::{self, Swap};
use super::shared::Shared;

/// So many entries are asked for at a time while catching up.
const CHUNK: usize = 4_096;
/// From so many entries on a chunk is prepared beside the task that fetches the next.
const APART_FROM: usize = 512;

/// Why mirroring was interrupted.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The server: it is tried again.
    Origin(ReadError),
    /// This machine's disk: the mirror is opened anew.
    Local(ReadError),
    /// The mirror is being closed.
    Closing,
}

/// Mirrors a partition until the mirror is closed, or its disk fails.
pub(crate) async fn mirror(
    shared: Arc<Shared>,
    keeper: Arc<Keeper>,
    partition: Partition,
) -> Result<(), ReadError> {
    let tail = Tail {
        shared,
        keeper,
        partition,
    };
    let mut backoff = Backoff::new();
    loop {
        match tail.connected(&mut backoff).await {
            Err(Trouble::Local(error)) => return Err(error),
            Err(Trouble::Closing) => return Ok(()),
            Err(Trouble::Origin(error)) => {
                tracing::debug!(%error, partition, "the mirror lost its server");
                tail.shared.away(partition);
                tokio::select! {
                    () = tail.shared.closing() => return Ok(()),
                    () = backoff.wait() => {}
                }
            }
        }
    }
}

struct Tail {
    shared: Arc<Shared>,
    keeper: Arc<Keeper>,
    partition: Partition,
}

impl Tail {
    /// Mirrors over one connection.
    async fn connected(&self, backoff: &mut Backoff) -> Result<Infallible, Trouble> {
        let (log, feed) = tokio::select! {
            () = self.shared.closing() => return Err(Trouble::Closing),
            connected = self.connect() => connected?,
        };
        self.pump(log, feed, backoff).await
    }

    /// Finds out where to go on, and begins there.
    async fn connect(&self) -> Result<(Arc<DiskLog>, Box<dyn Feed>), Trouble> {
        let origin = &self.shared.origin;
        let standing = origin.standing(self.partition).await;
        let standing = standing.map_err(Trouble::Origin)?;
        // What the mirror is to get must not be trimmed from here on.
        self.keeper.hold_at_most(self.partition, standing.last);
        self.keeper.register().await.map_err(Trouble::Origin)?;
        let (log, tail) = self.compared(&standing).await?;
        self.shared.expect(self.partition, tail, &standing);
        let feed = origin.feed(self.partition, tail).await;
        Ok((log, feed.map_err(Trouble::Origin)?))
    }

    /// Compares what both have; returns where the mirror goes on.
    async fn compared(&self, standing: &Standing) -> Result<(Arc<DiskLog>, EntryId), Trouble> {
        let log = self.shared.log(self.partition);
        let tail = tail_of(&log).await.map_err(Trouble::Local)?;
        let comparison = Comparison {
            origin: &*self.shared.origin,
            partition: self.partition,
            log: &log,
            tail,
            ours: self.shared.mirrored(self.partition),
            standing,
            count: self.shared.count(self.partition),
        };
        let told = match comparison.find().await? {
            Finding::GoesOn => false,
            Finding::Gap { missing, certain } => {
                self.record_gap(standing, tail, missing, certain)?;
                true
            }
            Finding::Diverged { common, cause } => {
                let log = self.set_aside(&log, standing, tail, common, cause).await?;
                return Ok((log, common));
            }
        };
        let counted = self.shared.set_count(self.partition, standing, told);
        counted.map_err(|error| Trouble::Local(error.into()))?;
        Ok((log, tail))
    }

    fn record_gap(
        &self,
        standing: &Standing,
        after: EntryId,
        missing: Option<u64>,
        certain: bool,
    ) -> Result<(), Trouble> {
        // Told once: nothing was mirrored since.
        let told = self.shared.incidents().iter().any(|incident| {
            let same = matches!(&incident.kind, IncidentKind::Gap { after: told, certain: sure, .. }
                if *told == after && (*sure || !certain));
            incident.partition == self.partition && same
        });
        if told {
            return Ok(());
        }
        self.record(IncidentKind::Gap {
            after,
            before: standing.first,
            missing,
            certain,
        })
    }

    fn record(&self, kind: IncidentKind) -> Result<(), Trouble> {
        let recorded = self.shared.record(self.partition, kind);
        recorded.map_err(|error| Trouble::Local(error.into()))
    }

    /// Sets the partition aside and begins a new one with what both have.
    async fn set_aside(
        &self,
        log: &Arc<DiskLog>,
        standing: &Standing,
        tail: EntryId,
        common: EntryId,
        cause: String,
    ) -> Result<Arc<DiskLog>, Trouble> {
        let swap = Swap::new(&self.shared, self.partition);
        let set_aside = swap
            .set_aside_as()
            .map_err(|error| Trouble::Local(error.into()))?;
        self.record(IncidentKind::Divergence {
            cause,
            common,
            ours: tail,
            theirs: standing.last,
            set_aside: Some(set_aside.clone()),
        })?;
        // Nobody shall rely on what is about to be set aside.
        self.keeper.hold_at_most(self.partition, common);
        let swapped = swap.run(log, common, &set_aside).await;
        let log = swapped.map_err(|error| Trouble::Local(error.into()))?;
        self.shared
            .set_log(self.partition, &log)
            .await
            .map_err(Trouble::Local)?;
        self.keeper.register().await.map_err(Trouble::Origin)?;
        Ok(log)
    }

    /// Appends what comes, fetching the next entries meanwhile.
    async fn pump(
        &self,
        log: Arc<DiskLog>,
        mut feed: Box<dyn Feed>,
        backoff: &mut Backoff,
    ) -> Result<Infallible, Trouble> {
        let mut entries = Vec::new();
        loop {
            let append = self.append(&log, entries);
            let next = async {
                tokio::select! {
                    () = self.shared.closing() => Err(Trouble::Closing),
                    fetched = feed.next(CHUNK) => fetched.map_err(Trouble::Origin),
                }
            };
            tokio::pin!(append, next);
            // An append is always finished: what it appended has to be counted.
            let fetched = tokio::select! {
                appended = &mut append => {
                    appended?;
                    next.await
                }
                fetched = &mut next => {
                    append.await?;
                    fetched
                }
            };
            entries = fetched?;
            backoff.reset();
        }
    }

    async fn append(&self, log: &Arc<DiskLog>, entries: Vec<Entry>) -> Result<(), Trouble> {
        let Some(last) = entries.last().map(|entry| entry.id) else {
            return Ok(());
        };
        let count = entries.len() as u64;
        let bytes = entries.iter().map(bytes_of).sum();
        let appended = if entries.len() < APART_FROM {
            log.append_with_ids(entries).await
        } else {
            let log = Arc::clone(log);
            let apart = tokio::spawn(async move { log.append_with_ids(entries).await });
            match apart.await {
                Ok(appended) => appended,
                Err(failed) => std::panic::resume_unwind(failed.into_panic()),
            }
        };
        match appended {
            Ok(_) => {}
            // The server gave an id again while it was connected: compare.
            Err(error @ AppendError::IdNotAbove { .. }) => {
                return Err(Trouble::Origin(ReadError::Unavailable {
                    address: self.shared.origin.address(),
                    message: error.to_string(),
                }));
            }
            Err(error) => return Err(Trouble::Local(local::read_error(&self.shared, &error))),
        }
        self.shared.advance(self.partition, last, count);
        self.keeper.appended(self.partition, last, bytes);
        Ok(())
    }
}

fn bytes_of(entry: &Entry) -> u64 {
    let fields = entry.fields.iter();
    fields
        .map(|(name, value)| (name.len() + value.len()) as u64)
        .sum()
}
