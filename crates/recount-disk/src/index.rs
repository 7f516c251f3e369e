//! What a segment holds, by session, user, type and event id.
//!
//! While a segment is written its index is in memory ([`MemoryIndex`]). When it is complete the index
//! becomes a file ([`FileIndex`]), and its event ids and sessions become tables (`crate::table`).

mod file;
mod memory;

use recount_core::{EventType, Filter};
use roaring::RoaringBitmap;

pub(crate) use file::{FileIndex, build};
pub(crate) use memory::{MemoryIndex, Placed};

use crate::hash::Hashes;

/// A filter with its names hashed, ready to be asked of many segments.
pub(crate) struct Wanted<'a> {
    pub(crate) session: Option<(u128, &'a str)>,
    pub(crate) user: Option<(u128, &'a str)>,
    /// Known types by code, custom ones by hash and name.
    pub(crate) types: Vec<WantedType<'a>>,
}

/// One of the types a filter lets pass.
pub(crate) enum WantedType<'a> {
    Known(&'a EventType, u8),
    Custom(u128, &'a str),
}

impl<'a> Wanted<'a> {
    pub(crate) fn new(filter: &'a Filter, hashes: &Hashes) -> Self {
        let term = |kind: u8, name: &'a String| (hashes.term(kind, name.as_bytes()), name.as_str());
        Self {
            session: filter.session_id.as_ref().map(|name| term(b's', name)),
            user: filter.user_id.as_ref().map(|name| term(b'u', name)),
            types: filter
                .types
                .iter()
                .map(|event_type| match crate::record::type_code(event_type) {
                    0 => {
                        let name = event_type.as_str();
                        WantedType::Custom(hashes.term(b't', name.as_bytes()), name)
                    }
                    code => WantedType::Known(event_type, code),
                })
                .collect(),
        }
    }
}

/// Where the ordinals of a term are looked up.
pub(crate) trait Postings {
    fn session(&self, hash: u128, name: &str) -> RoaringBitmap;
    fn user(&self, hash: u128, name: &str) -> RoaringBitmap;
    fn event_type(&self, wanted: &WantedType<'_>) -> RoaringBitmap;

    /// The ordinals of the entries that pass a filter which is not empty.
    fn matching(&self, wanted: &Wanted<'_>) -> RoaringBitmap {
        let mut found: Option<RoaringBitmap> = None;
        let mut narrow = |by: RoaringBitmap| {
            found = Some(match found.take() {
                Some(found) => found & by,
                None => by,
            });
        };
        if let Some((hash, name)) = wanted.session {
            narrow(self.session(hash, name));
        }
        if let Some((hash, name)) = wanted.user {
            narrow(self.user(hash, name));
        }
        if !wanted.types.is_empty() {
            let any = wanted
                .types
                .iter()
                .map(|event_type| self.event_type(event_type));
            narrow(any.fold(RoaringBitmap::new(), |all, one| all | one));
        }
        found.unwrap_or_default()
    }
}
