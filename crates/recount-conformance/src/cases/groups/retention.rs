//! Groups and trims.

use recount_core::{
    Cursor, EventLog, GroupError, GroupStart, GroupStore, HeldBack, ReadError, TrimLimit,
    TrimRequest,
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

pub async fn the_lag_counts_what_is_retained<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 6).await;
    let groups = &*open.groups;
    assert_eq!(group(groups).await.lag, 6);
    deliver(groups, "c", 3).await;
    assert_eq!(group(groups).await.lag, 3);
    assert_eq!(groups.ack(GROUP, &positions(&ids)).await, Ok(3));
    trim(&*open.log, TrimLimit::MaxLength(0)).await;
    assert_eq!(group(groups).await.lag, 3);
    let back = groups.set_position(GROUP, &GroupStart::Start).await;
    back.expect("the position moves");
    assert_eq!(group(groups).await.lag, 3, "trimmed entries do not count");
    add(&*open.log, events(6..8)).await;
    assert_eq!(group(groups).await.lag, 5);
    assert_eq!(deliver(groups, "c", 9).await.len(), 5);
    assert_eq!(group(groups).await.lag, 0);
}

pub async fn a_pending_entry_that_was_trimmed_comes_without_a_body<E: GroupEngine>(
    setup: Setup<E>,
) {
    let (open, ids) = filled(&setup, 4).await;
    let groups = &*open.groups;
    deliver(groups, "c", 3).await;
    if !setup.engine.trim_past_groups(&open.log, ids[2]).await {
        return;
    }
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
