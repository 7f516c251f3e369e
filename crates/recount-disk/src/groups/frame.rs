//! The header and the frames of `groups.log`.

use crate::bytes::{put_u32, put_u64, u32_at, u64_at};
use crate::frame::{ALIGN, Salt};
use crate::meta::Meta;

/// Bytes of the file's header.
pub(super) const FILE_HEADER: usize = 64;
/// Bytes of a frame before its payload.
const HEADER: usize = 12;
const FILE_MAGIC: &[u8; 8] = b"RCNTGRPS";
const MAGIC: &[u8; 4] = b"RCGF";
/// Tells the salt of these frames from those of a segment with the same number.
const NO_SEGMENT: u64 = 1 << 63;

/// What the file's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileHeader {
    pub(super) number: u64,
    /// Where the snapshot ends.
    pub(super) snapshot: u64,
}

impl FileHeader {
    pub(super) fn encode(self, meta: &Meta) -> [u8; FILE_HEADER] {
        let mut bytes = [0; FILE_HEADER];
        bytes[..8].copy_from_slice(FILE_MAGIC);
        put_u64(&mut bytes, 8, self.number);
        bytes[16..32].copy_from_slice(&meta.identity);
        put_u64(&mut bytes, 32, self.snapshot);
        let crc = crc32c::crc32c(&bytes[..48]);
        put_u32(&mut bytes, 48, crc);
        bytes
    }

    pub(super) fn decode(bytes: &[u8], meta: &Meta) -> Result<Self, &'static str> {
        let Some(bytes) = bytes.get(..FILE_HEADER) else {
            return Err("its header is incomplete");
        };
        if &bytes[..8] != FILE_MAGIC || crc32c::crc32c(&bytes[..48]) != u32_at(bytes, 48) {
            return Err("its header is damaged");
        }
        if bytes[16..32] != meta.identity {
            return Err("it belongs to another stream");
        }
        Ok(Self {
            number: u64_at(bytes, 8),
            snapshot: u64_at(bytes, 32),
        })
    }
}

pub(super) fn salt(meta: &Meta, number: u64) -> Salt {
    Salt::new(meta, number | NO_SEGMENT)
}

/// Makes a frame of what `payload` adds to it, at the end of `out`, which stands at `offset` in the file
/// once what it holds is written.
pub(super) fn seal(out: &mut Vec<u8>, salt: Salt, offset: u64, payload: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[0; HEADER - 4]);
    payload(out);
    let len = out.len() - start - HEADER;
    put_u32(&mut out[start..], 8, len as u32);
    let crc = crc32c::crc32c_append(salt.at(offset), &out[start + 8..]);
    put_u32(&mut out[start..], 4, crc);
    out.resize(start + (HEADER + len).next_multiple_of(ALIGN), 0);
}

/// The payload of the frame at the start of `bytes`, which stand at `offset`, and how many bytes it takes.
/// None where there is no whole one.
pub(super) fn unseal(bytes: &[u8], salt: Salt, offset: u64) -> Option<(&[u8], usize)> {
    let header = bytes.get(..HEADER)?;
    if &header[..4] != MAGIC {
        return None;
    }
    let len = u32_at(header, 8) as usize;
    let whole = (HEADER + len).next_multiple_of(ALIGN);
    let sealed = bytes.get(8..HEADER + len)?;
    let padding = bytes.get(HEADER + len..whole)?;
    let right = crc32c::crc32c_append(salt.at(offset), sealed) == u32_at(header, 4)
        && padding.iter().all(|&byte| byte == 0);
    right.then(|| (&sealed[HEADER - 8..], whole))
}
