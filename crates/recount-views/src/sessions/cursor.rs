//! Where a page of a list ended.

use std::fmt;
use std::str::FromStr;

use super::order::Place;
use crate::ViewError;
use crate::rows::RowsError;

/// The place after a page of a list: the next page begins behind it.
///
/// It names the last row by what it was sorted by, so what is recorded meanwhile changes nothing for rows
/// that stay as they are: each of them is listed once. A row that changes moves to its new place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListCursor {
    /// What was asked for, in short (see [`about`]): in another list the place means nothing.
    pub(super) list: u32,
    pub(super) place: Place,
}

impl ListCursor {
    /// The place in the list that `tag` stands for.
    pub(super) fn place_in(cursor: Option<&Self>, tag: u32) -> Result<Option<&Place>, ListError> {
        match cursor {
            Some(cursor) if cursor.list != tag => Err(ListError::OtherList),
            cursor => Ok(cursor.map(|cursor| &cursor.place)),
        }
    }
}

/// A short name of a list: its kind, order and filters, but for times, which move with the clock where they
/// are relative.
pub(super) fn about(asked: &str) -> u32 {
    crc32c::crc32c(asked.as_bytes())
}

/// Why a list could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// The view could not be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The cursor is of a list that was asked for otherwise.
    #[error(
        "the cursor belongs to another list: give it with the same filters, sort and direction \
         as the page that it stood below"
    )]
    OtherList,
}

impl From<RowsError> for ListError {
    fn from(error: RowsError) -> Self {
        Self::View(error.into())
    }
}

/// A text that is no cursor of a list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no cursor of a list: give it as it was printed below the page before")]
pub struct InvalidListCursor {
    /// What was given.
    pub text: String,
}

impl fmt::Display for ListCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { missing, key, name } = &self.place;
        write!(f, "{:08x}{}{key:032x}", self.list, u8::from(*missing))?;
        name.bytes().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for ListCursor {
    type Err = InvalidListCursor;

    fn from_str(text: &str) -> Result<Self, InvalidListCursor> {
        read(text).ok_or_else(|| InvalidListCursor {
            text: text.chars().take(64).collect(),
        })
    }
}

fn read(text: &str) -> Option<ListCursor> {
    // Digits alone: the standard parser would also take a sign.
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let name = text.get(41..)?.as_bytes().chunks(2).map(|digits| {
        let digits = std::str::from_utf8(digits).ok()?;
        (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok())?
    });
    Some(ListCursor {
        list: u32::from_str_radix(text.get(..8)?, 16).ok()?,
        place: Place {
            missing: match text.get(8..9)? {
                "0" => false,
                "1" => true,
                _ => return None,
            },
            key: u128::from_str_radix(text.get(9..41)?, 16).ok()?,
            name: String::from_utf8(name.collect::<Option<_>>()?).ok()?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let cursor = ListCursor {
            list: 0x8300_0001,
            place: Place {
                missing: true,
                key: u128::MAX - 7,
                name: "s-ü/1".to_owned(),
            },
        };
        let text = cursor.to_string();
        assert_eq!(text.parse(), Ok(cursor));
        for bad in [
            "",
            "83",
            "+3",
            "zz",
            &text[..text.len() - 1],
            &text[..30],
            "8300000120",
        ] {
            let error = bad.parse::<ListCursor>().unwrap_err();
            assert!(error.to_string().contains("no cursor"), "{bad:?}");
        }
    }
}
