//! Putting what was appended on stable storage because somebody asks for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use recount_core::AppendError;

use super::Writer;
use crate::background::State;
use crate::error::{Doing, Fault};
use crate::options::SyncMode;
use crate::segment::Segment;
use crate::shared::Shared;

/// What was appended up to a moment and is not known to be on stable storage.
///
/// The writer goes on while it is put there.
pub(crate) struct Unsynced {
    shared: Arc<Shared>,
    state: Arc<State>,
    /// Oldest first; the last one is the active one.
    segments: Vec<Arc<Segment>>,
    /// Up to where the active segment is on stable storage, and up to where it shall be.
    synced: Arc<AtomicU64>,
    end: u64,
}

impl Writer {
    /// What is not on stable storage. Everything placed is written already.
    pub(super) fn unsynced(&mut self) -> Result<Unsynced, AppendError> {
        self.check_running()?;
        self.check_alone().map_err(|fault| self.stop(&fault))?;
        let synced = self.synced.load(Ordering::Acquire) >= self.end;
        let segments = match self.shared.options.sync {
            SyncMode::Always => Vec::new(),
            SyncMode::Interval(_) | SyncMode::Os => {
                let up_to = self.background.synced_up_to();
                let active = self.active.number();
                let wanted = |segment: &&Arc<Segment>| {
                    let number = segment.number();
                    number > up_to && (number < active || !synced)
                };
                self.segments.iter().filter(wanted).cloned().collect()
            }
        };
        Ok(Unsynced {
            shared: Arc::clone(&self.shared),
            state: self.background.state(),
            segments,
            synced: Arc::clone(&self.synced),
            end: self.end,
        })
    }
}

impl Unsynced {
    /// Puts it on stable storage. If that fails, the log stops writing.
    pub(crate) fn sync(self) -> Result<(), Fault> {
        let Some(last) = self.segments.last() else {
            return Ok(());
        };
        self.state.sync(|| {
            for segment in &self.segments {
                self.sync_segment(segment)?;
            }
            // In mode `os` the names of segments were not synced when they were created.
            let dir = &self.shared.dir;
            dir.storage.sync_dir(&dir.path).doing("syncing", &dir.path)
        })?;
        self.synced.fetch_max(self.end, Ordering::AcqRel);
        self.state.synced_up_to(last.number().saturating_sub(1));
        Ok(())
    }

    fn sync_segment(&self, segment: &Segment) -> Result<(), Fault> {
        match segment.file() {
            Ok((file, path)) => file.sync().doing("syncing", &path),
            // Trimming puts on stable storage what it relies on.
            Err(Fault::Io { missing: true, .. }) if self.is_trimmed(segment) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    fn is_trimmed(&self, segment: &Segment) -> bool {
        let segments = Arc::clone(&self.shared.snapshots.borrow().segments);
        segments
            .first()
            .is_some_and(|first| first.number() > segment.number())
    }
}
