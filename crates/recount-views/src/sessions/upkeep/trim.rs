//! Removing the sessions of which nothing is left in the log.

use std::ops::Bound;

use recount_core::{Direction, Position};

use super::super::damage::damaged;
use super::super::row::Head;
use super::super::sums::Sums;
use super::super::{keys, row};
use crate::rows::{Rows, RowsError};

/// Sessions that are removed at a time: rows are in memory until they are committed. Those left over are
/// hidden by the floor, and go with the next ones.
const AT_A_TIME: usize = 50_000;

/// Whether a row says so of a session; something may have happened in it since.
pub(super) fn is_any_below(first: Position, rows: &Rows<'_>) -> Result<bool, RowsError> {
    for entry in rows.range(keys::RECENT, Bound::Unbounded, Direction::Forward)? {
        let (key, partition) = entry?;
        let (id, _) = keys::read_recent(key).ok_or_else(|| damaged(key))?;
        if id >= first.entry_id {
            break;
        }
        if partition == first.partition.to_be_bytes() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Notes that nothing below `first` is left in its partition, and removes the sessions whose last entry was
/// there.
pub(super) fn below(
    first: Position,
    bytes: &mut Vec<u8>,
    rows: &mut Rows<'_>,
) -> Result<(), RowsError> {
    let mut gone = Vec::new();
    for entry in rows.range(keys::RECENT, Bound::Unbounded, Direction::Forward)? {
        let (key, partition) = entry?;
        let (id, session) = keys::read_recent(key).ok_or_else(|| damaged(key))?;
        if id >= first.entry_id || gone.len() == AT_A_TIME {
            break;
        }
        if partition == first.partition.to_be_bytes() {
            gone.push((id, session.to_owned()));
        }
    }
    for (id, session) in &gone {
        rows.delete(&keys::recent(*id, session))?;
        remove(session, bytes, rows)?;
    }
    let floor = keys::floor(first.partition);
    rows.put(&floor, &keys::id(first.entry_id))
}

fn remove(session: &str, bytes: &mut Vec<u8>, rows: &mut Rows<'_>) -> Result<(), RowsError> {
    let key = keys::session(session);
    let Some(stored) = rows.get(&key)? else {
        return Err(damaged(&key));
    };
    let (head, state) = Head::read(stored).map_err(|_| damaged(&key))?;
    let user = row::read_state(state).map_err(|_| damaged(&key))?.user_id;
    let mut shares: Vec<(String, Sums)> = user.map(|user| (user, head.share)).into_iter().collect();
    let former = keys::former_users(session);
    for entry in rows.range(&former, Bound::Unbounded, Direction::Forward)? {
        let (key, value) = entry?;
        let user = keys::name(key, &former).ok_or_else(|| damaged(key))?;
        let share = row::read_sums(value).map_err(|_| damaged(key))?;
        shares.push((user.to_owned(), share));
    }
    let states = head.own_events / super::SNAPSHOT_EVERY;
    for k in 0..states {
        rows.delete(&keys::snapshot(session, k))?;
    }
    for (user, share) in &shares {
        rows.delete(&keys::former_user(session, user))?;
        rows.delete(&keys::session_of(user, session))?;
        super::change_user(user, bytes, rows, |sums| sums.subtract(share))?;
    }
    rows.delete(&key)?;
    Ok(())
}
