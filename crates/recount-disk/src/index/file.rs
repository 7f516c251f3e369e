//! The index of a complete segment. `FORMAT.md`, "Segment index".

use fst::{Map as Dictionary, MapBuilder};
use roaring::RoaringBitmap;

use super::memory::{MemoryIndex, bitmap};
use super::{Postings, WantedType};
use crate::bytes::{put_u32, put_u64, u32_at, u64_at};
use crate::storage::Map;

const MAGIC: &[u8; 8] = b"RCNTIDX1";
const HEADER: usize = 64;
/// Where the stream's identity stands; 0 in older versions.
const IDENTITY: usize = 48;
/// Set in a dictionary's value that is the one ordinal itself.
const SINGLE: u64 = 1 << 63;

/// Writes the index of segment `number` as a file's bytes.
pub(crate) fn build(number: u64, index: &MemoryIndex, identity: &[u8; 16]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    bytes[..8].copy_from_slice(MAGIC);
    put_u64(&mut bytes, 8, number);
    put_u32(&mut bytes, 16, index.len());
    bytes[IDENTITY..HEADER].copy_from_slice(identity);
    for offset in &index.offsets {
        bytes.extend_from_slice(&offset.to_le_bytes());
    }
    let postings_at = bytes.len();

    let mut values = Vec::new();
    for (key, ordinals) in sorted_terms(index) {
        let value = if let [one] = ordinals[..] {
            SINGLE | u64::from(one)
        } else {
            let at = bytes.len() - postings_at;
            // Writing into memory cannot fail.
            let _ = bitmap(ordinals).serialize_into(&mut bytes);
            at as u64
        };
        values.push((key, value));
    }
    let dictionary_at = bytes.len();
    let mut dictionary = MapBuilder::memory();
    for (key, value) in values {
        // Keys are sorted and unique, so every insertion is in order.
        let _ = dictionary.insert(key, value);
    }
    bytes.extend(dictionary.into_inner().unwrap_or_default());

    let end = bytes.len();
    put_u64(&mut bytes, 24, postings_at as u64);
    put_u64(&mut bytes, 32, dictionary_at as u64);
    put_u64(&mut bytes, 40, end as u64);
    let crc = checksum(&bytes);
    put_u32(&mut bytes, 20, crc);
    bytes
}

fn sorted_terms(index: &MemoryIndex) -> Vec<(Vec<u8>, &Vec<u32>)> {
    let key = |kind: u8, name: &[u8]| [&[kind], name].concat();
    let named = index
        .terms
        .iter()
        .map(|term| (key(term.kind, &term.name), &term.ordinals));
    let known = recount_core::EventType::KNOWN
        .iter()
        .zip(&index.types[1..])
        .filter(|(_, ordinals)| !ordinals.is_empty())
        .map(|(known, ordinals)| (key(b't', known.as_str().as_bytes()), ordinals));
    let mut terms: Vec<_> = named.chain(known).collect();
    terms.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    terms
}

fn checksum(bytes: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&bytes[..20]);
    let crc = crc32c::crc32c_append(crc, &bytes[24..48]);
    crc32c::crc32c_append(crc, &bytes[HEADER..])
}

/// An index file, checked once as a whole.
pub(crate) struct FileIndex {
    bytes: Map,
    postings_at: usize,
    dictionary_at: usize,
    count: u32,
}

impl FileIndex {
    /// Takes the bytes if they are the undamaged index of segment `number` with `count` records.
    pub(crate) fn open(bytes: Map, number: u64, count: u32, identity: &[u8; 16]) -> Option<Self> {
        if bytes.len() < HEADER || &bytes[..8] != MAGIC || checksum(&bytes) != u32_at(&bytes, 20) {
            return None;
        }
        let postings_at = u64_at(&bytes, 24) as usize;
        let dictionary_at = u64_at(&bytes, 32) as usize;
        let right = u64_at(&bytes, 8) == number
            && [&identity[..], &[0; 16]].contains(&&bytes[IDENTITY..HEADER])
            && u32_at(&bytes, 16) == count
            && u64_at(&bytes, 40) == bytes.len() as u64
            && postings_at == HEADER + 4 * count as usize
            && (postings_at..=bytes.len()).contains(&dictionary_at)
            && Dictionary::new(&bytes[dictionary_at..]).is_ok();
        right.then_some(Self {
            bytes,
            postings_at,
            dictionary_at,
            count,
        })
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Where the record with this ordinal is in the segment.
    pub(crate) fn offset(&self, ordinal: u32) -> u32 {
        u32_at(&self.bytes, HEADER + 4 * ordinal as usize)
    }

    /// Whether it says of every record and every term what `index` says, and nothing else.
    pub(crate) fn agrees_with(&self, index: &MemoryIndex) -> bool {
        let terms = sorted_terms(index);
        let offsets = (0..self.count).map(|ordinal| self.offset(ordinal));
        let Ok(dictionary) = Dictionary::new(&self.bytes[self.dictionary_at..]) else {
            return false;
        };
        offsets.eq(index.offsets.iter().copied())
            && dictionary.len() == terms.len()
            && terms
                .iter()
                .all(|(key, ordinals)| match dictionary.get(key) {
                    None => false,
                    Some(_) => self.bitmap(&dictionary, key) == bitmap(ordinals),
                })
    }

    fn term(&self, kind: u8, name: &str) -> RoaringBitmap {
        let key = [&[kind], name.as_bytes()].concat();
        // Opening proved the dictionary readable and the checksum vouches for what it points to.
        let Ok(dictionary) = Dictionary::new(&self.bytes[self.dictionary_at..]) else {
            return RoaringBitmap::new();
        };
        self.bitmap(&dictionary, &key)
    }

    fn bitmap(&self, dictionary: &Dictionary<&[u8]>, key: &[u8]) -> RoaringBitmap {
        match dictionary.get(key) {
            None => RoaringBitmap::new(),
            Some(single) if single & SINGLE != 0 => RoaringBitmap::from([single as u32]),
            Some(at) => {
                let from = self.postings_at.saturating_add(at as usize);
                let postings = self.bytes.get(from..self.dictionary_at).unwrap_or_default();
                RoaringBitmap::deserialize_from(postings).unwrap_or_default()
            }
        }
    }
}

impl Postings for FileIndex {
    fn session(&self, _: u128, name: &str) -> RoaringBitmap {
        self.term(b's', name)
    }

    fn user(&self, _: u128, name: &str) -> RoaringBitmap {
        self.term(b'u', name)
    }

    fn event_type(&self, wanted: &WantedType<'_>) -> RoaringBitmap {
        match wanted {
            WantedType::Known(known, _) => self.term(b't', known.as_str()),
            WantedType::Custom(_, name) => self.term(b't', name),
        }
    }
}
