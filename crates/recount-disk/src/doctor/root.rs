//! The data directory itself: what makes it ours, and what else lies there.

use std::path::Path;

use super::names::{Kind, kind};
use super::{Done, FileReport, Finding, Severity};
use crate::dir::{self, MARKER, MARKER_TEXT, STREAMS, StreamDir, read_small};
use crate::error::{Doing, OpenError};
use crate::meta::Meta;
use crate::options::DiskOptions;
use crate::storage::{OpenHow, Storage, replace};

/// What is in a data directory besides the streams' own files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Its files and directories, by name.
    pub files: Vec<FileReport>,
    /// What is wrong with them.
    pub findings: Vec<Finding>,
    /// The streams, sorted.
    pub streams: Vec<String>,
}

/// Looks at a data directory, but not at its streams. Changes nothing.
///
/// Fails where there is no data directory, or one of a newer version.
pub fn examine_root(root: &Path, options: &DiskOptions) -> Result<Root, OpenError> {
    let storage = &*options.storage;
    // What is damaged about it is looked into below.
    let marked = match dir::check_root(storage, root) {
        Err(OpenError::Corrupt { offset, what, .. }) => Err((offset, what)),
        Err(OpenError::NotOurs { .. }) if holds_stream(storage, root) => {
            Err((0, "it is missing, but there are streams".to_owned()))
        }
        other => Ok(other?),
    };
    if marked == Ok(false) && !holds_stream(storage, root) {
        return Err(OpenError::Storage {
            action: "examining",
            path: root.display().to_string(),
            message: "there is no data directory here, or an empty one: nothing was recorded, or --url names another place".into(),
        });
    }
    let mut names = storage.list(root).doing("reading", root)?;
    names.sort();
    let mut files = Vec::new();
    let mut findings = Vec::new();
    for name in names {
        let what = match name.as_str() {
            MARKER => "what makes this a data directory",
            STREAMS => "a directory for each stream",
            "lost+found" => "the file system's own",
            _ if is_temporary(&name) => {
                findings.push(Finding::new(
                    Severity::Notice,
                    "temporary",
                    name.clone(),
                    "it was being written when a process ended",
                    "--repair removes it",
                ));
                "a file that was being written"
            }
            _ => {
                findings.push(Finding::new(
                    Severity::Notice,
                    "foreign_file",
                    name.clone(),
                    "it is none of Recount's files",
                    "nothing: it is left alone",
                ));
                "not one of Recount's files; left alone"
            }
        };
        let file = storage.open(&root.join(&name), OpenHow::Read);
        let bytes = match name.as_str() {
            STREAMS => 0,
            _ => file.and_then(|file| file.len()).unwrap_or(0),
        };
        let streams = name == STREAMS;
        files.push(FileReport {
            what: what.to_owned(),
            bytes,
            name,
        });
        if streams {
            no_streams(storage, root, &mut files, &mut findings)?;
        }
    }
    if let Err((offset, what)) = marked {
        let finding = Finding::new(
            Severity::Rebuildable,
            "marker",
            MARKER,
            what,
            "--repair writes it anew, if there is a stream of this version",
        );
        findings.insert(0, finding.at(offset));
    }
    Ok(Root {
        files,
        findings,
        streams: dir::stream_names(storage, root)?,
    })
}

/// Tells what else lies among the streams.
fn no_streams(
    storage: &dyn Storage,
    root: &Path,
    files: &mut Vec<FileReport>,
    findings: &mut Vec<Finding>,
) -> Result<(), OpenError> {
    let streams = root.join(STREAMS);
    let mut names = storage.list(&streams).doing("reading", &streams)?;
    names.sort();
    for name in names {
        let path = streams.join(&name);
        if dir::holds_stream(storage, &path) {
            continue;
        }
        let inside = storage.list(&path);
        let name = format!("{STREAMS}/{name}");
        let never_used = |inside: &String| matches!(kind(inside), Kind::Lock | Kind::Temporary);
        let was_used = |inside: &String| !never_used(inside) && kind(inside) != Kind::Foreign;
        let what = match &inside {
            Err(_) => "no stream, and none of Recount's files; left alone",
            Ok(inside) if inside.iter().all(never_used) => {
                "no stream: nothing was ever recorded in it; safe to delete"
            }
            Ok(inside) if inside.iter().any(was_used) => {
                findings.push(Finding::new(
                    Severity::Damage,
                    "remains",
                    name.clone(),
                    "it holds files of a stream, but neither stream.meta nor a segment",
                    "restore the directory from a backup; or delete it",
                ));
                "what is left of a stream"
            }
            Ok(_) => "no stream: it holds none of Recount's files; left alone",
        };
        let file = storage.open(&path, OpenHow::Read);
        let bytes = file.and_then(|file| file.len()).unwrap_or(0);
        files.push(FileReport {
            name,
            bytes,
            what: what.to_owned(),
        });
    }
    Ok(())
}

/// Repairs what [`examine_root`] finds; says what it did.
pub fn repair_root(root: &Path, options: &DiskOptions) -> Result<Vec<Done>, OpenError> {
    let storage = &*options.storage;
    let mut done = Vec::new();
    for finding in examine_root(root, options)?.findings {
        let path = root.join(&finding.file);
        let what = match finding.code {
            "marker" if holds_stream(storage, root) => {
                replace(storage, &path, MARKER_TEXT.as_bytes())?;
                "wrote it anew"
            }
            "temporary" => {
                storage.remove(&path).doing("removing", &path)?;
                "removed it"
            }
            _ => continue,
        };
        done.push(Done {
            file: finding.file,
            what: what.to_owned(),
            lost: None,
            saved_to: None,
        });
    }
    Ok(done)
}

fn is_temporary(name: &str) -> bool {
    name.starts_with("recount.") && name.ends_with(".tmp")
}

/// Whether there is a stream of this version.
fn holds_stream(storage: &dyn Storage, root: &Path) -> bool {
    let streams = root.join(STREAMS);
    storage
        .list(&streams)
        .unwrap_or_default()
        .iter()
        .any(|name| {
            let meta = read_small(storage, &streams.join(name).join("stream.meta"));
            meta.is_ok_and(|bytes| Meta::decode(&bytes).is_ok())
        })
}

/// The process that holds a stream's lock, as the lock file tells it.
pub(super) fn lock_holder(storage: &dyn Storage, stream: &Path) -> String {
    let pid = read_small(storage, &StreamDir::lock_path(stream)).unwrap_or_default();
    let pid = String::from_utf8_lossy(&pid).trim().to_owned();
    if pid.is_empty() {
        "(unknown)".to_owned()
    } else {
        pid
    }
}
