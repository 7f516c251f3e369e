//! One partition's way into its mirror: compare, catch up, then entry by entry as they come.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use recount_core::{AppendError, Entry, EntryId, EventLog, Feed, Partition, ReadError, Standing};
use recount_disk::DiskLog;

use super::backoff::Backoff;
use super::compare::{Comparison, Finding, Known, tail_of};
use super::counts::Count;
use super::incident::IncidentKind;
use super::keep::Keeper;
use super::local::{self, Swap};
use super::shared::Shared;
use super::task::joined;

/// So many entries are asked for at a time while catching up.
const CHUNK: usize = 4_096;
/// From so many entries on a chunk is prepared beside the task that fetches the next.
const APART_FROM: usize = 512;

/// Why mirroring was interrupted.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The server: it is tried again.
    Origin(ReadError),
    /// The server and the mirror have to be compared again.
    Again,
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
            Err(Trouble::Again) => {
                tail.shared.away(partition);
                // Not longer each time: readers wait for it.
                Backoff::new().wait().await;
            }
            Err(Trouble::Origin(error)) => {
                tracing::debug!(%error, partition, "the mirror lost its server");
                tail.shared.away(partition);
                if !matches!(error, ReadError::Unavailable { .. }) {
                    // Nothing tells that it will be any better next time.
                    tail.shared.trouble(error);
                }
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
        let (origin, partition) = (&self.shared.origin, self.partition);
        // Where there are many partitions, not all of them connect at once.
        let turn = self.keeper.turns.acquire().await;
        let log = self.shared.log(partition);
        let tail = tail_of(&log).await.map_err(Trouble::Local)?;
        // The server may be replaced at any moment. The feed is there before anything is compared: if that
        // happens later, the feed ends, and all of this is done again.
        let feed = origin.feed(partition, tail).await;
        let feed = feed.map_err(Trouble::Origin)?;
        let standing = origin.standing(partition).await;
        // What the mirror is to get must not be trimmed from here on.
        self.keeper
            .hold_at_most(partition, standing.map_err(Trouble::Origin)?.last);
        // All who came so far are registered at once.
        drop(turn);
        self.keeper.register_first().await;
        // Counted before the server is asked: it can only count more since.
        let count = self.shared.count(partition);
        let standing = origin.standing(partition).await;
        let standing = standing.map_err(Trouble::Origin)?;
        self.compare(&log, tail, &standing, count).await?;
        self.shared.expect(partition, tail, &standing);
        self.shared.compared(partition, true);
        Ok((log, feed))
    }

    /// Compares what both have. Where the mirror went another way it is set aside, to begin again.
    async fn compare(
        &self,
        log: &Arc<DiskLog>,
        tail: EntryId,
        standing: &Standing,
        count: Option<Count>,
    ) -> Result<(), Trouble> {
        let comparison = Comparison {
            origin: &*self.shared.origin,
            partition: self.partition,
            log,
            known: Known {
                tail,
                ours: self.shared.mirrored(self.partition),
                count,
            },
            standing,
        };
        let told = match comparison.find().await? {
            Finding::GoesOn => false,
            Finding::Gap { missing, certain } => {
                self.record_gap(standing, tail, missing, certain)?;
                true
            }
            Finding::Diverged { common, cause } => {
                self.set_aside(log, standing, tail, common, cause).await?;
                return Err(Trouble::Again);
            }
        };
        let counted = self.shared.set_count(self.partition, standing, told);
        counted.map_err(|error| Trouble::Local(error.into()))
    }

    fn record_gap(
        &self,
        standing: &Standing,
        after: EntryId,
        missing: Option<u64>,
        certain: bool,
    ) -> Result<(), Trouble> {
        // Told once: nothing was mirrored since.
        let incidents = self.shared.incidents().into_iter().rev();
        let told = incidents
            .filter(|incident| incident.partition == self.partition)
            .map_while(|incident| match incident.kind {
                IncidentKind::Gap { after, certain, .. } => Some((after, certain)),
                IncidentKind::Divergence { .. } => None,
            })
            .any(|(told, sure)| told == after && (sure || !certain));
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
    ) -> Result<(), Trouble> {
        let swap = Swap::new(&self.shared, self.partition);
        let set_aside = swap
            .set_aside_as()
            .map_err(|error| Trouble::Local(error.into()))?;
        // One that was interrupted is finished.
        let begun = self.shared.begun(self.partition, tail, &set_aside);
        let common = begun.map_or(common, |begun| begun.min(common));
        if begun != Some(common) {
            self.record(IncidentKind::Divergence {
                cause,
                common,
                ours: tail,
                theirs: standing.last,
                set_aside: Some(set_aside.clone()),
            })?;
        }
        // Nobody shall rely on what is about to be set aside.
        self.keeper.hold_at_most(self.partition, common);
        let swapped = swap.run(log, common, &set_aside).await;
        let log = swapped.map_err(|error| Trouble::Local(error.into()))?;
        self.shared
            .set_log(self.partition, &log)
            .await
            .map_err(Trouble::Local)?;
        self.keeper.register_again().await;
        Ok(())
    }

    /// Returns once the server contradicts what was mirrored. A feed does not tell that a stream was deleted.
    async fn contradicted(&self) -> Trouble {
        let (shared, partition) = (&self.shared, self.partition);
        let mut doubted = pin!(shared.doubted.notified());
        loop {
            // Renewed before it is looked at: nothing comes in between.
            doubted.set(shared.doubted.notified());
            if !shared.is_compared(partition) {
                return Trouble::Again;
            }
            if tokio::time::timeout(shared.look_every, &mut doubted)
                .await
                .is_ok()
            {
                continue;
            }
            let count = shared.count(partition);
            let progress = shared.progress.borrow()[partition as usize];
            let known = Known {
                tail: progress.last,
                ours: progress.mirrored,
                count,
            };
            // If the server is away, the feed ends as well.
            if let Ok(standing) = shared.origin.standing(partition).await
                && let Some(cause) = known.contradiction(&standing)
            {
                tracing::debug!(cause, partition, "the mirror is compared again");
                return Trouble::Again;
            }
        }
    }

    /// Appends what comes, fetching the next entries meanwhile.
    async fn pump(
        &self,
        log: Arc<DiskLog>,
        mut feed: Box<dyn Feed>,
        backoff: &mut Backoff,
    ) -> Result<Infallible, Trouble> {
        let mut entries = Vec::new();
        let mut contradicted = pin!(self.contradicted());
        loop {
            let append = self.append(&log, entries);
            let next = async {
                tokio::select! {
                    () = self.shared.closing() => Err(Trouble::Closing),
                    trouble = &mut contradicted => Err(trouble),
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
            joined(apart.await).await
        };
        match appended {
            Ok(_) => {}
            // The server gave an id again while it was connected.
            Err(AppendError::IdNotAbove { .. }) => return Err(Trouble::Again),
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
