//! Listing sessions.

use std::convert::Infallible;

use std::ops::Bound;

use recount_core::{Direction, EntryId};

use super::super::ask::{SessionList, SessionOrder, SessionStanding};
use super::super::cursor::{ListCursor, ListError, about};
use super::super::damage::damaged;
use super::super::order::{First, Key, Place, Way};
use super::super::row::Head;
use super::super::{SessionRows, keys, row};
use super::floors::Floors;
use crate::SessionState;
use crate::rows::{RowsError, Snapshot};

pub(in super::super) fn list(
    rows: &Snapshot,
    list: &SessionList,
) -> Result<SessionRows, ListError> {
    let plain = list.user.is_none() && list.prefix.is_none();
    let after = ListCursor::place_in(list.after.as_ref(), tag(list))?;
    let page = if plain && list.order == SessionOrder::Recent && !list.count {
        by_recency(rows, list, after)?
    } else {
        sorted(rows, list, after)?
    };
    let states = page.rows.iter().map(|(session, bytes)| {
        let key = || keys::session(session);
        let (_, state) = Head::read(bytes).map_err(|_| damaged(&key()))?;
        row::read_state(state).map_err(|_| damaged(&key()))
    });
    Ok(SessionRows {
        sessions: states.collect::<Result<Vec<SessionState>, RowsError>>()?,
        next: page.last.map(|place| ListCursor {
            list: tag(list),
            place,
        }),
        total: page.total,
    })
}

/// Rows as they are stored, by session.
struct Page {
    rows: Vec<(String, Vec<u8>)>,
    last: Option<Place>,
    total: Option<u64>,
}

/// Along the index of last entries, from the place on, until there are enough.
fn by_recency(
    rows: &Snapshot,
    list: &SessionList,
    after: Option<&Place>,
) -> Result<Page, RowsError> {
    let way = way(list);
    let floors = Floors::read(rows)?;
    let mut first = First::new(way, list.limit, after);
    let mut taken = 0;
    let from = start(list, after);
    let from = from.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    let direction = match way {
        Way::Up => Direction::Forward,
        Way::Down => Direction::Backward,
    };
    for entry in rows.range(keys::RECENT, from, direction)? {
        let (key, _) = entry?;
        let (id, session) = keys::read_recent(key).ok_or_else(|| damaged(key))?;
        let passed = match way {
            Way::Down => list.since.is_some_and(|since| id < since),
            Way::Up => list.until.is_some_and(|until| id >= until),
        };
        if passed || taken > list.limit {
            break;
        }
        let key = keys::session(session);
        let stored = rows.get(&key)?.ok_or_else(|| damaged(&key))?;
        let (head, _) = Head::read(stored).map_err(|_| damaged(&key))?;
        if is_wanted(list, &head, &floors) {
            taken += 1;
            let row = || Ok::<_, Infallible>((session.to_owned(), stored.to_vec()));
            let Ok(()) = first.offer(Key::id(id), session, row);
        }
    }
    let (rows, last) = first.finish();
    Ok(Page {
        rows,
        last,
        total: None,
    })
}

/// Where in the index of last entries a walk begins.
fn start(list: &SessionList, after: Option<&Place>) -> Option<Vec<u8>> {
    let behind = after.map(|place| keys::recent(place.id(), &place.name));
    let bound = match way(list) {
        Way::Down => list.until.map(|until| keys::recent(until, "")),
        Way::Up => list.since.map(|since| keys::recent(since, "")),
    };
    match (way(list), behind, bound) {
        (Way::Down, Some(behind), Some(bound)) => Some(behind.min(bound)),
        (Way::Up, Some(behind), Some(bound)) => Some(behind.max(bound)),
        (_, behind, bound) => behind.or(bound),
    }
}

/// Through all sessions that the list is about, keeping those that come first.
fn sorted(rows: &Snapshot, list: &SessionList, after: Option<&Place>) -> Result<Page, RowsError> {
    let floors = Floors::read(rows)?;
    let mut first = First::new(way(list), list.limit, after);
    let mut total = 0;
    let mut take = |session: &str, stored: &[u8]| {
        let (head, _) = Head::read(stored).map_err(|_| damaged(&keys::session(session)))?;
        if !is_wanted(list, &head, &floors) {
            return Ok(());
        }
        total += 1;
        first.offer(head.key(list.order), session, || {
            Ok((session.to_owned(), stored.to_vec()))
        })
    };
    let prefix = list.prefix.as_deref().unwrap_or_default();
    if let Some(user) = &list.user {
        let of_user = keys::sessions_of(user);
        let begin = keys::session_of(user, prefix);
        for entry in rows.range(&begin, Bound::Unbounded, Direction::Forward)? {
            let (key, _) = entry?;
            let session = keys::name(key, &of_user).ok_or_else(|| damaged(key))?;
            let key = keys::session(session);
            let stored = rows.get(&key)?.ok_or_else(|| damaged(&key))?;
            take(session, stored)?;
        }
    } else {
        for entry in rows.range(&keys::session(prefix), Bound::Unbounded, Direction::Forward)? {
            let (key, stored) = entry?;
            let session = keys::name(key, keys::SESSIONS).ok_or_else(|| damaged(key))?;
            take(session, stored)?;
        }
    }
    let (rows, last) = first.finish();
    Ok(Page {
        rows,
        last,
        total: list.count.then_some(total),
    })
}

/// Whether a session is there and belongs into the list, its user and its name apart.
fn is_wanted(list: &SessionList, head: &Head<'_>, floors: &Floors) -> bool {
    let id = head.mark.id();
    let happened = head.last_happened();
    let is = |wanted: &Option<String>, it: Option<&str>| {
        wanted.as_deref().is_none_or(|wanted| it == Some(wanted))
    };
    !floors.hide(head.position())
        && is(&list.agent, head.agent)
        && is(&list.forked_from, head.forked_from)
        && (!list.failed || head.failed)
        && list.since.is_none_or(|since: EntryId| id >= since)
        && list.until.is_none_or(|until| id < until)
        && list
            .happened_since
            .is_none_or(|since| happened.is_some_and(|last| last >= since.as_millis()))
        && list
            .happened_until
            .is_none_or(|until| happened.is_some_and(|last| last < until.as_millis()))
        && list
            .standing
            .is_none_or(|wanted| standing(list, head) == wanted)
}

/// As [`SessionStanding::of`] tells it of a state.
fn standing(list: &SessionList, head: &Head<'_>) -> SessionStanding {
    let quiet = head
        .last_happened()
        .map(|last| list.now.as_millis().saturating_sub(last));
    let idle_after = i64::try_from(list.idle_after_ms).unwrap_or(i64::MAX);
    match (head.ended, head.active) {
        (true, _) => SessionStanding::Ended,
        (_, true) if quiet.is_some_and(|ms| ms > idle_after) => SessionStanding::Idle,
        _ => SessionStanding::Active,
    }
}

/// Names and numbers of errors are read upwards; of the rest the newest and the most come first.
fn way(list: &SessionList) -> Way {
    if (list.order == SessionOrder::Name) == list.reverse {
        Way::Down
    } else {
        Way::Up
    }
}

/// What a cursor of this list begins with.
fn tag(list: &SessionList) -> u32 {
    let SessionList {
        user,
        agent,
        standing,
        failed,
        forked_from,
        prefix,
        order,
        reverse,
        ..
    } = list;
    about(&format!(
        "sessions {order:?} {reverse} {user:?} {agent:?} {standing:?} {failed} {forked_from:?} {prefix:?}"
    ))
}
