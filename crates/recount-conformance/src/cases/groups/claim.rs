//! Taking entries over.

use recount_core::{Cursor, Delivery, EntryId, GroupStore};

use super::{GROUP, claiming, deliver, delivered, filled, owned_by, owners, pending, positions};
use crate::GroupEngine;
use crate::kit::{Setup, id};

async fn claim(
    groups: &impl GroupStore,
    consumer: &str,
    min_idle_ms: u64,
    ids: &[EntryId],
) -> Vec<Delivery> {
    let request = claiming(consumer, min_idle_ms);
    let claimed = groups.claim(GROUP, &request, &positions(ids)).await;
    let mut claimed = claimed.expect("the claim succeeds");
    claimed.sort_by_key(|delivery| delivery.position);
    claimed
}

/// Claims in steps of `count`, until the end is reached.
async fn claim_all(
    groups: &impl GroupStore,
    consumer: &str,
    min_idle_ms: u64,
    count: usize,
) -> Vec<EntryId> {
    let mut after = Cursor::start();
    let mut claimed = Vec::new();
    loop {
        let request = claiming(consumer, min_idle_ms);
        let claim = groups.auto_claim(GROUP, &request, &after, count).await;
        let claim = claim.expect("the claim succeeds");
        assert!(claim.deliveries.len() <= count);
        claimed.extend(delivered(&claim.deliveries));
        let Some(next) = claim.next else {
            return claimed;
        };
        assert!(next.get(0) > after.get(0), "the claim goes on");
        after = next;
    }
}

pub async fn idle_entries_change_hands<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 4).await;
    let groups = &*open.groups;
    deliver(groups, "a", 2).await;
    setup.clock().advance(100);
    deliver(groups, "a", 1).await;
    setup.clock().advance(400);

    assert_eq!(claim(groups, "b", 501, &ids).await, []);
    let claimed = claim(groups, "b", 500, &ids[1..]).await;
    assert_eq!(delivered(&claimed), ids[1..2], "the third is idle for 400");
    assert_eq!(claimed[0].delivery_count, 2);
    assert!(claimed[0].entry.is_some());
    assert_eq!(owners(groups).await, owned_by(&["a", "b", "a"]));
    let entries = pending(groups).await;
    let idle: Vec<_> = entries.iter().map(|entry| entry.idle_ms).collect();
    assert_eq!(idle, [500, 0, 400], "claiming resets the idle time");
    assert_eq!(claim(groups, "c", 1, &ids[1..2]).await, []);
    let own = groups.read_pending(GROUP, "a", &Cursor::start(), 9).await;
    assert_eq!(delivered(&own.expect("it succeeds")), [ids[0], ids[2]]);
}

pub async fn only_what_is_pending_can_be_claimed<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 4).await;
    let groups = &*open.groups;
    deliver(groups, "a", 3).await;
    assert_eq!(groups.ack(GROUP, &positions(&ids[1..2])).await, Ok(1));
    let named = [ids[0], ids[1], ids[2], ids[3], id(99, 0)];
    let claimed = claim(groups, "b", 0, &named).await;
    assert_eq!(delivered(&claimed), [ids[0], ids[2]]);
    assert_eq!(deliver(groups, "b", 9).await, ids[3..]);
}

pub async fn a_consumer_may_claim_its_own<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 1).await;
    deliver(&*open.groups, "a", 1).await;
    for count in 2..5 {
        setup.clock().advance(10);
        let claimed = claim(&*open.groups, "a", 10, &ids).await;
        assert_eq!(claimed[0].delivery_count, count);
    }
    assert_eq!(owners(&*open.groups).await, owned_by(&["a"]));
}

pub async fn automatic_claims_visit_everything_idle_once<E: GroupEngine>(setup: Setup<E>) {
    for count in [1, 2, 3, 10, 100] {
        let setup = Setup {
            engine: E::create().await,
            environment: setup.environment.clone(),
        };
        let (open, ids) = filled(&setup, 20).await;
        let groups = &*open.groups;
        deliver(groups, "a", 8).await;
        setup.clock().advance(100);
        deliver(groups, "b", 4).await;
        setup.clock().advance(100);
        let request = claiming("c", 0);
        let own = groups.claim(GROUP, &request, &positions(&ids[2..4])).await;
        assert_eq!(own.expect("the claim succeeds").len(), 2);

        let expected = [&ids[..2], &ids[4..8]].concat();
        assert_eq!(claim_all(groups, "d", 200, count).await, expected);
        assert_eq!(claim_all(groups, "d", 200, count).await, []);
        let mut owned = vec!["d"; 8];
        owned[2..4].fill("c");
        owned.extend(["b"; 4]);
        assert_eq!(owners(groups).await, owned_by(&owned));
        assert_eq!(claim_all(groups, "e", 0, count).await, ids[..12]);
        let counts: Vec<_> = pending(groups)
            .await
            .iter()
            .map(|entry| entry.delivery_count)
            .collect();
        assert_eq!(counts, [3, 3, 3, 3, 3, 3, 3, 3, 2, 2, 2, 2]);
    }
}

pub async fn automatic_claims_look_from_a_position_on<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 6).await;
    let groups = &*open.groups;
    deliver(groups, "a", 6).await;
    let after = Cursor::after(ids[2]);
    let request = claiming("b", 0);
    let claim = groups.auto_claim(GROUP, &request, &after, 9).await;
    let claim = claim.expect("the claim succeeds");
    assert_eq!(delivered(&claim.deliveries), ids[3..]);
    assert_eq!(claim.next, None);
    let names = ["a", "a", "a", "b", "b", "b"];
    assert_eq!(owners(groups).await, owned_by(&names));
}
