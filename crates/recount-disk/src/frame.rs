//! Segment headers and frames. `FORMAT.md`, "Segments".

use recount_core::EntryId;

use crate::bytes::{put_u32, put_u64, u32_at, u64_at};
use crate::meta::Meta;
use crate::record::{self, Record};

/// Bytes of a segment's header.
pub(crate) const SEGMENT_HEADER: usize = 64;
/// Bytes of a frame before its payload.
pub(crate) const HEADER: usize = 48;
/// Bytes of a footer with its header.
pub(crate) const FOOTER: usize = HEADER + 32;
/// Every frame begins at a multiple of this.
pub(crate) const ALIGN: usize = 8;

const SEGMENT_MAGIC: &[u8; 8] = b"RCNTSEG1";
pub(crate) const MAGIC: &[u8; 4] = b"RCFR";
const KIND_BATCH: u32 = 1;
const KIND_FOOTER: u32 = 2;

/// What a segment's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) number: u64,
    /// The greatest entry id before this segment.
    pub(crate) base_id: EntryId,
    /// How many entries were added before this segment.
    pub(crate) base_entries: u64,
    /// Whether the segment before was on stable storage when this one was created.
    pub(crate) previous_synced: bool,
}

impl SegmentHeader {
    pub(crate) fn encode(&self, meta: &Meta) -> [u8; SEGMENT_HEADER] {
        let mut bytes = [0; SEGMENT_HEADER];
        bytes[..8].copy_from_slice(SEGMENT_MAGIC);
        put_u64(&mut bytes, 8, self.number);
        bytes[16..32].copy_from_slice(&meta.identity);
        put_u64(&mut bytes, 32, self.base_id.ms);
        put_u64(&mut bytes, 40, self.base_id.seq);
        put_u64(&mut bytes, 48, self.base_entries);
        put_u32(&mut bytes, 56, u32::from(self.previous_synced));
        let crc = crc32c::crc32c(&bytes[..60]);
        put_u32(&mut bytes, 60, crc);
        bytes
    }

    /// Reads the header of segment `number` of the stream `meta`.
    pub(crate) fn decode(bytes: &[u8], number: u64, meta: &Meta) -> Result<Self, &'static str> {
        if bytes.len() < SEGMENT_HEADER {
            return Err("the segment's header is incomplete");
        }
        if &bytes[..8] != SEGMENT_MAGIC || crc32c::crc32c(&bytes[..60]) != u32_at(bytes, 60) {
            return Err("the segment's header is damaged");
        }
        if bytes[16..32] != meta.identity {
            return Err("the segment belongs to another stream");
        }
        if u64_at(bytes, 8) != number {
            return Err("the segment has another number than its name");
        }
        Ok(Self {
            number,
            base_id: EntryId::new(u64_at(bytes, 32), u64_at(bytes, 40)),
            base_entries: u64_at(bytes, 48),
            previous_synced: u32_at(bytes, 56) == 1,
        })
    }
}

/// What a footer says of its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) first: EntryId,
    pub(crate) last: EntryId,
    pub(crate) count: u32,
    /// Where the footer is, and so where the data ends.
    pub(crate) offset: u64,
}

impl Footer {
    pub(crate) fn encode(&self, salt: Salt, synced: u64) -> Vec<u8> {
        let mut bytes = vec![0; FOOTER];
        put_u64(&mut bytes, HEADER, self.first.ms);
        put_u64(&mut bytes, HEADER + 8, self.first.seq);
        put_u64(&mut bytes, HEADER + 16, u64::from(self.count));
        put_u64(&mut bytes, HEADER + 24, self.offset);
        let header = FrameHeader {
            payload: (FOOTER - HEADER) as u32,
            count: 0,
            synced,
            ordinal: self.count,
            footer: true,
            id: self.last,
        };
        let payload = crc32c::crc32c(&bytes[HEADER..]);
        header.seal(&mut bytes, salt, self.offset, payload);
        bytes
    }

    /// Reads the footer that ends a segment `len` bytes long.
    pub(crate) fn decode(bytes: &[u8], salt: Salt, len: u64) -> Result<Self, &'static str> {
        let offset = len
            .checked_sub(FOOTER as u64)
            .ok_or("the segment is too short for a footer")?;
        let header = FrameHeader::check(bytes, salt, offset)?;
        let is_footer = header.footer && header.frame_bytes() == FOOTER;
        if !is_footer || u64_at(bytes, HEADER + 24) != offset {
            return Err("the segment's footer is missing");
        }
        Ok(Self {
            first: EntryId::new(u64_at(bytes, HEADER), u64_at(bytes, HEADER + 8)),
            last: header.id,
            count: header.ordinal,
            offset,
        })
    }
}

/// What makes a frame's checksum its own: the stream's key and the segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Salt(u32);

impl Salt {
    pub(crate) fn new(meta: &Meta, segment: u64) -> Self {
        let crc = crc32c::crc32c(&meta.key);
        Self(crc32c::crc32c_append(crc, &segment.to_le_bytes()))
    }

    pub(crate) fn at(self, offset: u64) -> u32 {
        crc32c::crc32c_append(self.0, &offset.to_le_bytes())
    }
}

/// What a frame's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    /// Length of the payload.
    pub(crate) payload: u32,
    /// How many records.
    pub(crate) count: u32,
    /// The offset up to which everything was on stable storage when the frame was written.
    pub(crate) synced: u64,
    /// The ordinal of the first record.
    pub(crate) ordinal: u32,
    /// Whether this is the footer.
    pub(crate) footer: bool,
    /// The first entry id; in a footer, the last of the segment.
    pub(crate) id: EntryId,
}

impl FrameHeader {
    /// Writes the header and its checksum in front of the payload that `frame` holds already.
    /// `payload` is the payload's own checksum, see [`add_record`].
    pub(crate) fn seal(&self, frame: &mut [u8], salt: Salt, offset: u64, payload: u32) {
        frame[..4].copy_from_slice(MAGIC);
        put_u32(frame, 8, self.payload);
        put_u32(frame, 12, self.count);
        put_u64(frame, 16, self.synced);
        put_u32(frame, 24, self.ordinal);
        put_u32(
            frame,
            28,
            if self.footer { KIND_FOOTER } else { KIND_BATCH },
        );
        put_u64(frame, 32, self.id.ms);
        put_u64(frame, 40, self.id.seq);
        let crc = crc32c::crc32c_append(salt.at(offset), &frame[8..HEADER]);
        put_u32(frame, 4, crc32c::crc32c_append(crc, &payload.to_le_bytes()));
    }

    /// The header of the whole frame at the start of `bytes`, if everything about it is right.
    pub(crate) fn check(bytes: &[u8], salt: Salt, offset: u64) -> Result<Self, &'static str> {
        if bytes.len() < HEADER {
            return Err("a frame's header is incomplete");
        }
        if &bytes[..4] != MAGIC {
            return Err("no frame begins here");
        }
        let payload = u32_at(bytes, 8);
        let end = HEADER + payload as usize;
        if !(payload as usize).is_multiple_of(ALIGN) {
            return Err("a frame's length is damaged");
        }
        if bytes.len() < end {
            return Err("a frame is incomplete");
        }
        let count = u32_at(bytes, 12);
        let payload_crc = if count == 0 {
            crc32c::crc32c(&bytes[HEADER..end])
        } else {
            checked_records(&bytes[HEADER..end], count)?
        };
        if !Self::vouches(bytes, salt, offset, payload_crc) {
            return Err("a frame's checksum does not match");
        }
        Ok(Self {
            payload,
            count,
            synced: u64_at(bytes, 16),
            ordinal: u32_at(bytes, 24),
            footer: u32_at(bytes, 28) == KIND_FOOTER,
            id: EntryId::new(u64_at(bytes, 32), u64_at(bytes, 40)),
        })
    }

    /// Whether the checksum of the header at the start of `bytes` agrees with it and with a payload of
    /// this checksum.
    pub(crate) fn vouches(bytes: &[u8], salt: Salt, offset: u64, payload: u32) -> bool {
        let crc = crc32c::crc32c_append(salt.at(offset), &bytes[8..HEADER]);
        crc32c::crc32c_append(crc, &payload.to_le_bytes()) == u32_at(bytes, 4)
    }

    /// The payload's length as an unchecked header states it.
    pub(crate) fn payload_of(bytes: &[u8]) -> u32 {
        u32_at(bytes, 8)
    }

    /// How many bytes the frame takes.
    pub(crate) fn frame_bytes(&self) -> usize {
        HEADER + self.payload as usize
    }
}

/// Adds a record to a payload's checksum, which begins as 0.
///
/// The record's own checksum stands for its bytes, so that none is read twice.
pub(crate) fn add_record(payload: u32, record: &[u8]) -> u32 {
    crc32c::crc32c_append(payload, &record[..8])
}

/// Checks each record of a payload, and the zeros behind them; returns the payload's checksum.
fn checked_records(payload: &[u8], count: u32) -> Result<u32, &'static str> {
    let mut crc = 0;
    let mut rest = payload;
    for _ in 0..count {
        let bytes = record::length(rest)
            .and_then(|len| rest.get(..len))
            .ok_or("a record is longer than its frame")?;
        Record::checked(bytes)?;
        crc = add_record(crc, bytes);
        rest = &rest[bytes.len()..];
    }
    if rest.len() >= ALIGN || rest.iter().any(|&byte| byte != 0) {
        return Err("a frame has bytes that belong to no record");
    }
    Ok(crc)
}
