//! A file system without the files that cannot be read: so the rest can be looked at.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{Notes, name_of};
use super::names::{self, Kind};
use super::{Finding, Severity};
use crate::dir::StreamDir;
use crate::error::Fault;
use crate::storage::{Lock, OpenHow, Storage, StorageFile};

/// Files of a directory that cannot be read, and what the system says of them.
#[derive(Default)]
pub(super) struct Unreadable {
    files: BTreeMap<String, String>,
}

impl Unreadable {
    /// The files that cannot even be opened.
    pub(super) fn find(dir: &StreamDir) -> Result<Self, Fault> {
        let mut found = Self::default();
        for name in Notes::list(dir)?.names() {
            let matters = !matches!(
                names::kind(name),
                Kind::Foreign | Kind::Lock | Kind::Temporary | Kind::Views
            );
            match dir.storage.open(&dir.path.join(name), OpenHow::Read) {
                Err(error) if matters && error.kind() != io::ErrorKind::NotFound => {
                    found.files.insert(name.to_owned(), error.to_string());
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// Takes in what reading failed for. False where that is no file of the directory, or was known.
    pub(super) fn add(&mut self, dir: &StreamDir, fault: &Fault) -> bool {
        let Fault::Io {
            path,
            message,
            missing: false,
            ..
        } = fault
        else {
            return false;
        };
        let path = Path::new(path);
        path.parent() == Some(&dir.path)
            && self.files.insert(name_of(path), message.clone()).is_none()
    }

    /// `dir` without these files.
    pub(super) fn hidden(&self, dir: &Arc<StreamDir>) -> Arc<StreamDir> {
        if self.files.is_empty() {
            return Arc::clone(dir);
        }
        let storage = Hiding {
            storage: Arc::clone(&dir.storage),
            hidden: self.files.keys().map(|name| dir.path.join(name)).collect(),
        };
        let path = dir.path.clone();
        Arc::new(StreamDir::new(Arc::new(storage), path, dir.meta))
    }

    pub(super) fn findings(&self) -> impl Iterator<Item = Finding> {
        self.files.iter().map(|(name, message)| {
            Finding::new(
                Severity::Damage,
                "unreadable",
                name.clone(),
                format!("it cannot be read: {message}"),
                "put the file back, or give the right to read it; a repair changes nothing before that",
            )
        })
    }

    pub(super) fn holds(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }
}

struct Hiding {
    storage: Arc<dyn Storage>,
    hidden: Vec<PathBuf>,
}

impl Storage for Hiding {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.storage.create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.storage.list(dir)
    }

    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn StorageFile>> {
        if self.hidden.iter().any(|hidden| hidden == path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.storage.open(path, how)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.storage.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.storage.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.storage.sync_dir(dir)
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        self.storage.try_lock(path)
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        self.storage.is_locked(path)
    }
}
