//! Writing a segment anew from the records that are left of it.

use super::segments::Case;
use crate::bytes::put_u32;
use crate::frame::{
    ALIGN, FOOTER, Footer, FrameHeader, HEADER, SEGMENT_HEADER, Salt, SegmentHeader, add_record,
};
use crate::meta::Meta;
use crate::record;
use recount_core::EntryId;

/// The survivors of a segment in frames as they were appended, under `header`; with a footer if it
/// is `complete`.
pub(super) fn segment(case: &Case, header: &SegmentHeader, complete: bool, meta: &Meta) -> Vec<u8> {
    let salt = Salt::new(meta, header.number);
    let mut out = header.encode(meta).to_vec();
    let mut ordinal = 0;
    for frame in &case.walk.frames {
        let offset = out.len();
        out.resize(offset + HEADER, 0);
        let mut payload = 0;
        for survivor in &frame.records {
            let at = out.len();
            out.extend_from_slice(survivor.bytes(&case.bytes));
            let record = &mut out[at..];
            if survivor.proven {
                let crc = record::checksum(record);
                put_u32(record, 4, crc);
            }
            payload = add_record(payload, record);
        }
        out.resize(out.len().next_multiple_of(ALIGN), 0);
        let count = frame.records.len() as u32;
        FrameHeader {
            payload: (out.len() - offset - HEADER) as u32,
            count,
            // The whole file is synced before it gets its name.
            synced: offset as u64,
            ordinal,
            footer: false,
            id: frame.records.first().map_or(EntryId::MIN, |first| {
                record::entry_id(first.bytes(&case.bytes))
            }),
        }
        .seal(&mut out[offset..], salt, offset as u64, payload);
        ordinal += count;
    }
    if complete {
        let footer = Footer {
            first: case.walk.first_id(&case.bytes).unwrap_or(EntryId::MIN),
            last: case.walk.last_id(&case.bytes).unwrap_or(EntryId::MIN),
            count: ordinal,
            offset: out.len() as u64,
        };
        out.extend(footer.encode(salt, footer.offset));
    }
    out
}

/// A complete segment without records.
pub(super) fn empty(header: &SegmentHeader, meta: &Meta) -> Vec<u8> {
    let mut out = header.encode(meta).to_vec();
    let footer = Footer {
        first: EntryId::MIN,
        last: EntryId::MIN,
        count: 0,
        offset: SEGMENT_HEADER as u64,
    };
    out.extend(footer.encode(Salt::new(meta, header.number), footer.offset));
    debug_assert_eq!(out.len(), SEGMENT_HEADER + FOOTER);
    out
}
