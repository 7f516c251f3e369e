//! What says that the index's files are as they were written: of each its length and the time of its last
//! change, noted when it was new.
//!
//! The index library takes its files at their word, and reading all of them to check their sums would cost more
//! than most questions. So a file's sum is checked only where the note does not fit: after a crash, and after
//! something else wrote to it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tantivy::Index;

use super::files::{self, META};
use crate::rows::words;
use crate::views::{ViewError, lock};

/// The file of notes.
const SEAL: &str = "recount.seal";
/// What every segment has.
const PARTS: &[&str] = &["fast", "fieldnorm", "idx", "pos", "store", "term"];

type Notes = BTreeMap<String, String>;

/// Fails where a file is not what was written. While somebody else maintains the index its files come and go,
/// and are that one's to check.
pub(super) fn check(dir: &Path) -> Result<(), ViewError> {
    match lock::holder(dir) {
        Some(_) => Ok(()),
        None => check_all(dir),
    }
}

/// The same for the one who maintains it.
pub(super) fn check_all(dir: &Path) -> Result<(), ViewError> {
    let Some(meta) = files::meta(dir)? else {
        return Ok(());
    };
    let noted = read(dir);
    let mut found = Notes::new();
    let mut doubtful = Vec::new();
    for file in files_of(dir, &meta)? {
        let Ok(there) = fs::metadata(dir.join(&file)) else {
            return Err(damaged(dir, &format!("{file} is not there")));
        };
        let there = words(&there);
        if noted.get(&file) != Some(&there) {
            doubtful.push(file.clone());
        }
        found.insert(file, there);
    }
    if !doubtful.is_empty() {
        let index = files::open(dir).map_err(|error| damaged(dir, &error.to_string()))?;
        for file in &doubtful {
            check_sum(dir, &index, file)?;
        }
    }
    if found != noted {
        write(dir, &found);
    }
    Ok(())
}

/// Notes files that are new since the last note. Those that were noted stay as they were.
pub(super) fn note_new(dir: &Path) {
    let Ok(Some(meta)) = files::meta(dir) else {
        return;
    };
    let Ok(names) = files_of(dir, &meta) else {
        return;
    };
    let mut noted = read(dir);
    noted.retain(|name, _| names.contains(name));
    for name in names {
        if let Ok(there) = fs::metadata(dir.join(&name)) {
            noted.entry(name).or_insert_with(|| words(&there));
        }
    }
    write(dir, &noted);
}

fn check_sum(dir: &Path, index: &Index, file: &str) -> Result<(), ViewError> {
    match index.directory().validate_checksum(Path::new(file)) {
        Ok(true) => Ok(()),
        Ok(false) => Err(damaged(
            dir,
            &format!("the checksum of {file} does not match"),
        )),
        // Its words are about the library's own versions.
        Err(_) => Err(damaged(
            dir,
            &format!("{file} does not end as it was written"),
        )),
    }
}

/// The names of the files that a commit lists.
fn files_of(dir: &Path, meta: &[u8]) -> Result<Vec<String>, ViewError> {
    #[derive(Deserialize)]
    struct Meta {
        segments: Vec<Segment>,
    }
    #[derive(Deserialize)]
    struct Segment {
        segment_id: String,
        deletes: Option<Deletes>,
    }
    #[derive(Deserialize)]
    struct Deletes {
        opstamp: u64,
    }
    let meta: Meta =
        serde_json::from_slice(meta).map_err(|error| damaged(dir, &format!("{META}: {error}")))?;
    let mut names = Vec::new();
    for segment in meta.segments {
        let id = segment.segment_id.replace('-', "");
        names.extend(PARTS.iter().map(|part| format!("{id}.{part}")));
        let deletes = segment.deletes.map(|deletes| deletes.opstamp);
        names.extend(deletes.map(|opstamp| format!("{id}.{opstamp}.del")));
    }
    Ok(names)
}

fn place(dir: &Path) -> PathBuf {
    dir.join(SEAL)
}

/// A note that cannot be read is none: it costs a look at the sums.
fn read(dir: &Path) -> Notes {
    let notes = fs::read(place(dir)).ok();
    notes
        .and_then(|notes| serde_json::from_slice(&notes).ok())
        .unwrap_or_default()
}

fn write(dir: &Path, notes: &Notes) {
    let Ok(notes) = serde_json::to_vec(notes) else {
        return;
    };
    let new = dir.join(format!("{SEAL}.{}.tmp", std::process::id()));
    // One that is missing costs a look at the sums, no more.
    if fs::write(&new, notes).is_err() || fs::rename(&new, place(dir)).is_err() {
        let _ = fs::remove_file(&new);
    }
}

fn damaged(dir: &Path, what: &str) -> ViewError {
    ViewError::Damaged {
        path: dir.display().to_string(),
        what: what.to_owned(),
    }
}
