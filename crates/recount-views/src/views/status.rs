//! What is to be said of views.

use std::fs;
use std::path::Path;

use super::{ViewError, Views, lock};
use crate::checkpoint::{Checkpoint, Why};
use crate::projection::Finding;
use crate::runner::{behind, blocking};

/// How a view stands.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewStatus {
    /// Its name.
    pub name: String,
    /// The version of what it makes of events.
    pub version: u32,
    /// Whether anything is kept that this program can read; else it is built when it is asked for.
    pub kept: bool,
    /// How far it is.
    pub checkpoint: Checkpoint,
    /// How many entries it is behind the log; about, where they are thousands.
    pub behind: u64,
    /// Why it stands still, if it does.
    pub finding: Option<Finding>,
    /// Why it was built anew the last time, if it ever was.
    pub rebuilt: Option<Why>,
    /// Bytes it takes on disk.
    pub bytes: u64,
    /// The process that maintains it now, if one does; 0 where it is not known which.
    pub maintained_by: Option<u32>,
    /// What keeps it from being read, if something does.
    pub problem: Option<ViewError>,
}

impl Views {
    /// How all views stand.
    pub async fn status(&self) -> Result<Vec<ViewStatus>, ViewError> {
        let mut all = Vec::new();
        for entry in &self.0.entries {
            let name = entry.kind.name();
            let (dir, kind) = (self.dir_of(name), std::sync::Arc::clone(&entry.kind));
            let (looked, bytes, holder) =
                blocking(move || (kind.look(&dir), bytes_in(&dir), lock::holder(&dir))).await?;
            let (kept, problem) = match looked {
                Ok(kept) => (kept, None),
                Err(error) => (None, Some(error)),
            };
            let kept = kept.filter(|kept| self.is_ours(&*entry.kind, kept));
            let is_kept = kept.is_some();
            let kept = kept.unwrap_or_default();
            all.push(ViewStatus {
                name: name.to_owned(),
                version: entry.kind.version(),
                kept: is_kept,
                behind: behind(&*self.0.source.log, &kept.checkpoint.cursor()).await?,
                checkpoint: kept.checkpoint,
                finding: kept.finding,
                rebuilt: kept.rebuilt,
                bytes,
                maintained_by: holder.map(|holder| holder.process.unwrap_or(0)),
                problem,
            });
        }
        Ok(all)
    }
}

fn bytes_in(dir: &Path) -> u64 {
    let Ok(files) = fs::read_dir(dir) else {
        return 0;
    };
    let sizes = files.flatten().map(|file| match file.file_type() {
        Ok(kind) if kind.is_dir() => bytes_in(&file.path()),
        _ => file.metadata().map_or(0, |found| found.len()),
    });
    sizes.sum()
}
