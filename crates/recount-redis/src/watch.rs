//! Waiting for what comes next: one blocked connection a partition, while anybody waits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use recount_core::{Direction, EntryId, Partition, ReadError};
use tokio::sync::watch;

use crate::error::Failed;
use crate::net::CallError;
use crate::read;
use crate::shared::Shared;
use crate::wire;

/// How long a read blocks before it is made anew: a server that vanished without a word is noticed so.
pub(crate) const BLOCK: Duration = Duration::from_secs(10);
/// How much longer its answer may take.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// Tells of entries as they come.
pub(crate) struct Watcher {
    shared: Arc<Shared>,
    partition: Partition,
    /// There while somebody waits.
    running: Mutex<Option<watch::Receiver<News>>>,
}

/// What the blocked connection saw last.
#[derive(Clone)]
enum News {
    /// Nothing yet after this id.
    Entry(EntryId),
    Failed(ReadError),
}

impl Watcher {
    pub(crate) fn new(shared: Arc<Shared>, partition: Partition) -> Self {
        Self {
            shared,
            partition,
            running: Mutex::new(None),
        }
    }

    /// The last entry that was seen; none while nobody waits.
    pub(crate) fn seen(&self) -> Option<EntryId> {
        match *self.running().as_ref()?.borrow() {
            News::Entry(id) => Some(id),
            News::Failed(_) => None,
        }
    }

    /// Begins anew with whoever waits next: the stream ends below what was seen.
    pub(crate) fn begin_anew(&self) {
        *self.running() = None;
    }

    /// Returns once something was added after `after`, and after `last`, which was the stream's last id a
    /// moment ago.
    pub(crate) async fn changed(&self, last: EntryId, after: EntryId) -> Result<(), ReadError> {
        // Others may wait for less: all of them are told from the stream's end on.
        let mut news = self.subscribe(last);
        let found = news
            .wait_for(|news| match news {
                News::Entry(id) => *id > last.max(after),
                News::Failed(_) => true,
            })
            .await;
        match found.as_deref() {
            Ok(News::Failed(error)) => Err(error.clone()),
            Err(_) if self.shared.is_closed() => Err(ReadError::Closed),
            // An entry, or the task ended between two waits: the caller looks again.
            Ok(News::Entry(_)) | Err(_) => Ok(()),
        }
    }

    fn running(&self) -> MutexGuard<'_, Option<watch::Receiver<News>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscribe(&self, after: EntryId) -> watch::Receiver<News> {
        let mut running = self.running();
        if let Some(news) = running.as_ref()
            // A closed one is a task that failed or found nobody waiting.
            && news.has_changed().is_ok()
        {
            return news.clone();
        }
        let (tell, news) = watch::channel(News::Entry(after));
        tokio::spawn(follow(
            Arc::clone(&self.shared),
            self.partition,
            after,
            tell,
        ));
        *running = Some(news.clone());
        news
    }
}

/// Follows a partition until nobody waits any more.
async fn follow(
    shared: Arc<Shared>,
    partition: Partition,
    mut after: EntryId,
    tell: watch::Sender<News>,
) {
    loop {
        match follow_once(&shared, partition, &mut after, &tell).await {
            Ok(()) => return,
            // The connection is gone: another one goes on where it was.
            Err(Failed::Call(CallError::Unavailable { .. })) if !shared.is_closed() => {
                let keys = &shared.partitions[partition as usize];
                // Tried with backoff for as long as a call may take.
                if let Err(error) = shared.ask_one(keys, redis::cmd("PING")).await {
                    tell.send_replace(News::Failed(error));
                    return;
                }
            }
            Err(failed) => {
                let keys = &shared.partitions[partition as usize];
                tell.send_replace(News::Failed(failed.read(&keys.stream)));
                return;
            }
        }
    }
}

async fn follow_once(
    shared: &Shared,
    partition: Partition,
    after: &mut EntryId,
    tell: &watch::Sender<News>,
) -> Result<(), Failed> {
    let keys = &shared.partitions[partition as usize];
    let mut connection = shared.net.dedicated(keys.slot).await?;
    let newest = read::range_command(
        &keys.stream,
        (EntryId::MIN, EntryId::MAX),
        Direction::Backward,
        1,
    );
    let mut wanted = Instant::now();
    loop {
        let mut command = redis::cmd("XREAD");
        command
            .arg("COUNT")
            .arg(1)
            .arg("BLOCK")
            .arg(BLOCK.as_millis() as u64)
            .arg("STREAMS")
            .arg(&keys.stream)
            .arg(after.to_string());
        let reply = tokio::time::timeout(BLOCK + GRACE, connection.call(&command)).await;
        let Ok(reply) = reply else {
            return Err(silent(&shared.net.address(keys.slot)));
        };
        let shape = |shape: wire::Unexpected| shape.from(shared.net.address(keys.slot));
        if let Some(entry) = wire::read_reply(reply?).map_err(shape)?.pop() {
            tell.send_replace(News::Entry(entry.id));
            // One by one, a busy stream would run away.
            let newest = connection.call(&newest).await?;
            let newest = wire::entries(newest).map_err(shape)?.pop();
            *after = newest.map_or(entry.id, |newest| newest.id.max(entry.id));
            tell.send_replace(News::Entry(*after));
        }
        // The watcher has a receiver of its own.
        if tell.receiver_count() > 1 {
            wanted = Instant::now();
        } else if wanted.elapsed() >= BLOCK {
            return Ok(());
        }
    }
}

/// A blocked read that was not answered in its time.
pub(crate) fn silent(address: &str) -> Failed {
    Failed::Call(CallError::Unavailable {
        address: address.to_owned(),
        message: "a blocked read was not answered in time".into(),
    })
}
