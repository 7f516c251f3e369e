//! Finishing entries and giving them back.

use recount_core::{Cursor, GroupStore, Position};

use super::{
    GROUP, claiming, deliver, delivered, filled, owned_by, owners, pending, positions, reopen,
};
use crate::GroupEngine;
use crate::kit::{Setup, id};

pub async fn what_is_acknowledged_is_no_longer_pending<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 5).await;
    let groups = &*open.groups;
    deliver(groups, "a", 2).await;
    deliver(groups, "b", 2).await;
    // Whoever they were pending for.
    let acked = groups.ack(GROUP, &positions(&[ids[3], ids[0]])).await;
    assert_eq!(acked, Ok(2));
    let left: Vec<_> = pending(groups).await.iter().map(|e| e.position).collect();
    assert_eq!(left, positions(&ids[1..3]));
    let again = groups.read_pending(GROUP, "a", &Cursor::start(), 9).await;
    assert_eq!(delivered(&again.expect("it succeeds")), ids[1..2]);
    let open = reopen(&setup, open).await;
    let left: Vec<_> = pending(&*open.groups)
        .await
        .iter()
        .map(|e| e.position)
        .collect();
    assert_eq!(left, positions(&ids[1..3]));
}

pub async fn acknowledging_again_does_no_harm<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 3).await;
    let groups = &*open.groups;
    deliver(groups, "a", 2).await;
    let twice = positions(&[ids[0], ids[0]]);
    assert_eq!(groups.ack(GROUP, &twice).await, Ok(1));
    assert_eq!(groups.ack(GROUP, &twice).await, Ok(0));
    let strange = [
        Position {
            partition: 9,
            entry_id: ids[1],
        },
        crate::kit::at(ids[2]),
        crate::kit::at(id(99, 0)),
    ];
    assert_eq!(groups.ack(GROUP, &strange).await, Ok(0));
    assert_eq!(groups.ack(GROUP, &[]).await, Ok(0));
    assert_eq!(pending(groups).await.len(), 1);
    assert_eq!(deliver(groups, "a", 9).await, ids[2..], "not delivered yet");
}

pub async fn what_is_given_back_has_no_owner<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 3).await;
    let groups = &*open.groups;
    deliver(groups, "a", 2).await;
    deliver(groups, "b", 1).await;
    setup.clock().advance(30);
    // The third is not pending for a and passed over.
    let given_back = groups.nack(GROUP, "a", &positions(&ids[1..]), 0).await;
    assert_eq!(given_back, Ok(1));
    let again = groups.nack(GROUP, "a", &positions(&ids[1..]), 0).await;
    assert_eq!(again, Ok(0), "it is nobody's now");
    let mut expected = owned_by(&["a", "a", "b"]);
    expected[1] = None;
    assert_eq!(owners(groups).await, expected);
    let entries = pending(groups).await;
    assert_eq!((entries[1].idle_ms, entries[1].delivery_count), (30, 1));
    let own = groups.read_pending(GROUP, "a", &Cursor::start(), 9).await;
    assert_eq!(delivered(&own.expect("it succeeds")), ids[..1]);
    assert_eq!(deliver(groups, "c", 9).await, [], "it is not new");
    let summary = groups.pending(GROUP).await.expect("it succeeds");
    assert_eq!(summary.count, 3);
    let mut counts = summary.by_consumer;
    counts.retain(|(_, count)| *count > 0);
    assert_eq!(counts, [("a".to_owned(), 1), ("b".to_owned(), 1)]);
    assert_eq!(groups.ack(GROUP, &positions(&ids[1..2])).await, Ok(1));
}

pub async fn what_is_given_back_may_be_claimed_once_its_delay_passed<E: GroupEngine>(
    setup: Setup<E>,
) {
    let (open, ids) = filled(&setup, 3).await;
    let groups = &*open.groups;
    deliver(groups, "a", 3).await;
    setup.clock().advance(1_000);
    for (n, delay_ms) in [(0, 0), (1, 200), (2, u64::MAX)] {
        let given_back = groups
            .nack(GROUP, "a", &positions(&ids[n..=n]), delay_ms)
            .await;
        assert_eq!(given_back, Ok(1));
    }
    // Whatever idle time is asked for, though a minimum of 0 does not shorten a delay.
    let claim = |min_idle_ms| {
        let (request, named) = (claiming("b", min_idle_ms), positions(&ids));
        async move { groups.claim(GROUP, &request, &named).await }
    };
    let first = claim(1_000_000).await.expect("the claim succeeds");
    assert_eq!(delivered(&first), ids[..1]);
    assert_eq!(first[0].delivery_count, 2);
    let given_back = groups.nack(GROUP, "b", &positions(&ids[..1]), 300).await;
    assert_eq!(given_back, Ok(1));
    setup.clock().advance(199);
    assert_eq!(claim(0).await, Ok(Vec::new()));
    setup.clock().advance(1);
    let auto = groups
        .auto_claim(GROUP, &claiming("c", 1_000_000), &Cursor::start(), 9)
        .await;
    let auto = auto.expect("the claim succeeds");
    assert_eq!(delivered(&auto.deliveries), ids[1..2]);
    setup.clock().advance(100);
    let late = claim(1_000_000).await.expect("the claim succeeds");
    assert_eq!(delivered(&late), ids[..1]);
    assert_eq!(late[0].delivery_count, 3);
}
