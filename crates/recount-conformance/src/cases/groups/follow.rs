//! Groups through a second handle.

use std::future::Future;

use recount_core::{
    AppendError, Batch, Cursor, EventLog, GroupError, GroupStart, GroupStore, LeaseRequest,
};

use super::{GROUP, Open, claiming, deliver, filled, group, pending, positions, with_groups};
use crate::GroupEngine;
use crate::kit::{Setup, add, event, events};

async fn assert_the_same<E: GroupEngine>(open: &Open<E>, follower: &Open<E>) {
    let (one, two) = (&*open.groups, &*follower.groups);
    assert_eq!(two.groups().await, one.groups().await);
    assert_eq!(two.pending(GROUP).await, one.pending(GROUP).await);
    assert_eq!(pending(two).await, pending(one).await);
    assert_eq!(two.consumers(GROUP).await, one.consumers(GROUP).await);
}

pub async fn it_sees_what_becomes_of_groups<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 6).await;
    deliver(&*open.groups, "a", 2).await;
    let log = setup.follow().await;
    let follower = with_groups(&setup, log).await;
    assert_the_same(&open, &follower).await;

    setup.clock().advance(40);
    deliver(&*open.groups, "b", 3).await;
    assert_the_same(&open, &follower).await;
    assert_eq!(open.groups.ack(GROUP, &positions(&ids[..1])).await, Ok(1));
    assert_the_same(&open, &follower).await;
    add(&*open.log, events(6..9)).await;
    assert_the_same(&open, &follower).await;
    assert_eq!(group(&*follower.groups).await.lag(), 4);
    let created = open.groups.create("other", &GroupStart::End).await;
    created.expect("the group is created");
    assert_the_same(&open, &follower).await;

    assert_eq!(open.groups.destroy(GROUP).await, Ok(true));
    let gone = follower.groups.pending(GROUP).await;
    assert!(matches!(gone, Err(GroupError::NoGroup { .. })), "{gone:?}");
    assert_eq!(follower.groups.groups().await, open.groups.groups().await);
}

/// Either a second handle changes groups as it appends, or it says that it only reads.
pub async fn it_changes_groups_properly_or_not_at_all<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 4).await;
    deliver(&*open.groups, "a", 2).await;
    assert_eq!(open.groups.ack(GROUP, &positions(&ids[..1])).await, Ok(1));
    let log = setup.follow().await;
    let follower = with_groups(&setup, log).await;
    let appended = follower.log.append(Batch::new(vec![event("new", "s")]));
    let only_reads = matches!(appended.await, Err(AppendError::ReadOnly { .. }));
    let groups = &*follower.groups;
    let (start, named) = (Cursor::start(), positions(&ids));
    let lease = LeaseRequest {
        partition: 0,
        consumer: "c".into(),
        ttl_ms: 1_000,
        holds: 0,
    };
    let answers = [
        fails(groups.create("new", &GroupStart::Start)).await,
        fails(groups.set_position(GROUP, &GroupStart::End)).await,
        fails(groups.read_new(GROUP, "c", 1)).await,
        fails(groups.read_pending(GROUP, "c", &start, 1)).await,
        fails(groups.ack(GROUP, &named)).await,
        fails(groups.touch(GROUP, "c", &named)).await,
        fails(groups.nack(GROUP, "c", &named, 0)).await,
        fails(groups.requeue(GROUP, &named)).await,
        fails(groups.claim(GROUP, &claiming("c", 0), &named)).await,
        fails(groups.auto_claim(GROUP, &claiming("c", 0), &start, 1)).await,
        fails(groups.delete_consumer(GROUP, "c", Some("d"))).await,
        fails(groups.lease(GROUP, &lease)).await,
        fails(groups.release(GROUP, "c", 0, 0)).await,
        fails(groups.destroy(GROUP)).await,
    ];
    for (call, error) in answers.into_iter().enumerate() {
        match error {
            Some(GroupError::ReadOnly { .. }) => assert!(only_reads, "call {call}"),
            other => assert!(!only_reads && other.is_none(), "call {call}: {other:?}"),
        }
    }
    if only_reads {
        assert_eq!(pending(&*open.groups).await.len(), 1, "nothing changed");
        assert_the_same(&open, &follower).await;
    } else {
        assert_eq!(open.groups.destroy(GROUP).await, Ok(false));
    }
}

async fn fails<T>(call: impl Future<Output = Result<T, GroupError>>) -> Option<GroupError> {
    call.await.err()
}
