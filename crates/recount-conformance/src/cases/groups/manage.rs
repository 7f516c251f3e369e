//! Creating, moving, listing and removing groups.

use recount_core::{Cursor, EntryId, GroupError, GroupStart, GroupStore, InvalidId, LeaseRequest};

use super::{GROUP, claiming, deliver, delivered, filled, group, open, pending, positions, reopen};
use crate::GroupEngine;
use crate::kit::{Setup, add, events, id, trim_everything};

pub async fn a_group_begins_where_it_is_told<E: GroupEngine>(setup: Setup<E>) {
    let open = open(&setup).await;
    let mut all = add(&*open.log, events(0..4)).await;
    let starts = [
        ("start", GroupStart::Start, 0),
        ("end", GroupStart::End, 4),
        ("after", GroupStart::After(Cursor::after(all[1])), 2),
        ("before", GroupStart::After(Cursor::start()), 0),
        ("ahead", GroupStart::After(Cursor::after(id(0, 4))), 5),
    ];
    for (name, start, _) in &starts {
        let created = open.groups.create(name, start).await;
        created.expect("the group is created");
    }
    all.extend(add(&*open.log, events(4..6)).await);
    for (name, _, from) in starts {
        let deliveries = open.groups.read_new(name, "c", 10).await;
        let deliveries = deliveries.expect("the delivery succeeds");
        assert_eq!(delivered(&deliveries), all[from..], "{name}");
    }
}

pub async fn the_end_of_a_trimmed_log_is_its_last_id<E: GroupEngine>(setup: Setup<E>) {
    let open = open(&setup).await;
    let ids = add(&*open.log, events(0..3)).await;
    trim_everything(&*open.log).await;
    let created = open.groups.create(GROUP, &GroupStart::End).await;
    created.expect("the group is created");
    let info = group(&*open.groups).await;
    assert_eq!(info.last_delivered.get(0), ids[2]);
    let next = add(&*open.log, events(3..4)).await;
    assert_eq!(deliver(&*open.groups, "c", 10).await, next);
}

pub async fn a_name_is_taken_once<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 3).await;
    deliver(&*open.groups, "c", 2).await;
    let again = open.groups.create(GROUP, &GroupStart::End).await;
    let error = again.expect_err("the name is taken");
    assert_eq!(error.code(), "group_exists");
    assert_eq!(pending(&*open.groups).await.len(), 2, "nothing changed");
    assert_eq!(deliver(&*open.groups, "c", 9).await, ids[2..]);
}

pub async fn names_have_1_to_128_bytes<E: GroupEngine>(setup: Setup<E>) {
    let open = open(&setup).await;
    let long = "x".repeat(129);
    for bad in ["", &long] {
        let created = open.groups.create(bad, &GroupStart::Start).await;
        let error = created.expect_err("the name is refused");
        assert_eq!(error.code(), "invalid_name");
        let expected = if bad.is_empty() { "empty" } else { "129" };
        assert!(error.to_string().contains(expected), "{error}");
    }
    let longest = "é".repeat(64);
    let created = open.groups.create(&longest, &GroupStart::Start).await;
    created.expect("128 bytes are a name");
    let (groups, start) = (&open.groups, Cursor::start());
    for bad in ["", &long] {
        let claiming = claiming(bad, 0);
        let refused = [
            groups.read_new(&longest, bad, 1).await.err(),
            groups.read_pending(&longest, bad, &start, 1).await.err(),
            groups.touch(&longest, bad, &[]).await.err(),
            groups.nack(&longest, bad, &[], 0).await.err(),
            groups.claim(&longest, &claiming, &[]).await.err(),
            groups
                .auto_claim(&longest, &claiming, &start, 1)
                .await
                .err(),
            groups.lease(&longest, &leasing(bad)).await.err(),
            groups.release(&longest, bad, 0, 1).await.err(),
            groups.read_leased(&longest, bad, 0, 1, 1).await.err(),
        ];
        for (call, error) in refused.into_iter().enumerate() {
            assert!(
                matches!(
                    error,
                    Some(GroupError::Name(
                        InvalidId::Empty { .. } | InvalidId::TooLong { .. }
                    ))
                ),
                "call {call}: {error:?}"
            );
        }
    }
    let none = groups.consumers(&longest).await;
    assert_eq!(
        none,
        Ok(Vec::new()),
        "who may not be called so is not there"
    );
    let read = open.groups.read_new(&longest, &longest, 1).await;
    assert_eq!(read.expect("128 bytes are a name"), []);
}

pub async fn every_call_names_a_group_there_is<E: GroupEngine>(setup: Setup<E>) {
    let open = open(&setup).await;
    let ids = add(&*open.log, events(0..1)).await;
    let (groups, name) = (&open.groups, "nobody");
    let start = Cursor::start();
    let heir = Some("d");
    let errors = [
        groups.set_position(name, &GroupStart::Start).await.err(),
        groups.read_new(name, "c", 1).await.err(),
        groups.read_pending(name, "c", &start, 1).await.err(),
        groups.ack(name, &positions(&ids)).await.err(),
        groups.nack(name, "c", &positions(&ids), 0).await.err(),
        groups.touch(name, "c", &positions(&ids)).await.err(),
        groups.requeue(name, &positions(&ids)).await.err(),
        groups.pending(name).await.err(),
        groups.pending_entries(name, None, &start, 1).await.err(),
        groups
            .claim(name, &claiming("c", 0), &positions(&ids))
            .await
            .err(),
        groups
            .auto_claim(name, &claiming("c", 0), &start, 1)
            .await
            .err(),
        groups.consumers(name).await.err(),
        groups.delete_consumer(name, "c", heir).await.err(),
        groups.lease(name, &leasing("c")).await.err(),
        groups.release(name, "c", 0, 1).await.err(),
        groups.read_leased(name, "c", 0, 1, 1).await.err(),
    ];
    for (call, error) in errors.into_iter().enumerate() {
        match error {
            Some(GroupError::NoGroup { group, .. }) => assert_eq!(group, name),
            other => panic!("call {call}: {other:?}"),
        }
    }
}

fn leasing(consumer: &str) -> LeaseRequest {
    LeaseRequest {
        partition: 0,
        consumer: consumer.to_owned(),
        ttl_ms: 1_000,
        holds: 0,
    }
}

pub async fn destroying_says_whether_there_was_one<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 3).await;
    deliver(&*open.groups, "c", 2).await;
    assert_eq!(open.groups.destroy(GROUP).await, Ok(true));
    assert_eq!(open.groups.destroy(GROUP).await, Ok(false));
    assert_eq!(open.groups.groups().await, Ok(Vec::new()));

    // A new one of the same name inherits nothing.
    let created = open.groups.create(GROUP, &GroupStart::Start).await;
    created.expect("the group is created");
    assert_eq!(pending(&*open.groups).await, []);
    assert_eq!(open.groups.consumers(GROUP).await, Ok(Vec::new()));
    assert_eq!(deliver(&*open.groups, "c", 9).await, ids);
}

pub async fn the_position_moves_both_ways<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 6).await;
    let groups = &*open.groups;
    deliver(groups, "c", 2).await;
    let places = [
        (GroupStart::After(Cursor::after(ids[3])), 4_usize),
        (GroupStart::End, 6),
        (GroupStart::After(Cursor::after(ids[1])), 2),
    ];
    for (start, from) in places {
        let moved = groups.set_position(GROUP, &start).await;
        moved.expect("the position moves");
        assert_eq!(pending(groups).await.len(), 2, "what is pending stays");
        assert_eq!(group(groups).await.lag(), 6 - from as u64);
    }
    assert_eq!(deliver(groups, "c", 9).await, ids[2..]);

    // What was acknowledged comes again.
    assert_eq!(groups.ack(GROUP, &positions(&ids)).await, Ok(6));
    let moved = groups.set_position(GROUP, &GroupStart::Start).await;
    moved.expect("the position moves");
    let again = groups.read_new(GROUP, "d", 9).await;
    let again = again.expect("the delivery succeeds");
    assert_eq!(delivered(&again), ids);
    assert!(again.iter().all(|delivery| delivery.delivery_count == 1));
}

pub async fn the_list_is_by_name_and_counts<E: GroupEngine>(setup: Setup<E>) {
    let open = open(&setup).await;
    let ids = add(&*open.log, events(0..5)).await;
    let groups = &*open.groups;
    for name in ["zeta", "alpha", GROUP] {
        let created = groups.create(name, &GroupStart::Start).await;
        created.expect("the group is created");
    }
    deliver(groups, "c", 2).await;
    deliver(groups, "d", 1).await;
    assert_eq!(groups.ack(GROUP, &positions(&ids[..1])).await, Ok(1));
    let list = groups.groups().await.expect("the groups are known");
    let names: Vec<_> = list.iter().map(|info| info.name.as_str()).collect();
    assert_eq!(names, ["alpha", GROUP, "zeta"]);
    let idle = &list[0];
    assert_eq!((idle.consumers, idle.pending, idle.lag()), (0, 0, 5));
    assert_eq!(idle.last_delivered.get(0), EntryId::MIN);
    let busy = &list[1];
    assert_eq!((busy.consumers, busy.pending, busy.lag()), (2, 2, 2));
    assert_eq!(busy.last_delivered.get(0), ids[2]);
}

pub async fn the_list_tells_the_oldest_pending<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 5).await;
    let groups = &*open.groups;
    assert_eq!(group(groups).await.oldest_pending, None);
    deliver(groups, "b", 2).await;
    deliver(groups, "a", 2).await;
    assert_eq!(group(groups).await.oldest_pending, Some(ids[0]));
    let done = positions(&[ids[0], ids[2]]);
    assert_eq!(groups.ack(GROUP, &done).await, Ok(2));
    assert_eq!(group(groups).await.oldest_pending, Some(ids[1]));
    let given_back = groups.nack(GROUP, "b", &positions(&ids[1..2]), 9).await;
    assert_eq!(given_back, Ok(1));
    let (oldest, lags) = (Some(ids[1]), vec![(0, 1)]);
    let info = group(groups).await;
    assert_eq!((info.oldest_pending, info.lags), (oldest, lags));
    let requeued = groups.requeue(GROUP, &positions(&ids[..1])).await;
    assert_eq!(requeued, Ok(positions(&ids[..1])));
    assert_eq!(group(groups).await.oldest_pending, Some(ids[0]));
    assert_eq!(groups.ack(GROUP, &positions(&ids)).await, Ok(3));
    assert_eq!(group(groups).await.oldest_pending, None);
}

pub async fn the_list_tells_when_a_consumer_called_last<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 3).await;
    let groups = &*open.groups;
    setup.clock().advance(10);
    assert_eq!(group(groups).await.idle_ms, None, "none ever did");
    deliver(groups, "a", 3).await;
    setup.clock().advance(10);
    assert_eq!(group(groups).await.idle_ms, Some(10));
    assert_eq!(deliver(groups, "b", 1).await, []);
    setup.clock().advance(5);
    // Whoever acknowledges does not say who it is, and whoever looks is no consumer.
    assert_eq!(groups.ack(GROUP, &positions(&ids)).await, Ok(3));
    assert_eq!(pending(groups).await, []);
    assert_eq!(group(groups).await.idle_ms, Some(5));
    for consumer in ["a", "b"] {
        let gone = groups.delete_consumer(GROUP, consumer, None).await;
        assert_eq!(gone, Ok(0));
    }
    setup.clock().advance(1);
    let info = group(groups).await;
    assert_eq!((info.consumers, info.idle_ms), (0, Some(6)));
    let open = reopen(&setup, open).await;
    assert_eq!(group(&*open.groups).await.idle_ms, Some(6));
}

pub async fn groups_survive_a_restart<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 6).await;
    deliver(&*open.groups, "c", 3).await;
    deliver(&*open.groups, "d", 1).await;
    let acked = open.groups.ack(GROUP, &positions(&ids[..1])).await;
    assert_eq!(acked, Ok(1));
    let given_back = open
        .groups
        .nack(GROUP, "c", &positions(&ids[1..2]), 500)
        .await;
    assert_eq!(given_back, Ok(1));
    let before = (
        group(&*open.groups).await,
        pending(&*open.groups).await,
        open.groups.pending(GROUP).await,
    );
    let open = reopen(&setup, open).await;
    let after = (
        group(&*open.groups).await,
        pending(&*open.groups).await,
        open.groups.pending(GROUP).await,
    );
    assert_eq!(after, before);
    setup.clock().advance(499);
    let claimed = open
        .groups
        .claim(GROUP, &claiming("e", 0), &positions(&ids[1..2]))
        .await;
    assert_eq!(claimed, Ok(Vec::new()), "the delay survives too");
    assert_eq!(deliver(&*open.groups, "c", 9).await, ids[4..]);
}
