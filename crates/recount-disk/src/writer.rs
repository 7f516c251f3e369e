//! The one thread that changes a stream: it gives out ids, writes, syncs and acknowledges.
//!
//! Appends that arrive while a sync is under way are taken together: one write, one sync, then every
//! one of them is answered. Everything that can be done before or after is done elsewhere: encoding
//! in the caller's task (`prepare`), indexes and tables in the background (`background`).

mod judge;
mod place;
mod retain;
mod roll;
mod sync;
mod trim;

use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use recount_core::{
    AppendError, EntryId, Outcome, ReadError, Receipt, TrimError, TrimReport, TrimRequest,
};
use tokio::sync::{mpsc, oneshot};

pub(crate) use retain::{Due, Reminder, retention_limits};
pub(crate) use roll::create_segment;
pub(crate) use sync::Unsynced;
pub(crate) use trim::keep_spare_floor;

use crate::background::Background;
use crate::dir::StreamDir;
use crate::error::{Doing, Fault};
use crate::index::MemoryIndex;
use crate::options::SyncMode;
use crate::prepare::Prepared;
use crate::segment::Segment;
use crate::shared::Shared;
use crate::storage::{Lock, StorageFile};
use crate::watermark::Watermark;

/// What the writer is asked to do.
pub(crate) enum Request {
    Append(Box<Prepared>, Reply),
    Trim(TrimRequest, oneshot::Sender<Result<TrimReport, TrimError>>),
    /// What of that which was appended until now is not on stable storage.
    Unsynced(oneshot::Sender<Result<Unsynced, AppendError>>),
    /// The revision of the session with this hash.
    Revision(u128, oneshot::Sender<Result<u64, ReadError>>),
    /// Time has passed: there may be something to trim.
    Retain,
    Close(oneshot::Sender<Result<(), AppendError>>),
}

/// How long the writer goes on without looking whether its lock is still in its place. Looking costs a
/// group of synced appends a fifth of its time; opening a log takes about as long as this.
const CHECK_ALONE_EVERY: Duration = Duration::from_millis(10);

/// One group takes at most so many requests.
const GROUP_REQUESTS_MAX: usize = 1024;
/// And ends once it holds so many bytes: many where a sync is shared, few where there is none to
/// share, so that producers can prepare the next batches meanwhile.
const GROUP_BYTES_SYNCED: u64 = 8 << 20;
const GROUP_BYTES_WRITTEN: u64 = 128 << 10;

/// The writer's state; it lives on the writer's thread.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) background: Background,
    /// The segment being written, its file and its index.
    pub(crate) active: Arc<Segment>,
    pub(crate) file: Arc<dyn StorageFile>,
    pub(crate) index: Arc<RwLock<MemoryIndex>>,
    /// Where the next frame goes.
    pub(crate) end: u64,
    /// Up to where the active segment is on stable storage; shared with who syncs in intervals.
    pub(crate) synced: Arc<AtomicU64>,
    pub(crate) segments: Arc<Vec<Arc<Segment>>>,
    pub(crate) last_id: EntryId,
    pub(crate) added: u64,
    pub(crate) trimmed: u64,
    /// Trimmed segments of which the floor relies on the file, not the tables.
    pub(crate) unsealed: Vec<u64>,
    pub(crate) watermark: Arc<dyn StorageFile>,
    pub(crate) generation: u64,
    /// Changes of the directory, for followers.
    pub(crate) changes: Arc<AtomicU64>,
    /// Why nothing more is written.
    pub(crate) stopped: Option<String>,
    pub(crate) pending: Pending,
    /// When ages are to be looked at.
    pub(crate) due: Due,
    pub(crate) reminder: Option<Reminder>,
    /// When the lock was last seen to be in its place.
    pub(crate) alone_at: Instant,
    /// Held until the thread ends.
    pub(crate) lock: Box<dyn Lock>,
}

/// Where the answer to an append goes.
type Reply = oneshot::Sender<Result<Receipt, AppendError>>;

/// Frames placed but not written, and who waits for them.
#[derive(Default)]
pub(crate) struct Pending {
    frames: Vec<Vec<u8>>,
    bytes: u64,
    replies: Vec<(Reply, Vec<Outcome>)>,
    /// What to return to if the frames cannot be written.
    before: Option<(EntryId, u64)>,
}

impl Writer {
    /// Serves requests until it is told to close or everybody who could ask is gone.
    pub(crate) fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut closing = None;
        let group_bytes = match self.shared.options.sync {
            SyncMode::Always => GROUP_BYTES_SYNCED,
            SyncMode::Interval(_) | SyncMode::Os => GROUP_BYTES_WRITTEN,
        };
        self.retain();
        while closing.is_none() {
            let Some(first) = requests.blocking_recv() else {
                break;
            };
            let mut next = Some(first);
            let mut taken = 0;
            while let Some(request) = next {
                closing = self.take(request);
                taken += 1;
                let full = taken >= GROUP_REQUESTS_MAX || self.pending.bytes >= group_bytes;
                next = if full || closing.is_some() {
                    None
                } else {
                    requests.try_recv().ok()
                };
            }
            // Whoever waits for it was told how it went, here and below.
            let _ = self.flush();
            if closing.is_none() {
                self.retain();
            }
        }
        drop(self.reminder.take());
        requests.close();
        let result = self.finish();
        if let Some(reply) = closing {
            // Whoever asked may have stopped waiting.
            let _ = reply.send(result);
        } else if let Err(error) = result {
            tracing::error!(%error, "closing the log");
        }
    }

    /// Deals with one request; returns the reply to be given on closing.
    fn take(&mut self, request: Request) -> Option<oneshot::Sender<Result<(), AppendError>>> {
        match request {
            Request::Append(prepared, reply) => match self.append(*prepared) {
                Ok(outcomes) => self.pending.replies.push((reply, outcomes)),
                // A refusal may rest on what is pending: it holds once that is written. Who no longer
                // waits for an answer needs none, here and below.
                Err(error) => {
                    let refused = self.flush().err().unwrap_or(error);
                    drop(reply.send(Err(refused)));
                }
            },
            Request::Trim(request, reply) => {
                let _ = self.flush();
                drop(reply.send(self.trim(&request)));
            }
            Request::Unsynced(reply) => {
                let unsynced = self.flush().and_then(|()| self.unsynced());
                drop(reply.send(unsynced));
            }
            Request::Revision(session, reply) => {
                let _ = self.flush();
                drop(reply.send(self.revision(session).map_err(ReadError::from)));
            }
            // Looked at once this group is written.
            Request::Retain => {}
            Request::Close(reply) => {
                let _ = self.flush();
                return Some(reply);
            }
        }
        None
    }

    fn append(&mut self, prepared: Prepared) -> Result<Vec<Outcome>, AppendError> {
        self.check_running()?;
        self.place(prepared)
    }

    fn check_running(&mut self) -> Result<(), AppendError> {
        if self.stopped.is_none() {
            self.stopped = self.background.failure();
        }
        match &self.stopped {
            Some(reason) => Err(AppendError::Stopped {
                reason: reason.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Writes what is pending, makes it as durable as promised, shows it and answers.
    fn flush(&mut self) -> Result<(), AppendError> {
        let Pending {
            frames,
            bytes,
            replies,
            before,
        } = std::mem::take(&mut self.pending);
        let written = if frames.is_empty() {
            Ok(())
        } else {
            self.write(&frames, bytes, before)
        };
        if written.is_ok() && !frames.is_empty() {
            self.publish();
        }
        let durability = self.shared.options.sync.durability();
        self.shared.buffers.give_back(frames);
        for (reply, outcomes) in replies {
            let answer = written.clone().map(|()| Receipt {
                outcomes,
                durability,
            });
            drop(reply.send(answer));
        }
        written
    }

    fn write(
        &mut self,
        frames: &[Vec<u8>],
        bytes: u64,
        before: Option<(EntryId, u64)>,
    ) -> Result<(), AppendError> {
        let (file, path) = (Arc::clone(&self.file), self.segment_path());
        if self.alone_at.elapsed() >= CHECK_ALONE_EVERY {
            self.check_alone().map_err(|fault| self.stop(&fault))?;
            self.alone_at = Instant::now();
        }
        let parts: Vec<IoSlice<'_>> = frames.iter().map(|frame| IoSlice::new(frame)).collect();
        if let Err(fault) = file.write_at(&parts, self.end).doing("writing", &path) {
            return Err(self.take_back(fault, before));
        }
        self.end += bytes;
        if self.shared.options.sync == SyncMode::Always {
            if let Err(fault) = file.sync().doing("syncing", &path) {
                // What is on stable storage is unknown from here on: no later sync can tell.
                return Err(self.stop(&fault));
            }
            self.synced.store(self.end, Ordering::Release);
            let number = self.active.number();
            let (size, next) = (self.segment_bytes(number), self.segment_bytes(number + 1));
            self.background.filled(self.end, size, next);
        } else {
            self.background.written(&self.file, &self.synced, self.end);
        }
        self.write_watermark().map_err(|fault| self.stop(&fault))
    }

    /// Writes what is pending, for what is about to be read may be among it. If that fails, what was
    /// found out about the batch at hand no longer holds.
    fn flush_pending(&mut self) -> Result<(), AppendError> {
        if self.pending.frames.is_empty() {
            return Ok(());
        }
        self.flush()
    }

    /// Fails if somebody took away what the writer relies on: its lock, which keeps others out, or the
    /// file that it writes. What it wrote from then on would be lost.
    pub(crate) fn check_alone(&self) -> Result<(), Fault> {
        let lock = StreamDir::lock_path(&self.shared.dir.path);
        if !self.lock.still_stands().doing("checking", &lock)? {
            return Err(Fault::corrupt(
                &lock,
                0,
                "it was removed or replaced while the log was being written",
            ));
        }
        let path = self.segment_path();
        if !self.file.still_stands().doing("checking", &path)? {
            return Err(Fault::corrupt(
                &path,
                0,
                "it was removed while it was being written",
            ));
        }
        Ok(())
    }

    /// Returns to the state before frames that could not be written.
    fn take_back(&mut self, fault: Fault, before: Option<(EntryId, u64)>) -> AppendError {
        let rebuilt = self
            .file
            .set_len(self.end)
            .doing("truncating", &self.segment_path())
            .and_then(|()| self.rescan_active());
        match (rebuilt, before) {
            (Ok(index), Some((last_id, added))) => {
                *self.index.write() = index;
                (self.last_id, self.added) = (last_id, added);
                fault.into()
            }
            (Err(worse), _) => self.stop(&worse),
            (Ok(_), None) => self.stop(&fault),
        }
    }

    /// Stops writing for good.
    fn stop(&mut self, fault: &Fault) -> AppendError {
        let reason = fault.to_string();
        tracing::error!(%reason, "the log has stopped writing");
        self.stopped = Some(reason.clone());
        AppendError::Stopped { reason }
    }

    /// Stops writing if a sync failed; what else failed may succeed another time.
    fn failed(&mut self, fault: Fault) -> AppendError {
        if fault.is_failed_sync() {
            self.stop(&fault);
        }
        match self.check_running() {
            Err(stopped) => stopped,
            Ok(()) => fault.into(),
        }
    }

    /// Tells other processes how far they may read.
    pub(crate) fn write_watermark(&self) -> Result<(), Fault> {
        let watermark = Watermark {
            segment: self.active.number(),
            visible: self.end,
            synced: self.synced.load(Ordering::Acquire),
            generation: self.generation,
            changes: self.changes.load(Ordering::Acquire),
            trimmed: Some(self.trimmed),
        };
        self.watermark
            .write_at(
                &[IoSlice::new(
                    &watermark.encode(&self.shared.dir.meta.identity),
                )],
                0,
            )
            .doing("writing", &self.shared.dir.watermark())
    }

    /// Shows readers of this process what is written, and wakes those who wait.
    fn publish(&self) {
        self.shared.snapshots.send_modify(|snapshot| {
            snapshot.segments = Arc::clone(&self.segments);
            snapshot.visible = self.visible();
            snapshot.trimmed = self.trimmed;
            snapshot.added = self.added;
            snapshot.last_id = self.last_id;
        });
    }

    /// How many records of the active segment readers may see. Its index may hold more, from a batch
    /// that could not be placed whole.
    fn visible(&self) -> u32 {
        (self.added - self.active.header.base_entries) as u32
    }

    /// Ends the background work and syncs what was only written.
    fn finish(mut self) -> Result<(), AppendError> {
        // Complete segments are synced before the active one, and a failure counts.
        self.background.finish();
        let synced = self
            .check_running()
            .and_then(|()| Ok(self.check_alone().and_then(|()| self.sync_all())?));
        self.shared.groups.close();
        // Free for the next writer before anybody learns that this one is gone.
        drop(self.lock);
        self.shared
            .snapshots
            .send_modify(|snapshot| snapshot.closed = true);
        synced
    }

    fn sync_all(&self) -> Result<(), Fault> {
        let (dir, path) = (&self.shared.dir, self.segment_path());
        self.cut_reserved_room().doing("truncating", &path)?;
        self.file.sync().doing("syncing", &path)?;
        if self.shared.options.sync == SyncMode::Os {
            // In this mode the names of segments were not synced either.
            dir.storage
                .sync_dir(&dir.path)
                .doing("syncing", &dir.path)?;
        }
        self.synced.store(self.end, Ordering::Release);
        self.write_watermark()
    }

    /// Gives back the zeros behind the last frame.
    fn cut_reserved_room(&self) -> std::io::Result<()> {
        if self.file.len()? > self.end {
            self.file.set_len(self.end)?;
        }
        Ok(())
    }

    fn segment_path(&self) -> std::path::PathBuf {
        self.shared
            .dir
            .segment(self.active.number(), crate::dir::SegmentName::Log)
    }
}
