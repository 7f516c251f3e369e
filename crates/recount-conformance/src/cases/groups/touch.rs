//! Telling that work goes on.

use recount_core::{Cursor, GroupStore, Position};

use super::{GROUP, claiming, deliver, delivered, filled, owned_by, owners, pending, positions};
use crate::GroupEngine;
use crate::kit::{Setup, at, id};

pub async fn it_resets_the_idle_time_and_counts_nothing<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 3).await;
    let groups = &*open.groups;
    deliver(groups, "a", 3).await;
    setup.clock().advance(500);
    let touched = groups.touch(GROUP, "a", &positions(&ids[1..2])).await;
    assert_eq!(touched, Ok(positions(&ids[1..2])));
    setup.clock().advance(70);
    let told: Vec<_> = pending(groups)
        .await
        .iter()
        .map(|entry| (entry.idle_ms, entry.delivery_count))
        .collect();
    assert_eq!(told, [(570, 1), (70, 1), (570, 1)]);
    let consumers = groups.consumers(GROUP).await.expect("they are known");
    assert_eq!(consumers[0].idle_ms, 70, "it is a call");
}

pub async fn what_is_touched_is_not_claimed<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 2).await;
    let groups = &*open.groups;
    deliver(groups, "a", 2).await;
    for _ in 0..5 {
        setup.clock().advance(60);
        let touched = groups.touch(GROUP, "a", &positions(&ids[..1])).await;
        assert_eq!(touched, Ok(positions(&ids[..1])));
    }
    setup.clock().advance(60);
    let request = claiming("b", 100);
    let claim = groups
        .auto_claim(GROUP, &request, &Cursor::start(), 9)
        .await;
    assert_eq!(
        delivered(&claim.expect("it succeeds").deliveries),
        ids[1..2]
    );
    let named = groups.claim(GROUP, &request, &positions(&ids[..1])).await;
    assert_eq!(named, Ok(Vec::new()));
    setup.clock().advance(40);
    let late = groups.claim(GROUP, &request, &positions(&ids[..1])).await;
    assert_eq!(delivered(&late.expect("the claim succeeds")), ids[..1]);
}

pub async fn only_the_owner_s_own_are_touched<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 6).await;
    let groups = &*open.groups;
    deliver(groups, "a", 4).await;
    deliver(groups, "b", 1).await;
    assert_eq!(groups.ack(GROUP, &positions(&ids[1..2])).await, Ok(1));
    let given_back = groups.nack(GROUP, "a", &positions(&ids[2..3]), 0).await;
    assert_eq!(given_back, Ok(1));
    setup.clock().advance(10);
    // Backwards and twice: they come in order and once.
    let mut named: Vec<_> = positions(&ids).into_iter().rev().collect();
    named.extend([at(ids[0]), at(id(99, 0))]);
    named.push(Position {
        partition: 9,
        entry_id: ids[0],
    });
    let touched = groups.touch(GROUP, "a", &named).await;
    assert_eq!(touched, Ok(positions(&[ids[0], ids[3]])));
    assert_eq!(groups.touch(GROUP, "c", &named).await, Ok(Vec::new()));
    assert_eq!(groups.touch(GROUP, "a", &[]).await, Ok(Vec::new()));

    let idle: Vec<_> = pending(groups).await.iter().map(|e| e.idle_ms).collect();
    assert_eq!(idle, [0, 10, 0, 10]);
    let mut expected = owned_by(&["a", "", "a", "b"]);
    expected[1] = None;
    assert_eq!(owners(groups).await, expected);
    assert_eq!(deliver(groups, "b", 9).await, ids[5..], "it is new still");
}
