//! Reading a segment past its damage: what survives, and between what the rest lay.
//!
//! A frame is found again behind damage by its salted checksum, which no published data can have.
//! A record has no salt: it counts as one only where a frame's own chain of lengths leads to it.

use recount_core::EntryId;

use crate::bytes::{put_u32, u32_at, u64_at};
use crate::frame::{ALIGN, FOOTER, Footer, FrameHeader, HEADER, MAGIC, SEGMENT_HEADER, Salt};
use crate::hash::Hashes;
use crate::index::{MemoryIndex, Placed};
use crate::record::{self, RAW_FIELDS, Record, Terms};

/// What a segment's bytes hold.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) frames: Vec<Frame>,
    pub(super) holes: Vec<Hole>,
    pub(super) footer: Option<Footer>,
    /// Where a footer seems to be that does not check out.
    pub(super) bad_footer: Option<u64>,
    /// Where the last frame or hole ends; the footer and reserved room come behind it.
    pub(super) end: u64,
    /// The highest offset that a frame says was on stable storage.
    pub(super) synced: u64,
    /// Whether a frame is whole: only a frame of this segment of this stream can be.
    pub(super) has_frame: bool,
}

/// Records that were appended together and check out.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) records: Vec<Survivor>,
}

/// Where a record lies, and which it was of its segment when it was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Survivor {
    pub(super) start: usize,
    pub(super) len: usize,
    pub(super) ordinal: u32,
    /// Its stored checksum is wrong, but its frame vouches for the one its bytes have.
    pub(super) proven: bool,
}

/// Bytes that are no frame.
#[derive(Debug, Clone)]
pub(super) struct Hole {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) what: &'static str,
    /// How many entries were in it besides those that survive; none where nothing tells.
    pub(super) lost: Option<u32>,
    /// The ids of the nearest entries that are left.
    pub(super) after: Option<EntryId>,
    pub(super) before: Option<EntryId>,
}

impl Survivor {
    pub(super) fn bytes<'a>(&self, of: &'a [u8]) -> &'a [u8] {
        &of[self.start..self.start + self.len]
    }

    fn id(&self, of: &[u8]) -> EntryId {
        record::entry_id(self.bytes(of))
    }
}

impl Walk {
    /// Reads the frames of a whole segment's `bytes`. What is salvaged of damaged ones has ids in
    /// `ids`, above the first and up to the second: nothing but that tells whether it is of this segment.
    pub(super) fn of(bytes: &[u8], salt: Salt, ids: (EntryId, EntryId)) -> Self {
        Walker {
            bytes,
            salt,
            walk: Self {
                end: SEGMENT_HEADER as u64,
                ..Self::default()
            },
            ids,
            ordinal: 0,
            last: None,
            open: None,
        }
        .run()
    }

    /// How many entries survive.
    pub(super) fn count(&self) -> u32 {
        self.survivors().count() as u32
    }

    pub(super) fn survivors(&self) -> impl DoubleEndedIterator<Item = &Survivor> {
        self.frames.iter().flat_map(|frame| &frame.records)
    }

    pub(super) fn first_id(&self, bytes: &[u8]) -> Option<EntryId> {
        self.survivors().next().map(|record| record.id(bytes))
    }

    pub(super) fn last_id(&self, bytes: &[u8]) -> Option<EntryId> {
        self.survivors().next_back().map(|record| record.id(bytes))
    }

    /// How many entries were written, as far as the segment itself tells.
    pub(super) fn written(&self) -> Option<u32> {
        if let Some(footer) = &self.footer {
            return Some(footer.count);
        }
        let lost: Option<u32> = self.holes.iter().map(|hole| hole.lost).sum();
        lost.map(|lost| lost + self.count())
    }

    /// Settles how many were lost in a hole that nothing in the segment ends, now that it is known
    /// how many were written in all.
    pub(super) fn settle(&mut self, written: u32) {
        let lost = written.saturating_sub(self.count());
        let known: u32 = self.holes.iter().filter_map(|hole| hole.lost).sum();
        if let Some(open) = self.holes.iter_mut().find(|hole| hole.lost.is_none()) {
            open.lost = Some(lost.saturating_sub(known));
        }
    }

    /// The index of the survivors, at the offsets where they are now.
    /// `each` is told of every one.
    pub(super) fn index(
        &self,
        bytes: &[u8],
        hashes: &Hashes,
        mut each: impl FnMut(&Terms, &Record<'_>),
    ) -> MemoryIndex {
        let mut index = MemoryIndex::default();
        for survivor in self.survivors() {
            let Ok(record) = Record::unchecked(survivor.bytes(bytes)) else {
                continue;
            };
            let (terms, names) = record.terms(hashes);
            each(&terms, &record);
            let placed = Placed {
                offset: survivor.start as u32,
                entry_id: record.entry_id(),
                revision: record.revision(),
            };
            let places = index.places(&terms);
            index.push(placed, &terms, places, || names.into_owned());
        }
        index
    }
}

struct Walker<'a> {
    bytes: &'a [u8],
    salt: Salt,
    walk: Walk,
    ids: (EntryId, EntryId),
    /// The ordinal that the next record should have.
    ordinal: u32,
    last: Option<EntryId>,
    /// Of the hole that no sound frame ended yet: the ordinal it began at, and how many survive.
    open: Option<(u32, u32)>,
}

impl Walker<'_> {
    fn run(mut self) -> Walk {
        let mut at = SEGMENT_HEADER;
        while at < self.bytes.len() {
            match self.check(at) {
                Ok(header) if header.footer => {
                    self.footer(at, &header);
                    break;
                }
                Ok(header) if header.ordinal < self.ordinal => {
                    // Ours, but not from here: nothing that it holds is new.
                    let end = at + header.frame_bytes();
                    self.hole(
                        at,
                        end,
                        "a frame does not follow the one before it",
                        Some(0),
                    );
                    at = end;
                }
                Ok(header) => {
                    self.frame(at, &header);
                    at += header.frame_bytes();
                }
                Err(_) if is_zero(&self.bytes[at..]) => break,
                Err(_) if self.is_footer(at) => {
                    self.walk.bad_footer = Some(at as u64);
                    break;
                }
                Err(what) => at = self.damaged(at, what),
            }
        }
        self.walk
    }

    fn check(&self, at: usize) -> Result<FrameHeader, &'static str> {
        FrameHeader::check(&self.bytes[at..], self.salt, at as u64)
    }

    fn footer(&mut self, at: usize, header: &FrameHeader) {
        let end = at + FOOTER;
        let decoded = self.bytes.get(at..end);
        let decoded = decoded.map(|bytes| Footer::decode(bytes, self.salt, end as u64));
        self.walk.synced = self.walk.synced.max(header.synced);
        match decoded {
            Some(Ok(footer)) => {
                self.close_hole(at, footer.count, None);
                self.walk.footer = Some(footer);
                if !is_zero(&self.bytes[end..]) {
                    let len = self.bytes.len();
                    self.walk.end = len as u64;
                    self.hole(end, len, "there are bytes behind the footer", Some(0));
                }
            }
            _ => self.walk.bad_footer = Some(at as u64),
        }
    }

    /// Whether the last bytes are what is left of a footer.
    fn is_footer(&self, at: usize) -> bool {
        let rest = &self.bytes[at..];
        rest.len() == FOOTER
            && (u64_at(rest, HEADER + 24) == at as u64
                || &rest[..4] == MAGIC && u32_at(rest, 8) as usize == FOOTER - HEADER)
    }

    fn frame(&mut self, at: usize, header: &FrameHeader) {
        self.walk.has_frame = true;
        self.close_hole(at, header.ordinal, Some(header.id));
        let mut records = Vec::with_capacity(header.count as usize);
        let mut start = at + HEADER;
        for ordinal in (header.ordinal..).take(header.count as usize) {
            let len = record::length(&self.bytes[start..]).unwrap_or(0);
            records.push(Survivor {
                start,
                len,
                ordinal,
                proven: false,
            });
            start += len;
        }
        self.ordinal = header.ordinal + header.count;
        self.walk.synced = self.walk.synced.max(header.synced);
        self.keep(records);
        self.walk.end = (at + header.frame_bytes()) as u64;
    }

    fn keep(&mut self, records: Vec<Survivor>) {
        let Some(last) = records.last() else {
            return;
        };
        self.last = Some(last.id(self.bytes));
        self.walk.frames.push(Frame { records });
    }

    /// What came before a sound frame at `at` is complete up to `ordinal`, or it is known how much
    /// is missing.
    fn close_hole(&mut self, at: usize, ordinal: u32, before: Option<EntryId>) {
        let missing = ordinal.saturating_sub(self.ordinal);
        match (self.open.take(), self.walk.holes.last_mut()) {
            (Some((from, kept)), Some(hole)) => {
                hole.lost = Some(ordinal.saturating_sub(from + kept));
                if missing > 0 || hole.before.is_none() {
                    hole.before = before;
                }
            }
            _ if missing > 0 => {
                self.hole(at, at, "records are missing", Some(missing));
                if let Some(hole) = self.walk.holes.last_mut() {
                    hole.before = before;
                }
            }
            _ => {}
        }
        self.ordinal = self.ordinal.max(ordinal);
    }

    fn hole(&mut self, start: usize, end: usize, what: &'static str, lost: Option<u32>) {
        self.walk.holes.push(Hole {
            start: start as u64,
            end: end as u64,
            what,
            lost,
            after: self.last,
            before: None,
        });
        self.walk.end = self.walk.end.max(end as u64);
    }

    /// Passes over damage at `at`, keeping the records in it that check out. Says where it ends.
    fn damaged(&mut self, at: usize, what: &'static str) -> usize {
        let next = self.next_frame(at + ALIGN);
        let end = match next {
            Some((end, _)) => end,
            // Zeros at the end are reserved room, not damage.
            None => used(self.bytes)
                .next_multiple_of(ALIGN)
                .min(self.bytes.len()),
        };
        // Behind the damage of a sealed segment there may be nothing left but a damaged footer.
        let footer = end.checked_sub(FOOTER).filter(|&footer| {
            next.is_none() && footer > at && self.is_footer(footer) && end == self.bytes.len()
        });
        let end = footer.unwrap_or(end);
        let before = next.and_then(|(_, header)| (!header.footer).then_some(header.id));
        let mut salvage = Salvage {
            last: self.last.unwrap_or(self.ids.0),
            end: before.and_then(EntryId::previous).unwrap_or(self.ids.1),
            ordinal: self.ordinal,
            ordinal_max: next.map_or(u32::MAX, |(_, header)| header.ordinal),
            exact: true,
            frames: Vec::new(),
        };
        let mut from = at;
        while from + HEADER <= end {
            from = self.salvage(from, end, &mut salvage);
        }
        if salvage.ordinal > salvage.ordinal_max {
            salvage.frames.clear();
        }
        let written = (salvage.exact && from == end).then_some(salvage.ordinal);
        let began = self.ordinal;
        let mut kept = 0;
        self.hole(at, end, what, None);
        let mut bounds = (self.last, None);
        for records in salvage.frames {
            kept += records.len() as u32;
            bounds = self.between(bounds, &records);
            self.ordinal = records.last().map_or(self.ordinal, |last| last.ordinal + 1);
            self.keep(records);
        }
        if let Some(hole) = self.walk.holes.last_mut() {
            (hole.after, hole.before) = bounds;
            if next.is_none() {
                if written != Some(self.ordinal) {
                    hole.before = None;
                }
                hole.lost = written.map(|written| written - began - kept);
            }
        }
        if next.is_some() {
            self.open = Some((began, kept));
        }
        end
    }

    /// Narrows down between which ids records are missing, going on over `records`, whose ordinals
    /// tell where some are missing among them.
    fn between(
        &self,
        (mut after, mut before): (Option<EntryId>, Option<EntryId>),
        records: &[Survivor],
    ) -> (Option<EntryId>, Option<EntryId>) {
        let mut expected = self.ordinal;
        for record in records {
            let id = record.id(self.bytes);
            if record.ordinal == expected && before.is_none() {
                after = Some(id);
            } else if record.ordinal != expected {
                before = Some(id);
            }
            expected = record.ordinal + 1;
        }
        (after, before)
    }

    /// The first sound frame from `from` on.
    fn next_frame(&self, from: usize) -> Option<(usize, FrameHeader)> {
        (from.next_multiple_of(ALIGN)..self.bytes.len())
            .step_by(ALIGN)
            .filter(|&at| self.bytes[at..].starts_with(MAGIC))
            .find_map(|at| Some((at, self.check(at).ok()?)))
    }

    /// Keeps what checks out of the damaged frame at `at`. Says where the next one may begin.
    fn salvage(&self, at: usize, end: usize, salvage: &mut Salvage) -> usize {
        let (items, stop) = self.chain(at + HEADER, end);
        let header = &self.bytes[at..at + HEADER];
        let stated = at + HEADER + u32_at(header, 8) as usize;
        let frame_end = stop.next_multiple_of(ALIGN);
        let begins = |at: usize| at == end || at < end && self.bytes[at..].starts_with(MAGIC);
        // Behind a record that does not check out the lengths lead on only if the frame's header
        // agrees with what they lead to.
        let fits = u32_at(header, 12) as usize == items.len() && stated == frame_end;
        let vouched = fits && self.vouched(at, &items);
        let stated_ordinal = u32_at(header, 24);
        if fits && (salvage.ordinal..salvage.ordinal_max).contains(&stated_ordinal) {
            salvage.ordinal = stated_ordinal;
        }
        let mut records = Vec::new();
        for (&(start, len, ok), ordinal) in items.iter().zip(salvage.ordinal..) {
            let survivor = Survivor {
                start,
                len,
                ordinal,
                proven: !ok && vouched,
            };
            if !ok && !vouched {
                if fits {
                    continue;
                }
                break;
            }
            if salvage.is_in_order(survivor.id(self.bytes)) {
                records.push(survivor);
            } else {
                // It is not from here, and so its frame says nothing of this place.
                salvage.exact = false;
            }
        }
        salvage.exact &= fits;
        salvage.ordinal = match records.last() {
            _ if fits => salvage.ordinal + items.len() as u32,
            Some(last) => last.ordinal + 1,
            None => salvage.ordinal,
        };
        if !records.is_empty() {
            salvage.frames.push(records);
        }
        if !items.is_empty() && begins(frame_end) {
            frame_end
        } else if stated > at + HEADER && begins(stated) {
            stated
        } else {
            salvage.exact = false;
            end
        }
    }

    /// The records that lengths lead to from `start` on (place, length, whether it checks out), and
    /// where they stop to.
    fn chain(&self, start: usize, end: usize) -> (Vec<(usize, usize, bool)>, usize) {
        let mut items = Vec::new();
        let mut at = start;
        while let Some(len) = record::length(&self.bytes[at.min(end)..end])
            && len >= RAW_FIELDS
            && at + len <= end
        {
            let ok = Record::checked(&self.bytes[at..at + len]).is_ok();
            items.push((at, len, ok));
            at += len;
        }
        (items, at)
    }

    /// Whether the frame's checksum agrees with the records as their bytes are now: then all that
    /// is damaged is the checksum of one of them.
    fn vouched(&self, at: usize, items: &[(usize, usize, bool)]) -> bool {
        let shape =
            |&(start, len, _): &_| Record::unchecked(&self.bytes[start..start + len]).is_ok();
        if !items.iter().all(shape) {
            return false;
        }
        let payload = items.iter().fold(0, |payload, &(start, len, _)| {
            let record = &self.bytes[start..start + len];
            let mut prefix = [0; 8];
            prefix.copy_from_slice(&record[..8]);
            put_u32(&mut prefix, 4, record::checksum(record));
            crate::frame::add_record(payload, &prefix)
        });
        let header = &self.bytes[at..at + HEADER];
        header.starts_with(MAGIC) && FrameHeader::vouches(header, self.salt, at as u64, payload)
    }
}

/// What is kept of one hole.
struct Salvage {
    /// The last id so far, and the last that there can be in the hole.
    last: EntryId,
    end: EntryId,
    /// The next record's ordinal, as far as that can be told, and the one behind the hole.
    ordinal: u32,
    ordinal_max: u32,
    /// Whether it is known of every frame how many records it had.
    exact: bool,
    frames: Vec<Vec<Survivor>>,
}

impl Salvage {
    fn is_in_order(&mut self, id: EntryId) -> bool {
        let fits = id > self.last && id <= self.end;
        if fits {
            self.last = id;
        }
        fits
    }
}

pub(super) fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

/// How many bytes there are before the zeros at the end.
fn used(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |at| at + 1)
}
