//! Syncing what was mirrored, and telling the server only then.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use recount_core::{Cursor, EntryId, Partition, Position, ReadError};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use super::compare::tail_of;
use super::local;
use super::shared::Shared;

/// After so many bytes a sync does not wait for its time.
const BYTES_UNSYNCED_MAX: u64 = 16 << 20;

/// So many partitions connect at a time: fewer than a server lets wait to be accepted.
const CONNECTING_MAX: usize = 128;

/// How long the first registration may take before the mirror goes on without.
const FIRST_WORD: Duration = Duration::from_secs(2);
/// How long the last registration may take when the mirror is closed.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Syncs, and keeps the mirror's registration.
pub(crate) struct Keeper {
    shared: Arc<Shared>,
    held: Mutex<Vec<Held>>,
    /// Told when there is something to sync.
    work: Notify,
    registering: Registering,
    /// So many partitions connect at a time.
    pub(crate) turns: Semaphore,
}

/// One registration at a time, so that an older one does not come after.
#[derive(Default)]
struct Registering {
    turn: tokio::sync::Mutex<()>,
    /// The number of the one that began last.
    begun: AtomicU64,
    /// The number of the last one that ended.
    ended: AtomicU64,
}

/// How far one partition is.
#[derive(Debug, Clone, Copy)]
struct Held {
    /// Up to here entries were appended.
    appended: EntryId,
    /// Up to here they are on stable storage.
    synced: EntryId,
    /// So many bytes were appended since.
    bytes: u64,
    /// Counts how often something was taken back: a sync that began before says nothing then.
    taken_back: u64,
}

impl Keeper {
    /// Begins with what the logs hold, on stable storage.
    pub(crate) async fn start(shared: &Arc<Shared>) -> Result<Arc<Self>, ReadError> {
        let mut held = Vec::new();
        for log in shared.logs() {
            let tail = tail_of(&log).await?;
            let synced = log.sync().await;
            synced.map_err(|error| local::read_error(shared, &error))?;
            held.push(Held {
                appended: tail,
                synced: tail,
                bytes: 0,
                taken_back: 0,
            });
        }
        Ok(Arc::new(Self {
            shared: Arc::clone(shared),
            held: Mutex::new(held),
            work: Notify::new(),
            registering: Registering::default(),
            turns: Semaphore::new(CONNECTING_MAX),
        }))
    }

    /// Notes that entries up to `last` were appended.
    pub(crate) fn appended(&self, partition: Partition, last: EntryId, bytes: u64) {
        let mut all = self.held.lock();
        let held = &mut all[partition as usize];
        let first = held.bytes == 0;
        held.appended = held.appended.max(last);
        held.bytes += bytes.max(1);
        if first || held.bytes >= BYTES_UNSYNCED_MAX {
            self.work.notify_one();
        }
    }

    /// Takes back what was said about entries after `last`.
    pub(crate) fn hold_at_most(&self, partition: Partition, last: EntryId) {
        let mut all = self.held.lock();
        let held = &mut all[partition as usize];
        held.appended = held.appended.min(last);
        held.synced = held.synced.min(last);
        held.taken_back += 1;
    }

    /// Syncs and registers until a sync fails.
    pub(crate) async fn run(&self) -> Result<Infallible, ReadError> {
        let renew_every = self.shared.lease / 3;
        let mut renew = Instant::now() + renew_every;
        let mut sync = None;
        loop {
            let (dirty, full) = self.unsynced();
            if dirty && sync.is_none() {
                sync = Some(Instant::now() + self.shared.sync_every);
            }
            let due = sync.map_or(renew, |sync| renew.min(sync));
            if !full {
                tokio::select! {
                    () = self.work.notified() => {}
                    () = tokio::time::sleep_until(due) => {}
                }
            }
            let now = Instant::now();
            let (_, full) = self.unsynced();
            if full || sync.is_some_and(|sync| sync <= now) {
                sync = None;
                self.sync().await?;
                self.try_register().await;
                renew = Instant::now() + renew_every;
            } else if renew <= now {
                self.try_register().await;
                self.count().await;
                renew = Instant::now() + renew_every;
            }
        }
    }

    /// Syncs and registers for the last time.
    pub(crate) async fn finish(&self) {
        if let Err(error) = self.sync().await {
            tracing::warn!(%error, "the mirror's end is not synced");
        }
        let last = async {
            self.register_again().await;
            self.count().await;
        };
        // The server may be gone. Its lease will be.
        let _ = tokio::time::timeout(LAST_WORD, last).await;
    }

    /// Whether anything is not synced, and whether that is much.
    fn unsynced(&self) -> (bool, bool) {
        let held = self.held.lock();
        let dirty = held.iter().any(|held| held.bytes > 0);
        let full = held.iter().any(|held| held.bytes >= BYTES_UNSYNCED_MAX);
        (dirty, full)
    }

    async fn sync(&self) -> Result<(), ReadError> {
        for partition in 0..self.shared.names.len() as Partition {
            let log = self.shared.log(partition);
            let held = self.held.lock()[partition as usize];
            if held.bytes == 0 {
                continue;
            }
            let synced = log.sync().await;
            let mut all = self.held.lock();
            let now = &mut all[partition as usize];
            if now.taken_back != held.taken_back {
                // The log may have been set aside, and closed. The next sync tells.
                continue;
            }
            synced.map_err(|error| local::read_error(&self.shared, &error))?;
            now.synced = now.synced.max(held.appended);
            now.bytes -= held.bytes.min(now.bytes);
        }
        Ok(())
    }

    /// Registers unless the server would not hear of it.
    pub(crate) async fn register_again(&self) {
        if self.shared.status.borrow().unregistered.is_none() {
            self.try_register().await;
        }
    }

    /// Tells the server up to where everything is on stable storage here.
    async fn register(&self) -> Result<(), ReadError> {
        let synced: Cursor = {
            let held = self.held.lock();
            let positions = held.iter().zip(0..).map(|(held, partition)| Position {
                partition,
                entry_id: held.synced,
            });
            positions.collect()
        };
        let shared = &self.shared;
        let registered = shared.origin.register(&shared.name, &synced, shared.lease);
        registered.await
    }

    /// Registers before anything is read. A server may take its time to say that it lets nobody write: what is
    /// trimmed meanwhile is found missing.
    ///
    /// Partitions that come while another's registration is under way share the next one.
    pub(crate) async fn register_first(&self) {
        if tokio::time::timeout(FIRST_WORD, self.try_register())
            .await
            .is_err()
        {
            self.note(Some(ReadError::Unavailable {
                address: self.shared.origin.address(),
                message: "it has not answered the registration yet".into(),
            }));
        }
    }

    /// Registers, unless a registration that begins from here on ends before it is this one's turn.
    async fn try_register(&self) {
        let Registering { turn, begun, ended } = &self.registering;
        let seen = begun.load(Ordering::SeqCst);
        let _turn = turn.lock().await;
        if ended.load(Ordering::SeqCst) > seen {
            return;
        }
        let number = begun.fetch_add(1, Ordering::SeqCst) + 1;
        self.register_now().await;
        ended.store(number, Ordering::SeqCst);
    }

    async fn register_now(&self) {
        let refused = self.register().await.err();
        if let Some(error) = &refused {
            tracing::debug!(%error, "the mirror is not registered");
        }
        self.note(refused);
    }

    fn note(&self, refused: Option<ReadError>) {
        self.shared.status.send_if_modified(|status| {
            let changed = status.unregistered != refused;
            status.unregistered = refused;
            changed
        });
    }

    /// Compares what the server counts with what was mirrored.
    async fn count(&self) {
        for partition in 0..self.shared.names.len() as Partition {
            let Ok(standing) = self.shared.origin.standing(partition).await else {
                return;
            };
            if let Err(error) = self.shared.set_count(partition, &standing, false) {
                tracing::warn!(%error, "what the mirror misses is not recorded yet");
            }
        }
    }
}
