//! Finished entries that are to be handled again.

use recount_core::{Cursor, GroupStore, HeldBack, Position, TrimLimit};

use super::{
    GROUP, claiming, deliver, delivered, filled, group, owners, pending, positions, reopen,
};
use crate::GroupEngine;
use crate::kit::{Setup, add, all_ids, at, events, id, trim};

pub async fn what_was_finished_is_handled_again<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 5).await;
    let groups = &*open.groups;
    deliver(groups, "a", 5).await;
    let again = groups
        .read_pending(GROUP, "a", &Cursor::start(), 5)
        .await
        .expect("the delivery succeeds");
    assert_eq!(again.len(), 5);
    assert_eq!(groups.ack(GROUP, &positions(&ids)).await, Ok(5));
    // Backwards and twice: they come in order and once.
    let named = positions(&[ids[3], ids[1], ids[3]]);
    let requeued = groups.requeue(GROUP, &named).await;
    assert_eq!(requeued, Ok(positions(&[ids[1], ids[3]])));

    assert_eq!(owners(groups).await, [None, None]);
    let counts: Vec<_> = pending(groups)
        .await
        .iter()
        .map(|entry| entry.delivery_count)
        .collect();
    assert_eq!(counts, [0, 0], "as if it had never been delivered");
    let summary = groups.pending(GROUP).await.expect("it succeeds");
    assert_eq!((summary.count, summary.by_consumer.len()), (2, 0));
    assert_eq!(deliver(groups, "b", 9).await, [], "they are not new");
    let own = groups.read_pending(GROUP, "a", &Cursor::start(), 9).await;
    assert_eq!(own, Ok(Vec::new()), "nobody owns them");

    // Whatever idle time is asked for.
    let request = claiming("b", 1_000_000);
    let claimed = groups.claim(GROUP, &request, &positions(&ids[1..2])).await;
    let claimed = claimed.expect("the claim succeeds");
    assert_eq!(delivered(&claimed), ids[1..2]);
    assert_eq!(claimed[0].delivery_count, 1);
    assert!(claimed[0].entry.is_some());
    let claim = groups
        .auto_claim(GROUP, &request, &Cursor::start(), 9)
        .await;
    assert_eq!(
        delivered(&claim.expect("it succeeds").deliveries),
        ids[3..4]
    );
    assert_eq!(groups.ack(GROUP, &positions(&ids)).await, Ok(2));
    assert_eq!(
        groups.requeue(GROUP, &positions(&ids[3..4])).await,
        Ok(positions(&ids[3..4])),
        "as often as it is asked for"
    );
}

pub async fn everything_else_is_passed_over<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 6).await;
    let groups = &*open.groups;
    deliver(groups, "a", 5).await;
    let given_back = groups.nack(GROUP, "a", &positions(&ids[3..4]), 100).await;
    assert_eq!(given_back, Ok(1));
    assert_eq!(groups.ack(GROUP, &positions(&ids[..2])).await, Ok(2));
    let report = trim(&*open.log, TrimLimit::MaxLength(5)).await;
    assert_eq!(report.removed, 1);
    let before = pending(groups).await;

    // Trimmed, finished, pending, given back, pending, new; and what the stream never held.
    let mut named = positions(&ids);
    named.extend([at(id(99, 0)), at(recount_core::EntryId::MIN)]);
    named.push(Position {
        partition: 9,
        entry_id: ids[1],
    });
    let requeued = groups.requeue(GROUP, &named).await;
    assert_eq!(requeued, Ok(positions(&ids[1..2])));
    assert_eq!(pending(groups).await[1..], before, "nothing else changed");
    assert_eq!(groups.requeue(GROUP, &[]).await, Ok(Vec::new()));
    setup.clock().advance(99);
    let request = claiming("b", 1_000_000);
    let claimed = groups.claim(GROUP, &request, &positions(&ids)).await;
    assert_eq!(
        delivered(&claimed.expect("the claim succeeds")),
        ids[1..2],
        "what was given back keeps its delay"
    );
    assert_eq!(deliver(groups, "b", 9).await, ids[5..]);
}

pub async fn what_the_cursor_was_moved_before_is_new<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 4).await;
    let groups = &*open.groups;
    deliver(groups, "a", 4).await;
    assert_eq!(groups.ack(GROUP, &positions(&ids)).await, Ok(4));
    let start = recount_core::GroupStart::After(Cursor::after(ids[1]));
    let moved = groups.set_position(GROUP, &start).await;
    moved.expect("the position moves");
    let requeued = groups.requeue(GROUP, &positions(&ids)).await;
    assert_eq!(requeued, Ok(positions(&ids[..2])));
    assert_eq!(deliver(groups, "a", 9).await, ids[2..]);
    assert_eq!(group(groups).await.pending, 4);
}

pub async fn it_survives_a_restart_and_is_kept<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 4).await;
    deliver(&*open.groups, "a", 4).await;
    assert_eq!(open.groups.ack(GROUP, &positions(&ids)).await, Ok(4));
    let requeued = open.groups.requeue(GROUP, &positions(&ids[2..3])).await;
    assert_eq!(requeued, Ok(positions(&ids[2..3])));
    let open = reopen(&setup, open).await;
    let report = trim(&*open.log, TrimLimit::MaxLength(0)).await;
    let held = HeldBack {
        by: format!("group {GROUP}"),
        from: ids[2],
    };
    assert_eq!((report.removed, report.held_back), (2, vec![held]));
    assert_eq!(all_ids(&*open.log).await, ids[2..]);
    add(&*open.log, events(4..5)).await;
    let request = claiming("b", 1_000_000);
    let claim = open
        .groups
        .auto_claim(GROUP, &request, &Cursor::start(), 9)
        .await;
    let claimed = claim.expect("the claim succeeds").deliveries;
    assert_eq!(delivered(&claimed), ids[2..3]);
    assert_eq!(claimed[0].delivery_count, 1);
}
