//! The files of a view's directory: which one counts, and how a new one is called.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::RowsError;
use super::store::{OPEN, Store, io_failed};

/// The newest file in `dir`, opened; none where there is none.
pub(super) fn opened(dir: &Path) -> Result<Option<Arc<Store>>, RowsError> {
    match newest(dir)? {
        // A maintainer is about to write it, or was killed at that.
        Some((_, path)) if fs::metadata(&path).is_ok_and(|found| found.len() == 0) => Ok(None),
        Some((_, path)) => Store::open(&path, false).map(Some),
        None => Ok(None),
    }
}

/// The newest file in `dir`, opened for writing; an empty one where there is none.
pub(super) fn maintained(dir: &Path) -> Result<Arc<Store>, RowsError> {
    fs::create_dir_all(dir).map_err(|error| io_failed("creating", dir, &error))?;
    let path = match newest(dir)? {
        Some((_, path)) => path,
        None => file(dir, 1 + newest_open(dir)),
    };
    let store = Store::open(&path, true)?;
    if !store.writable {
        return Err(RowsError::Denied {
            path: path.display().to_string(),
        });
    }
    Ok(store)
}

/// Removes the files of `dir` whose names are ours. Whoever has them open keeps what there was.
pub(super) fn remove(dir: &Path) -> Result<(), RowsError> {
    let names = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|error| io_failed("reading", dir, &error))?,
    };
    for entry in names.flatten() {
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with("rows-")) {
            match fs::remove_file(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(io_failed("removing", &entry.path(), &error));
                }
                _ => (),
            }
        }
    }
    Ok(())
}

/// A file is never written anew under the name of one that may still be open here.
fn file(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("rows-{number}.mdb"))
}

fn number_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let number = name.strip_prefix("rows-")?.strip_suffix(".mdb")?;
    number.parse().ok()
}

fn newest(dir: &Path) -> Result<Option<(u64, PathBuf)>, RowsError> {
    let names = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| io_failed("reading", dir, &error))?,
    };
    let files = names.flatten().filter_map(|entry| {
        let path = entry.path();
        Some((number_of(&path)?, path))
    });
    Ok(files.max())
}

fn newest_open(dir: &Path) -> u64 {
    let Ok(dir) = dir.canonicalize() else {
        return 0;
    };
    let open = OPEN.lock();
    let here = open
        .iter()
        .filter(|(path, store)| path.parent() == Some(&dir) && store.strong_count() > 0);
    here.filter_map(|(path, _)| number_of(path))
        .max()
        .unwrap_or(0)
}
