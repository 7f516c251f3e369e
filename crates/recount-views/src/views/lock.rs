//! The lock of a view: a file beside its directory, held by the one process that maintains it. The operating
//! system lets go of it when that process ends, however it does.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::ViewError;

/// A view's lock, held. What it protects is dropped before it.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// The lock of the view that `dir` keeps, unless somebody holds it.
    pub(crate) fn try_take(dir: &Path) -> Result<Option<Self>, ViewError> {
        let path = path_of(dir);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| failed("creating", parent, &error))?;
        }
        let options = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let mut file = options.map_err(|error| failed("opening", &path, &error))?;
        match file.try_lock() {
            Ok(()) => (),
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(failed("locking", &path, &error)),
        }
        // For people who ask who it is; the lock holds without.
        let _ = file
            .set_len(0)
            .and_then(|()| write!(file, "{}", std::process::id()));
        Ok(Some(Self { _file: file }))
    }
}

/// Who maintains a view.
pub(crate) struct Holder {
    /// As which process, if that can be read.
    pub(crate) process: Option<u32>,
}

/// Who maintains the view that `dir` keeps, if somebody does.
pub(crate) fn holder(dir: &Path) -> Option<Holder> {
    let path = path_of(dir);
    let file = File::open(&path).ok()?;
    // Shared, and for an instant: a maintainer that begins just now tries again.
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            let text = fs::read_to_string(&path).ok();
            let process = text.and_then(|text| text.trim().parse().ok());
            Some(Holder { process })
        }
        _ => None,
    }
}

fn path_of(dir: &Path) -> PathBuf {
    dir.with_extension("lock")
}

fn failed(action: &'static str, path: &Path, error: &io::Error) -> ViewError {
    let path = path.display().to_string();
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ViewError::Denied { path }
        }
        _ => ViewError::Storage {
            action,
            path,
            message: error.to_string(),
        },
    }
}
