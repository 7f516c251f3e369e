//! Filters: by session, by user, by types, in any range.

use std::sync::Arc;

use recount_core::{
    Direction, Entry, EventLog, EventType, Filter, IdRange, Limits, Query, ReadRange, Recorded,
    TrimLimit,
};

use crate::Engine;
use crate::kit::{
    Setup, add, append, building, event_ids, events, fields, finish, id, ids, noise, query,
    query_for, read, read_all, trim,
};

const TYPES: [&str; 4] = [
    "message.added",
    "tool.called",
    "invoice.sent",
    "invoice.sent.twice",
];

/// 60 events of 4 sessions, 3 users and none, and 4 types, with some that are no events between.
async fn filled<E: Engine>(setup: &Setup<E>) -> Arc<E::Log> {
    let log = setup.open().await;
    for n in 0..60_usize {
        setup.clock().advance(1);
        let mut event = finish(building(&format!("e{n}"), &format!("s{}", n % 4)));
        event.user_id = (n % 5 > 1).then(|| format!("u{}", n % 3));
        event.event_type = EventType::new(TYPES[n % 7 % 4]).expect("a legal type");
        add(&*log, vec![event]).await;
        if n % 20 == 10 {
            let strange = noise(id(n as u64 + 1, 7));
            let receipt = log.append_with_ids(vec![strange]).await;
            receipt.expect("the copy succeeds");
        }
    }
    log
}

fn filter(session: Option<&str>, user: Option<&str>, types: &[&str]) -> Filter {
    Filter {
        session_id: session.map(str::to_owned),
        user_id: user.map(str::to_owned),
        types: types
            .iter()
            .map(|name| EventType::new(name).expect("a legal type"))
            .collect(),
    }
}

fn filters() -> Vec<Filter> {
    let mut filters = Vec::new();
    for session in [None, Some("s1"), Some("s"), Some("nobody")] {
        for user in [None, Some("u2"), Some("nobody")] {
            for types in [
                &[][..],
                &["tool.called"],
                &["invoice.sent"],
                &["message.added", "invoice.sent.twice", "unheard.of"],
                &["tool.called", "tool.called"],
                &["search.performed"],
            ] {
                filters.push(filter(session, user, types));
            }
        }
    }
    filters
}

/// What a scan finds, which is what the index must find.
async fn scan(log: &impl EventLog, query: &Query) -> Vec<Recorded> {
    let range = query.range.clone().limit(Limits::PAGE_ENTRIES_MAX);
    let mut entries = read(log, range).await;
    entries.retain(|entry| query.filter.passes(entry));
    entries
}

pub async fn every_filter_finds_what_a_scan_finds<E: Engine>(setup: Setup<E>) {
    let mut log = filled(&setup).await;
    for reopened in [false, true] {
        if reopened {
            log = setup.reopen(log).await;
        }
        let mut hits = 0;
        for filter in filters() {
            for direction in [Direction::Forward, Direction::Backward] {
                let mut wanted = query_for(filter.clone());
                wanted.range.direction = direction;
                let found = query(&*log, wanted.clone()).await;
                assert_eq!(found, scan(&*log, &wanted).await, "{wanted:?}");
                hits += found.len();
            }
        }
        assert!(hits > 200, "the filters find something: {hits}");
    }
}

pub async fn sessions_and_users_match_exactly<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let names = ["s", "S", "ss", "s ", "é", "e\u{301}", "u"];
    for (n, name) in names.iter().enumerate() {
        let event = finish(building(&format!("e{n}"), name).user(format!("{name}u")));
        append(&*log, event).await;
    }
    for (n, name) in names.iter().enumerate() {
        let expected = [format!("e{n}")];
        let by_session = query(&*log, Query::session(*name)).await;
        assert_eq!(event_ids(&by_session), expected);
        let user = format!("{name}u");
        let by_user = query(&*log, query_for(filter(None, Some(&user), &[]))).await;
        assert_eq!(event_ids(&by_user), expected);
    }
}

pub async fn queries_page_in_both_directions<E: Engine>(setup: Setup<E>) {
    let log = filled(&setup).await;
    for limit in [1, 2, 7, 100] {
        for range in [ReadRange::all(), ReadRange::all().backward()] {
            let mut wanted = query_for(filter(Some("s1"), None, &["tool.called", "invoice.sent"]));
            wanted.range = range.limit(limit);
            let found = query(&*log, wanted.clone()).await;
            assert_eq!(found, scan(&*log, &wanted).await, "{wanted:?}");
            assert!(found.len() > 5, "{}", found.len());
        }
    }
}

pub async fn queries_keep_to_their_range<E: Engine>(setup: Setup<E>) {
    use std::ops::Bound::{Excluded, Included, Unbounded};
    let log = filled(&setup).await;
    for (start, end) in [
        (Included(id(10, 0)), Excluded(id(30, 0))),
        (Excluded(id(10, 0)), Included(id(30, 0))),
        (Unbounded, Included(id(5, 0))),
        (Excluded(id(55, 0)), Unbounded),
        (Included(id(30, 0)), Included(id(10, 0))),
        (Excluded(id(60, 0)), Unbounded),
    ] {
        for filter in filters() {
            for limit in [3, Limits::PAGE_ENTRIES_MAX] {
                for range in [
                    ReadRange::new(IdRange { start, end }),
                    ReadRange::new(IdRange { start, end }).backward(),
                ] {
                    let wanted = Query {
                        range: range.limit(limit),
                        filter: filter.clone(),
                    };
                    let found = query(&*log, wanted.clone()).await;
                    assert_eq!(found, scan(&*log, &wanted).await, "{wanted:?}");
                }
            }
        }
    }
}

pub async fn what_is_no_event_passes_only_the_empty_filter<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let half = Entry {
        id: id(1, 1),
        // A session and a type, and yet no event.
        fields: fields(&[("type", "tool.called"), ("session_id", "s"), ("v", "zero")]),
        revision: None,
    };
    let receipt = log.append_with_ids(vec![noise(id(1, 0)), half]).await;
    receipt.expect("the copies succeed");
    let log = setup.reopen(log).await;
    let everything = query(&*log, query_for(Filter::default())).await;
    assert_eq!(ids(&everything), [id(1, 0), id(1, 1)]);
    for filter in [
        filter(Some("s"), None, &[]),
        filter(None, None, &["tool.called"]),
        filter(None, Some(""), &[]),
    ] {
        assert_eq!(query(&*log, query_for(filter)).await, []);
    }
}

pub async fn queries_follow_trims_and_appends<E: Engine>(setup: Setup<E>) {
    let log = filled(&setup).await;
    trim(&*log, TrimLimit::MinId(id(33, 0))).await;
    add(&*log, events(60..62)).await;
    let before = what_filters_find(&*log).await;
    let log = setup.reopen(log).await;
    assert_eq!(what_filters_find(&*log).await, before);
}

async fn what_filters_find(log: &impl EventLog) -> Vec<Vec<Recorded>> {
    let mut all = Vec::new();
    for filter in filters() {
        let wanted = query_for(filter);
        let found = query(log, wanted.clone()).await;
        assert_eq!(found, scan(log, &wanted).await, "{wanted:?}");
        all.push(found);
    }
    all
}

pub async fn a_query_of_nothing_is_empty<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    assert_eq!(query(&*log, Query::session("s")).await, []);
    add(&*log, events(0..3)).await;
    let mut unknown = Query::session("s");
    unknown.range.partition = 9;
    assert_eq!(query(&*log, unknown).await, []);
    let mut none = Query::session("s");
    none.range.limit = 0;
    let page = log.query(&none).await.expect("the query succeeds");
    assert_eq!(page.entries, []);
    assert_eq!(read_all(&*log).await.len(), 3);
}
