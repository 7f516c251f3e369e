//! Listing users.

use std::ops::Bound;

use recount_core::Direction;

use super::super::ask::{UserList, UserOrder};
use super::super::cursor::{ListCursor, ListError, about};
use super::super::damage::damaged;
use super::super::order::{First, Key, Way};
use super::super::sums::Sums;
use super::super::{UserRows, keys, row};
use crate::rows::{RowsError, Snapshot};

pub(in super::super) fn list(rows: &Snapshot, list: &UserList) -> Result<UserRows, ListError> {
    let (order, reverse, prefix) = (list.order, list.reverse, &list.prefix);
    let tag = about(&format!("users {order:?} {reverse} {prefix:?}"));
    let way = if (list.order == UserOrder::Name) == list.reverse {
        Way::Down
    } else {
        Way::Up
    };
    let after = ListCursor::place_in(list.after.as_ref(), tag)?;
    let mut first = First::new(way, list.limit, after);
    let mut total = 0;
    let prefix = list.prefix.as_deref().unwrap_or_default();
    for entry in rows.range(&keys::user(prefix), Bound::Unbounded, Direction::Forward)? {
        let (key, value) = entry?;
        let user = keys::name(key, keys::USERS).ok_or_else(|| damaged(key))?;
        let sums = row::read_sums(value).map_err(|_| damaged(key))?;
        let id = sums.last_recorded();
        if list.since.is_some_and(|since| id < since) || list.until.is_some_and(|until| id >= until)
        {
            continue;
        }
        total += 1;
        first.offer(sort_key(&sums, list.order), user, || {
            Ok::<_, RowsError>(sums.row(user))
        })?;
    }
    let (users, last) = first.finish();
    Ok(UserRows {
        users,
        next: last.map(|place| ListCursor { list: tag, place }),
        total: list.count.then_some(total),
    })
}

fn sort_key(sums: &Sums, order: UserOrder) -> Key {
    match order {
        UserOrder::Recent => Key::id(sums.last_recorded()),
        UserOrder::Started => sums
            .first_happened
            .map_or(Key::NONE, |ms| Key::signed(ms.into())),
        UserOrder::Sessions => Key::count(sums.sessions),
        UserOrder::Events => Key::count(sums.events),
        UserOrder::Messages => Key::count(sums.messages),
        UserOrder::Errors => Key::count(sums.errors),
        UserOrder::Tokens => Key::count(sums.tokens.total),
        UserOrder::Cost => Key::signed(sums.cost),
        UserOrder::Name => Key::count(0),
    }
}
