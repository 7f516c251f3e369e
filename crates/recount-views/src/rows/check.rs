//! Looking through a file of LMDB's before it is mapped.
//!
//! LMDB trusts its pages: a garbled one can end the process. So a file that something else may have written to
//! is walked here first, in safe code: every page that can be reached, every offset on it, the order of all
//! keys, every row's checksum, and the list of free pages, which must not name a page in use. The layout is
//! that of LMDB's data version 1 with 64-bit words in the machine's byte order.

mod page;

use std::fs::File;
use std::io;

use super::store::checked_value;
use page::{Node, Pages, read_at, u16_at, u32_at, u64_at};

const META_MAGIC: u32 = 0xBEEF_C0DE;
const META_VERSION: u32 = 1;
const HEADER_BYTES: usize = 16;
const DB_BYTES: usize = 48;
const META_BYTES: usize = HEADER_BYTES + 24 + 2 * DB_BYTES + 16;
const KEY_BYTES_MAX: usize = 511;
/// As deep as LMDB follows a tree.
const DEPTH_MAX: u16 = 32;
/// No row is larger: a size that is would be read into memory here.
const VALUE_BYTES_MAX: usize = 1 << 30;

const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
const OVERFLOW: u16 = 0x04;
const META: u16 = 0x08;
const DIRTY: u16 = 0x10;
const NO_PAGE: u64 = u64::MAX;

/// Looks through all of `file`; fails with what is wrong.
pub(super) fn whole(file: &File) -> Result<(), String> {
    let (page_bytes, meta) = newest_meta(file)?;
    let bytes = file.metadata().map_err(|error| error.to_string())?.len();
    let pages = bytes / page_bytes as u64;
    let mut walk = Walk {
        file,
        page_bytes,
        pages,
        used: Pages::new(pages.min(meta.last_page.saturating_add(1))),
        free: Pages::new(
            meta.last_page
                .saturating_add(1)
                .min(pages.saturating_mul(2)),
        ),
        free_keys: 0,
        rows: 0,
        last_key: None,
    };
    walk.tree(&meta.rows, Tree::Rows)?;
    if walk.rows != meta.rows.entries {
        return Err(format!(
            "it should hold {} rows and holds {}",
            meta.rows.entries, walk.rows
        ));
    }
    walk.tree(&meta.free, Tree::Free)?;
    if walk.free.any_of(&walk.used) {
        return Err("a page in use is listed as free".into());
    }
    Ok(())
}

struct Meta {
    free: Db,
    rows: Db,
    last_page: u64,
    txn: u64,
}

struct Db {
    flags: u16,
    depth: u16,
    entries: u64,
    root: u64,
}

/// The meta page that LMDB would take: the one of the later transaction.
fn newest_meta(file: &File) -> Result<(usize, Meta), String> {
    let (page_bytes, first) = meta(file, 0)?;
    let (other, second) = meta(file, page_bytes as u64)?;
    if other != page_bytes {
        return Err("its two first pages disagree".into());
    }
    Ok((
        page_bytes,
        if first.txn < second.txn {
            second
        } else {
            first
        },
    ))
}

fn meta(file: &File, at: u64) -> Result<(usize, Meta), String> {
    let mut bytes = [0; META_BYTES];
    read_at(file, &mut bytes, at).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => "it ends within its first pages".to_owned(),
        _ => error.to_string(),
    })?;
    let bytes = &bytes[..];
    let known = u16_at(bytes, 10) & META != 0
        && u32_at(bytes, HEADER_BYTES) == META_MAGIC
        && u32_at(bytes, HEADER_BYTES + 4) == META_VERSION;
    if !known {
        return Err("its first pages are not those of an LMDB file of data version 1".into());
    }
    let dbs = HEADER_BYTES + 24;
    let page_bytes = u32_at(bytes, dbs) as usize;
    if !page_bytes.is_power_of_two() || !(512..=65_536).contains(&page_bytes) {
        return Err(format!("its pages should have {page_bytes} bytes"));
    }
    let db = |at: usize| Db {
        flags: u16_at(bytes, at + 4),
        depth: u16_at(bytes, at + 6),
        entries: u64_at(bytes, at + 32),
        root: u64_at(bytes, at + 40),
    };
    let end = dbs + 2 * DB_BYTES;
    Ok((
        page_bytes,
        Meta {
            free: db(dbs),
            rows: db(dbs + DB_BYTES),
            last_page: u64_at(bytes, end),
            txn: u64_at(bytes, end + 8),
        },
    ))
}

#[derive(Clone, Copy, PartialEq)]
enum Tree {
    Rows,
    Free,
}

struct Walk<'a> {
    file: &'a File,
    page_bytes: usize,
    /// Whole pages in the file.
    pages: u64,
    used: Pages,
    free: Pages,
    /// The last key of the free list's tree, plus one.
    free_keys: u64,
    rows: u64,
    last_key: Option<Vec<u8>>,
}

impl Walk<'_> {
    fn tree(&mut self, db: &Db, tree: Tree) -> Result<(), String> {
        // Rows have one value a key, compared as bytes; the free list's keys are integers.
        let flags = if tree == Tree::Rows { 0 } else { db.flags };
        if db.flags != flags || db.depth > DEPTH_MAX {
            return Err("its trees are not of the kind that rows have".into());
        }
        match db.root {
            NO_PAGE if db.entries == 0 => Ok(()),
            NO_PAGE => Err("it says that it has rows, and has no tree".into()),
            _ if db.depth == 0 => Err("it has a tree without a depth".into()),
            root => self.page(root, db.depth, tree, &[], None),
        }
    }

    /// Looks through the subtree of page `number`, whose keys lie from `low` up and below `high`.
    fn page(
        &mut self,
        number: u64,
        depth: u16,
        tree: Tree,
        low: &[u8],
        high: Option<&[u8]>,
    ) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("page {number} {what}"));
        self.use_pages(number, 1)?;
        let page = self.read(number, self.page_bytes)?;
        if u64_at(&page, 0) != number {
            return wrong("is not the page that it says it is");
        }
        let flags = if depth == 1 { LEAF } else { BRANCH };
        if u16_at(&page, 10) & !DIRTY != flags {
            return wrong("is not of its kind");
        }
        let (lower, upper) = (
            usize::from(u16_at(&page, 12)),
            usize::from(u16_at(&page, 14)),
        );
        if lower < HEADER_BYTES
            || lower > upper
            || upper > self.page_bytes
            || !lower.is_multiple_of(2)
        {
            return wrong("has an impossible room for rows");
        }
        let nodes = (lower - HEADER_BYTES) / 2;
        let least = if flags == BRANCH && tree == Tree::Rows {
            2
        } else {
            1
        };
        if nodes < least {
            return wrong("has too few rows");
        }
        let mut node_list = Vec::with_capacity(nodes);
        for at in 0..nodes {
            let offset = usize::from(u16_at(&page, HEADER_BYTES + 2 * at));
            let Some(node) = Node::at(&page, offset, upper, flags == BRANCH) else {
                return wrong("has a row that does not lie within it");
            };
            node_list.push(node);
        }
        for (at, node) in node_list.iter().enumerate() {
            if flags == LEAF {
                self.leaf(node, tree, number, low, high)?;
                continue;
            }
            let low = if at == 0 { low } else { node.key };
            let high = node_list.get(at + 1).map(|next| next.key).or(high);
            if tree == Tree::Rows && high.is_some_and(|high| low >= high) {
                return wrong("has keys out of order");
            }
            self.page(node.child(), depth - 1, tree, low, high)?;
        }
        Ok(())
    }

    fn leaf(
        &mut self,
        node: &Node<'_>,
        tree: Tree,
        number: u64,
        low: &[u8],
        high: Option<&[u8]>,
    ) -> Result<(), String> {
        let value = self.value(node, number)?;
        if tree == Tree::Free {
            return self.free_list(node.key, &value, number);
        }
        let in_order = node.key >= low
            && high.is_none_or(|high| node.key < high)
            && self.last_key.as_deref().is_none_or(|last| last < node.key);
        let fits = (1..=KEY_BYTES_MAX).contains(&node.key.len());
        if !in_order || !fits {
            return Err(format!("page {number} has keys out of order"));
        }
        if checked_value(node.key, &value).is_none() {
            return Err(format!("a row on page {number} is not what was written"));
        }
        self.last_key = Some(node.key.to_vec());
        self.rows += 1;
        Ok(())
    }

    fn value(&mut self, node: &Node<'_>, number: u64) -> Result<Vec<u8>, String> {
        let Some(first) = node.overflow else {
            return Ok(node.value.to_vec());
        };
        if node.bytes > VALUE_BYTES_MAX {
            return Err(format!("page {number} has a row of an impossible size"));
        }
        let pages = (HEADER_BYTES - 1 + node.bytes) / self.page_bytes + 1;
        self.use_pages(first, pages as u64)?;
        let mut bytes = self.read(first, HEADER_BYTES + node.bytes)?;
        let known = u64_at(&bytes, 0) == first
            && u16_at(&bytes, 10) & !DIRTY == OVERFLOW
            && u32_at(&bytes, 12) as usize == pages;
        if !known {
            return Err(format!("page {first} is not of its kind"));
        }
        Ok(bytes.split_off(HEADER_BYTES))
    }

    /// Pages that a transaction freed: their number, and they themselves, descending.
    fn free_list(&mut self, key: &[u8], list: &[u8], number: u64) -> Result<(), String> {
        let wrong = || format!("the free list on page {number} is wrong");
        if key.len() != 8 || list.len() < 8 || !list.len().is_multiple_of(8) {
            return Err(wrong());
        }
        let key = u64_at(key, 0);
        let pages = list.len() / 8 - 1;
        let listed = u64_at(list, 0);
        if key < self.free_keys || listed > pages as u64 {
            return Err(wrong());
        }
        self.free_keys = key.checked_add(1).ok_or_else(wrong)?;
        let mut above = u64::MAX;
        for at in 1..=listed as usize {
            let page = u64_at(list, 8 * at);
            if page >= above || page < 2 || !self.free.insert(page) {
                return Err(wrong());
            }
            above = page;
        }
        Ok(())
    }

    fn use_pages(&mut self, first: u64, pages: u64) -> Result<(), String> {
        let end = first.checked_add(pages).filter(|&end| end <= self.pages);
        let Some(end) = end.filter(|_| first >= 2) else {
            return Err(format!("page {first} lies outside of the file"));
        };
        if (first..end).all(|page| self.used.insert(page)) {
            Ok(())
        } else {
            Err(format!("page {first} is used twice"))
        }
    }

    fn read(&self, page: u64, bytes: usize) -> Result<Vec<u8>, String> {
        let mut read = vec![0; bytes];
        let at = page * self.page_bytes as u64;
        read_at(self.file, &mut read, at)
            .map_err(|error| format!("reading page {page}: {error}"))?;
        Ok(read)
    }
}
