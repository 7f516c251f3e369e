//! The seam between the engine and a file system.
//!
//! Everything the engine does to files goes through [`Storage`], so that tests can tear writes,
//! lose what was not synced, fill the disk and fail a sync.

mod real;

use std::io::{self, IoSlice};
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

pub use real::FileSystem;

use crate::error::{Doing, Fault};

/// A file system, as far as the engine needs one.
pub trait Storage: Send + Sync + 'static {
    /// Creates a directory and what lies above it.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// The names of what is in a directory, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Opens a file.
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn StorageFile>>;
    /// Renames a file, replacing what has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Puts a directory's entries on stable storage.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Locks a file exclusively, creating it if need be and writing the process id into it; none
    /// if somebody else holds it. Dropping the lock releases it, and so does the process's end.
    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>>;
    /// Whether somebody holds the lock.
    fn is_locked(&self, path: &Path) -> io::Result<bool>;
}

/// How to open a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenHow {
    /// To read; it must exist.
    Read,
    /// To read and write; it must exist.
    Write,
    /// To read and write; created, or emptied if it exists.
    Create,
}

/// An open file.
pub trait StorageFile: Send + Sync + 'static {
    /// Reads into `buffer` from `offset` on; returns how much, less only at the file's end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `parts`, one after another, from `offset` on. After an error some of it may be
    /// written.
    fn write_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<()>;
    /// Puts the file's content and length on stable storage.
    fn sync(&self) -> io::Result<()>;
    /// Cuts the file off, or extends it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// The file's length.
    fn len(&self) -> io::Result<u64>;
    /// The first `len` bytes, which nobody changes any more.
    fn map(&self, len: u64) -> io::Result<Map>;
    /// Whether the file still has a name: one that was removed is lost when it is closed.
    fn still_stands(&self) -> io::Result<bool> {
        Ok(true)
    }
    /// Whether the file is empty.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }
}

/// A held lock; dropping it releases it.
pub trait Lock: Send + Sync {
    /// Whether the locked file still stands under its name. If it does not, another process can take
    /// a lock of its own there.
    fn still_stands(&self) -> io::Result<bool> {
        Ok(true)
    }
}

/// The bytes of a file that no longer changes.
pub enum Map {
    /// Mapped into memory.
    File(memmap2::Mmap),
    /// Read into memory.
    Memory(Vec<u8>),
}

impl Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::File(map) => map,
            Self::Memory(bytes) => bytes,
        }
    }
}

/// Reads exactly `len` bytes at `offset`.
pub(crate) fn read_exact(file: &dyn StorageFile, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; len];
    if file.read_at(&mut buffer, offset)? < len {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(buffer)
}

/// Writes a whole small file under a temporary name, syncs it and renames it into place.
pub(crate) fn replace(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    replace_by(storage, &path.with_extension("tmp"), path, bytes)
}

/// As [`replace`], by way of the file `temporary`.
pub(crate) fn replace_by(
    storage: &dyn Storage,
    temporary: &Path,
    path: &Path,
    bytes: &[u8],
) -> Result<(), Fault> {
    let file = storage
        .open(temporary, OpenHow::Create)
        .doing("creating", temporary)?;
    file.write_at(&[IoSlice::new(bytes)], 0)
        .doing("writing", temporary)?;
    file.sync().doing("syncing", temporary)?;
    storage
        .rename(temporary, path)
        .doing("renaming", temporary)?;
    match path.parent() {
        Some(dir) => storage.sync_dir(dir).doing("syncing", dir),
        None => Ok(()),
    }
}

/// Whether an error says that the disk, or the user's share of it, is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
