//! What can be told of a stream where its files say who it is, wrongly or not at all.

use std::path::Path;
use std::sync::Arc;

use super::files::Notes;
use super::names::{self, Kind};
use super::segments::{ANY, Case};
use super::walk::is_zero;
use super::{Finding, Severity};
use crate::bytes::u64_at;
use crate::dir::{SegmentName, StreamDir, read_small, stream_dir};
use crate::error::{Doing, Fault, OpenError};
use crate::frame::{SEGMENT_HEADER, SegmentHeader};
use crate::meta::{BadMeta, Meta};
use crate::options::DiskOptions;
use crate::storage::{OpenHow, read_exact};

/// Reads `stream.meta`, and what is wrong with it if the segments prove what it must say. None if
/// they do not.
pub(super) fn read_meta(
    options: &DiskOptions,
    root: &Path,
    stream: &str,
) -> Result<Option<(Meta, Option<Finding>)>, OpenError> {
    let path = stream_dir(root, stream)?;
    let missing = || OpenError::NoStream {
        stream: stream.to_owned(),
        path: root.display().to_string(),
    };
    let names = match options.storage.list(&path).doing("reading", &path) {
        Err(Fault::Io { missing: true, .. }) => return Err(missing()),
        other => other?,
    };
    let is_segment = |name: &String| matches!(names::kind(name), Kind::Segment(..));
    let file = path.join("stream.meta");
    let bytes = match read_small(&*options.storage, &file) {
        Err(Fault::Io { missing: true, .. }) if names.iter().any(is_segment) => return Ok(None),
        Err(Fault::Io { missing: true, .. }) => return Err(missing()),
        // That it cannot be read is told of it.
        Err(Fault::Io { .. }) => return Ok(None),
        other => other?,
    };
    match Meta::decode(&bytes) {
        Ok(meta) => return Ok(Some((meta, None))),
        Err(BadMeta::Version(version)) => {
            return Err(OpenError::Format {
                path: file.display().to_string(),
                found: version.to_string(),
            });
        }
        Err(BadMeta::Damaged) => {}
    }
    let Some(meta) = Meta::unchecked(&bytes) else {
        return Ok(None);
    };
    let dir = StreamDir::new(Arc::clone(&options.storage), path, meta);
    if !proven(&dir)? {
        return Ok(None);
    }
    let finding = Finding::new(
        Severity::Rebuildable,
        "meta",
        "stream.meta",
        "it does not match its checksum; the segments prove that the stream's identity and key in it are right",
        "--repair writes it anew",
    );
    Ok(Some((meta, Some(finding.at(0)))))
}

/// Whether a segment has this identity in its header, and frames under this key.
fn proven(dir: &StreamDir) -> Result<bool, Fault> {
    for (number, _) in dir.list()?.segments {
        let case = match Case::read(dir, number, ANY, None) {
            Ok(Some(case)) => case,
            Ok(None) | Err(Fault::Io { .. }) => continue,
            Err(fault) => return Err(fault),
        };
        if case.header.is_ok() && case.walk.has_frame {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A segment under the name of another.
pub(super) struct Misnamed {
    pub(super) name: String,
    /// The segment it is.
    pub(super) number: u64,
    /// Whether it is complete.
    pub(super) complete: bool,
}

/// The segments whose headers and frames say that they are others than their names say.
pub(super) fn misnamed(dir: &StreamDir, notes: &Notes) -> Result<Vec<Misnamed>, Fault> {
    let mut found = Vec::new();
    for name in notes.names() {
        let by_name = match names::kind(name) {
            Kind::Segment(number, _) => Some(number),
            Kind::Moved(_) => None,
            _ => continue,
        };
        let path = dir.path.join(name);
        let file = match dir
            .storage
            .open(&path, OpenHow::Read)
            .doing("opening", &path)
        {
            Err(Fault::Io { missing: true, .. }) => continue,
            other => other?,
        };
        let len = file.len().doing("reading", &path)?;
        if len < SEGMENT_HEADER as u64 {
            continue;
        }
        let head = read_exact(&*file, 0, SEGMENT_HEADER).doing("reading", &path)?;
        let number = u64_at(&head, 8);
        let ours = SegmentHeader::decode(&head, number, &dir.meta).is_ok();
        if !ours || by_name == Some(number) {
            continue;
        }
        let bytes = read_exact(&*file, 0, len as usize).doing("reading", &path)?;
        let case = Case::of(dir, number, SegmentName::Log, ANY, bytes);
        if case.walk.has_frame || is_zero(&case.bytes[SEGMENT_HEADER..]) {
            found.push(Misnamed {
                name: name.to_owned(),
                number,
                complete: case.walk.footer.is_some(),
            });
        }
    }
    Ok(found)
}
