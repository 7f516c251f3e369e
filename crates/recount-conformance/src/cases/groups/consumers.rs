//! The consumers of a group, and how they leave.

use recount_core::{ConsumerInfo, Cursor, GroupError, GroupStore, LeaseAnswer, LeaseRequest};

use super::{
    GROUP, claiming, deliver, delivered, filled, group, owned_by, owners, pending, positions,
};
use crate::GroupEngine;
use crate::kit::Setup;

async fn consumers(groups: &impl GroupStore) -> Vec<ConsumerInfo> {
    groups.consumers(GROUP).await.expect("they are known")
}

fn consumer(name: &str, pending: u64, idle_ms: u64) -> ConsumerInfo {
    ConsumerInfo {
        name: name.to_owned(),
        pending,
        idle_ms,
    }
}

pub async fn they_exist_from_their_first_call_on<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 1).await;
    let groups = &*open.groups;
    assert_eq!(consumers(groups).await, []);
    let start = Cursor::start();
    deliver(groups, "reader", 1).await;
    deliver(groups, "late", 1).await;
    let own = groups.read_pending(GROUP, "again", &start, 1).await;
    assert_eq!(own, Ok(Vec::new()));
    let request = claiming("claimer", 1_000);
    let claimed = groups.claim(GROUP, &request, &positions(&ids)).await;
    assert_eq!(claimed, Ok(Vec::new()));
    let request = claiming("auto", 1_000);
    let claimed = groups.auto_claim(GROUP, &request, &start, 1).await;
    assert_eq!(claimed.expect("it succeeds").deliveries, []);
    let touched = groups.touch(GROUP, "touching", &positions(&ids)).await;
    assert_eq!(touched, Ok(Vec::new()));
    let given_back = groups.nack(GROUP, "giving", &positions(&ids), 0).await;
    assert_eq!(given_back, Ok(0));
    let lease = LeaseRequest {
        partition: 0,
        consumer: "holder".into(),
        ttl_ms: 1_000,
        holds: 0,
    };
    let held = groups.lease(GROUP, &lease).await;
    assert!(matches!(held, Ok(LeaseAnswer::Held(_))), "{held:?}");
    let names: Vec<_> = consumers(groups)
        .await
        .into_iter()
        .map(|info| info.name)
        .collect();
    let expected = [
        "again", "auto", "claimer", "giving", "holder", "late", "reader", "touching",
    ];
    assert_eq!(names, expected);
    assert_eq!(group(groups).await.consumers, 8);
}

pub async fn the_list_tells_what_is_pending_and_since_when<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 5).await;
    let groups = &*open.groups;
    deliver(groups, "b", 3).await;
    setup.clock().advance(50);
    deliver(groups, "a", 1).await;
    setup.clock().advance(7);
    assert_eq!(groups.ack(GROUP, &positions(&ids[..1])).await, Ok(1));
    let expected = [consumer("a", 1, 7), consumer("b", 2, 57)];
    assert_eq!(consumers(groups).await, expected);
    // A call that brings nothing is a call.
    let none = groups
        .read_pending(GROUP, "b", &Cursor::after(ids[4]), 1)
        .await;
    assert_eq!(none, Ok(Vec::new()));
    let expected = [consumer("a", 1, 7), consumer("b", 2, 0)];
    assert_eq!(consumers(groups).await, expected);
}

pub async fn one_with_nothing_pending_just_goes<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 2).await;
    let groups = &*open.groups;
    deliver(groups, "a", 2).await;
    assert_eq!(groups.ack(GROUP, &positions(&ids)).await, Ok(2));
    assert_eq!(groups.delete_consumer(GROUP, "a", None).await, Ok(0));
    assert_eq!(consumers(groups).await, []);
    assert_eq!(groups.delete_consumer(GROUP, "a", None).await, Ok(0));
    let heir = Some("b");
    assert_eq!(groups.delete_consumer(GROUP, "ghost", heir).await, Ok(0));
}

pub async fn one_with_entries_pending_is_refused<E: GroupEngine>(setup: Setup<E>) {
    let (open, _) = filled(&setup, 3).await;
    let groups = &*open.groups;
    deliver(groups, "a", 2).await;
    let refused = groups.delete_consumer(GROUP, "a", None).await;
    let expected = GroupError::StillPending {
        group: GROUP.into(),
        consumer: "a".into(),
        pending: 2,
    };
    assert_eq!(refused, Err(expected));
    assert_eq!(consumers(groups).await, [consumer("a", 2, 0)]);
    assert_eq!(owners(groups).await, owned_by(&["a", "a"]));
}

pub async fn what_was_pending_is_handed_over<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 4).await;
    let groups = &*open.groups;
    deliver(groups, "a", 2).await;
    deliver(groups, "b", 1).await;
    deliver(groups, "a", 1).await;
    let given_back = groups.nack(GROUP, "a", &positions(&ids[..1]), 0).await;
    assert_eq!(given_back, Ok(1));
    let heir = Some("heir");
    assert_eq!(groups.delete_consumer(GROUP, "a", heir).await, Ok(2));
    let mut expected = owned_by(&["", "heir", "b", "heir"]);
    expected[0] = None;
    assert_eq!(owners(groups).await, expected);
    let names: Vec<_> = consumers(groups)
        .await
        .into_iter()
        .map(|info| (info.name, info.pending))
        .collect();
    assert_eq!(names, [("b".to_owned(), 1), ("heir".to_owned(), 2)]);
    assert!(
        pending(groups)
            .await
            .iter()
            .all(|entry| entry.delivery_count == 1),
        "handing over is no delivery"
    );
    let own = groups
        .read_pending(GROUP, "heir", &Cursor::start(), 9)
        .await;
    let own = own.expect("the delivery succeeds");
    assert_eq!(delivered(&own), [ids[1], ids[3]]);
    let bad_heir = groups.delete_consumer(GROUP, "b", Some("")).await;
    assert!(matches!(bad_heir, Err(GroupError::Name(_))), "{bad_heir:?}");
    assert_eq!(group(groups).await.consumers, 2, "nothing changed");
}
