//! The LMDB file of a view's rows: one environment a file, opened once in a process.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, MdbError, WithoutTls};
use parking_lot::Mutex;

use super::{RowsError, check, seal};
use crate::views::lock;

/// What stands before the key of a row in the file.
pub(super) const ROWS: u8 = b'r';
/// The key of what is committed with the rows.
pub(super) const KEPT_KEY: &[u8] = b"k";
/// The bytes after a value that check it and its key.
const SUM_BYTES: usize = 4;

/// How large the file may grow while it is open. It is an address range, no memory; where the system does not
/// give as much, the next.
const MAP_BYTES: [usize; 3] = [64 << 30, 8 << 30, 1 << 30];
const READERS_MAX: u32 = 1024;
/// What their table takes, of 64 bytes each, and more than its head.
const READERS_BYTES: u64 = 64 * READERS_MAX as u64 + 4096;
const CUT: &str = "it is shorter than it was";

/// The environments that this process has open, by path: LMDB forbids opening one twice.
pub(super) static OPEN: LazyLock<Mutex<HashMap<PathBuf, Weak<Store>>>> =
    LazyLock::new(Mutex::default);

pub(super) struct Store {
    env: Env<WithoutTls>,
    rows: Database<'static, Bytes, Bytes>,
    path: PathBuf,
    pub(super) writable: bool,
    /// Whether it was looked through when it was opened.
    checked: AtomicBool,
}

/// The key of a row in the file.
pub(super) fn row_key(key: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(1 + key.len());
    stored.push(ROWS);
    stored.extend_from_slice(key);
    stored
}

/// Writes `value` as it is stored under the stored key `key` to `into`.
pub(super) fn stored_value(key: &[u8], value: &[u8], into: &mut Vec<u8>) {
    into.clear();
    into.extend_from_slice(value);
    into.extend_from_slice(&sum(key, value).to_le_bytes());
}

/// The value that is stored under `key` as `stored`; none where it does not check.
pub(super) fn checked_value<'a>(key: &[u8], stored: &'a [u8]) -> Option<&'a [u8]> {
    let (value, found) = stored.split_last_chunk::<SUM_BYTES>()?;
    (sum(key, value) == u32::from_le_bytes(*found)).then_some(value)
}

fn sum(key: &[u8], value: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), value)
}

impl Store {
    /// Opens `path`. Unless it is `maintained` by the caller, it must exist.
    pub(super) fn open(path: &Path, maintained: bool) -> Result<Arc<Self>, RowsError> {
        let parent = path.parent().and_then(|parent| parent.canonicalize().ok());
        let path = match (parent, path.file_name()) {
            (Some(parent), Some(name)) => parent.join(name),
            _ => path.to_path_buf(),
        };
        let mut open = OPEN.lock();
        if let Some(store) = open.get(&path).and_then(Weak::upgrade) {
            store.check_in_place()?;
            if maintained && !store.checked.swap(true, Ordering::Relaxed) {
                // Opened for reading while another process maintained it.
                check_file(&path)?;
            }
            return Ok(store);
        }
        open.retain(|_, store| store.strong_count() > 0);
        let found = fs::metadata(&path).map_or(0, |found| found.len());
        // While another process writes the file, it cannot be looked through; that process did.
        let checked = maintained || !is_maintained(&path);
        if checked && (found > 0 || seal::is_cut(&path)) {
            check_file(&path)?;
        }
        let store = Arc::new(Self::open_file(path.clone(), found)?);
        store.checked.store(checked, Ordering::Relaxed);
        open.insert(path, Arc::downgrade(&store));
        Ok(store)
    }

    fn open_file(path: PathBuf, bytes: u64) -> Result<Self, RowsError> {
        reserve_readers(&path)?;
        let error = match open_env(&path, bytes, EnvFlags::empty()) {
            Ok(env) => return Self::with(env, path, true),
            Err(error) if is_denied(&error) => error,
            Err(error) => return Err(failed(&path, "opening", &error)),
        };
        if let Ok(env) = open_env(&path, bytes, EnvFlags::READ_ONLY) {
            return Self::with(env, path, false);
        }
        // Without its lock file a reader is not seen by the writer, who would use pages again that are
        // being read: fine as long as there is no writer.
        if is_maintained(&path) {
            return Err(failed(&path, "opening", &error));
        }
        let flags = EnvFlags::READ_ONLY | EnvFlags::NO_LOCK;
        let env =
            open_env(&path, bytes, flags).map_err(|error| failed(&path, "opening", &error))?;
        Self::with(env, path, false)
    }

    fn with(env: Env<WithoutTls>, path: PathBuf, writable: bool) -> Result<Self, RowsError> {
        let rows = (|| {
            if writable {
                env.clear_stale_readers()?;
            }
            let txn = env.read_txn()?;
            let opened = env.open_databases_and_commit(txn, |opener, txn| {
                opener
                    .open_database::<Bytes, Bytes>(txn, None)
                    .map(CommitOrAbort::<_, ()>::Commit)
            })?;
            Ok(opened.commit().flatten())
        })();
        match rows {
            Ok(Some(rows)) => Ok(Self {
                env,
                rows,
                path,
                writable,
                checked: AtomicBool::new(false),
            }),
            Ok(None) => Err(RowsError::Damaged {
                path: path.display().to_string(),
                what: "it holds no rows".into(),
            }),
            Err(error) => Err(failed(&path, "opening", &error)),
        }
    }

    pub(super) fn env(&self) -> &Env<WithoutTls> {
        &self.env
    }

    pub(super) fn rows(&self) -> Database<'static, Bytes, Bytes> {
        self.rows
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The value in `stored`, if it is what was written under `key`.
    pub(super) fn checked<'a>(&self, key: &[u8], stored: &'a [u8]) -> Result<&'a [u8], RowsError> {
        checked_value(key, stored).ok_or_else(|| self.damaged("a row is not what was written"))
    }

    pub(super) fn damaged(&self, what: &str) -> RowsError {
        RowsError::Damaged {
            path: self.path.display().to_string(),
            what: what.to_owned(),
        }
    }

    pub(super) fn failed(&self, action: &'static str, error: &heed::Error) -> RowsError {
        failed(&self.path, action, error)
    }

    /// Fails if the file that is open is not the one under its name any more, or was cut.
    pub(super) fn check_in_place(&self) -> Result<(), RowsError> {
        let open = self.env.try_clone_inner_file();
        let open = open.map_err(|error| self.failed("reading", &error))?;
        if !seal::is_at(&open, &self.path) {
            return Err(self.damaged("it was removed or replaced while it was open"));
        }
        if seal::is_cut(&self.path) {
            return Err(self.damaged(CUT));
        }
        Ok(())
    }

    /// Notes that the file is as this process wrote it.
    pub(super) fn seal(&self) {
        seal::write(&self.path);
    }
}

/// Makes room for the table of readers, which LMDB maps and writes to: on a disk that is full, such a write
/// would end the process.
fn reserve_readers(path: &Path) -> Result<(), RowsError> {
    let mut name = path.as_os_str().to_owned();
    name.push("-lock");
    let place = PathBuf::from(name);
    let there = fs::metadata(&place).map_or(0, |found| found.len());
    let Some(missing) = READERS_BYTES
        .checked_sub(there)
        .filter(|&missing| missing > 0)
    else {
        return Ok(());
    };
    let zeros = vec![0; usize::try_from(missing).unwrap_or_default()];
    let file = fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(&place);
    match file.and_then(|mut file| file.write_all(&zeros)) {
        Err(error) => match io_failed("writing", &place, &error) {
            // Who may not write goes without the table, or is told so when it matters.
            RowsError::Denied { .. } => Ok(()),
            failed => Err(failed),
        },
        Ok(()) => Ok(()),
    }
}

/// Whether some process maintains the view that the file at `path` belongs to.
fn is_maintained(path: &Path) -> bool {
    path.parent().and_then(lock::holder).is_some()
}

/// Looks through a file that something else may have changed since it was last written.
fn check_file(path: &Path) -> Result<(), RowsError> {
    let file = fs::File::open(path).map_err(|error| io_failed("opening", path, &error))?;
    let checked = if seal::holds(path) {
        Ok(())
    } else if seal::is_cut(path) {
        Err(CUT.to_owned())
    } else {
        check::whole(&file)
    };
    checked.map_err(|what| RowsError::Damaged {
        path: path.display().to_string(),
        what,
    })
}

fn open_env(path: &Path, bytes: u64, flags: EnvFlags) -> heed::Result<Env<WithoutTls>> {
    let mut last = None;
    for map in MAP_BYTES {
        // What was full when it was open last gets more room.
        let map = map.max(
            usize::try_from(bytes)
                .unwrap_or(usize::MAX / 8)
                .saturating_mul(4),
        );
        let map = map.next_multiple_of(1 << 20);
        match open_with_map(path, map, flags) {
            Err(heed::Error::Io(error)) if error.kind() == io::ErrorKind::OutOfMemory => {
                last = Some(heed::Error::Io(error));
            }
            Err(heed::Error::EnvAlreadyOpened) => {
                // It is being closed by another thread, which let go of the last handle.
                if let Some(closing) = heed::env_closing_event(path) {
                    closing.wait_timeout(Duration::from_secs(5));
                }
                return open_with_map(path, map, flags);
            }
            other => return other,
        }
    }
    Err(last.unwrap_or(heed::Error::EnvAlreadyOpened))
}

/// The one call that the compiler cannot check: that nothing else changes the file while it is mapped. Only
/// LMDB writes to it, under its own lock; what somebody else did to it before is looked for by
/// [`check_file`]. `VIEWS.md` says what is left.
#[allow(unsafe_code)]
fn open_with_map(path: &Path, map: usize, flags: EnvFlags) -> heed::Result<Env<WithoutTls>> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(map).max_readers(READERS_MAX);
    // SAFETY: `Store::open` holds the registry's lock, so that no other environment of this process has the
    // file open; flags as LMDB documents them. Without its metadata's own sync, a crash of the machine may
    // take back the last commit, which the log then gives again.
    unsafe {
        options.flags(flags | EnvFlags::NO_SUB_DIR | EnvFlags::NO_META_SYNC);
        options.open(path)
    }
}

fn is_denied(error: &heed::Error) -> bool {
    matches!(error, heed::Error::Io(error) if matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    ))
}

fn failed(path: &Path, action: &'static str, error: &heed::Error) -> RowsError {
    let path = path.display().to_string();
    match error {
        heed::Error::Mdb(
            MdbError::PageNotFound
            | MdbError::Corrupted
            | MdbError::VersionMismatch
            | MdbError::Invalid
            | MdbError::CursorFull
            | MdbError::PageFull
            | MdbError::Incompatible
            | MdbError::Problem,
        ) => RowsError::Damaged {
            path,
            what: error.to_string(),
        },
        heed::Error::Mdb(MdbError::MapFull) => RowsError::Storage {
            action,
            path,
            message: "it grew to the size that was set aside for it: it gets more when it is opened again".into(),
        },
        error if is_denied(error) => RowsError::Denied { path },
        // What LMDB makes of a write that the disk had no room for all of.
        heed::Error::Io(error) if error.raw_os_error() == Some(5) => RowsError::Storage {
            action,
            path,
            message: format!("{error}: the disk is full, or it fails"),
        },
        error => RowsError::Storage {
            action,
            path,
            message: error.to_string(),
        },
    }
}

pub(super) fn io_failed(action: &'static str, path: &Path, error: &io::Error) -> RowsError {
    let path = path.display().to_string();
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            RowsError::Denied { path }
        }
        _ => RowsError::Storage {
            action,
            path,
            message: error.to_string(),
        },
    }
}
