//! Rows that cannot be what was written.

use crate::rows::RowsError;

/// The row under `key` cannot be read.
pub(super) fn damaged(key: &[u8]) -> RowsError {
    RowsError::Damaged {
        path: "the view of sessions".to_owned(),
        what: format!("the row `{}` cannot be read", key.escape_ascii()),
    }
}
