//! What the index library's errors mean.

use std::io;
use std::path::Path;

use tantivy::TantivyError;
use tantivy::directory::error::{LockError, OpenReadError, OpenWriteError};

use crate::views::ViewError;

/// What `error`, met while `action` the index in `dir`, says about it.
pub(super) fn refused(action: &'static str, dir: &Path, error: &TantivyError) -> ViewError {
    let path = dir.display().to_string();
    match error {
        TantivyError::DataCorruption(_)
        | TantivyError::IncompatibleIndex(_)
        | TantivyError::SchemaError(_)
        | TantivyError::InternalError(_)
        | TantivyError::OpenReadError(
            OpenReadError::FileDoesNotExist(_) | OpenReadError::IncompatibleIndex(_),
        ) => ViewError::Damaged {
            path,
            what: error.to_string(),
        },
        _ => match io_kind(error) {
            Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
                ViewError::Denied { path }
            }
            Some(io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => ViewError::Damaged {
                path,
                what: error.to_string(),
            },
            _ => ViewError::Storage {
                action,
                path,
                message: error.to_string(),
            },
        },
    }
}

/// What the system said, if it was the system.
fn io_kind(error: &TantivyError) -> Option<io::ErrorKind> {
    match error {
        TantivyError::IoError(error)
        | TantivyError::LockFailure(LockError::IoError(error), _)
        | TantivyError::OpenWriteError(OpenWriteError::IoError {
            io_error: error, ..
        })
        | TantivyError::OpenReadError(OpenReadError::IoError {
            io_error: error, ..
        }) => Some(error.kind()),
        _ => None,
    }
}
