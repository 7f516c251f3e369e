//! What is pending, summed up and one by one.

use recount_core::{Cursor, GroupStore, PendingEntry, PendingSummary};

use super::{GROUP, deliver, filled, pending, positions};
use crate::GroupEngine;
use crate::kit::{Setup, at};

pub async fn nothing_pending<E: GroupEngine>(setup: Setup<E>) {
    let (open, _) = filled(&setup, 3).await;
    let summary = open.groups.pending(GROUP).await;
    assert_eq!(summary, Ok(PendingSummary::default()));
    assert_eq!(pending(&*open.groups).await, []);
}

pub async fn the_summary_counts<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 6).await;
    let groups = &*open.groups;
    deliver(groups, "b", 2).await;
    deliver(groups, "a", 3).await;
    assert_eq!(groups.ack(GROUP, &positions(&ids[..1])).await, Ok(1));
    let summary = groups.pending(GROUP).await.expect("it succeeds");
    assert_eq!(summary.count, 4);
    assert_eq!(summary.ranges, [(0, ids[1], ids[4])]);
    let expected = [("a".to_owned(), 3), ("b".to_owned(), 1)];
    assert_eq!(summary.by_consumer, expected);
}

pub async fn entries_are_told_one_by_one<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 4).await;
    let groups = &*open.groups;
    deliver(groups, "a", 2).await;
    setup.clock().advance(40);
    deliver(groups, "b", 1).await;
    setup.clock().advance(2);
    let expected = [("a", 42), ("a", 42), ("b", 2)];
    let expected: Vec<_> = expected
        .iter()
        .zip(&ids)
        .map(|((consumer, idle_ms), id)| PendingEntry {
            position: at(*id),
            consumer: Some((*consumer).to_owned()),
            idle_ms: *idle_ms,
            delivery_count: 1,
        })
        .collect();
    assert_eq!(pending(groups).await, expected);

    let some = |consumer: Option<&'static str>, after: Cursor, count| async move {
        let entries = groups.pending_entries(GROUP, consumer, &after, count).await;
        entries.expect("what is pending is known")
    };
    assert_eq!(some(Some("a"), Cursor::start(), 9).await, expected[..2]);
    assert_eq!(some(Some("b"), Cursor::start(), 9).await, expected[2..]);
    assert_eq!(some(Some("nobody"), Cursor::start(), 9).await, []);
    assert_eq!(some(None, Cursor::start(), 2).await, expected[..2]);
    assert_eq!(some(None, Cursor::after(ids[0]), 1).await, expected[1..2]);
    let own = some(Some("a"), Cursor::after(ids[0]), 9).await;
    assert_eq!(own, expected[1..2]);
    assert_eq!(some(None, Cursor::after(ids[2]), 9).await, []);
    assert_eq!(pending(groups).await, expected, "looking changes nothing");
}

pub async fn idle_times_bear_a_clock_that_steps_back<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 1).await;
    deliver(&*open.groups, "a", 1).await;
    setup.clock().set(1_000);
    assert_eq!(pending(&*open.groups).await[0].idle_ms, 0);
    let consumers = open.groups.consumers(GROUP).await.expect("it succeeds");
    assert_eq!(consumers[0].idle_ms, 0);
    assert_eq!(open.groups.ack(GROUP, &positions(&ids)).await, Ok(1));
}
