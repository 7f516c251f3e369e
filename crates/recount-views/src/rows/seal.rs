//! What says that a file is as its maintainer left it: its length and the time of its last change, noted
//! beside it after each commit.
//!
//! Looking through all of a large file takes seconds, so it is done only where the note does not fit: after a
//! crash, and after something else wrote to the file.

use std::fs::{self, File, Metadata};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

pub(super) fn holds(path: &Path) -> bool {
    let (Ok(found), Ok(noted)) = (fs::metadata(path), fs::read(note_of(path))) else {
        return false;
    };
    noted == words(&found).into_bytes()
}

pub(super) fn write(path: &Path) {
    // A note that is missing costs a look through the file, no more.
    if let Ok(found) = fs::metadata(path) {
        let _ = fs::write(note_of(path), words(&found));
    }
}

/// Whether the file is shorter than the note says: LMDB never shortens it.
pub(super) fn is_cut(path: &Path) -> bool {
    let (Ok(found), Ok(noted)) = (fs::metadata(path), fs::read_to_string(note_of(path))) else {
        return false;
    };
    let noted = noted.split(' ').next().and_then(|bytes| bytes.parse().ok());
    noted.is_some_and(|bytes: u64| found.len() < bytes)
}

/// Whether `open` is what stands at `path`.
pub(super) fn is_at(open: &File, path: &Path) -> bool {
    let (Ok(open), Ok(found)) = (open.metadata(), fs::metadata(path)) else {
        return false;
    };
    identity(&open) == identity(&found)
}

fn note_of(path: &Path) -> PathBuf {
    path.with_extension("seal")
}

/// What tells a file from one that was changed since.
pub(crate) fn words(found: &Metadata) -> String {
    let changed = found.modified().ok();
    let changed = changed.and_then(|changed| changed.duration_since(UNIX_EPOCH).ok());
    let nanos = changed.map_or(0, |changed| changed.as_nanos());
    let (device, file) = identity(found);
    format!(
        "{} bytes, changed {nanos}, file {device}:{file}\n",
        found.len()
    )
}

#[cfg(unix)]
fn identity(found: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (found.dev(), found.ino())
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> (u64, u64) {
    (0, 0)
}
