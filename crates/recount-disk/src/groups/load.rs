//! Reading `groups.log`.

use std::sync::Arc;

use recount_core::EntryId;

use super::codec::Bytes;
use super::frame::{FILE_HEADER, FileHeader, salt, unseal};
use super::state::{Group, State};
use crate::dir::StreamDir;
use crate::error::{Doing, Fault};
use crate::frame::{ALIGN, Salt};
use crate::meta::Meta;
use crate::storage::{OpenHow, StorageFile, read_exact};

/// What the file holds, as far as it could be read.
pub(super) struct Loaded {
    pub(super) state: State,
    pub(super) header: FileHeader,
    /// Behind the last whole frame.
    pub(super) end: u64,
    /// What is wrong behind it, if anything stands there.
    pub(super) bad: Option<Bad>,
}

/// Something that is no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bad {
    pub(crate) what: &'static str,
    /// Whether it was on stable storage once: then it is damage, else a write that never ended.
    pub(crate) was_synced: bool,
}

/// Reads the bytes of a file. An error says what is wrong with its header.
pub(super) fn load(bytes: &[u8], meta: &Meta) -> Result<Loaded, &'static str> {
    let header = FileHeader::decode(bytes, meta)?;
    let salt = salt(meta, header.number);
    let mut state = State::default();
    let mut end = FILE_HEADER;
    let mut found = None;
    while end < bytes.len() {
        match replay(&mut state, &bytes[end..], salt, end as u64) {
            Ok(taken) => end += taken,
            Err(bad) => {
                found = Some(bad);
                break;
            }
        }
    }
    let at = end as u64;
    if found.is_none() && at < header.snapshot {
        found = Some(BadFrame {
            what: "it ends within its snapshot",
            whole: false,
        });
    }
    let bad = found.map(|BadFrame { what, whole }| Bad {
        what,
        was_synced: whole || at < header.snapshot || synced_behind(&bytes[end..], at, salt) > at,
    });
    Ok(Loaded {
        state,
        header,
        end: end as u64,
        bad,
    })
}

/// Bytes that are no frame, or a whole one that makes no sense, which a torn one never is.
pub(super) struct BadFrame {
    pub(super) what: &'static str,
    pub(super) whole: bool,
}

/// Takes in the frame at the start of `bytes`; returns how many bytes it takes.
pub(super) fn replay(
    state: &mut State,
    bytes: &[u8],
    salt: Salt,
    offset: u64,
) -> Result<usize, BadFrame> {
    let Some((payload, taken)) = unseal(bytes, salt, offset) else {
        return Err(BadFrame {
            what: "a frame is incomplete or damaged",
            whole: false,
        });
    };
    let senseless = |what| BadFrame { what, whole: true };
    let mut left = Bytes(payload);
    // How far the file was on stable storage.
    let synced = left.number();
    synced.ok_or_else(|| senseless("a frame holds no change"))?;
    while !left.is_empty() {
        let change = left.change();
        let change = change.ok_or_else(|| senseless("a frame holds an unknown change"))?;
        let applied = state.apply(&change);
        applied.ok_or_else(|| senseless("a frame changes what there is not"))?;
    }
    Ok(taken)
}

/// Up to where the frames in `bytes`, which begin at `offset` with something that is none, say that the file
/// was on stable storage.
pub(super) fn synced_behind(bytes: &[u8], offset: u64, salt: Salt) -> u64 {
    let mut synced = 0;
    let mut at = (offset.next_multiple_of(ALIGN as u64) - offset) as usize;
    while at < bytes.len() {
        match unseal(&bytes[at..], salt, offset + at as u64) {
            Some((payload, taken)) => {
                let behind = Bytes(payload).number().unwrap_or(u64::MAX);
                synced = synced.max((offset + at as u64).saturating_sub(behind));
                at += taken;
            }
            None => at += ALIGN,
        }
    }
    synced
}

/// All of the file; none if there is none.
pub(super) fn bytes(dir: &StreamDir) -> Result<Option<Vec<u8>>, Fault> {
    let path = dir.groups();
    match dir
        .storage
        .open(&path, OpenHow::Read)
        .doing("opening", &path)
    {
        Err(Fault::Io { missing: true, .. }) => Ok(None),
        Err(fault) => Err(fault),
        Ok(file) => whole(&*file).doing("reading", &path).map(Some),
    }
}

fn whole(file: &dyn StorageFile) -> std::io::Result<Vec<u8>> {
    let len = file.len()?;
    read_exact(file, 0, len as usize)
}

/// What there is to say of the file; none if there is none. `tail` is the log's last id, if it is known.
pub(crate) fn examine(dir: &StreamDir, tail: Option<EntryId>) -> Result<Option<Examined>, Fault> {
    let Some(bytes) = bytes(dir)? else {
        return Ok(None);
    };
    Ok(Some(match load(&bytes, &dir.meta) {
        Err(what) => Examined {
            bad: Some((
                0,
                Bad {
                    what,
                    was_synced: true,
                },
            )),
            ..Examined::default()
        },
        Ok(Loaded {
            state, end, bad, ..
        }) => {
            let pending = |group: &Group| group.pending.len() as u64;
            Examined {
                groups: state.groups.len() as u64,
                pending: state.groups.values().map(pending).sum(),
                bad: bad.map(|bad| (end, bad)),
                ahead: tail.map(|tail| state.ahead_of(tail)).unwrap_or_default(),
            }
        }
    }))
}

/// What an examination of `groups.log` says.
#[derive(Default)]
pub(crate) struct Examined {
    pub(crate) groups: u64,
    pub(crate) pending: u64,
    /// Where something is wrong, and what.
    pub(crate) bad: Option<(u64, Bad)>,
    /// Groups that were delivered more than the log holds.
    pub(crate) ahead: Vec<Arc<str>>,
}
