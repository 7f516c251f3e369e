//! The index's directory.

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;
use tantivy::{Index, IndexSettings, TantivyError};

use super::directory::Shared;
use super::error::refused;
use super::schema::Fields;
use crate::views::ViewError;

/// What a commit replaces at once: which segments there are, and how far the log was taken in.
const META: &str = "meta.json";

/// Bytes of an index whose every file is checked when it is opened for writing.
const CHECKED_BYTES_MAX: u64 = 64 << 20;

/// What stands in the file that a commit replaces; none where there is no index.
pub(super) fn meta(dir: &Path) -> Result<Option<Vec<u8>>, ViewError> {
    match fs::read(dir.join(META)) {
        Ok(meta) => Ok(Some(meta)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(None),
            _ => Err(refused("reading", dir, &error.into())),
        },
    }
}

/// What the commit whose file this is noted.
pub(super) fn note(dir: &Path, meta: &[u8]) -> Result<Option<String>, ViewError> {
    #[derive(Deserialize)]
    struct Meta {
        payload: Option<String>,
    }
    match serde_json::from_slice::<Meta>(meta) {
        Ok(meta) => Ok(meta.payload),
        Err(error) => Err(ViewError::Damaged {
            path: dir.join(META).display().to_string(),
            what: error.to_string(),
        }),
    }
}

/// Opens the index that is there.
pub(super) fn open(dir: &Path) -> tantivy::Result<Index> {
    let mut index = Index::open(Shared::open(dir)?)?;
    if index.schema() != Fields::new().schema {
        return Err(TantivyError::SchemaError("it has other fields".into()));
    }
    index.set_tokenizers(Fields::tokenizers());
    Ok(index)
}

/// Makes an empty index; what is there is removed.
pub(super) fn create(dir: &Path) -> tantivy::Result<Index> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => fs::create_dir_all(dir)?,
    }
    let settings = IndexSettings {
        // Nothing is stored: there is nothing to compress in a thread of its own.
        docstore_compress_dedicated_thread: false,
        ..IndexSettings::default()
    };
    let mut index = Index::create(Shared::open(dir)?, Fields::new().schema, settings)?;
    index.set_tokenizers(Fields::tokenizers());
    Ok(index)
}

/// Fails where a file of the index is not what was written. Of a large index only what every search needs
/// is looked at: reading all of it would take seconds.
pub(super) fn check(dir: &Path, index: &Index) -> tantivy::Result<()> {
    if bytes(dir)? <= CHECKED_BYTES_MAX
        && let Some(file) = index.validate_checksum()?.into_iter().min()
    {
        return Err(TantivyError::InternalError(format!(
            "the checksum of {} does not match",
            file.display()
        )));
    }
    for segment in index.searchable_segments()? {
        tantivy::SegmentReader::open(&segment)?;
    }
    Ok(())
}

/// Bytes of all files in `dir`.
pub(super) fn bytes(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for file in fs::read_dir(dir)? {
        // A file that goes away meanwhile takes no place.
        bytes += file?.metadata().map_or(0, |file| file.len());
    }
    Ok(bytes)
}
