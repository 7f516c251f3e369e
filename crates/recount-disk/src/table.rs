//! Sorted rows behind a filter: the event ids and the sessions of one or more complete segments.
//! `FORMAT.md`, "Tables".

mod filter;
mod merge;
mod rows;
mod write;

use std::path::{Path, PathBuf};

pub(crate) use merge::{copy_before, merge};
pub(crate) use rows::{IdBounds, IdRow, SessionRow, id_key, id_prefix, session_key};
pub(crate) use write::{write_ids, write_sessions};

use crate::bytes::{array_at, put_u32, put_u64, u32_at, u64_at};
use crate::dir::{Listing, StreamDir, TableKind};
use crate::error::{Doing, Fault};
use crate::storage::{Map, OpenHow, Storage};
pub(crate) use filter::FilterKey;
use filter::{Filter, Verified};

const MAGIC: &[u8; 8] = b"RCNTTBL1";
/// Bytes of the header that mean something.
const HEADER: usize = 96;
/// The header takes a block of its own, so that blocks are aligned.
const BLOCK: usize = 4096;
/// Where the checksum stands that makes a table this stream's and this name's.
const BOUND: usize = 84;
/// What a block holds besides its checksum.
const BLOCK_DATA: usize = BLOCK - 4;

/// What a table's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    row_len: usize,
    rows: u64,
    bounds: IdBounds,
    filter_blocks: u64,
}

impl Header {
    fn encode(&self, bound: u32) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(MAGIC);
        put_u32(&mut bytes, 8, self.row_len as u32);
        let IdBounds { ms, prefix } = self.bounds;
        for (at, value) in [
            (16, self.rows),
            (24, ms.0),
            (32, ms.1),
            (40, self.filter_blocks),
        ] {
            put_u64(&mut bytes, at, value);
        }
        bytes[48..64].copy_from_slice(&prefix.0.to_be_bytes());
        bytes[64..80].copy_from_slice(&prefix.1.to_be_bytes());
        let crc = crc32c::crc32c(&bytes[..80]);
        put_u32(&mut bytes, 80, crc);
        let bound = crc32c::crc32c_append(bound, &bytes[..84]).max(1);
        put_u32(&mut bytes, BOUND, bound);
        bytes
    }

    fn decode(bytes: &[u8], bound: u32) -> Option<Self> {
        if bytes.len() < BLOCK
            || &bytes[..8] != MAGIC
            || crc32c::crc32c(&bytes[..80]) != u32_at(bytes, 80)
            // 0 in older versions.
            || ![0, crc32c::crc32c_append(bound, &bytes[..84]).max(1)].contains(&u32_at(bytes, BOUND))
        {
            return None;
        }
        let header = Self {
            row_len: u32_at(bytes, 8) as usize,
            rows: u64_at(bytes, 16),
            bounds: IdBounds {
                ms: (u64_at(bytes, 24), u64_at(bytes, 32)),
                prefix: (
                    u128::from_be_bytes(array_at(bytes, 48)),
                    u128::from_be_bytes(array_at(bytes, 64)),
                ),
            },
            filter_blocks: u64_at(bytes, 40),
        };
        let known = [rows::ID, rows::ID_WIDE, rows::SESSION].contains(&header.row_len);
        (known && header.file_bytes() == bytes.len()).then_some(header)
    }

    fn rows_per_block(&self) -> u64 {
        (BLOCK_DATA / self.row_len) as u64
    }

    fn blocks(&self) -> u64 {
        self.rows.div_ceil(self.rows_per_block())
    }

    fn file_bytes(&self) -> usize {
        BLOCK + self.blocks() as usize * BLOCK + self.filter_blocks as usize * filter::BLOCK
    }
}

/// What a table's header is bound to: a table of another stream, or one that was copied to another name,
/// would answer wrongly.
fn bound(dir: &StreamDir, path: &Path) -> u32 {
    let name = path.file_name().unwrap_or_default();
    crc32c::crc32c_append(crc32c::crc32c(&dir.meta.identity), name.as_encoded_bytes())
}

/// An open table.
pub(crate) struct Table {
    path: PathBuf,
    /// The segments whose rows it holds.
    pub(crate) first_segment: u64,
    pub(crate) last_segment: u64,
    header: Header,
    bytes: Map,
    filter_start: usize,
    verified: Verified,
}

/// A table whose every part checks out.
pub(crate) struct VerifiedTable {
    pub(crate) rows: u64,
    /// The smallest ms of the entry ids in it; in a table of sessions of no meaning.
    pub(crate) ms_min: u64,
}

/// Takes a table that was found damaged out of use, so that the next opening makes it anew. One that
/// also covers segments before `first_segment`, which are gone, stays: without it their ids and
/// revisions would be forgotten.
pub(crate) fn set_aside(storage: &dyn Storage, fault: &Fault, first_segment: u64) {
    let Fault::Corrupt { path, .. } = fault else {
        return;
    };
    let path = Path::new(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut listing = Listing::default();
    listing.add(name.into_owned());
    let rebuildable = TableKind::BOTH
        .into_iter()
        .flat_map(|kind| listing.tables(kind))
        .any(|&(first, _)| first >= first_segment);
    if rebuildable && let Err(error) = storage.rename(path, &path.with_extension("bad")) {
        tracing::error!(%error, path = %path.display(), "setting a damaged table aside");
    }
}

impl Table {
    /// Opens a table; none if it is damaged. Its parts are checked when they are used.
    pub(crate) fn open(
        dir: &StreamDir,
        path: &Path,
        segments: (u64, u64),
    ) -> Result<Option<Self>, Fault> {
        let file = dir
            .storage
            .open(path, OpenHow::Read)
            .doing("opening", path)?;
        let len = file.len().doing("reading", path)?;
        let bytes = file.map(len).doing("mapping", path)?;
        Ok(Header::decode(&bytes, bound(dir, path)).map(|header| Self {
            path: path.to_owned(),
            first_segment: segments.0,
            last_segment: segments.1,
            filter_start: BLOCK + header.blocks() as usize * BLOCK,
            verified: Verified::none(header.filter_blocks),
            header,
            bytes,
        }))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Between what its event ids lie.
    pub(crate) fn bounds(&self) -> &IdBounds {
        &self.header.bounds
    }

    /// Whether every id in it was recorded before `ms`.
    pub(crate) fn recorded_before(&self, ms: u64) -> bool {
        self.header.bounds.ms.1 < ms
    }

    /// Calls `found` with every row whose first bytes are `key`, in order.
    pub(crate) fn find(&self, key: &[u8], mut found: impl FnMut(&[u8])) -> Result<(), Fault> {
        if self.header.rows == 0 || !self.may_hold(&FilterKey::new(key))? {
            return Ok(());
        }
        // The last block whose first row is below the key, or the first block.
        let (mut low, mut high) = (0, self.header.blocks() - 1);
        while low < high {
            let middle = (low + high).div_ceil(2);
            let first = &self.block(middle)[..key.len()];
            if first < key {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        // The search trusted unchecked bytes; the blocks it led to must bear it out.
        let mut previous_below = low == 0;
        for number in low..self.header.blocks() {
            for row in self.checked_rows(number)? {
                match row[..key.len()].cmp(key) {
                    std::cmp::Ordering::Less => previous_below = true,
                    std::cmp::Ordering::Equal => {
                        previous_below = true;
                        found(row);
                    }
                    std::cmp::Ordering::Greater if previous_below => return Ok(()),
                    std::cmp::Ordering::Greater => {
                        return Err(self.damaged(number, "its rows are out of order"));
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether the filter lets a key pass.
    #[inline]
    pub(crate) fn may_hold(&self, key: &FilterKey) -> Result<bool, Fault> {
        let start = self.filter_start;
        let filter = Filter {
            bytes: &self.bytes[start..],
            verified: &self.verified,
        };
        filter.may_hold(key).ok_or_else(|| {
            Fault::corrupt(
                &self.path,
                start as u64,
                "a block of the filter does not match its checksum",
            )
        })
    }

    fn block(&self, number: u64) -> &[u8] {
        let start = BLOCK + number as usize * BLOCK;
        &self.bytes[start..start + BLOCK]
    }

    /// The rows of a block whose checksum agrees.
    fn checked_rows(&self, number: u64) -> Result<impl Iterator<Item = &[u8]>, Fault> {
        let block = self.block(number);
        if crc32c::crc32c(&block[..BLOCK_DATA]) != u32_at(block, BLOCK_DATA) {
            return Err(self.damaged(number, "a block does not match its checksum"));
        }
        let before = number * self.header.rows_per_block();
        let rows = (self.header.rows - before).min(self.header.rows_per_block());
        Ok(block.chunks_exact(self.header.row_len).take(rows as usize))
    }

    /// Whether its rows are of this kind.
    pub(crate) fn is_of(&self, kind: TableKind) -> bool {
        (self.header.row_len == rows::SESSION) == (kind == TableKind::Sessions)
    }

    /// Checks every part: checksums, the order of the rows, that the filter knows each of them, and
    /// that they lie within the table's bounds.
    pub(crate) fn verify(&self) -> Result<VerifiedTable, Fault> {
        let sessions = self.header.row_len == rows::SESSION;
        let key_len = if sessions { 16 } else { 10 };
        // A session has a row for every segment it is found in.
        let sorted_len = if sessions { 20 } else { key_len };
        let mut ms_min = u64::MAX;
        let mut previous: &[u8] = &[];
        for number in 0..self.header.blocks() {
            for row in self.checked_rows(number)? {
                let in_order = if sessions {
                    previous < &row[..sorted_len]
                } else {
                    previous <= &row[..sorted_len]
                };
                if !in_order {
                    return Err(self.damaged(number, "its rows are out of order"));
                }
                previous = &row[..sorted_len];
                if !self.may_hold(&FilterKey::new(&row[..key_len]))? {
                    return Err(self.damaged(number, "its filter does not know one of its rows"));
                }
                let within = if sessions {
                    let segment = u64::from(SessionRow::decode(row).segment);
                    (self.first_segment..=self.last_segment).contains(&segment)
                } else {
                    let ms = self.id(row).entry_id.ms;
                    ms_min = ms_min.min(ms);
                    (self.header.bounds.ms.0..=self.header.bounds.ms.1).contains(&ms)
                };
                if !within {
                    return Err(self.damaged(number, "a row lies outside the table's bounds"));
                }
            }
        }
        match filter::first_damaged(&self.bytes[self.filter_start..]) {
            Some(at) => Err(Fault::corrupt(
                &self.path,
                (self.filter_start + at) as u64,
                "a block of the filter does not match its checksum",
            )),
            None => Ok(VerifiedTable {
                rows: self.header.rows,
                ms_min,
            }),
        }
    }

    fn damaged(&self, block: u64, what: &str) -> Fault {
        Fault::corrupt(&self.path, BLOCK as u64 * (1 + block), what)
    }

    /// The rows as event ids.
    pub(crate) fn id(&self, row: &[u8]) -> IdRow {
        IdRow::decode(row, self.header.bounds.ms.0)
    }
}
