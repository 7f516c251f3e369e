//! Groups and trims.

use recount_core::{
    Cursor, EventLog, GroupError, GroupStart, GroupStore, HeldBack, HeldUp, Lost, ReadError,
    TrimLimit, TrimReport, TrimRequest,
};

use super::{GROUP, claiming, deliver, delivered, filled, group, pending, positions};
use crate::GroupEngine;
use crate::kit::{Setup, add, all_ids, events, partition, trim};

fn held(name: &str, from: recount_core::EntryId) -> HeldBack {
    HeldBack {
        by: format!("group {name}"),
        from,
    }
}

fn lost(name: &str, entries: u64) -> Lost {
    Lost {
        by: format!("group {name}"),
        entries,
    }
}

/// Trims whoever needs what is removed.
async fn force(log: &impl EventLog, limit: TrimLimit) -> TrimReport {
    let request = TrimRequest {
        held_up: HeldUp::Force,
        ..TrimRequest::exact(limit)
    };
    log.trim(&request).await.expect("the trim succeeds")
}

pub async fn what_was_not_delivered_is_kept<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 6).await;
    deliver(&*open.groups, "c", 2).await;
    let acked = open.groups.ack(GROUP, &positions(&ids[..2])).await;
    assert_eq!(acked, Ok(2));
    assert_eq!(partition(&*open.log).await.held_back, [held(GROUP, ids[2])]);
    for limit in [
        TrimLimit::MaxLength(0),
        TrimLimit::MinId(ids[5]),
        TrimLimit::MaxAgeMs(0),
    ] {
        let request = TrimRequest {
            dry_run: true,
            ..TrimRequest::exact(limit)
        };
        let report = open.log.trim(&request).await.expect("the trim succeeds");
        assert_eq!((report.removed, report.first), (2, Some(ids[2])));
        assert_eq!(report.held_back, [held(GROUP, ids[2])]);
    }
    let report = trim(&*open.log, TrimLimit::MaxLength(0)).await;
    assert_eq!(report.removed, 2);
    assert_eq!(all_ids(&*open.log).await, ids[2..]);
    assert_eq!(deliver(&*open.groups, "c", 9).await, ids[2..]);
}

pub async fn what_was_not_acknowledged_is_kept<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 6).await;
    let groups = &*open.groups;
    deliver(groups, "c", 6).await;
    let acked = groups
        .ack(GROUP, &positions(&[ids[0], ids[1], ids[3]]))
        .await;
    assert_eq!(acked, Ok(3));
    let given_back = groups.nack(GROUP, "c", &positions(&ids[2..3]), 0).await;
    assert_eq!(given_back, Ok(1), "given back is pending still");
    let report = trim(&*open.log, TrimLimit::MaxLength(1)).await;
    assert_eq!((report.removed, report.first), (2, Some(ids[2])));
    assert_eq!(report.held_back, [held(GROUP, ids[2])]);

    assert_eq!(groups.ack(GROUP, &positions(&ids[2..3])).await, Ok(1));
    let report = trim(&*open.log, TrimLimit::MaxLength(1)).await;
    assert_eq!((report.removed, report.first), (2, Some(ids[4])));
    assert_eq!(groups.ack(GROUP, &positions(&ids)).await, Ok(2));
    assert_eq!(partition(&*open.log).await.held_back, []);
    let report = trim(&*open.log, TrimLimit::MaxLength(0)).await;
    assert_eq!((report.removed, report.held_back.len()), (2, 0));
}

pub async fn the_neediest_group_decides<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 6).await;
    let groups = &*open.groups;
    for (name, after) in [("early", 1), ("late", 3)] {
        let start = GroupStart::After(Cursor::after(ids[after]));
        let created = groups.create(name, &start).await;
        created.expect("the group is created");
    }
    assert_eq!(groups.destroy(GROUP).await, Ok(true));
    let report = trim(&*open.log, TrimLimit::MaxLength(3)).await;
    assert_eq!((report.removed, report.first), (2, Some(ids[2])));
    // The other would not have held up a trim to three.
    assert_eq!(report.held_back, [held("early", ids[2])]);
    let report = trim(&*open.log, TrimLimit::MaxLength(0)).await;
    assert_eq!(report.removed, 0);
    let mut by = report.held_back;
    by.sort_by_key(|held| held.from);
    assert_eq!(by, [held("early", ids[2]), held("late", ids[4])]);
    assert_eq!(groups.destroy("early").await, Ok(true));
    let report = trim(&*open.log, TrimLimit::MaxLength(0)).await;
    assert_eq!((report.removed, report.first), (2, Some(ids[4])));
}

pub async fn a_trim_that_harms_nobody_reports_nobody<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 6).await;
    deliver(&*open.groups, "c", 4).await;
    let acked = open.groups.ack(GROUP, &positions(&ids[..4])).await;
    assert_eq!(acked, Ok(4));
    let report = trim(&*open.log, TrimLimit::MinId(ids[4])).await;
    assert_eq!((report.removed, report.held_back.len()), (4, 0));
}

pub async fn a_forced_trim_tells_what_was_lost<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 6).await;
    let groups = &*open.groups;
    deliver(groups, "c", 4).await;
    assert_eq!(groups.ack(GROUP, &positions(&ids[1..3])).await, Ok(2));
    for (name, after) in [("ahead", ids[4]), ("behind", ids[0])] {
        let start = GroupStart::After(Cursor::after(after));
        groups.create(name, &start).await.expect("it is created");
    }
    let request = TrimRequest {
        dry_run: true,
        held_up: HeldUp::Force,
        ..TrimRequest::exact(TrimLimit::MaxLength(1))
    };
    // Of the first five: two pending and one to be delivered, and four to be delivered.
    let expected = TrimReport {
        removed: 5,
        first: Some(ids[5]),
        held_back: Vec::new(),
        lost: vec![lost(GROUP, 3), lost("behind", 4)],
    };
    let report = open.log.trim(&request).await;
    assert_eq!(report, Ok(expected.clone()), "and nobody is changed");
    assert_eq!(all_ids(&*open.log).await, ids);
    assert_eq!(
        force(&*open.log, TrimLimit::MaxLength(1)).await,
        expected,
        "as announced"
    );
    assert_eq!(all_ids(&*open.log).await, ids[5..]);
    let lags: Vec<_> = groups.groups().await.expect("they are known");
    let lags: Vec<_> = lags.iter().map(|info| (info.lag(), info.pending)).collect();
    assert_eq!(lags, [(1, 0), (1, 2), (1, 0)]);
    // What is gone already is lost once.
    let rest = force(&*open.log, TrimLimit::MaxLength(0)).await;
    let all = vec![lost("ahead", 1), lost(GROUP, 1), lost("behind", 1)];
    assert_eq!((rest.removed, rest.lost), (1, all));
    assert_eq!(group(groups).await.lag(), 0);
    assert_eq!(deliver(groups, "c", 9).await, []);
}

pub async fn a_trim_that_could_force_and_need_not_loses_nothing<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 4).await;
    deliver(&*open.groups, "c", 2).await;
    assert_eq!(open.groups.ack(GROUP, &positions(&ids[..2])).await, Ok(2));
    let report = force(&*open.log, TrimLimit::MinId(ids[2])).await;
    assert_eq!((report.removed, report.lost.len()), (2, 0));
}

pub async fn groups_that_nobody_calls_expire<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 6).await;
    let groups = &*open.groups;
    for name in ["busy", "fresh"] {
        groups
            .create(name, &GroupStart::Start)
            .await
            .expect("it is created");
    }
    deliver(groups, "c", 1).await;
    setup.clock().advance(1_000);
    let read = groups.read_new("busy", "c", 3).await;
    assert_eq!(delivered(&read.expect("the delivery succeeds")), ids[..3]);
    let done = groups.ack("busy", &positions(&ids[..3])).await;
    assert_eq!(done, Ok(3));
    setup.clock().advance(100);
    let expiring = |after_ms| TrimRequest {
        held_up: HeldUp::ExpireGroupsAfter(after_ms),
        ..TrimRequest::exact(TrimLimit::MaxLength(1))
    };

    // One that no consumer called yet may be waiting for its first.
    let report = open.log.trim(&expiring(500)).await;
    let report = report.expect("the trim succeeds");
    assert_eq!((report.removed, report.lost.len()), (0, 0));
    let mut by = report.held_back;
    by.sort_by(|a, b| a.by.cmp(&b.by));
    assert_eq!(by, [held("busy", ids[3]), held("fresh", ids[0])]);
    assert_eq!(groups.destroy("fresh").await, Ok(true));

    // Both called within that time.
    let report = open.log.trim(&expiring(2_000)).await;
    let report = report.expect("the trim succeeds");
    assert_eq!((report.removed, report.lost.len()), (0, 0));

    let report = open.log.trim(&expiring(500)).await;
    let expected = TrimReport {
        removed: 3,
        first: Some(ids[3]),
        held_back: vec![held("busy", ids[3])],
        lost: vec![lost(GROUP, 3)],
    };
    assert_eq!(report, Ok(expected), "none but the idle one loses anything");
    setup.clock().advance(1_000);
    let report = open.log.trim(&expiring(500)).await;
    let report = report.expect("the trim succeeds");
    assert_eq!((report.removed, report.held_back.len()), (2, 0));
    assert_eq!(report.lost, [lost(GROUP, 2), lost("busy", 2)]);
}

pub async fn the_lag_counts_what_is_retained<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 6).await;
    let groups = &*open.groups;
    assert_eq!(group(groups).await.lag(), 6);
    deliver(groups, "c", 3).await;
    assert_eq!(group(groups).await.lag(), 3);
    assert_eq!(groups.ack(GROUP, &positions(&ids)).await, Ok(3));
    trim(&*open.log, TrimLimit::MaxLength(0)).await;
    assert_eq!(group(groups).await.lag(), 3);
    let back = groups.set_position(GROUP, &GroupStart::Start).await;
    back.expect("the position moves");
    assert_eq!(group(groups).await.lag(), 3, "trimmed entries do not count");
    add(&*open.log, events(6..8)).await;
    assert_eq!(group(groups).await.lag(), 5);
    assert_eq!(deliver(groups, "c", 9).await.len(), 5);
    assert_eq!(group(groups).await.lag(), 0);
}

pub async fn a_pending_entry_that_was_trimmed_comes_without_a_body<E: GroupEngine>(
    setup: Setup<E>,
) {
    let (open, ids) = filled(&setup, 4).await;
    let groups = &*open.groups;
    deliver(groups, "c", 3).await;
    force(&*open.log, TrimLimit::MinId(ids[2])).await;
    assert_eq!(all_ids(&*open.log).await, ids[2..]);
    assert_eq!(pending(groups).await.len(), 3);
    let again = groups.read_pending(GROUP, "c", &Cursor::start(), 9).await;
    let again = again.expect("the delivery succeeds");
    assert_eq!(delivered(&again), ids[..3]);
    let bodies: Vec<_> = again.iter().map(|d| d.entry.is_some()).collect();
    assert_eq!(bodies, [false, false, true]);
    let request = claiming("d", 0);
    let claimed = groups.claim(GROUP, &request, &positions(&ids[..1])).await;
    let claimed = claimed.expect("the claim succeeds");
    assert_eq!((claimed.len(), claimed[0].entry.as_ref()), (1, None));
    assert_eq!(groups.ack(GROUP, &positions(&ids[..2])).await, Ok(2));
    assert_eq!(pending(groups).await.len(), 1);
    assert_eq!(deliver(groups, "c", 9).await, ids[3..]);
}

pub async fn groups_of_a_closed_log_fail<E: GroupEngine>(setup: Setup<E>) {
    let (open, _) = filled(&setup, 1).await;
    open.log.close().await.expect("closing succeeds");
    let closed = GroupError::Read(ReadError::Closed);
    let read = open.groups.read_new(GROUP, "c", 1).await;
    assert_eq!(read, Err(closed.clone()));
    let created = open.groups.create("new", &GroupStart::Start).await;
    assert_eq!(created, Err(closed.clone()));
    assert_eq!(open.groups.groups().await, Err(closed));
}
