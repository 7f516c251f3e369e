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
    /// How many segments there are (`*.log`).
    pub segments: u64,
    /// Bytes of the segments.
    pub segment_bytes: u64,
    /// Bytes of everything else: indexes, id tables, bookkeeping.
    pub other_bytes: u64,
}

/// Adds up the files in `dir` and below.
pub fn sizes(dir: &Path) -> io::Result<Sizes> {
    let mut sum = Sizes::default();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            let inner = sizes(&path)?;
            sum.segments += inner.segments;
            sum.segment_bytes += inner.segment_bytes;
            sum.other_bytes += inner.other_bytes;
        } else if path.extension().is_some_and(|extension| extension == "log") {
            sum.segments += 1;
            sum.segment_bytes += metadata.len();
        } else {
            sum.other_bytes += metadata.len();
        }
    }
    Ok(sum)
}
