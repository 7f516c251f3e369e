//! The keys of the view's rows.
//!
//! | key | value |
//! |---|---|
//! | `s<session>` | the session's latest [`super::row::Head`] and state |
//! | `n<session>\0<k>` | the [`super::row::Mark`] and state after its entry `64 (k + 1)` |
//! | `r<id><session>` | the partition; `id` is the last entry's |
//! | `u<user>` | the user's [`super::sums::Sums`] |
//! | `v<user>\0<session>` | nothing: the session has events of the user |
//! | `f<partition>` | the id below which nothing is left in the partition |
//! | `w<session>\0<user>` | what the session counts for a user that it named before its present one |
//!
//! Numbers are big-endian, so that keys sort like them. No id holds a zero byte.

use recount_core::{EntryId, Partition};

pub(super) const SESSIONS: &[u8] = b"s";
pub(super) const RECENT: &[u8] = b"r";
pub(super) const USERS: &[u8] = b"u";
pub(super) const FLOORS: &[u8] = b"f";

/// Bytes of an entry id in a key.
const ID_BYTES: usize = 16;

pub(super) fn session(session: &str) -> Vec<u8> {
    joined(SESSIONS, &[session.as_bytes()])
}

pub(super) fn snapshot(session: &str, k: u64) -> Vec<u8> {
    // More than 2^32 snapshots of one session would be 2^38 entries.
    let k = u32::try_from(k).unwrap_or(u32::MAX).to_be_bytes();
    joined(b"n", &[session.as_bytes(), b"\0", &k])
}

pub(super) fn recent(last: EntryId, session: &str) -> Vec<u8> {
    joined(RECENT, &[&id(last), session.as_bytes()])
}

/// The id and the session of a key made by [`recent`].
pub(super) fn read_recent(key: &[u8]) -> Option<(EntryId, &str)> {
    let rest = key.strip_prefix(RECENT)?;
    let (id, session) = rest.split_at_checked(ID_BYTES)?;
    Some((read_id(id)?, std::str::from_utf8(session).ok()?))
}

/// An entry id as it stands in keys.
pub(super) fn id(id: EntryId) -> [u8; ID_BYTES] {
    (u128::from(id.ms) << 64 | u128::from(id.seq)).to_be_bytes()
}

pub(super) fn read_id(bytes: &[u8]) -> Option<EntryId> {
    let both = u128::from_be_bytes(bytes.try_into().ok()?);
    Some(EntryId::new((both >> 64) as u64, both as u64))
}

pub(super) fn floor(partition: Partition) -> Vec<u8> {
    joined(FLOORS, &[&partition.to_be_bytes()])
}

pub(super) fn user(user: &str) -> Vec<u8> {
    joined(USERS, &[user.as_bytes()])
}

pub(super) fn sessions_of(user: &str) -> Vec<u8> {
    joined(b"v", &[user.as_bytes(), b"\0"])
}

pub(super) fn session_of(user: &str, session: &str) -> Vec<u8> {
    joined(b"v", &[user.as_bytes(), b"\0", session.as_bytes()])
}

pub(super) fn former_users(session: &str) -> Vec<u8> {
    joined(b"w", &[session.as_bytes(), b"\0"])
}

pub(super) fn former_user(session: &str, user: &str) -> Vec<u8> {
    joined(b"w", &[session.as_bytes(), b"\0", user.as_bytes()])
}

/// What stands behind `prefix` in a key.
pub(super) fn name<'k>(key: &'k [u8], prefix: &[u8]) -> Option<&'k str> {
    std::str::from_utf8(key.strip_prefix(prefix)?).ok()
}

fn joined(kind: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut key =
        Vec::with_capacity(kind.len() + parts.iter().map(|part| part.len()).sum::<usize>());
    key.extend_from_slice(kind);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}
