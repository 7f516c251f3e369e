//! Integers, names and ids as they stand in `groups.log`.

use recount_core::EntryId;

/// More ids than any change holds.
const IDS_MAX: u64 = 1 << 24;

/// Adds an integer of variable length.
pub(super) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn put_name(out: &mut Vec<u8>, name: &str) {
    put(out, name.len() as u64);
    out.extend_from_slice(name.as_bytes());
}

pub(super) fn put_id(out: &mut Vec<u8>, id: EntryId) {
    put(out, id.ms);
    put(out, id.seq);
}

/// Adds ids, which are in order. Neighbours in a millisecond are told as one run.
pub(super) fn put_ids(out: &mut Vec<u8>, ids: &[EntryId]) {
    let follows = |pair: &[EntryId]| pair[0].ms == pair[1].ms && pair[0].next() == Some(pair[1]);
    let breaks = ids.windows(2).filter(|pair| !follows(pair)).count();
    put(out, (breaks + usize::from(!ids.is_empty())) as u64);
    let mut before = EntryId::MIN;
    let mut rest = ids;
    while let Some(&first) = rest.first() {
        let more = rest.windows(2).take_while(|pair| follows(pair)).count();
        put(out, first.ms - before.ms);
        let seq = if first.ms == before.ms {
            first.seq - before.seq - 1
        } else {
            first.seq
        };
        put(out, seq);
        put(out, more as u64);
        before = rest[more];
        rest = &rest[more + 1..];
    }
}

/// What is left to be read of a payload. Every read is none where it does not hold that.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if part << shift >> shift != part {
                return None;
            }
            value |= part << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn number_u32(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }

    pub(super) fn name(&mut self) -> Option<&'a str> {
        let len = usize::try_from(self.number()?).ok()?;
        let (name, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        std::str::from_utf8(name).ok()
    }

    pub(super) fn id(&mut self) -> Option<EntryId> {
        Some(EntryId::new(self.number()?, self.number()?))
    }

    pub(super) fn ids(&mut self) -> Option<Vec<EntryId>> {
        let runs = self.number()?;
        let mut ids = Vec::new();
        let mut before = EntryId::MIN;
        for _ in 0..runs {
            let (ms, seq) = (self.number()?, self.number()?);
            let first = if ms == 0 {
                EntryId::new(before.ms, before.seq.checked_add(seq)?.checked_add(1)?)
            } else {
                EntryId::new(before.ms.checked_add(ms)?, seq)
            };
            let more = self.number()?;
            if more >= IDS_MAX || ids.len() as u64 + more >= IDS_MAX {
                return None;
            }
            let last = EntryId::new(first.ms, first.seq.checked_add(more)?);
            ids.extend((first.seq..=last.seq).map(|seq| EntryId::new(first.ms, seq)));
            before = last;
        }
        Some(ids)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn neighbours_take_three_bytes_together() {
        let ids: Vec<EntryId> = (7..107).map(|seq| EntryId::new(100, seq)).collect();
        let mut bytes = Vec::new();
        put_ids(&mut bytes, &ids);
        assert_eq!(bytes, [1, 100, 7, 99]);
        assert_eq!(Bytes(&bytes).ids(), Some(ids));
    }

    proptest! {
        #[test]
        fn ids_come_back(ids in proptest::collection::btree_set((0_u64..4, 0_u64..6), 0..30), far in any::<(u64, u64)>()) {
            let mut ids: std::collections::BTreeSet<EntryId> =
                ids.into_iter().map(|(ms, seq)| EntryId::new(ms, seq)).collect();
            ids.insert(EntryId::new(far.0, far.1));
            ids.insert(EntryId::MAX);
            ids.remove(&EntryId::MIN);
            let ids: Vec<EntryId> = ids.into_iter().collect();
            let mut bytes = Vec::new();
            put_ids(&mut bytes, &ids);
            let mut left = Bytes(&bytes);
            prop_assert_eq!(left.ids(), Some(ids));
            prop_assert!(left.is_empty());
            for cut in 0..bytes.len() {
                prop_assert_eq!(Bytes(&bytes[..cut]).ids(), None);
            }
        }

        #[test]
        fn numbers_come_back(value in any::<u64>()) {
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            prop_assert_eq!(Bytes(&bytes).number(), Some(value));
        }
    }
}
