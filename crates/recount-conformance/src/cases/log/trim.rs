//! Retention.

use recount_core::{EntryId, EventLog, Query, TrimLimit, TrimReport, TrimRequest};

use crate::Engine;
use crate::kit::{
    START_MS, Setup, add, all_ids, events, id, partition, query, revisions, trim, trim_everything,
};

async fn filled<E: Engine>(setup: &Setup<E>) -> (std::sync::Arc<E::Log>, Vec<EntryId>) {
    let log = setup.open().await;
    let mut ids = Vec::new();
    for n in 0..10 {
        ids.extend(add(&*log, events(n..n + 1)).await);
        setup.clock().advance(10);
    }
    (log, ids)
}

fn removed(removed: u64, first: Option<EntryId>) -> TrimReport {
    TrimReport {
        removed,
        first,
        held_back: Vec::new(),
        lost: Vec::new(),
    }
}

/// Every limit, with how many of the ten entries it removes. The clock stands at 100 ms.
fn limits() -> Vec<(TrimLimit, usize)> {
    vec![
        (TrimLimit::MaxLength(u64::MAX), 0),
        (TrimLimit::MaxLength(11), 0),
        (TrimLimit::MaxLength(10), 0),
        (TrimLimit::MaxLength(9), 1),
        (TrimLimit::MaxLength(1), 9),
        (TrimLimit::MaxLength(0), 10),
        (TrimLimit::MinId(EntryId::MIN), 0),
        (TrimLimit::MinId(id(0, 0)), 0),
        (TrimLimit::MinId(id(0, 1)), 1),
        (TrimLimit::MinId(id(45, 0)), 5),
        (TrimLimit::MinId(id(50, 0)), 5),
        (TrimLimit::MinId(id(90, 0)), 9),
        (TrimLimit::MinId(EntryId::MAX), 10),
        (TrimLimit::MaxAgeMs(u64::MAX), 0),
        (TrimLimit::MaxAgeMs(START_MS * 2), 0),
        (TrimLimit::MaxAgeMs(101), 0),
        (TrimLimit::MaxAgeMs(100), 1),
        (TrimLimit::MaxAgeMs(91), 1),
        (TrimLimit::MaxAgeMs(90), 2),
        (TrimLimit::MaxAgeMs(10), 10),
        (TrimLimit::MaxAgeMs(0), 10),
    ]
}

pub async fn exact_limits_remove_exactly<E: Engine>(setup: Setup<E>) {
    drop(setup);
    for (limit, count) in limits() {
        let setup = Setup::<E>::new().await;
        let (log, all) = filled(&setup).await;
        let report = trim(&*log, limit).await;
        let expected = removed(count as u64, all.get(count).copied());
        assert_eq!(report, expected, "{limit:?}");
        assert_eq!(all_ids(&*log).await, all[count..], "{limit:?}");
        let log = setup.reopen(log).await;
        assert_eq!(all_ids(&*log).await, all[count..], "{limit:?}, reopened");
    }
}

pub async fn an_approximate_trim_removes_at_most_as_much<E: Engine>(setup: Setup<E>) {
    drop(setup);
    for (limit, most) in limits() {
        let setup = Setup::<E>::new().await;
        let (log, all) = filled(&setup).await;
        let report = log.trim(&TrimRequest::approximate(limit)).await;
        let report = report.expect("the trim succeeds");
        let count = usize::try_from(report.removed).expect("a count");
        assert!(count <= most, "{limit:?} removed {count}");
        assert_eq!(report, removed(count as u64, all.get(count).copied()));
        assert_eq!(all_ids(&*log).await, all[count..], "{limit:?}");
    }
}

pub async fn a_dry_run_removes_nothing<E: Engine>(setup: Setup<E>) {
    let (log, all) = filled(&setup).await;
    for (limit, count) in limits() {
        let mut request = TrimRequest::exact(limit);
        request.dry_run = true;
        let report = log.trim(&request).await.expect("the trim succeeds");
        let expected = removed(count as u64, all.get(count).copied());
        assert_eq!(report, expected, "{limit:?}");
        request.exact = false;
        let report = log.trim(&request).await.expect("the trim succeeds");
        assert!(report.removed <= expected.removed, "{limit:?}");
    }
    assert_eq!(all_ids(&*log).await, all);
    let log = setup.reopen(log).await;
    assert_eq!(all_ids(&*log).await, all);
}

pub async fn an_empty_log_has_nothing_to_remove<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    for (limit, _) in limits() {
        assert_eq!(trim(&*log, limit).await, removed(0, None), "{limit:?}");
    }
}

pub async fn trims_go_on_from_one_another<E: Engine>(setup: Setup<E>) {
    let (mut log, all) = filled(&setup).await;
    let mut gone = 0;
    for (length, removed) in [(8, 2), (8, 0), (9, 0), (3, 5), (0, 3), (0, 0)] {
        let report = trim(&*log, TrimLimit::MaxLength(length)).await;
        assert_eq!(report.removed, removed as u64, "to {length}");
        gone += removed;
        assert_eq!(all_ids(&*log).await, all[gone..]);
        log = setup.reopen(log).await;
    }
    assert_eq!(gone, all.len());
}

pub async fn what_was_trimmed_is_gone_and_stays_gone<E: Engine>(setup: Setup<E>) {
    let (mut log, all) = filled(&setup).await;
    trim(&*log, TrimLimit::MinId(all[7])).await;
    for _ in 0..2 {
        assert_eq!(all_ids(&*log).await, all[7..]);
        let found = query(&*log, Query::session("s")).await;
        assert_eq!(crate::kit::ids(&found), all[7..]);
        assert_eq!(revisions(&found), [8, 9, 10]);
        let info = partition(&*log).await;
        assert_eq!((info.length, info.entries_added), (3, 10));
        assert_eq!((info.first, info.last), (Some(all[7]), all[9]));
        log = setup.reopen(log).await;
    }
}

pub async fn a_log_trimmed_to_nothing_goes_on<E: Engine>(setup: Setup<E>) {
    let (log, all) = filled(&setup).await;
    trim_everything(&*log).await;
    assert_eq!(all_ids(&*log).await, []);
    let log = setup.reopen(log).await;
    assert_eq!(all_ids(&*log).await, []);
    assert_eq!(partition(&*log).await.last, all[9]);
    let next = add(&*log, events(10..12)).await;
    assert_eq!(next, [id(100, 0), id(100, 1)]);
    let log = setup.reopen(log).await;
    assert_eq!(all_ids(&*log).await, next);
    let info = partition(&*log).await;
    assert_eq!((info.length, info.entries_added), (2, 12));
}
