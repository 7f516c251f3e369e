//! `MessagePack` for the scripts' arguments.
//!
//! A server takes apart one large argument in a fraction of the time that thousands of small ones cost
//! it, and Lua's `cmsgpack` has the lists ready.

use rmp::encode::{write_array_len, write_str_len, write_uint};

/// Lists of texts and lists, written one after the other.
#[derive(Default)]
pub(crate) struct Packed(Vec<u8>);

impl Packed {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Begins a list of `length` items, which have to follow.
    pub(crate) fn list(&mut self, length: usize) -> &mut Self {
        // Writing to memory does not fail.
        let _ = write_array_len(&mut self.0, length as u32);
        self
    }

    /// Adds a text, of whatever bytes.
    pub(crate) fn text(&mut self, text: impl AsRef<[u8]>) -> &mut Self {
        let text = text.as_ref();
        let _ = write_str_len(&mut self.0, text.len() as u32);
        self.0.extend_from_slice(text);
        self
    }

    /// Adds a number.
    pub(crate) fn number(&mut self, number: usize) -> &mut Self {
        let _ = write_uint(&mut self.0, number as u64);
        self
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
