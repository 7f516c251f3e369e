//! `groups.log` as it is written.

use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;

use super::change::Change;
use super::codec::put;
use super::frame::{salt, seal};
use super::snapshot;
use super::state::State;
use crate::dir::StreamDir;
use crate::error::{Doing, Fault};
use crate::frame::Salt;
use crate::storage::{OpenHow, StorageFile};

/// The file is not written anew while it is smaller.
pub(super) const REWRITE_MIN: u64 = 1 << 20;
/// Nor while it is smaller than so many snapshots.
const REWRITE_SNAPSHOTS: u64 = 4;

/// The open file.
pub(super) struct Journal {
    pub(super) file: Arc<dyn StorageFile>,
    pub(super) number: u64,
    salt: Salt,
    /// Where the next frame goes.
    pub(super) end: u64,
    /// Up to where the file is known to be on stable storage.
    pub(super) synced: u64,
    /// Beyond this size it is written anew.
    pub(super) rewrite_at: u64,
    buffer: Vec<u8>,
    /// What was written since a snapshot was taken that is on its way: the changes of each frame.
    pub(super) since: Option<Vec<Vec<u8>>>,
}

impl Journal {
    /// Goes on in a file whose frames end at `end`.
    pub(super) fn going_on(
        file: Arc<dyn StorageFile>,
        dir: &StreamDir,
        number: u64,
        end: u64,
        snapshot: u64,
    ) -> Self {
        Self {
            file,
            number,
            salt: salt(&dir.meta, number),
            end,
            synced: snapshot,
            rewrite_at: rewrite_at(snapshot),
            buffer: Vec::new(),
            since: None,
        }
    }

    /// Writes a new file that holds `state`, on stable storage, but not in its place yet.
    pub(super) fn prepare(dir: &StreamDir, bytes: &[u8], number: u64) -> Result<Self, Fault> {
        let path = temporary(dir);
        let file = dir
            .storage
            .open(&path, OpenHow::Create)
            .doing("creating", &path)?;
        file.write_at(&[IoSlice::new(bytes)], 0)
            .doing("writing", &path)?;
        file.sync().doing("syncing", &path)?;
        let end = bytes.len() as u64;
        Ok(Self::going_on(file, dir, number, end, end))
    }

    /// Writes a new file that holds `state` and puts it in its place.
    pub(super) fn write_anew(dir: &StreamDir, state: &State, number: u64) -> Result<Self, Fault> {
        let bytes = snapshot::file(state, &dir.meta, number);
        let written = Self::prepare(dir, &bytes, number).and_then(|journal| {
            take_place(dir)?;
            Ok(journal)
        });
        if written.is_err() {
            // A part of it would only take space. Removed at the next opening at the latest.
            let _ = dir.storage.remove(&temporary(dir));
        }
        let journal = written?;
        dir.storage
            .sync_dir(&dir.path)
            .doing("syncing", &dir.path)?;
        Ok(journal)
    }

    /// Writes changes as one frame. If that fails, the file is as before.
    pub(super) fn append(&mut self, changes: &[Change<'_>], path: &Path) -> Result<(), Fault> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let behind = self.end - self.synced;
        let mut begins = 0;
        let mut ends = 0;
        seal(&mut buffer, self.salt, self.end, |out| {
            put(out, behind);
            begins = out.len();
            for change in changes {
                change.encode(out);
            }
            ends = out.len();
        });
        let written = self.write(&buffer, path);
        if written.is_ok()
            && let Some(since) = &mut self.since
        {
            since.push(buffer[begins..ends].to_vec());
        }
        self.buffer = buffer;
        written
    }

    /// Writes the changes of several frames as one frame each.
    pub(super) fn append_all(&mut self, frames: &[Vec<u8>], path: &Path) -> Result<(), Fault> {
        let mut buffer = Vec::new();
        for changes in frames {
            let at = self.end + buffer.len() as u64;
            seal(&mut buffer, self.salt, at, |out| {
                put(out, at - self.synced);
                out.extend_from_slice(changes);
            });
        }
        self.write(&buffer, path)
    }

    fn write(&mut self, bytes: &[u8], path: &Path) -> Result<(), Fault> {
        let written = self.file.write_at(&[IoSlice::new(bytes)], self.end);
        if let Err(error) = written {
            // What was written in part is no frame; whether it can be cut off makes no difference.
            let _ = self.file.set_len(self.end);
            return Err(error).doing("writing", path);
        }
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Takes back the last frame, which began at `end`.
    pub(super) fn take_back(&mut self, end: u64) {
        self.end = end;
        // Then the next opening finds it, and what follows from it holds.
        let _ = self.file.set_len(end);
    }
}

/// Gives the file that was prepared its name.
pub(super) fn take_place(dir: &StreamDir) -> Result<(), Fault> {
    let path = temporary(dir);
    dir.storage
        .rename(&path, &dir.groups())
        .doing("renaming", &path)
}

/// At which size a file whose snapshot takes so much is written anew.
pub(super) fn rewrite_at(snapshot: u64) -> u64 {
    (snapshot * REWRITE_SNAPSHOTS).max(REWRITE_MIN)
}

pub(super) fn temporary(dir: &StreamDir) -> std::path::PathBuf {
    dir.groups().with_extension("tmp")
}
