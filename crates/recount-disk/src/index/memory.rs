//! The index of a segment that is being written.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use recount_core::{EntryId, EventType};
use roaring::RoaringBitmap;

use super::{Postings, WantedType};
use crate::hash::ByHash;
use crate::record::{Names, Terms};

/// Grows with its segment, so it is bounded by the segment's size.
#[derive(Default)]
pub(crate) struct MemoryIndex {
    /// Where each record is in the segment, by ordinal.
    pub(crate) offsets: Vec<u32>,
    /// Each record's entry id, by ordinal.
    pub(crate) entry_ids: Vec<EntryId>,
    /// Event ids by hash.
    event_ids: HashMap<u128, IdSlot, ByHash>,
    /// Further records with an id of `event_ids`: those that came after the first was outside the
    /// idempotency window, and copies made by others.
    repeated_ids: HashMap<u128, Vec<IdSlot>, ByHash>,
    /// Sessions, users and custom types by hash.
    pub(crate) terms: HashMap<u128, Term, ByHash>,
    /// Ordinals of each known type, by its code.
    pub(crate) types: [Vec<u32>; EventType::KNOWN.len() + 1],
}

/// What is remembered of an event id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IdSlot {
    pub(crate) content: u64,
    pub(crate) timestamp: u32,
    pub(crate) ordinal: u32,
}

/// A session, a user or a custom type.
pub(crate) struct Term {
    /// `s`, `u` or `t`.
    pub(crate) kind: u8,
    pub(crate) name: Box<[u8]>,
    pub(crate) ordinals: Vec<u32>,
    /// A session's revision so far.
    pub(crate) revision: u64,
}

impl MemoryIndex {
    /// How many records are indexed.
    pub(crate) fn len(&self) -> u32 {
        self.offsets.len() as u32
    }

    /// The revision a session has by this segment; none if it does not occur in it.
    pub(crate) fn revision(&self, session: u128) -> Option<u64> {
        self.terms.get(&session).map(|term| term.revision)
    }

    /// The first record with this event id that was recorded at `from_ms` or later.
    pub(crate) fn event_id(&self, hash: u128, from_ms: u64) -> Option<(&IdSlot, EntryId)> {
        let first = self.event_ids.get(&hash)?;
        let repeats = self.repeated_ids.get(&hash).into_iter().flatten();
        std::iter::once(first)
            .chain(repeats)
            .map(|slot| (slot, self.entry_ids[slot.ordinal as usize]))
            .find(|(_, entry_id)| entry_id.ms >= from_ms)
    }

    /// Every event id with what is remembered of it.
    pub(crate) fn all_event_ids(&self) -> impl Iterator<Item = (u128, &IdSlot)> {
        let repeated = self.repeated_ids.iter();
        let firsts = self.event_ids.iter().map(|(&hash, slot)| (hash, slot));
        firsts.chain(repeated.flat_map(|(&hash, slots)| slots.iter().map(move |slot| (hash, slot))))
    }

    /// Adds the next record.
    pub(crate) fn push(&mut self, record: Placed, terms: &Terms, names: impl FnOnce() -> Names<'static>) {
        let ordinal = self.len();
        self.offsets.push(record.offset);
        self.entry_ids.push(record.entry_id);
        if terms.event_id != 0 {
            let slot = IdSlot {
                content: terms.content,
                timestamp: terms.timestamp,
                ordinal,
            };
            match self.event_ids.entry(terms.event_id) {
                Entry::Vacant(vacant) => {
                    vacant.insert(slot);
                }
                Entry::Occupied(_) => self.repeated_ids.entry(terms.event_id).or_default().push(slot),
            }
        }
        self.types[usize::from(terms.type_code)].push(ordinal);
        self.push_terms(ordinal, record.revision, terms, names);
    }

    fn push_terms(
        &mut self,
        ordinal: u32,
        revision: u64,
        terms: &Terms,
        names: impl FnOnce() -> Names<'static>,
    ) {
        let known = |index: &Self, hash: u128| hash == 0 || index.terms.contains_key(&hash);
        let hashes = [terms.session, terms.user, terms.custom_type];
        if !hashes.iter().all(|&hash| known(self, hash)) {
            let names = names();
            let names = [names.session, names.user, names.custom_type];
            for ((kind, hash), name) in [b's', b'u', b't'].into_iter().zip(hashes).zip(names) {
                if hash != 0 {
                    self.terms.entry(hash).or_insert_with(|| Term {
                        kind,
                        name: name.as_ref().into(),
                        ordinals: Vec::new(),
                        revision: 0,
                    });
                }
            }
        }
        for hash in hashes {
            if let Some(term) = self.terms.get_mut(&hash) {
                term.ordinals.push(ordinal);
                // Only a session's is ever asked for.
                term.revision = revision;
            }
        }
    }

    fn term(&self, hash: u128) -> RoaringBitmap {
        self.terms
            .get(&hash)
            .map_or_else(RoaringBitmap::new, |term| bitmap(&term.ordinals))
    }
}

impl Postings for MemoryIndex {
    fn session(&self, hash: u128, _: &str) -> RoaringBitmap {
        self.term(hash)
    }

    fn user(&self, hash: u128, _: &str) -> RoaringBitmap {
        self.term(hash)
    }

    fn event_type(&self, wanted: &WantedType<'_>) -> RoaringBitmap {
        match wanted {
            WantedType::Known(_, code) => bitmap(&self.types[usize::from(*code)]),
            WantedType::Custom(hash, _) => self.term(*hash),
        }
    }
}

/// Where a record was placed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    pub(crate) offset: u32,
    pub(crate) entry_id: EntryId,
    pub(crate) revision: u64,
}

/// Ordinals are pushed in order.
pub(crate) fn bitmap(ordinals: &[u32]) -> RoaringBitmap {
    RoaringBitmap::from_sorted_iter(ordinals.iter().copied()).unwrap_or_default()
}
