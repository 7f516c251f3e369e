//! Directories for logs, and how much is in them.

use std::path::{Path, PathBuf};
use std::{fs, io};

use tempfile::TempDir;

use crate::Failure;

/// A fresh directory, removed when dropped: in `parent`, else beside this program.
pub fn fresh_dir(parent: Option<&Path>) -> Result<TempDir, Failure> {
    let parent = match parent {
        Some(parent) => parent.to_owned(),
        None => beside_this_program()?,
    };
    fs::create_dir_all(&parent)
        .and_then(|()| {
            tempfile::Builder::new()
                .prefix("bench-")
                .tempdir_in(&parent)
        })
        .map_err(|error| {
            format!("cannot create a directory in {}: {error}", parent.display()).into()
        })
}

fn beside_this_program() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    Ok(program.parent().unwrap_or(&program).join("bench"))
}

/// What the files in a directory take.
#[derive(Default, Clone, Copy)]
pub struct Sizes {
    /// Bytes of the segments.
    pub segment_bytes: u64,
    /// Bytes of everything else: indexes, id tables, bookkeeping.
    pub other_bytes: u64,
}

/// Adds up the files in `dir` and below; nobody may be writing there.
pub fn sizes(dir: &Path) -> io::Result<Sizes> {
    let mut sum = Sizes::default();
    for path in files(dir)? {
        let bytes = fs::metadata(&path)?.len();
        if is_segment(&path) {
            sum.segment_bytes += bytes;
        } else {
            sum.other_bytes += bytes;
        }
    }
    Ok(sum)
}

/// How many segments there are; one that is just being renamed counts once.
pub fn segments(dir: &Path) -> io::Result<usize> {
    let mut names: Vec<_> = files(dir)?
        .iter()
        .filter(|path| is_segment(path))
        .map(|path| path.with_extension(""))
        .collect();
    names.sort();
    names.dedup();
    Ok(names.len())
}

/// The number of the newest segment, from 1: so many there have been.
pub fn last_segment(dir: &Path) -> io::Result<u64> {
    let files = files(dir)?;
    let segments = files.iter().filter(|path| is_segment(path));
    let numbers = segments.filter_map(|path| path.file_stem()?.to_str()?.parse().ok());
    Ok(numbers.max().unwrap_or(0))
}

/// Segments are `*.log` while they are written and `*.seg` once they are sealed.
fn is_segment(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "log" || extension == "seg")
}

fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push(entry.path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_told_from_indexes_at_any_depth() {
        let dir = tempfile::tempdir().unwrap();
        let stream = dir.path().join("streams/s");
        fs::create_dir_all(&stream).unwrap();
        for (name, bytes) in [("1.seg", 10), ("1.log", 1), ("2.log", 5), ("1.idx", 3)] {
            fs::write(stream.join(name), vec![0; bytes]).unwrap();
        }
        let sizes = sizes(dir.path()).unwrap();
        assert_eq!((sizes.segment_bytes, sizes.other_bytes), (16, 3));
        assert_eq!(segments(dir.path()).unwrap(), 2);
        assert_eq!(last_segment(dir.path()).unwrap(), 2);
    }
}
