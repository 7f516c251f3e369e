//! The parts of a page.

use std::fs::File;
use std::io;

const NODE_BYTES: usize = 8;
const BIG_DATA: u16 = 0x01;

/// A row, or a branch to a page.
pub(super) struct Node<'a> {
    low: u32,
    flags: u16,
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) bytes: usize,
    pub(super) overflow: Option<u64>,
}

impl<'a> Node<'a> {
    pub(super) fn at(page: &'a [u8], offset: usize, upper: usize, branch: bool) -> Option<Self> {
        if offset < upper || !offset.is_multiple_of(2) || offset + NODE_BYTES > page.len() {
            return None;
        }
        let low = u32::from(u16_at(page, offset)) | u32::from(u16_at(page, offset + 2)) << 16;
        let flags = u16_at(page, offset + 4);
        let key_end = offset + NODE_BYTES + usize::from(u16_at(page, offset + 6));
        let mut node = Self {
            low,
            flags,
            key: page.get(offset + NODE_BYTES..key_end)?,
            value: &[],
            bytes: low as usize,
            overflow: None,
        };
        if branch {
            return Some(node);
        }
        match flags {
            0 => node.value = page.get(key_end..key_end.checked_add(node.bytes)?)?,
            BIG_DATA => node.overflow = Some(u64_at(page.get(key_end..key_end + 8)?, 0)),
            _ => return None,
        }
        Some(node)
    }

    pub(super) fn child(&self) -> u64 {
        u64::from(self.low) | u64::from(self.flags) << 32
    }
}

/// A set of page numbers.
pub(super) struct Pages {
    bits: Vec<u64>,
    end: u64,
}

impl Pages {
    pub(super) fn new(end: u64) -> Self {
        Self {
            bits: vec![0; end.div_ceil(64) as usize],
            end,
        }
    }

    /// False where it is in already, or cannot be.
    pub(super) fn insert(&mut self, page: u64) -> bool {
        if page >= self.end {
            return false;
        }
        let word = &mut self.bits[(page / 64) as usize];
        let fresh = *word & 1 << (page % 64) == 0;
        *word |= 1 << (page % 64);
        fresh
    }

    pub(super) fn any_of(&self, others: &Self) -> bool {
        self.bits.iter().zip(&others.bits).any(|(a, b)| a & b != 0)
    }
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..]
        .first_chunk()
        .map_or(0, |word| u32::from_ne_bytes(*word))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..]
        .first_chunk()
        .map_or(0, |word| u64::from_ne_bytes(*word))
}

#[cfg(unix)]
pub(super) fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt as _;
    file.read_exact_at(into, at)
}

#[cfg(not(unix))]
pub(super) fn read_at(mut file: &File, into: &mut [u8], at: u64) -> io::Result<()> {
    use std::io::{Read as _, Seek as _};
    file.seek(io::SeekFrom::Start(at))?;
    file.read_exact(into)
}
