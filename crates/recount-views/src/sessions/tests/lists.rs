use std::cmp::Ordering;
use std::collections::BTreeSet;

use proptest::prelude::*;
use recount_core::{EntryId, Recorded, Timestamp};

use super::super::reader::{list, users};
use super::super::{
    SessionList, SessionOrder, SessionRows, SessionStanding, UserList, UserOrder, UserRow,
};
use super::kit::{Fixture, history, session_of, states, step};
use crate::SessionState;

const ORDERS: [SessionOrder; 10] = [
    SessionOrder::Recent,
    SessionOrder::Started,
    SessionOrder::Events,
    SessionOrder::Messages,
    SessionOrder::Errors,
    SessionOrder::Tokens,
    SessionOrder::Cost,
    SessionOrder::Duration,
    SessionOrder::Reward,
    SessionOrder::Name,
];

const USER_ORDERS: [UserOrder; 9] = [
    UserOrder::Recent,
    UserOrder::Started,
    UserOrder::Sessions,
    UserOrder::Events,
    UserOrder::Messages,
    UserOrder::Errors,
    UserOrder::Tokens,
    UserOrder::Cost,
    UserOrder::Name,
];

fn time(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms).unwrap()
}

fn asked() -> impl Strategy<Value = SessionList> {
    let who = (
        prop::option::weighted(0.2, 0..4_u8),
        prop::bool::weighted(0.2),
        prop::option::weighted(
            0.3,
            prop::sample::select(
                &[
                    SessionStanding::Active,
                    SessionStanding::Idle,
                    SessionStanding::Ended,
                ][..],
            ),
        ),
        prop::bool::weighted(0.2),
        prop::option::weighted(0.1, 0..4_u8),
        prop::option::weighted(0.2, prop::sample::select(&["s", "s1", "t"][..])),
    );
    let when = (
        prop::option::weighted(0.2, 0..200_u64),
        prop::option::weighted(0.2, 0..200_u64),
        prop::option::weighted(0.2, 0..1_000_i64),
        prop::option::weighted(0.2, 0..1_000_i64),
    );
    let how = (
        prop::sample::select(&ORDERS[..]),
        any::<bool>(),
        1..6_usize,
        any::<bool>(),
    );
    (who, when, how).prop_map(
        |((user, agent, standing, failed, forked, prefix), (since, until, from, to), how)| {
            let id = |ms| EntryId::new(ms, 0);
            SessionList {
                user: user.map(|user| format!("u{user}")),
                agent: agent.then(|| "bot".to_owned()),
                standing,
                failed,
                forked_from: forked.map(|parent| format!("s{parent}")),
                prefix: prefix.map(str::to_owned),
                since: since.map(id),
                until: until.map(id),
                happened_since: from.map(time),
                happened_until: to.map(time),
                order: how.0,
                reverse: how.1,
                limit: how.2,
                after: None,
                count: how.3,
                now: time(900),
                idle_after_ms: 100,
            }
        },
    )
}

/// The same by hand.
fn by_hand(entries: &[Recorded], list: &SessionList) -> Vec<SessionState> {
    let of_user: BTreeSet<String> = sessions_of(entries, list.user.as_deref());
    let is = |wanted: &Option<String>, it: Option<&str>| {
        wanted.as_deref().is_none_or(|wanted| Some(wanted) == it)
    };
    let mut found = states(entries);
    found.retain(|state| {
        let id = state.position.unwrap().entry_id;
        let last = state.last_happened;
        let parent = state.forked_from.as_ref().map(|from| &*from.session_id);
        of_user.contains(&state.session_id)
            && is(&list.agent, state.agent_id.as_deref())
            && is(&list.forked_from, parent)
            && list
                .prefix
                .as_ref()
                .is_none_or(|prefix| state.session_id.starts_with(prefix))
            && (!list.failed || state.is_failed())
            && list.since.is_none_or(|since| id >= since)
            && list.until.is_none_or(|until| id < until)
            && list.happened_since.is_none_or(|since| last >= Some(since))
            && list
                .happened_until
                .is_none_or(|until| last.is_some_and(|last| last < until))
            && list.standing.is_none_or(|standing| {
                SessionStanding::of(state, list.now, list.idle_after_ms) == standing
            })
    });
    let upwards = (list.order == SessionOrder::Name) != list.reverse;
    found.sort_by(|a, b| {
        let (left, right) = (key(a, list.order), key(b, list.order));
        let up = left
            .partial_cmp(&right)
            .unwrap()
            .then(a.session_id.cmp(&b.session_id));
        let along = if upwards { up } else { up.reverse() };
        left.is_none().cmp(&right.is_none()).then(along)
    });
    found
}

fn sessions_of(entries: &[Recorded], user: Option<&str>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for end in 1..=entries.len() {
        // Whom each event counted for.
        let session = session_of(&entries[end - 1]);
        let matches = user.is_none() || {
            let state = states(&entries[..end]);
            let state = state.iter().find(|state| state.session_id == session);
            state.unwrap().user_id.as_deref() == user
        };
        if matches {
            found.insert(session.to_owned());
        }
    }
    found
}

fn key(state: &SessionState, order: SessionOrder) -> Option<f64> {
    let ms = |time: Option<Timestamp>| time.map(|time| time.as_millis() as f64);
    match order {
        SessionOrder::Recent => Some(state.position?.entry_id.ms as f64),
        SessionOrder::Started => ms(state.first_happened),
        SessionOrder::Events => Some(state.events as f64),
        SessionOrder::Messages => Some(state.messages_added as f64),
        SessionOrder::Errors => Some(state.errors as f64),
        SessionOrder::Tokens => Some(state.tokens.total as f64),
        SessionOrder::Cost => Some(state.cost),
        SessionOrder::Duration => Some(ms(state.last_happened)? - ms(state.first_happened)?),
        SessionOrder::Reward => state.reward,
        SessionOrder::Name => Some(0.0),
    }
}

/// All pages, and what each of them counted.
fn paged(fixture: &Fixture, list: &SessionList) -> (Vec<SessionState>, Vec<Option<u64>>) {
    let mut list = list.clone();
    let (mut all, mut totals) = (Vec::new(), Vec::new());
    loop {
        let page: SessionRows = list::list(&fixture.rows(), &list).unwrap();
        assert!(page.sessions.len() <= list.limit);
        all.extend(page.sessions);
        totals.push(page.total);
        match page.next {
            // As it is passed on: as text.
            Some(next) => list.after = Some(next.to_string().parse().unwrap()),
            None => return (all, totals),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_list_is_what_filtering_and_sorting_all_sessions_gives(
        steps in prop::collection::vec(step(14), 1..160),
        lists in prop::collection::vec(asked(), 1..8),
    ) {
        let entries = history(&steps);
        let fixture = Fixture::of(&entries);
        for list in lists {
            let expected = by_hand(&entries, &list);
            let (found, totals) = paged(&fixture, &list);
            let names = |states: &[SessionState]| -> Vec<String> {
                states.iter().map(|state| state.session_id.clone()).collect()
            };
            prop_assert_eq!(names(&found), names(&expected), "{:?}", list);
            let total = list.count.then_some(expected.len() as u64);
            prop_assert!(totals.iter().all(|&found| found == total), "{:?}", totals);
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn while_entries_arrive_what_stays_is_listed_once(
        steps in prop::collection::vec(step(14), 40..120),
        more in prop::collection::vec(step(3), 1..40),
        order in prop::sample::select(&ORDERS[..]),
        reverse: bool,
    ) {
        let all = history(&[steps.clone(), more].concat());
        let (first, rest) = all.split_at(steps.len());
        let mut fixture = Fixture::of(first);
        let mut asked = SessionList { order, reverse, limit: 3, ..SessionList::default() };
        let mut listed = Vec::new();
        let mut rest = rest.chunks(5);
        loop {
            let page = list::list(&fixture.rows(), &asked).unwrap();
            listed.extend(page.sessions.into_iter().map(|state| state.session_id));
            asked.after = page.next;
            if let Some(arrived) = rest.next() {
                fixture.take(arrived);
                fixture.commit();
            }
            if asked.after.is_none() {
                break;
            }
        }
        // More arrives for the first three only.
        let changes = |session: &str| ["s0", "s1", "s2"].contains(&session);
        let stays: BTreeSet<_> = first.iter().map(session_of).filter(|name| !changes(name)).collect();
        listed.retain(|name| !changes(name));
        prop_assert_eq!(listed.len(), stays.len());
        prop_assert!(listed.iter().all(|name| stays.contains(&**name)));
    }

    #[test]
    fn users_are_sorted_filtered_and_paged(
        steps in prop::collection::vec(step(9), 1..160),
        order in prop::sample::select(&USER_ORDERS[..]),
        reverse: bool,
        since in prop::option::of(0..160_u64),
        until in prop::option::of(0..160_u64),
    ) {
        let fixture = Fixture::of(&history(&steps));
        let all = UserList { order: UserOrder::Name, ..UserList::default() };
        let mut expected = users::list(&fixture.rows(), &all).unwrap().users;
        expected.retain(|row| {
            since.is_none_or(|since| row.last_recorded.ms >= since)
                && until.is_none_or(|until| row.last_recorded.ms < until)
        });
        let upwards = (order == UserOrder::Name) != reverse;
        expected.sort_by(|a, b| {
            let up = compare(a, b, order).then(a.user_id.cmp(&b.user_id));
            if upwards { up } else { up.reverse() }
        });
        let mut asked = UserList {
            order,
            reverse,
            limit: 2,
            count: true,
            since: since.map(|ms| EntryId::new(ms, 0)),
            until: until.map(|ms| EntryId::new(ms, 0)),
            ..UserList::default()
        };
        let mut found = Vec::new();
        loop {
            let page = users::list(&fixture.rows(), &asked).unwrap();
            prop_assert_eq!(page.total, Some(expected.len() as u64));
            found.extend(page.users);
            asked.after = page.next;
            if asked.after.is_none() {
                break;
            }
        }
        prop_assert_eq!(found, expected);
    }
}

fn compare(a: &UserRow, b: &UserRow, order: UserOrder) -> Ordering {
    match order {
        UserOrder::Recent => a.last_recorded.cmp(&b.last_recorded),
        UserOrder::Started => a.first_happened.cmp(&b.first_happened),
        UserOrder::Sessions => a.sessions.cmp(&b.sessions),
        UserOrder::Events => a.events.cmp(&b.events),
        UserOrder::Messages => a.messages.cmp(&b.messages),
        UserOrder::Errors => a.errors.cmp(&b.errors),
        UserOrder::Tokens => a.tokens.total.cmp(&b.tokens.total),
        UserOrder::Cost => a.cost.total_cmp(&b.cost),
        UserOrder::Name => Ordering::Equal,
    }
}

#[test]
fn the_place_of_another_list_is_no_place_in_this_one() {
    let steps: Vec<_> = (0..40_u8)
        .map(|at| super::kit::Step {
            session: at,
            user: None,
            kind: 8,
            happened: 5,
            numbered: true,
        })
        .collect();
    let fixture = Fixture::of(&history(&steps));
    let recent = SessionList {
        limit: 5,
        ..SessionList::default()
    };
    let page = list::list(&fixture.rows(), &recent).unwrap();
    let other = SessionList {
        order: SessionOrder::Name,
        after: page.next,
        ..recent
    };
    let refused = list::list(&fixture.rows(), &other);
    assert!(refused.is_err(), "{refused:?}");
}
