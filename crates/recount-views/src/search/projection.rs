//! The index of texts as the runner drives it.

use std::fs;
use std::io;
use std::path::Path;

use recount_core::{Position, Recorded};

use super::schema::VERSION;
use super::writer::Writer;
use super::{files, seal};
use crate::checkpoint::Kept;
use crate::projection::{Halt, Kind, Projection};
use crate::views::ViewError;

/// The view `search`.
pub(crate) struct SearchKind;

impl SearchKind {
    /// Its name.
    pub(crate) const NAME: &'static str = "search";
}

impl Kind for SearchKind {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        VERSION
    }

    fn open(&self, dir: &Path) -> Result<Box<dyn Projection>, ViewError> {
        let (writer, kept) = match files::meta(dir)? {
            None => (Writer::create(dir)?, Kept::default()),
            Some(_) => {
                let (writer, note) = Writer::open(dir)?;
                (writer, read(dir, note.as_deref())?)
            }
        };
        Ok(Box::new(SearchProjection { writer, kept }))
    }

    fn remove(&self, dir: &Path) -> Result<(), ViewError> {
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ViewError::Storage {
                action: "removing",
                path: dir.display().to_string(),
                message: error.to_string(),
            }),
            _ => Ok(()),
        }
    }

    fn look(&self, dir: &Path) -> Result<Option<Kept>, ViewError> {
        let Some(meta) = files::meta(dir)? else {
            return Ok(None);
        };
        let note = files::note(dir, &meta)?;
        seal::check(dir)?;
        note.map(|note| read(dir, Some(&note))).transpose()
    }
}

/// What a commit noted; nothing before the first one.
fn read(dir: &Path, note: Option<&str>) -> Result<Kept, ViewError> {
    let Some(note) = note else {
        return Ok(Kept::default());
    };
    serde_json::from_str(note).map_err(|error| ViewError::Damaged {
        path: dir.display().to_string(),
        what: format!("its checkpoint cannot be read: {error}"),
    })
}

/// The index of texts, and how far it came: one file names both, and is replaced at once.
struct SearchProjection {
    writer: Writer,
    kept: Kept,
}

impl Projection for SearchProjection {
    fn kept(&self) -> &Kept {
        &self.kept
    }

    fn take(&mut self, entries: &[Recorded]) -> Result<(), Halt> {
        Ok(self.writer.take(entries)?)
    }

    fn staged_bytes(&self) -> usize {
        // What was taken in is written out when it takes too much memory.
        0
    }

    fn trimmed(&mut self, first: Position) -> Result<(), Halt> {
        Ok(self.writer.trim(first)?)
    }

    fn commit(&mut self, kept: &Kept) -> Result<(), Halt> {
        let note = serde_json::to_string(kept).map_err(|error| ViewError::Storage {
            action: "writing",
            path: "the checkpoint of the view search".into(),
            message: error.to_string(),
        })?;
        self.writer.commit(&note)?;
        self.kept = kept.clone();
        Ok(())
    }

    fn roll_back(&mut self) -> Result<(), ViewError> {
        self.writer.roll_back()
    }
}
