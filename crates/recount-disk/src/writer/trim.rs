//! Removing entries from the start of the stream.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use recount_core::{AppendError, TrimError, TrimReport, TrimRequest};

use super::Writer;
use crate::background::sync_table_files;
use crate::dir::{SegmentName, StreamDir};
use crate::error::{Doing, Fault};
use crate::floor::Floor;
use crate::options::SyncMode;
use crate::shared::Snapshot;
use crate::storage::OpenHow;
use crate::trim::{Plan, plan};

impl Writer {
    /// Trims; everything placed is written already.
    ///
    /// The floor file is what makes a trim happen: once it is in place the entries are gone, and
    /// whole segments below it are removed in the background.
    pub(super) fn trim(&mut self, request: &TrimRequest) -> Result<TrimReport, TrimError> {
        if let Some(reason) = &self.stopped {
            return Err(TrimError::Stopped {
                reason: reason.clone(),
            });
        }
        let now_ms = self.shared.options.clock.now_ms();
        let Plan { target, report } = plan(&self.snapshot(), &self.shared.groups, request, now_ms)?;
        if report.removed > 0 && !request.dry_run {
            self.check_alone()
                .and_then(|()| self.trim_to(target))
                .map_err(|fault| {
                    let error = TrimError::from(fault.clone());
                    match self.failed(fault) {
                        AppendError::Stopped { reason } => TrimError::Stopped { reason },
                        _ => error,
                    }
                })?;
        }
        Ok(report)
    }

    fn trim_to(&mut self, target: u64) -> Result<(), Fault> {
        // An active segment without retained entries is completed, so that its file can go. If the
        // disk is too full for that, it goes with a later trim.
        if target == self.added
            && self.index.read().len() > 0
            && let Err(fault) = self.roll()
        {
            if fault.is_failed_sync() {
                return Err(fault);
            }
            tracing::warn!(%fault, "trimmed entries stay in the active segment's file for now");
        }
        let keep = self
            .segments
            .partition_point(|segment| segment.header.base_entries <= target)
            .saturating_sub(1);
        let tables_below = match self.shared.options.sync {
            // What was acknowledged is on stable storage, in the segments.
            SyncMode::Always => 0,
            SyncMode::Interval(_) | SyncMode::Os => {
                self.background.sync(|| self.sync_for_floor(keep))?
            }
        };
        let floor = Floor {
            trimmed: target,
            segment: self.segments[keep].number(),
            tables_below,
        };
        write_floor(&self.shared.dir, &floor)?;
        self.trimmed = target;
        let gone: Vec<u64> = self.segments[..keep]
            .iter()
            .map(|segment| segment.number())
            .collect();
        if self.shared.options.sync != SyncMode::Always {
            self.unsealed.extend(&gone);
            self.unsealed.retain(|&number| number >= tables_below);
        }
        self.background.remove(gone);
        self.segments = Arc::new(self.segments[keep..].to_vec());
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.publish();
        if let Err(fault) = self.write_watermark() {
            // The trim stands, but followers are not told of it.
            self.stop(&fault);
            return Err(fault);
        }
        Ok(())
    }

    /// Puts on stable storage what a floor in the segment at `keep` relies on: that segment, and of each
    /// one below it the event ids and sessions, in its tables or, before it has any, in itself. Returns
    /// the first segment of which it is not the tables.
    fn sync_for_floor(&self, keep: usize) -> Result<u64, Fault> {
        let dir = &self.shared.dir;
        let dropped = self.segments[..keep].iter().map(|segment| segment.number());
        let dropped: Vec<u64> = self.unsealed.iter().copied().chain(dropped).collect();
        let tables_below = {
            let tables = self.shared.tables.read();
            let uncovered = dropped.iter().find(|&&number| !tables.cover(number));
            uncovered.copied().unwrap_or(self.segments[keep].number())
        };
        for &number in dropped.iter().chain([&self.segments[keep].number()]) {
            if number < tables_below {
                sync_table_files(dir, number)?;
            } else {
                // One that is not there has its final name, and is on stable storage, or is removed
                // and its tables are.
                dir.sync_if_there(&dir.segment(number, SegmentName::Log))?;
            }
        }
        dir.storage
            .sync_dir(&dir.path)
            .doing("syncing", &dir.path)?;
        Ok(tables_below)
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            segments: Arc::clone(&self.segments),
            visible: self.visible(),
            trimmed: self.trimmed,
            added: self.added,
            last_id: self.last_id,
            closed: false,
        }
    }
}

/// Puts `floor` in place of the one before, by way of the file that was kept ready for it: a trim must
/// work on a full disk, for it is what gives space back.
fn write_floor(dir: &StreamDir, floor: &Floor) -> Result<(), Fault> {
    let (spare, path) = (dir.spare_floor(), dir.floor());
    let opened = match dir.storage.open(&spare, OpenHow::Write) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            dir.storage.open(&spare, OpenHow::Create)
        }
        other => other,
    };
    let file = opened.doing("creating", &spare)?;
    file.write_at(&[IoSlice::new(&floor.encode())], 0)
        .doing("writing", &spare)?;
    file.sync().doing("syncing", &spare)?;
    dir.storage
        .rename(&spare, &path)
        .doing("renaming", &spare)?;
    dir.storage
        .sync_dir(&dir.path)
        .doing("syncing", &dir.path)?;
    keep_spare_floor(dir);
    Ok(())
}

/// Keeps a file ready for the next floor, its block allocated. Without space for it, the next trim
/// tries to create one.
pub(crate) fn keep_spare_floor(dir: &StreamDir) {
    let spare = dir.spare_floor();
    let kept = dir.storage.open(&spare, OpenHow::Create).and_then(|file| {
        file.write_at(&[IoSlice::new(&Floor::NONE.encode())], 0)?;
        file.sync()
    });
    if let Err(error) = kept {
        tracing::debug!(%error, path = %spare.display(), "no file is kept ready for a trim");
    }
}
