//! Room for the next segment, written ahead.
//!
//! Where a file grows, `fdatasync` has to put its new length and extents on stable storage too. Where
//! it overwrites zeros that are there already, it has not, and takes little more than half the time.
//! So while a segment fills up, the file of the next one is filled with zeros, in step with it.

use std::io::IoSlice;
use std::path::PathBuf;
use std::sync::Arc;

use crate::dir::StreamDir;
use crate::error::{Doing, Fault};
use crate::storage::{OpenHow, StorageFile};

/// Zeros written at a time, at most.
const STEP_MAX: u64 = 512 << 10;
const STEP_MIN: u64 = 4 << 10;

/// A file of zeros, on stable storage.
pub(crate) struct Reserved {
    pub(crate) file: Arc<dyn StorageFile>,
    pub(crate) path: PathBuf,
    len: u64,
}

impl Reserved {
    /// An empty file, to be extended.
    pub(super) fn create(dir: &StreamDir) -> Result<Self, Fault> {
        let path = dir.path.join("next.tmp");
        let file = dir
            .storage
            .open(&path, OpenHow::Create)
            .doing("creating", &path)?;
        Ok(Self { file, path, len: 0 })
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Writes more zeros on the way to a segment of `segment_bytes`.
    pub(super) fn extend(&mut self, segment_bytes: u64) -> Result<(), Fault> {
        let step = (segment_bytes / 16).clamp(STEP_MIN, STEP_MAX);
        let zeros = vec![0; step as usize];
        self.file
            .write_at(&[IoSlice::new(&zeros)], self.len)
            .and_then(|()| self.file.sync())
            .doing("reserving space in", &self.path)?;
        self.len += step;
        Ok(())
    }
}

/// How much of the next segment's file is to be reserved when `end` of `segment` bytes are written:
/// nothing in the first eighth, everything when seven eighths are full.
pub(super) fn wanted(end: u64, segment: u64, next_segment: u64) -> u64 {
    let into = end.saturating_sub(segment / 8);
    let span = (segment / 4 * 3).max(1);
    let share = u128::from(into) * u128::from(next_segment) / u128::from(span);
    (share as u64).min(next_segment)
}

#[cfg(test)]
mod tests {
    use super::wanted;

    #[test]
    fn room_is_reserved_in_step() {
        let mb = 1 << 20;
        assert_eq!(wanted(mb / 2, 4 * mb, 8 * mb), 0);
        assert_eq!(wanted(2 * mb, 4 * mb, 8 * mb), 4 * mb);
        assert_eq!(wanted(4 * mb - mb / 2, 4 * mb, 8 * mb), 8 * mb);
        assert_eq!(wanted(4 * mb, 4 * mb, 8 * mb), 8 * mb);
    }
}
