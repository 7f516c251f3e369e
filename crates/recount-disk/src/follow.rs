//! Reading a stream that another process may be writing.
//!
//! With a living writer a follower reads up to the watermark; without one up to the last whole frame.
//! It changes nothing on disk. Between two looks it waits for the file system to tell of a change.

use std::path::Path;
use std::sync::Arc;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use parking_lot::{Mutex, RwLock};
use recount_core::EntryId;
use tokio::sync::watch;

use crate::buffers::Buffers;
use crate::dir::{SegmentName, StreamDir, TableKind, check_root, stream_dir};
use crate::error::{Doing, Fault, OpenError};
use crate::floor::Floor;
use crate::frame::{Footer, SEGMENT_HEADER, Salt};
use crate::groups::{Following, Groups};
use crate::index::MemoryIndex;
use crate::load;
use crate::options::DiskOptions;
use crate::recover::{footer_of, refuse_if_synced};
use crate::scan::Scanner;
use crate::segment::Segment;
use crate::shared::{Shared, Snapshot, Tables};
use crate::watermark::Watermark;

/// What keeps a read-only handle up to date.
pub(crate) struct Follower {
    shared: Arc<Shared>,
    state: Mutex<State>,
    /// Counts the changes that the file system told of.
    pub(crate) ticks: watch::Sender<u64>,
    /// Watches as long as the follower lives.
    _watcher: RecommendedWatcher,
}

struct State {
    segments: Vec<Arc<Segment>>,
    /// The last segment while it grows.
    growing: Option<Growing>,
    floor: Floor,
    /// At what the directory was last read.
    seen: Option<Seen>,
    /// A torn end that was looked into: its length and where it begins.
    torn: Option<(u64, u64)>,
    /// A segment without a header that was looked into, and its length.
    headless: Option<(u64, u64)>,
}

impl State {
    /// Begins anew with the next look.
    fn forget(&mut self) {
        self.segments.clear();
        self.growing = None;
        self.seen = None;
        self.torn = None;
        self.headless = None;
    }
}

/// Generation and changes of the watermark, and whether a writer lives: one that ends may have changed
/// what it could no longer tell of.
type Seen = (u64, u64, bool);

struct Growing {
    segment: Arc<Segment>,
    index: Arc<RwLock<MemoryIndex>>,
    /// Up to where frames were read.
    end: u64,
    /// The highest offset that a frame says was on stable storage.
    synced: u64,
}

/// Opens a stream for reading.
pub(crate) fn open(
    root: &Path,
    stream: &str,
    options: DiskOptions,
) -> Result<(Arc<Shared>, Arc<Follower>), OpenError> {
    let path = stream_dir(root, stream)?;
    let storage = Arc::clone(&options.storage);
    let missing = || OpenError::NoStream {
        stream: stream.to_owned(),
        path: root.display().to_string(),
    };
    if !check_root(&*storage, root)? {
        return Err(missing());
    }
    let meta = StreamDir::read_meta(&*storage, &path)?.ok_or_else(missing)?;
    let dir = Arc::new(StreamDir::new(storage, path, meta));
    let snapshot = Snapshot {
        segments: Arc::default(),
        visible: 0,
        trimmed: 0,
        added: 0,
        last_id: EntryId::MIN,
        closed: false,
    };
    let shared = Arc::new(Shared {
        dir: Arc::clone(&dir),
        stream: stream.to_owned(),
        options,
        snapshots: watch::Sender::new(snapshot),
        tables: RwLock::default(),
        buffers: Buffers::default(),
        groups: Groups::Followed(Following::new(&dir)),
    });
    let ticks = watch::Sender::new(0);
    let follower = Arc::new(Follower {
        shared: Arc::clone(&shared),
        state: Mutex::new(State {
            segments: Vec::new(),
            growing: None,
            floor: Floor::NONE,
            seen: None,
            torn: None,
            headless: None,
        }),
        // Watching begins before the first look, so that nothing falls between the two.
        _watcher: watch_dir(&dir, ticks.clone())?,
        ticks,
    });
    follower.refresh()?;
    Ok((shared, follower))
}

/// `EMFILE`, which is what the system answers where it watches enough already.
const TOO_MANY: i32 = 24;

fn watch_dir(dir: &StreamDir, ticks: watch::Sender<u64>) -> Result<RecommendedWatcher, OpenError> {
    let fail = |error: notify::Error| OpenError::Storage {
        action: "watching",
        path: dir.path.display().to_string(),
        message: match &error.kind {
            notify::ErrorKind::Io(io) if io.raw_os_error() == Some(TOO_MANY) => format!(
                "{io}: the system watches as many places for this user as it is set to; end other followers, or on Linux raise fs.inotify.max_user_instances"
            ),
            _ => error.to_string(),
        },
    };
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Looking is access too: it must not wake us again. An overflow or error always does.
        if !matches!(&event, Ok(event) if event.kind.is_access()) {
            ticks.send_modify(|ticks| *ticks += 1);
        }
    })
    .map_err(fail)?;
    watcher
        .watch(&dir.path, RecursiveMode::NonRecursive)
        .map_err(fail)?;
    Ok(watcher)
}

impl Follower {
    /// Reads what is new and shows it.
    pub(crate) fn refresh(&self) -> Result<(), Fault> {
        let mut state = self.state.lock();
        let mut attempts = 0;
        loop {
            match self.look(&mut state) {
                // A trim took away what was about to be read: read the directory anew.
                Err(Fault::Io { missing: true, .. }) if attempts < 5 => {
                    attempts += 1;
                    state.forget();
                }
                // It is not there however often one looks.
                Err(Fault::Io {
                    missing: true,
                    path,
                    ..
                }) => {
                    state.forget();
                    return Err(Fault::corrupt(Path::new(&path), 0, "the file is missing"));
                }
                Ok(()) => return Ok(()),
                Err(fault) => {
                    // A part of what was read may have been taken in.
                    state.forget();
                    return Err(fault);
                }
            }
        }
    }

    fn look(&self, state: &mut State) -> Result<(), Fault> {
        let dir = &self.shared.dir;
        let lock = StreamDir::lock_path(&dir.path);
        let alive = dir.storage.is_locked(&lock).doing("reading", &lock)?;
        let watermark = load::watermark(dir);
        let living = watermark.filter(|_| alive);
        let at = watermark.map(|last| (last.generation, last.changes));
        let (generation, changes) = at.unwrap_or_default();
        let seen = Some((generation, changes, alive));
        if state.seen != seen {
            self.read_directory(state)?;
            // Read before the floor, which is written before it.
            load::check_floor(dir, &state.floor, watermark.as_ref())?;
            state.seen = seen;
        }
        while self.advance(state, living.as_ref())? {}
        if let (None, Some(last)) = (&living, &watermark) {
            check_complete(dir, state, last)?;
        }
        self.publish(state);
        Ok(())
    }

    /// Reads floor and tables, and forgets trimmed segments.
    fn read_directory(&self, state: &mut State) -> Result<(), Fault> {
        let dir = &self.shared.dir;
        state.torn = None;
        state.headless = None;
        state.floor = load::floor(dir)?;
        let floor = state.floor.segment;
        state.segments.retain(|segment| segment.number() >= floor);
        if state
            .growing
            .as_ref()
            .is_some_and(|growing| growing.segment.number() < floor)
        {
            state.growing = None;
        }
        for segment in &state.segments {
            if segment.has_memory_index() {
                segment.switch_to_file_index();
            }
        }
        let listing = dir.list()?;
        let open = |kind, ranges| -> Result<Vec<_>, Fault> {
            let (kept, _) = load::cover(ranges);
            Ok(load::tables(dir, kind, &kept)?
                .into_iter()
                .flatten()
                .collect())
        };
        // Event ids are the writer's business.
        let sessions = open(TableKind::Sessions, listing.sessions)?;
        *self.shared.tables.write() = Tables {
            ids: Vec::new(),
            sessions,
        };
        Ok(())
    }

    /// Reads on in the growing segment, or goes on to the next. False if there is nothing more.
    fn advance(&self, state: &mut State, living: Option<&Watermark>) -> Result<bool, Fault> {
        let dir = &self.shared.dir;
        let Some(growing) = &mut state.growing else {
            return self.next_segment(state, living);
        };
        let number = growing.segment.number();
        let (file, path) = growing.segment.file()?;
        let len = file.len().doing("reading", &path)?;
        let limit = match living {
            Some(living) if living.segment == number => living.visible,
            Some(living) if living.segment < number => return Ok(false),
            _ => len,
        };
        let nothing_new = limit < growing.end || (living.is_some() && limit == growing.end);
        if nothing_new || state.torn == Some((limit, growing.end)) {
            return Ok(false);
        }
        if living.is_none() {
            // Nobody vouches for what is there: put it on stable storage before showing it.
            file.sync().doing("syncing", &path)?;
        }
        let scanner = Scanner {
            file: &*file,
            path: &path,
            salt: growing.segment.salt,
            hashes: &dir.hashes,
        };
        let scan = scanner.scan(growing.end, limit, &mut growing.index.write())?;
        growing.end = scan.end;
        growing.synced = growing.synced.max(scan.synced);
        if let Some(footer) = scan.footer {
            growing.segment.set_complete(footer);
            state.growing = None;
            return Ok(true);
        }
        match (scan.bad, living) {
            (Some(what), Some(_)) => return Err(Fault::corrupt(&path, scan.end, what)),
            (bad, None) => {
                if let Some(footer) = missing_footer(dir, growing, &scanner, len, bad)? {
                    growing.segment.set_complete(footer);
                    state.growing = None;
                    return Ok(true);
                }
            }
            (None, Some(_)) => {}
        }
        // A torn end or reserved room: not to be read again before something is written.
        state.torn = Some((limit, scan.end));
        Ok(false)
    }

    /// Opens the segment after the last one, if it is there.
    fn next_segment(&self, state: &mut State, living: Option<&Watermark>) -> Result<bool, Fault> {
        let dir = &self.shared.dir;
        let number = state
            .segments
            .last()
            .map_or(state.floor.segment, |last| last.number() + 1);
        if living.is_some_and(|living| number > living.segment) {
            return Ok(false);
        }
        let found = match load::look_at(dir, number) {
            Err(Fault::Io { missing: true, .. })
                if living.is_none() && !self.has_later_segment(number)? =>
            {
                return Ok(false);
            }
            other => other?,
        };
        // Half created; whoever writes next completes or removes it.
        if found.len < SEGMENT_HEADER as u64 && living.is_none() {
            return Ok(false);
        }
        let header = match found.header {
            Ok(header) => header,
            Err(_) if state.headless == Some((number, found.len)) => return Ok(false),
            Err(what)
                if living.is_none() && found.path == dir.segment(number, SegmentName::Log) =>
            {
                let scanner = Scanner {
                    file: &*found.file,
                    path: &found.path,
                    salt: Salt::new(&dir.meta, number),
                    hashes: &dir.hashes,
                };
                let next = segment_there(dir, number + 1)?;
                refuse_if_synced(&scanner, found.len, next.as_ref(), 0, 0, what)?;
                state.headless = Some((number, found.len));
                return Ok(false);
            }
            Err(what) => return Err(Fault::corrupt(&found.path, 0, what)),
        };
        if let Some((last, footer)) = state
            .segments
            .last()
            .and_then(|last| Some((last, last.footer()?)))
        {
            load::check_continues(dir, &last.header, footer, &header)?;
        }
        let sealed = found.path == dir.segment(number, SegmentName::Sealed);
        if let (true, Ok(footer)) = (sealed, found.footer) {
            state
                .segments
                .push(Arc::new(Segment::complete(dir, header, footer)));
            return Ok(true);
        }
        if sealed {
            let what = "the segment's footer is missing";
            return Err(Fault::corrupt(&found.path, found.len, what));
        }
        let segment = Arc::new(Segment::growing(
            dir,
            header,
            found.file,
            found.path,
            MemoryIndex::default(),
        ));
        if let Some(index) = segment.memory_index() {
            state.segments.push(Arc::clone(&segment));
            state.growing = Some(Growing {
                segment,
                index,
                end: SEGMENT_HEADER as u64,
                synced: 0,
            });
        }
        Ok(true)
    }

    fn has_later_segment(&self, number: u64) -> Result<bool, Fault> {
        let listing = self.shared.dir.list()?;
        Ok(listing.segments.iter().any(|&(later, _)| later > number))
    }

    fn publish(&self, state: &State) {
        let (visible, added, last_id) = end_of(state);
        self.shared.snapshots.send_if_modified(|snapshot| {
            let trimmed = state.floor.trimmed;
            let same = snapshot.added == added
                && snapshot.trimmed == trimmed
                && snapshot.segments.len() == state.segments.len();
            *snapshot = Snapshot {
                segments: Arc::new(state.segments.clone()),
                visible,
                trimmed,
                added: added.max(trimmed),
                last_id,
                closed: snapshot.closed,
            };
            !same
        });
    }
}

/// What is at a segment's place, if anything.
fn segment_there(dir: &StreamDir, number: u64) -> Result<Option<load::Found>, Fault> {
    match load::look_at(dir, number) {
        Err(Fault::Io { missing: true, .. }) => Ok(None),
        found => found.map(Some),
    }
}

/// The footer of a segment without one, where no writer lives and the next segment goes on at the end
/// of its frames: a footer is not synced before the next segment begins. None where the log ends
/// there; an error where what is missing or `bad` was on stable storage. As `recover` has it, but
/// changing nothing.
fn missing_footer(
    dir: &StreamDir,
    growing: &Growing,
    scanner: &Scanner<'_>,
    len: u64,
    bad: Option<&str>,
) -> Result<Option<Footer>, Fault> {
    let next = segment_there(dir, growing.segment.number() + 1)?;
    let footer = footer_of(&growing.index.read(), growing.end);
    let what = match (bad, &next) {
        (
            _,
            Some(load::Found {
                header: Ok(next), ..
            }),
        ) if load::continues(&growing.segment.header, &footer, next) => {
            return Ok(Some(footer));
        }
        (Some(what), _) => what,
        (None, Some(_)) => "records are missing before the next segment",
        (None, None) => return Ok(None),
    };
    refuse_if_synced(
        scanner,
        len,
        next.as_ref(),
        growing.end,
        growing.synced,
        what,
    )?;
    Ok(None)
}

/// An error if less is there than the last writer had put on stable storage.
fn check_complete(dir: &StreamDir, state: &State, last: &Watermark) -> Result<(), Fault> {
    let end = match (&state.growing, state.segments.last()) {
        (Some(growing), _) => (growing.segment.number(), growing.end),
        (None, Some(segment)) => (segment.number(), u64::MAX),
        (None, None) => (state.floor.segment.saturating_sub(1), u64::MAX),
    };
    match last.lost_behind(end.0, end.1) {
        Some(what) => {
            let offset = if end.0 == last.segment { end.1 } else { 0 };
            let path = match dir.open_segment(last.segment) {
                Ok((_, path)) => path,
                Err(_) => dir.segment(last.segment, SegmentName::Log),
            };
            Err(Fault::corrupt(&path, offset, what))
        }
        None => Ok(()),
    }
}

/// How many records of the last segment are there, how many were added in all, the last id.
fn end_of(state: &State) -> (u32, u64, EntryId) {
    let Some(last) = state.segments.last() else {
        return (0, state.floor.trimmed, EntryId::MIN);
    };
    let (count, id) = match (&state.growing, last.footer()) {
        (Some(growing), _) => {
            let index = growing.index.read();
            (index.len(), index.entry_ids.last().copied())
        }
        (None, Some(footer)) => (footer.count, (footer.count > 0).then_some(footer.last)),
        (None, None) => (0, None),
    };
    let header = &last.header;
    (
        count,
        header.base_entries + u64::from(count),
        id.unwrap_or(header.base_id),
    )
}
