//! Opening a stream for writing. `FORMAT.md`, "Opening for writing".

mod tables;

use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use recount_core::EntryId;
use tokio::sync::{mpsc, watch};

use crate::background::Background;
use crate::buffers::Buffers;
use crate::dir::{SegmentName, StreamDir, prepare_root, stream_dir};
use crate::error::{Doing, Fault, OpenError, Recovery};
use crate::floor::Floor;
use crate::frame::{SEGMENT_HEADER, SegmentHeader};
use crate::groups::{self, Groups};
use crate::index::MemoryIndex;
use crate::load;
use crate::meta::Meta;
use crate::options::{DiskOptions, SyncMode};
use crate::recover::{Recovered, recover};
use crate::segment::Segment;
use crate::shared::{Shared, Snapshot, Tables};
use crate::storage::{Lock, OpenHow, Storage};
use crate::writer::{Due, Pending, Reminder, Request, Writer, create_segment, keep_spare_floor};

/// Requests that may wait for the writer.
const QUEUE: usize = 1024;

/// What an opening for writing gives.
pub(crate) struct Opened {
    pub(crate) shared: Arc<Shared>,
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) recovery: Option<Recovery>,
}

/// Opens, creating and repairing what is needed, and starts the writer.
pub(crate) fn for_writing(
    root: &Path,
    stream: &str,
    options: DiskOptions,
) -> Result<Opened, OpenError> {
    let storage = Arc::clone(&options.storage);
    let path = stream_dir(root, stream)?;
    prepare_root(&*storage, root)?;
    storage.create_dir_all(&path).doing("creating", &path)?;
    for dir in [path.parent(), Some(root)].into_iter().flatten() {
        storage.sync_dir(dir).doing("syncing", dir)?;
    }
    let lock = lock(&*storage, &path, options.lock_wait)?;
    let meta = meta(&*storage, &path, &options)?;
    let dir = Arc::new(StreamDir::new(storage, path, meta));
    Opening {
        dir,
        stream,
        options,
    }
    .open(lock)
}

/// Takes the lock, waiting for whoever holds it.
pub(crate) fn lock(
    storage: &dyn Storage,
    dir: &Path,
    wait: Duration,
) -> Result<Box<dyn Lock>, OpenError> {
    let path = StreamDir::lock_path(dir);
    let deadline = Instant::now() + wait;
    loop {
        if let Some(lock) = storage.try_lock(&path).doing("locking", &path)? {
            return Ok(lock);
        }
        if Instant::now() >= deadline {
            let pid = crate::dir::read_small(storage, &path).unwrap_or_default();
            let pid = String::from_utf8_lossy(&pid).trim().to_owned();
            return Err(OpenError::Locked {
                path: dir.display().to_string(),
                pid: if pid.is_empty() {
                    "(unknown)".into()
                } else {
                    pid
                },
            });
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn meta(storage: &dyn Storage, dir: &Path, options: &DiskOptions) -> Result<Meta, OpenError> {
    if let Some(meta) = StreamDir::read_meta(storage, dir)? {
        return Ok(meta);
    }
    let meta = Meta::generate(options.clock.now_ms());
    StreamDir::write_meta(storage, dir, &meta)?;
    Ok(meta)
}

struct Opening<'a> {
    dir: Arc<StreamDir>,
    stream: &'a str,
    options: DiskOptions,
}

impl Opening<'_> {
    fn open(self, lock: Box<dyn Lock>) -> Result<Opened, OpenError> {
        let dir = &self.dir;
        let listing = dir.list()?;
        for name in &listing.temporary {
            self.remove(&dir.path.join(name));
        }
        let floor = load::floor(dir)?;
        let (trimmed, numbers): (Vec<_>, Vec<_>) = listing
            .segments
            .iter()
            .partition(|(number, _)| *number < floor.segment);
        self.remove_trimmed(&trimmed, &listing, floor.tables_below)?;
        self.check_numbers(&numbers, floor.segment, floor.trimmed)?;

        self.remove_unsynced_tables(&numbers, &listing)?;

        let before = load::watermark(dir);
        load::check_floor(dir, &floor, before.as_ref())?;
        let Recovered {
            mut segments,
            active,
            mut recovery,
        } = recover(dir, &numbers, before.as_ref())?;
        let (added, last_id) = position_after(&segments, active.as_ref().map(|(active, _)| active));
        self.check_floor(&floor, added)?;
        if before.is_none() && added > 0 {
            let unknown = recovery.get_or_insert_with(Recovery::default);
            unknown.no_watermark = Some(dir.watermark().display().to_string());
        }
        let open_from = segments
            .last()
            .map_or(floor.segment, |last| last.number() + 1);
        self.forget_lost(open_from, last_id)?;
        // By the last entry, not by the clock, which may step back.
        let window = self.options.idempotency_window.as_millis() as u64;
        let tables = self.tables(&segments, floor.segment, last_id.ms.saturating_sub(window))?;

        let sync = self.options.sync != SyncMode::Os;
        let (active, end) = match active {
            Some(active) => active,
            None => {
                let header = SegmentHeader {
                    number: open_from,
                    base_id: last_id,
                    base_entries: added.max(floor.trimmed),
                    previous_synced: true,
                };
                let file = create_segment(dir, &header, sync)?;
                let path = dir.segment(header.number, SegmentName::Log);
                let active = Segment::growing(dir, header, file, path, MemoryIndex::default());
                (active, SEGMENT_HEADER as u64)
            }
        };
        let active = Arc::new(active);
        segments.push(Arc::clone(&active));
        let ready = Ready {
            lock,
            segments: Arc::new(segments),
            active,
            end,
            tables,
            trimmed: floor.trimmed,
            last_id,
            generation: before.map_or(0, |before| before.generation) + 1,
        };
        if dir.storage.open(&dir.spare_floor(), OpenHow::Read).is_err() {
            keep_spare_floor(dir);
        }
        let Started {
            shared,
            requests,
            notes,
        } = self.start(ready)?;
        if !notes.is_empty() {
            recovery.get_or_insert_with(Recovery::default).groups = notes;
        }
        Ok(Opened {
            shared,
            requests,
            recovery,
        })
    }

    /// Removes what nobody needs; if that fails it is tried again at the next opening.
    fn remove(&self, path: &Path) {
        if let Err(error) = self.dir.storage.remove(path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %path.display(), "cannot remove a file that is no longer needed");
        }
    }

    /// Segments are numbered without gaps from the floor on.
    fn check_numbers(
        &self,
        numbers: &[(u64, SegmentName)],
        first: u64,
        trimmed: u64,
    ) -> Result<(), OpenError> {
        if numbers.is_empty() && trimmed == 0 {
            return Ok(());
        }
        let expected = first..;
        let found = numbers.iter().map(|&(number, _)| number).chain([0]);
        for (expected, found) in expected.zip(found) {
            if found == 0 && expected > first {
                break;
            }
            if found != expected {
                let path = self.dir.segment(expected, SegmentName::Sealed);
                return Err(Fault::corrupt(&path, 0, "the segment is missing").into());
            }
        }
        Ok(())
    }

    /// What the floor counts as trimmed must be there, or have been.
    fn check_floor(&self, floor: &Floor, added: u64) -> Result<(), OpenError> {
        if added >= floor.trimmed {
            return Ok(());
        }
        let what = format!(
            "{} entries are trimmed, but only {added} were ever added",
            floor.trimmed
        );
        Err(Fault::corrupt(&self.dir.floor(), 0, what).into())
    }

    /// Starts the writer on what was found.
    fn start(self, ready: Ready) -> Result<Started, OpenError> {
        let Ready {
            lock,
            segments,
            active,
            end,
            tables,
            trimmed,
            last_id,
            generation,
        } = ready;
        let dir = Arc::clone(&self.dir);
        let (file, path) = active.file()?;
        // What stands in the active segment now was synced by recovery, or is synced here; so are the
        // names, which a process that was killed may have left unsynced.
        file.sync().doing("syncing", &path)?;
        dir.storage
            .sync_dir(&dir.path)
            .doing("syncing", &dir.path)?;
        let opened = groups::open(&dir, &self.options, last_id)?;
        let index = active.memory_index().unwrap_or_default();
        let visible = index.read().len();
        let added = active.header.base_entries + u64::from(visible);
        let snapshot = Snapshot {
            segments: Arc::clone(&segments),
            visible,
            trimmed,
            added,
            last_id,
            closed: false,
        };
        let shared = Arc::new(Shared {
            dir: Arc::clone(&dir),
            stream: self.stream.to_owned(),
            options: self.options,
            snapshots: watch::Sender::new(snapshot),
            tables: RwLock::new(tables),
            buffers: Buffers::default(),
            groups: Groups::Kept(opened.keeper),
        });
        let watermark_path = dir.watermark();
        let watermark = match dir.storage.open(&watermark_path, OpenHow::Write) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                dir.storage.open(&watermark_path, OpenHow::Create)
            }
            other => other,
        }
        .doing("opening", &watermark_path)?;
        let changes = Arc::new(AtomicU64::new(0));
        let (requests, queue) = mpsc::channel(QUEUE);
        let reminder = Reminder::start(&shared, requests.downgrade())?;
        let writer = Writer {
            background: Background::start(&shared, &changes)?,
            shared: Arc::clone(&shared),
            active,
            file,
            index,
            end,
            synced: Arc::new(AtomicU64::new(end)),
            segments,
            last_id,
            added,
            trimmed,
            unsealed: Vec::new(),
            watermark,
            generation,
            changes,
            stopped: None,
            pending: Pending::default(),
            due: Due::default(),
            reminder,
            alone_at: Instant::now(),
            lock,
        };
        writer.write_watermark()?;
        std::thread::Builder::new()
            .name("recount-write".into())
            .spawn(move || writer.run(queue))
            .doing("starting a thread for", &dir.path)?;
        Ok(Started {
            shared,
            requests,
            notes: opened.notes,
        })
    }
}

/// A writer at work.
struct Started {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
    /// What became of the consumer groups.
    notes: Vec<String>,
}

/// What was found, ready to be written to.
struct Ready {
    lock: Box<dyn Lock>,
    segments: Arc<Vec<Arc<Segment>>>,
    active: Arc<Segment>,
    /// Where the next frame goes.
    end: u64,
    tables: Tables,
    trimmed: u64,
    last_id: EntryId,
    generation: u64,
}

/// How many entries were added, and the greatest id, by what the segments hold.
fn position_after(segments: &[Arc<Segment>], active: Option<&Segment>) -> (u64, EntryId) {
    if let Some(active) = active {
        let index = active.memory_index().unwrap_or_default();
        let index = index.read();
        let last = index
            .entry_ids
            .last()
            .copied()
            .unwrap_or(active.header.base_id);
        return (active.header.base_entries + u64::from(index.len()), last);
    }
    match segments
        .last()
        .and_then(|last| Some((last, last.footer()?)))
    {
        Some((last, footer)) => {
            let greatest = if footer.count == 0 {
                last.header.base_id
            } else {
                footer.last
            };
            (last.header.base_entries + u64::from(footer.count), greatest)
        }
        None => (0, EntryId::MIN),
    }
}

/// Writes all of `bytes` to a new file and syncs it.
pub(crate) fn save(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let file = storage
        .open(path, OpenHow::Create)
        .doing("creating", path)?;
    file.write_at(&[IoSlice::new(bytes)], 0)
        .doing("writing", path)?;
    file.sync().doing("syncing", path)
}
