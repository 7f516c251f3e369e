//! The index's directory as the index library sees it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    Directory, DirectoryLock, FileHandle, INDEX_WRITER_LOCK, Lock, MmapDirectory, WatchCallback,
    WatchHandle, WritePtr,
};

/// Files mapped into memory, which other processes read and one writes.
///
/// That it is one is seen to by the view's lock: the index library's own is not taken. Another of its locks
/// keeps a writer from removing files while a reader opens them; who may not take it, having no permission to
/// write there, goes without, and opens again where a file went away.
#[derive(Debug, Clone)]
pub(super) struct Shared(MmapDirectory);

impl Shared {
    pub(super) fn open(dir: &Path) -> tantivy::Result<Self> {
        Ok(Self(MmapDirectory::open(dir)?))
    }
}

impl Directory for Shared {
    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        let none = DirectoryLock::from(Box::new(()));
        if lock.filepath == INDEX_WRITER_LOCK.filepath {
            return Ok(none);
        }
        match self.0.acquire_lock(lock) {
            Err(LockError::IoError(_)) => Ok(none),
            lock => lock,
        }
    }

    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.0.get_file_handle(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.0.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.0.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        self.0.open_write(path)
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        self.0.atomic_read(path)
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        self.0.atomic_write(path, data)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.0.sync_directory()
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.0.watch(callback)
    }
}
