//! The index of a segment that is being written.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use recount_core::{EntryId, EventType};
use roaring::RoaringBitmap;

use super::{Postings, WantedType};
use crate::hash::ByHash;
use crate::record::{Names, Terms};
use crate::table::IdBounds;

/// Grows with its segment, so it is bounded by the segment's size.
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
    /// Between what the event ids lie.
    pub(crate) id_bounds: IdBounds,
    /// Sessions, users and custom types.
    pub(crate) terms: Vec<Term>,
    /// Their places in `terms`, by hash.
    places: HashMap<u128, u32, ByHash>,
    /// Ordinals of each known type, by its code.
    pub(crate) types: [Vec<u32>; EventType::KNOWN.len() + 1],
}

/// See [`MemoryIndex::places`].
pub(crate) type Places = [Option<u32>; 3];

/// What is remembered of an event id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IdSlot {
    pub(crate) content: u64,
    pub(crate) timestamp: u32,
    pub(crate) ordinal: u32,
}

/// A session, a user or a custom type.
pub(crate) struct Term {
    pub(crate) hash: u128,
    /// `s`, `u` or `t`.
    pub(crate) kind: u8,
    pub(crate) name: Box<[u8]>,
    pub(crate) ordinals: Vec<u32>,
    /// A session's revision so far.
    pub(crate) revision: u64,
}

impl MemoryIndex {
    /// An empty index with room for about `records`, so that it need not move as it grows.
    pub(crate) fn with_room(records: u32) -> Self {
        let records = records as usize;
        Self {
            offsets: Vec::with_capacity(records),
            entry_ids: Vec::with_capacity(records),
            event_ids: HashMap::with_capacity_and_hasher(records, ByHash::default()),
            repeated_ids: HashMap::default(),
            id_bounds: IdBounds::NONE,
            terms: Vec::new(),
            places: HashMap::default(),
            types: Default::default(),
        }
    }

    /// How many records are indexed.
    pub(crate) fn len(&self) -> u32 {
        self.offsets.len() as u32
    }

    /// The revision a session has by this segment; none if it does not occur in it.
    pub(crate) fn revision(&self, session: u128) -> Option<u64> {
        let place = *self.places.get(&session)?;
        Some(self.terms[place as usize].revision)
    }

    /// The first record with this event's id that was recorded at `from_ms` or later.
    pub(crate) fn event_id(&self, event: &Terms, from_ms: u64) -> Option<(&IdSlot, EntryId)> {
        if !self.id_bounds.span(event.id_prefix) {
            return None;
        }
        let first = self.event_ids.get(&event.event_id)?;
        let repeats = self.repeated_ids.get(&event.event_id).into_iter().flatten();
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

    /// Where a record's session, user and custom type stand in `terms`, so far as they do.
    pub(crate) fn places(&self, terms: &Terms) -> Places {
        [terms.session, terms.user, terms.custom_type].map(|hash| match hash {
            0 => None,
            hash => self.places.get(&hash).copied(),
        })
    }

    /// Adds the next record, whose terms stand at `places`.
    pub(crate) fn push(
        &mut self,
        record: Placed,
        terms: &Terms,
        places: Places,
        names: impl FnOnce() -> Names<'static>,
    ) {
        let ordinal = self.len();
        self.offsets.push(record.offset);
        self.entry_ids.push(record.entry_id);
        if terms.event_id != 0 {
            self.id_bounds.add(record.entry_id.ms, terms.id_prefix);
            let slot = IdSlot {
                content: terms.content,
                timestamp: terms.timestamp,
                ordinal,
            };
            match self.event_ids.entry(terms.event_id) {
                Entry::Vacant(vacant) => {
                    vacant.insert(slot);
                }
                Entry::Occupied(_) => self
                    .repeated_ids
                    .entry(terms.event_id)
                    .or_default()
                    .push(slot),
            }
        }
        // A custom type is a term; an undecodable entry has no type.
        if terms.type_code != 0 {
            self.types[usize::from(terms.type_code)].push(ordinal);
        }
        self.push_terms(ordinal, record.revision, terms, places, names);
    }

    fn push_terms(
        &mut self,
        ordinal: u32,
        revision: u64,
        terms: &Terms,
        mut places: Places,
        names: impl FnOnce() -> Names<'static>,
    ) {
        let hashes = [terms.session, terms.user, terms.custom_type];
        let is_new = |(hash, place): (&u128, &Option<u32>)| *hash != 0 && place.is_none();
        if hashes.iter().zip(&places).any(is_new) {
            let names = names();
            let names = [names.session, names.user, names.custom_type];
            for (index, kind) in [b's', b'u', b't'].into_iter().enumerate() {
                if is_new((&hashes[index], &places[index])) {
                    places[index] = Some(self.add_term(kind, hashes[index], &names[index]));
                }
            }
        }
        for place in places.into_iter().flatten() {
            let term = &mut self.terms[place as usize];
            term.ordinals.push(ordinal);
            // Only a session's is ever asked for.
            term.revision = revision;
        }
    }

    fn add_term(&mut self, kind: u8, hash: u128, name: &[u8]) -> u32 {
        let place = self.terms.len() as u32;
        self.terms.push(Term {
            hash,
            kind,
            name: name.into(),
            ordinals: Vec::new(),
            revision: 0,
        });
        self.places.insert(hash, place);
        place
    }

    fn term(&self, hash: u128) -> RoaringBitmap {
        match self.places.get(&hash) {
            Some(&place) => bitmap(&self.terms[place as usize].ordinals),
            None => RoaringBitmap::new(),
        }
    }
}

impl Default for MemoryIndex {
    fn default() -> Self {
        Self::with_room(0)
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
