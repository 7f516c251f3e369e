//! What the fuzz targets need of the inside: the scanner alone, and checksums made right again, so
//! that what lies behind them is reached.

use std::path::Path;

use recount_core::EntryId;

use crate::bytes::{put_u32, u32_at, u64_at};
use crate::frame::{self, FrameHeader, HEADER, SEGMENT_HEADER, Salt};
use crate::hash::Hashes;
use crate::index::MemoryIndex;
use crate::meta::Meta;
use crate::record::{self, Record};
use crate::scan::Scanner;
use crate::sim::SimStorage;
use crate::storage::{OpenHow, Storage};

const BLOCK: usize = 4096;

/// A stream like any other, but always the same one.
fn meta() -> Meta {
    Meta {
        identity: [1; 16],
        key: [2; 16],
        created_ms: 0,
    }
}

/// Reads `bytes` as the first segment of a stream, and every record that is found; says how many.
/// An error says what is wrong and where.
pub fn scan(bytes: &[u8]) -> Result<u32, String> {
    let storage = SimStorage::new(0);
    let path = Path::new("/segment");
    storage.tamper(path, Some(bytes.to_vec()));
    let file = storage
        .open(path, OpenHow::Read)
        .map_err(|error| error.to_string())?;
    let meta = meta();
    let hashes = Hashes::new(&meta.key);
    let scanner = Scanner {
        file: &*file,
        path,
        salt: Salt::new(&meta, 1),
        hashes: &hashes,
    };
    let len = bytes.len() as u64;
    let mut index = MemoryIndex::default();
    let scan = scanner
        .scan(0, len, &mut index)
        .map_err(|fault| fault.to_string())?;
    assert!(scan.end <= len.max(SEGMENT_HEADER as u64), "{scan:?}");
    assert!(scan.footer.is_none() || scan.bad.is_none(), "{scan:?}");
    for &offset in &index.offsets {
        let rest = &bytes[offset as usize..];
        let record = record::length(rest)
            .and_then(|len| rest.get(..len))
            .ok_or("a record that was found is not there")
            .and_then(Record::checked)?;
        record.decode(0);
    }
    if scan.end < len {
        scanner
            .evidence_behind(scan.end, len)
            .map_err(|fault| fault.to_string())?;
    }
    Ok(index.len())
}

/// Makes the checksums of a segment right that [`scan`] is to read.
pub fn reseal_frames(bytes: &mut [u8]) {
    reseal_segment(bytes, Salt::new(&meta(), 1));
}

/// Makes the checksums of the file called `name` right, as far as its parts can be told apart. Not that
/// of an index, which is trusted as a whole once its one checksum agrees.
///
/// `stream_meta` is what the stream's `stream.meta` holds.
pub fn reseal(name: &str, bytes: &mut [u8], stream_meta: &[u8]) {
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    match ending {
        "log" | "seg" => {
            if let (Ok(meta), Ok(number)) = (Meta::decode(stream_meta), stem.parse()) {
                reseal_segment(bytes, Salt::new(&meta, number));
            }
        }
        "tbl" => reseal_table(bytes),
        "meta" => seal_at(bytes, 0, 56),
        _ if name == "floor" => seal_at(bytes, 0, 24),
        _ if name == "watermark" => seal_at(bytes, 0, 48),
        _ => {}
    }
}

/// Writes the checksum of the bytes from `from` up to `at` to `at`.
fn seal_at(bytes: &mut [u8], from: usize, at: usize) {
    if bytes.len() >= at + 4 {
        let crc = crc32c::crc32c(&bytes[from..at]);
        put_u32(bytes, at, crc);
    }
}

fn reseal_segment(bytes: &mut [u8], salt: Salt) {
    seal_at(bytes, 0, 60);
    let mut at = SEGMENT_HEADER;
    while at + HEADER <= bytes.len() && bytes[at..].starts_with(frame::MAGIC) {
        let payload = FrameHeader::payload_of(&bytes[at..]) as usize;
        let Some(frame) = bytes
            .get_mut(at..)
            .and_then(|rest| rest.get_mut(..HEADER + payload))
        else {
            return;
        };
        let count = u32_at(frame, 12);
        let crc = if count == 0 {
            crc32c::crc32c(&frame[HEADER..])
        } else {
            reseal_records(&mut frame[HEADER..], count)
        };
        let header = FrameHeader {
            payload: payload as u32,
            count,
            synced: u64_at(frame, 16),
            ordinal: u32_at(frame, 24),
            footer: u32_at(frame, 28) == 2,
            id: EntryId::new(u64_at(frame, 32), u64_at(frame, 40)),
        };
        header.seal(frame, salt, at as u64, crc);
        at += HEADER + payload;
    }
}

/// Returns the payload's own checksum.
fn reseal_records(payload: &mut [u8], count: u32) -> u32 {
    let mut crc = 0;
    let mut rest = payload;
    for _ in 0..count {
        let len = record::length(rest).unwrap_or(0);
        if len < record::RAW_FIELDS || len > rest.len() {
            break;
        }
        let (record, behind) = rest.split_at_mut(len);
        let own = record::checksum(record);
        put_u32(record, 4, own);
        crc = frame::add_record(crc, record);
        rest = behind;
    }
    crc
}

fn reseal_table(bytes: &mut [u8]) {
    seal_at(bytes, 0, 80);
    for block in bytes.chunks_exact_mut(BLOCK).skip(1) {
        seal_at(block, 0, BLOCK - 4);
    }
    // The filter's blocks are smaller and follow the rows'.
    let rows = bytes.len() / BLOCK * BLOCK;
    for block in bytes[rows..].chunks_exact_mut(64) {
        seal_at(block, 0, 60);
    }
}
