//! How far readers may read while a writer lives: `watermark`.

use crate::bytes::{put_u32, put_u64, u32_at, u64_at};
use crate::frame::SEGMENT_HEADER;

pub(crate) const WATERMARK_BYTES: usize = 64;
const MAGIC: &[u8; 8] = b"RCNTWTRM";
const BOUND: usize = 52;
const TRIMMED: usize = 56;

/// The checksum that makes a watermark this stream's; never 0, which older versions left there.
fn bound(bytes: &[u8], identity: &[u8; 16]) -> u32 {
    let crc = crc32c::crc32c_append(crc32c::crc32c(identity), &bytes[..BOUND]);
    crc32c::crc32c_append(crc, &bytes[TRIMMED..WATERMARK_BYTES]).max(1)
}

/// What `watermark` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watermark {
    pub(crate) segment: u64,
    /// Up to where readers may read.
    pub(crate) visible: u64,
    /// Up to where everything is on stable storage.
    pub(crate) synced: u64,
    /// Grows by one at every opening for writing.
    pub(crate) generation: u64,
    /// Grows with every change of the directory since.
    pub(crate) changes: u64,
    /// How many entries were trimmed; not known of older versions.
    pub(crate) trimmed: Option<u64>,
}

impl Watermark {
    pub(crate) fn encode(&self, identity: &[u8; 16]) -> [u8; WATERMARK_BYTES] {
        let mut bytes = [0; WATERMARK_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        let values = [
            self.segment,
            self.visible,
            self.synced,
            self.generation,
            self.changes,
        ];
        for (index, value) in values.into_iter().enumerate() {
            put_u64(&mut bytes, 8 + 8 * index, value);
        }
        let crc = crc32c::crc32c(&bytes[..48]);
        put_u32(&mut bytes, 48, crc);
        put_u64(&mut bytes, TRIMMED, self.trimmed.unwrap_or(0));
        let bound = bound(&bytes, identity);
        put_u32(&mut bytes, BOUND, bound);
        bytes
    }

    /// Says what is lost if the log ends in `segment` at `end`: nothing, unless the writer had put more
    /// on stable storage.
    pub(crate) fn lost_behind(&self, segment: u64, end: u64) -> Option<String> {
        let held_entries = self.synced > SEGMENT_HEADER as u64;
        let lost = held_entries
            && (self.segment > segment || self.segment == segment && self.synced > end);
        lost.then(|| {
            format!(
                "entries were on stable storage up to byte {} of segment {}, and are damaged or missing",
                self.synced, self.segment
            )
        })
    }

    /// What the bytes say; none if they were read while being overwritten, or are damaged.
    pub(crate) fn decode(bytes: &[u8], identity: &[u8; 16]) -> Option<Self> {
        let whole = bytes.len() >= WATERMARK_BYTES
            && &bytes[..8] == MAGIC
            && crc32c::crc32c(&bytes[..48]) == u32_at(bytes, 48);
        // Older versions left the rest 0.
        let old = whole && bytes[BOUND..].iter().all(|&byte| byte == 0);
        let whole = whole && (old || u32_at(bytes, BOUND) == bound(bytes, identity));
        whole.then(|| Self {
            segment: u64_at(bytes, 8),
            visible: u64_at(bytes, 16),
            synced: u64_at(bytes, 24),
            generation: u64_at(bytes, 32),
            changes: u64_at(bytes, 40),
            trimmed: (!old).then(|| u64_at(bytes, TRIMMED)),
        })
    }
}
