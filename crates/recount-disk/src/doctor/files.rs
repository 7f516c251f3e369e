//! What an examination writes down.

use std::collections::BTreeMap;
use std::path::Path;

use recount_core::EntryId;

use super::hiding::Unreadable;
use super::{FileReport, Finding, Loss, Severity, names};
use crate::dir::StreamDir;
use crate::error::{Doing, Fault};
use crate::storage::OpenHow;

/// Every file and what is wrong.
#[derive(Default)]
pub(super) struct Notes {
    files: BTreeMap<String, FileReport>,
    findings: Vec<Finding>,
}

impl Notes {
    /// Takes in a directory's files.
    pub(super) fn list(dir: &StreamDir) -> Result<Self, Fault> {
        let mut notes = Self::default();
        for name in dir.storage.list(&dir.path).doing("reading", &dir.path)? {
            let path = dir.path.join(&name);
            // Gone meanwhile, or none to be opened: it is listed all the same.
            let opened = dir.storage.open(&path, OpenHow::Read);
            let what = match &opened {
                Err(error) if is_irregular(error) => "no regular file; left alone".into(),
                _ => names::words(&name),
            };
            let bytes = opened.and_then(|file| file.len()).unwrap_or(0);
            notes.file(&name, bytes, what);
        }
        Ok(notes)
    }

    pub(super) fn file(&mut self, name: &str, bytes: u64, what: String) {
        let name = name.to_owned();
        self.files
            .insert(name.clone(), FileReport { name, bytes, what });
    }

    /// Says more of a file.
    pub(super) fn describe(&mut self, name: &str, what: String) {
        if let Some(file) = self.files.get_mut(name) {
            file.what = what;
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.bytes).sum()
    }

    pub(super) fn size(&self, name: &str) -> u64 {
        self.files.get(name).map_or(0, |file| file.bytes)
    }

    pub(super) fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    pub(super) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
    }

    /// Behind what was found so far, the next entry that is left is `id`.
    pub(super) fn settle_before(&mut self, id: EntryId) {
        let lost = self
            .findings
            .iter_mut()
            .filter_map(|finding| finding.lost.as_mut());
        for loss in lost.filter(|loss| loss.before.is_none()) {
            loss.before = Some(id);
        }
    }

    /// Of files that cannot be read nothing is told but that.
    pub(super) fn set_unreadable(&mut self, unreadable: &Unreadable) {
        // A segment that is missing is told of under the name of a sealed one.
        let known = |finding: &Finding| {
            unreadable.holds(&finding.file)
                || finding.code == "missing_segment"
                    && unreadable.holds(&finding.file.replace(".seg", ".log"))
        };
        self.findings.retain(|finding| !known(finding));
        self.findings.extend(unreadable.findings());
    }

    /// The files by name; the findings, the worst first.
    pub(super) fn finish(mut self) -> (Vec<FileReport>, Vec<Finding>) {
        self.findings
            .sort_by(|a, b| (a.severity, &a.file, a.offset).cmp(&(b.severity, &b.file, b.offset)));
        (self.files.into_values().collect(), self.findings)
    }
}

impl Finding {
    pub(super) fn new(
        severity: Severity,
        code: &'static str,
        file: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            code,
            file: file.into(),
            offset: None,
            what: what.into(),
            remedy: remedy.into(),
            lost: None,
        }
    }

    pub(super) fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    pub(super) fn losing(mut self, lost: Option<Loss>) -> Self {
        self.lost = lost;
        self
    }
}

impl Loss {
    pub(super) fn new(
        entries: Option<u64>,
        after: Option<EntryId>,
        before: Option<EntryId>,
    ) -> Self {
        Self {
            entries,
            after,
            before,
        }
    }
}

/// Whether opening was refused for what is no file: a directory, a pipe, a device.
fn is_irregular(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::IsADirectory | std::io::ErrorKind::InvalidInput
    )
}

/// A path's last part.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}
