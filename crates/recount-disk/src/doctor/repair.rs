//! Mending what an examination found.
//!
//! Every step leaves a directory that the next repair goes on from, and what a step destroys the
//! evidence of comes last: the watermark is moved only when the segments are whole. What is lost is
//! written down first.

mod beside;
mod record;
mod segments;

use std::path::Path;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::names::{self, Kind};
use super::{Done, Finding, OnProgress, Repaired, Severity, exam, mend};
use crate::dir::{StreamDir, stream_dir};
use crate::error::{Doing, Fault, OpenError};
use crate::open;
use crate::options::DiskOptions;
use crate::storage::replace_by;
use crate::writer::Request;
use recount_core::Retention;

pub(super) fn repair(
    root: &Path,
    stream: &str,
    options: &DiskOptions,
    progress: OnProgress<'_>,
) -> Result<Repaired, OpenError> {
    let path = stream_dir(root, stream)?;
    // Before the lock, whose file would make a directory of what is none.
    mend::read_meta(options, root, stream)?;
    let lock = open::lock(&*options.storage, &path, options.lock_wait)?;
    let before = exam::look(root, stream, options, false, &mut *progress)?;
    let meta = mend::read_meta(options, root, stream)?;
    let unreadable = |finding: &Finding| finding.code == "unreadable";
    let Some((meta, damaged_meta)) = meta.filter(|_| !before.findings.iter().any(unreadable))
    else {
        return Ok(Repaired {
            done: Vec::new(),
            after: before.clone(),
            before,
        });
    };
    let mut repair = Repair {
        dir: Arc::new(StreamDir::new(Arc::clone(&options.storage), path, meta)),
        done: Vec::new(),
    };
    repair.write_down(&before, options)?;
    if damaged_meta.is_some() {
        StreamDir::write_meta(&*options.storage, &repair.dir.path, &meta)?;
        repair.did("stream.meta", "wrote it anew, as the segments prove it");
    }
    repair.temporary()?;
    repair.misnamed()?;
    repair.two_files()?;
    let floor = repair.floor()?;
    repair.superseded()?;
    let changed = repair.segments(&floor)?;
    let now = if changed || !repair.done.is_empty() {
        exam::look(root, stream, options, false, &mut *progress)?
    } else {
        before.clone()
    };
    repair.beside(&now, &floor)?;
    repair.groups()?;
    // Opening makes again what is missing, and may take the lock now.
    drop(lock);
    let done = repair.done;
    let refused = reopen(root, stream, options)?;
    let mut after = exam::look(root, stream, options, false, progress)?;
    after.findings.extend(refused);
    after.findings.sort_by_key(|finding| finding.severity);
    Ok(Repaired {
        before,
        done,
        after,
    })
}

/// Opens the log for writing and closes it: that makes again what is missing. What it refuses for
/// is a finding.
fn reopen(root: &Path, stream: &str, options: &DiskOptions) -> Result<Option<Finding>, OpenError> {
    let options = DiskOptions {
        // A repair trims nothing.
        retention: Retention::default(),
        ..options.clone()
    };
    let opened = match open::for_writing(root, stream, options) {
        Err(OpenError::Corrupt { path, offset, what }) => {
            let file = super::segments::file_name(Path::new(&path));
            let remedy = "restore the file from a backup";
            let finding = Finding::new(Severity::Damage, "refused", file, what, remedy);
            return Ok(Some(finding.at(offset)));
        }
        other => other?,
    };
    let (reply, answer) = oneshot::channel();
    // A thread of its own: the caller may be inside a runtime, which must not be blocked on.
    let closed = std::thread::spawn(move || {
        let sent = opened.requests.blocking_send(Request::Close(reply));
        sent.is_ok().then(|| answer.blocking_recv())
    });
    match closed.join() {
        Ok(Some(Ok(Ok(())))) => Ok(None),
        Ok(Some(Ok(Err(error)))) => Err(OpenError::Storage {
            action: "closing",
            path: root.display().to_string(),
            message: error.to_string(),
        }),
        _ => Err(OpenError::Storage {
            action: "closing",
            path: root.display().to_string(),
            message: "the writer ended early".into(),
        }),
    }
}

pub(super) struct Repair {
    pub(super) dir: Arc<StreamDir>,
    pub(super) done: Vec<Done>,
}

impl Repair {
    fn did(&mut self, file: impl Into<String>, what: impl Into<String>) {
        self.done.push(Done {
            file: file.into(),
            what: what.into(),
            lost: None,
            saved_to: None,
        });
    }

    fn names(&self) -> Result<Vec<String>, Fault> {
        let dir = &self.dir;
        let mut names = dir.storage.list(&dir.path).doing("reading", &dir.path)?;
        names.sort();
        Ok(names)
    }

    fn sync_dir(&self) -> Result<(), Fault> {
        let path = &self.dir.path;
        self.dir.storage.sync_dir(path).doing("syncing", path)
    }

    fn remove(&self, name: &str) -> Result<(), Fault> {
        let path = self.dir.path.join(name);
        match self.dir.storage.remove(&path).doing("removing", &path) {
            Ok(()) | Err(Fault::Io { missing: true, .. }) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Fault> {
        let from = self.dir.path.join(from);
        let to = self.dir.path.join(to);
        self.dir
            .storage
            .rename(&from, &to)
            .doing("renaming", &from)?;
        self.sync_dir()
    }

    fn temporary(&mut self) -> Result<(), Fault> {
        for name in self.names()? {
            if names::kind(&name) == Kind::Temporary {
                self.remove(&name)?;
                self.did(name, "removed it");
            }
        }
        self.sync_dir()
    }

    /// A name for what is taken out of a segment that no file has.
    fn free_lost(&self, number: u64, offset: u64) -> String {
        super::segments::file_name(&self.dir.new_lost(number, offset))
    }

    /// Saves what is taken out of a segment; none if it is nothing but zeros.
    fn save(&self, number: u64, offset: u64, bytes: &[u8]) -> Result<Option<String>, Fault> {
        if super::walk::is_zero(bytes) {
            return Ok(None);
        }
        // A repair that was stopped may have saved it already.
        let stem = format!("lost-{number:010}-{offset}");
        for name in self
            .names()?
            .into_iter()
            .filter(|name| name.starts_with(&stem))
        {
            if self.dir.map(&self.dir.path.join(&name))?.as_deref() == Some(bytes) {
                return Ok(Some(name));
            }
        }
        let name = self.free_lost(number, offset);
        let path = self.dir.path.join(&name);
        replace_by(
            &*self.dir.storage,
            &path.with_extension("tmp"),
            &path,
            bytes,
        )?;
        Ok(Some(name))
    }
}
