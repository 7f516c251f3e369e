//! Identifiers that producers choose.

use std::fmt;

use crate::Limits;

/// An event's idempotency key: any text of 1 to 128 bytes without control characters.
///
/// Two events with the same id are the same event. [`EventId::generate`] makes a `UUIDv7`, which
/// sorts by time; producers that retry across restarts should derive the id from what happened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Box<str>);

impl EventId {
    /// Takes `id` if it is a legal identifier.
    pub fn new(id: impl Into<String>) -> Result<Self, InvalidId> {
        let id = id.into();
        check_id("id", &id)?;
        Ok(Self(id.into_boxed_str()))
    }

    /// A fresh `UUIDv7`.
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7().to_string().into_boxed_str())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for EventId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Why a text cannot be an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// The text is empty.
    #[error("{field} is empty: give it 1 to 128 bytes of text")]
    Empty {
        /// The field that holds it, as it is named on the wire.
        field: &'static str,
    },
    /// The text is longer than [`Limits::ID_BYTES_MAX`].
    #[error("{field} is {bytes} bytes long, at most 128 are allowed")]
    TooLong {
        /// The field that holds it, as it is named on the wire.
        field: &'static str,
        /// How long it is.
        bytes: usize,
    },
    /// The text holds a control character (a newline, a NUL, an escape).
    #[error("{field} holds the control character {character:?} at byte {at}: remove it")]
    Control {
        /// The field that holds it, as it is named on the wire.
        field: &'static str,
        /// The character.
        character: char,
        /// Its offset in bytes.
        at: usize,
    },
}

/// Checks an identifier that stands in `field`.
pub(crate) fn check_id(field: &'static str, id: &str) -> Result<(), InvalidId> {
    if id.is_empty() {
        return Err(InvalidId::Empty { field });
    }
    if id.len() > Limits::ID_BYTES_MAX {
        return Err(InvalidId::TooLong {
            field,
            bytes: id.len(),
        });
    }
    // Nearly every id is plain ASCII, and nearly none holds a control character.
    // Looking at every byte, without stopping early, is what a compiler can do sixteen at a time.
    let plain = |all: bool, byte: &u8| all & byte.wrapping_sub(b' ').lt(&(b'~' - b' ' + 1));
    if id.as_bytes().iter().fold(true, plain) {
        return Ok(());
    }
    match id.char_indices().find(|(_, c)| c.is_control()) {
        Some((at, character)) => Err(InvalidId::Control {
            field,
            character,
            at,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_to_128_bytes_and_no_control_characters() {
        assert!(EventId::new("x").is_ok());
        assert!(EventId::new("ü".repeat(64)).is_ok());
        assert_eq!(EventId::new(""), Err(InvalidId::Empty { field: "id" }));
        assert_eq!(
            EventId::new("x".repeat(129)),
            Err(InvalidId::TooLong {
                field: "id",
                bytes: 129
            })
        );
        assert!(matches!(
            EventId::new("a\nb"),
            Err(InvalidId::Control { at: 1, .. })
        ));
    }

    #[test]
    fn generated_ids_differ_and_sort_by_time() {
        let ids: Vec<_> = (0..100).map(|_| EventId::generate()).collect();
        assert!(ids.is_sorted());
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
