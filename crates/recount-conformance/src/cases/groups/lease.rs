//! One consumer at a time for a partition.

use recount_core::{GroupError, GroupStart, GroupStore, Lease, LeaseAnswer, LeaseRequest};

use super::{GROUP, deliver, delivered, filled, owned_by, owners, pending, reopen};
use crate::GroupEngine;
use crate::kit::Setup;

/// How long the leases of the cases hold.
const TTL_MS: u64 = 1_000;

async fn ask(groups: &impl GroupStore, consumer: &str, holds: u64) -> LeaseAnswer {
    let request = LeaseRequest {
        partition: 0,
        consumer: consumer.to_owned(),
        ttl_ms: TTL_MS,
        holds,
    };
    let answer = groups.lease(GROUP, &request).await;
    answer.expect("the lease is answered")
}

/// Asks, and gets it.
async fn take(groups: &impl GroupStore, consumer: &str) -> Lease {
    match ask(groups, consumer, 0).await {
        LeaseAnswer::Held(lease) => {
            assert_eq!(lease.partition, 0);
            lease
        }
        taken @ LeaseAnswer::Taken { .. } => panic!("{consumer}: {taken:?}"),
    }
}

fn taken(by: &str, for_ms: u64) -> LeaseAnswer {
    LeaseAnswer::Taken {
        by: by.to_owned(),
        for_ms,
    }
}

fn waiting(list: &[(&str, u64)]) -> Vec<(String, u64)> {
    list.iter()
        .map(|(name, holds)| ((*name).to_owned(), *holds))
        .collect()
}

fn lost(consumer: &str) -> GroupError {
    GroupError::LeaseLost {
        group: GROUP.to_owned(),
        consumer: consumer.to_owned(),
        partition: 0,
    }
}

pub async fn a_partition_has_one_holder<E: GroupEngine>(setup: Setup<E>) {
    let (open, _) = filled(&setup, 1).await;
    let groups = &*open.groups;
    let first = take(groups, "a").await;
    assert_eq!(first.waiting, []);
    setup.clock().advance(300);
    assert_eq!(ask(groups, "b", 0).await, taken("a", 700));
    setup.clock().advance(699);
    assert_eq!(ask(groups, "b", 0).await, taken("a", 1));
    setup.clock().advance(1);
    let second = take(groups, "b").await;
    assert!(second.token > first.token, "{second:?} after {first:?}");
    assert_eq!(ask(groups, "a", 0).await, taken("b", TTL_MS));
}

pub async fn renewing_keeps_the_token<E: GroupEngine>(setup: Setup<E>) {
    let (open, _) = filled(&setup, 1).await;
    let groups = &*open.groups;
    let lease = take(groups, "a").await;
    for _ in 0..5 {
        setup.clock().advance(900);
        assert_eq!(take(groups, "a").await.token, lease.token);
    }
    assert_eq!(ask(groups, "b", 0).await, taken("a", TTL_MS));
    // Its time passed, and nobody asked since.
    setup.clock().advance(10 * TTL_MS);
    assert_eq!(take(groups, "a").await.token, lease.token);
    setup.clock().advance(1);
    assert_eq!(ask(groups, "b", 0).await, taken("a", TTL_MS - 1));
}

pub async fn a_released_lease_is_free_at_once<E: GroupEngine>(setup: Setup<E>) {
    let (open, _) = filled(&setup, 1).await;
    let groups = &*open.groups;
    let first = take(groups, "a").await;
    let release = |consumer: &'static str, token| async move {
        groups
            .release(GROUP, consumer, 0, token)
            .await
            .expect("it is answered")
    };
    assert!(!release("b", first.token).await, "it is not b's");
    assert!(!release("a", first.token + 1).await, "another token");
    assert_eq!(ask(groups, "b", 0).await, taken("a", TTL_MS));
    assert!(release("a", first.token).await);
    assert!(!release("a", first.token).await, "it is nobody's");

    let second = take(groups, "b").await;
    assert!(second.token > first.token);
    assert!(!release("a", first.token).await);
    assert!(release("b", second.token).await);
    // Whoever gave it up and takes it again has a new one too.
    let third = take(groups, "b").await;
    assert!(third.token > second.token);
    // A lease whose time passed can be given up still.
    setup.clock().advance(2 * TTL_MS);
    assert!(release("b", third.token).await);
}

pub async fn tokens_increase_over_restarts<E: GroupEngine>(setup: Setup<E>) {
    let (mut open, _) = filled(&setup, 1).await;
    let mut last = 0;
    for consumer in ["a", "b", "a", "c"] {
        let lease = take(&*open.groups, consumer).await;
        assert!(lease.token > last, "{lease:?} after {last}");
        last = lease.token;
        open = reopen(&setup, open).await;
        setup.clock().advance(TTL_MS);
    }
}

pub async fn the_holder_learns_who_waits<E: GroupEngine>(setup: Setup<E>) {
    let (open, _) = filled(&setup, 1).await;
    let groups = &*open.groups;
    take(groups, "a").await;
    setup.clock().advance(100);
    ask(groups, "c", 2).await;
    ask(groups, "b", 0).await;
    assert_eq!(
        take(groups, "a").await.waiting,
        waiting(&[("b", 0), ("c", 2)])
    );
    setup.clock().advance(600);
    ask(groups, "b", 1).await;
    let renewed = take(groups, "a").await;
    assert_eq!(renewed.waiting, waiting(&[("b", 1), ("c", 2)]));
    // c asked longer ago than a lease lasts.
    setup.clock().advance(500);
    assert_eq!(take(groups, "a").await.waiting, waiting(&[("b", 1)]));

    ask(groups, "c", 0).await;
    let released = groups.release(GROUP, "a", 0, renewed.token).await;
    assert_eq!(released, Ok(true));
    let next = take(groups, "b").await;
    assert_eq!(next.waiting, waiting(&[("c", 0)]), "b has it now");
}

pub async fn only_the_holder_reads<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 6).await;
    let groups = &*open.groups;
    let read = |consumer: &'static str, token, count| async move {
        let read = groups.read_leased(GROUP, consumer, 0, token, count).await;
        read.map(|deliveries| {
            assert!(deliveries.iter().all(|d| d.entry.is_some()));
            assert!(deliveries.iter().all(|d| d.delivery_count == 1));
            delivered(&deliveries)
        })
    };
    assert_eq!(read("a", 1, 1).await, Err(lost("a")), "there is no lease");
    let first = take(groups, "a").await.token;
    assert_eq!(read("a", first, 2).await, Ok(ids[..2].to_vec()));
    assert_eq!(read("a", first + 1, 1).await, Err(lost("a")));
    assert_eq!(read("b", first, 1).await, Err(lost("b")));

    // Its time passed, and nobody took it since.
    setup.clock().advance(2 * TTL_MS);
    assert_eq!(read("a", first, 1).await, Ok(ids[2..3].to_vec()));
    let second = take(groups, "b").await.token;
    assert_eq!(read("a", first, 1).await, Err(lost("a")));
    assert_eq!(read("a", second, 1).await, Err(lost("a")));
    assert_eq!(pending(groups).await.len(), 3, "nothing was delivered");
    assert_eq!(read("b", second, 0).await, Ok(Vec::new()));
    assert_eq!(read("b", second, 2).await, Ok(ids[3..5].to_vec()));
    assert_eq!(
        owners(groups).await,
        owned_by(&["a", "a", "a", "b", "b"]),
        "what was delivered before stays where it is"
    );
    assert_eq!(
        groups.release(GROUP, "b", 0, second).await,
        Ok(true),
        "it is b's"
    );
    assert_eq!(read("b", second, 1).await, Err(lost("b")));
    let third = take(groups, "b").await.token;
    assert_eq!(read("b", second, 1).await, Err(lost("b")));
    assert_eq!(read("b", third, 9).await, Ok(ids[5..].to_vec()));
    assert_eq!(read("b", third, 9).await, Ok(Vec::new()));
}

pub async fn leases_bind_nobody_else<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 3).await;
    let groups = &*open.groups;
    take(groups, "a").await;
    assert_eq!(deliver(groups, "b", 9).await, ids);
}

pub async fn each_group_has_its_own<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 2).await;
    let groups = &*open.groups;
    let created = groups.create("other", &GroupStart::Start).await;
    created.expect("the group is created");
    let token = take(groups, "a").await.token;
    let request = LeaseRequest {
        partition: 0,
        consumer: "b".into(),
        ttl_ms: TTL_MS,
        holds: 0,
    };
    let answer = groups.lease("other", &request).await;
    let Ok(LeaseAnswer::Held(other)) = answer else {
        panic!("{answer:?}");
    };
    let read = groups.read_leased("other", "b", 0, other.token, 9).await;
    assert_eq!(delivered(&read.expect("the delivery succeeds")), ids);
    assert_eq!(groups.destroy("other").await, Ok(true));
    let read = groups.read_leased(GROUP, "a", 0, token, 9).await;
    assert_eq!(delivered(&read.expect("the delivery succeeds")), ids);
}
