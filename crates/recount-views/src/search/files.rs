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
pub(super) const META: &str = "meta.json";

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
