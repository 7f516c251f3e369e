//! New entries, and what a consumer had not finished.

use std::collections::BTreeSet;
use std::sync::Arc;

use recount_core::{Cursor, GroupStart, GroupStore};

use super::{GROUP, deliver, delivered, filled, owned_by, owners, pending, positions};
use crate::GroupEngine;
use crate::kit::{Setup, add, assert_holds, events, id, noise};

pub async fn each_entry_goes_to_one_consumer_in_order<E: GroupEngine>(setup: Setup<E>) {
    let (open, mut ids) = filled(&setup, 5).await;
    let groups = &*open.groups;
    assert_eq!(deliver(groups, "a", 2).await, ids[..2]);
    assert_eq!(deliver(groups, "b", 1).await, ids[2..3]);
    assert_eq!(deliver(groups, "a", 9).await, ids[3..]);
    assert_eq!(deliver(groups, "b", 9).await, []);
    ids.extend(add(&*open.log, events(5..6)).await);
    assert_eq!(deliver(groups, "b", 9).await, ids[5..]);
    assert_eq!(
        owners(groups).await,
        owned_by(&["a", "a", "b", "a", "a", "b"])
    );
}

pub async fn a_delivery_holds_the_entry<E: GroupEngine>(setup: Setup<E>) {
    let (open, _) = filled(&setup, 1).await;
    let receipt = recount_core::EventLog::append_with_ids(&*open.log, vec![noise(id(5, 5))]).await;
    receipt.expect("the copy succeeds");
    let deliveries = open.groups.read_new(GROUP, "c", 9).await;
    let deliveries = deliveries.expect("the delivery succeeds");
    assert!(deliveries.iter().all(|d| d.delivery_count == 1));
    let entry = deliveries[0].entry.as_ref().expect("the entry is there");
    assert_holds(entry, &events(0..1)[0]);
    assert_eq!(
        (entry.position, entry.revision),
        (deliveries[0].position, 1)
    );
    let strange = deliveries[1].entry.as_ref().expect("the entry is there");
    assert_eq!(strange.event(), None, "what is no event is delivered too");
    assert_eq!(strange.position.entry_id, id(5, 5));
}

pub async fn groups_do_not_share_what_they_read<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 3).await;
    let created = open.groups.create("other", &GroupStart::Start).await;
    created.expect("the group is created");
    assert_eq!(deliver(&*open.groups, "c", 9).await, ids);
    let other = open.groups.read_new("other", "c", 2).await;
    assert_eq!(delivered(&other.expect("the delivery succeeds")), ids[..2]);
    assert_eq!(open.groups.ack("other", &positions(&ids)).await, Ok(2));
    assert_eq!(pending(&*open.groups).await.len(), 3);
}

pub async fn nobody_gets_what_another_got<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 300).await;
    let consumers: Vec<_> = (0..8)
        .map(|n| {
            let groups = Arc::clone(&open.groups);
            tokio::spawn(async move {
                let mut own = Vec::new();
                loop {
                    let more = deliver(&*groups, &format!("c{n}"), 1 + n).await;
                    if more.is_empty() {
                        return own;
                    }
                    own.extend(more);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let mut all = BTreeSet::new();
    let mut count = 0;
    for consumer in consumers {
        let own = consumer.await.expect("the consumer ends");
        assert!(own.is_sorted_by(|a, b| a < b), "in order");
        count += own.len();
        all.extend(own);
    }
    assert_eq!(count, ids.len(), "each entry once");
    assert!(all.iter().eq(&ids));
}

pub async fn a_restarted_consumer_gets_its_own_again<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 6).await;
    let groups = &*open.groups;
    deliver(groups, "a", 2).await;
    deliver(groups, "b", 2).await;
    deliver(groups, "a", 1).await;
    let again = |after, count| async move {
        let deliveries = groups.read_pending(GROUP, "a", &after, count).await;
        deliveries.expect("the delivery succeeds")
    };
    let own = [ids[0], ids[1], ids[4]];
    let all = again(Cursor::start(), 9).await;
    assert_eq!(delivered(&all), own);
    assert!(all.iter().all(|delivery| delivery.delivery_count == 2));
    assert!(all.iter().all(|delivery| delivery.entry.is_some()));

    let first = again(Cursor::start(), 2).await;
    assert_eq!(delivered(&first), own[..2]);
    let rest = again(Cursor::after(own[1]), 2).await;
    assert_eq!(delivered(&rest), own[2..]);
    assert_eq!(again(Cursor::after(own[2]), 2).await, []);
    assert_eq!(rest[0].delivery_count, 3);

    // It got nothing new by that, and nobody else's.
    assert_eq!(deliver(groups, "a", 9).await, ids[5..]);
    let stranger = groups.read_pending(GROUP, "new", &Cursor::start(), 9).await;
    assert_eq!(stranger, Ok(Vec::new()));
}

pub async fn delivering_again_resets_the_idle_time<E: GroupEngine>(setup: Setup<E>) {
    let (open, _) = filled(&setup, 2).await;
    deliver(&*open.groups, "c", 2).await;
    setup.clock().advance(700);
    let idle = |entries: Vec<recount_core::PendingEntry>| -> Vec<_> {
        entries
            .iter()
            .map(|entry| (entry.idle_ms, entry.delivery_count))
            .collect()
    };
    assert_eq!(idle(pending(&*open.groups).await), [(700, 1), (700, 1)]);
    let first = open
        .groups
        .read_pending(GROUP, "c", &Cursor::start(), 1)
        .await;
    first.expect("the delivery succeeds");
    setup.clock().advance(50);
    assert_eq!(idle(pending(&*open.groups).await), [(50, 2), (750, 1)]);
}

pub async fn a_count_of_zero_delivers_nothing<E: GroupEngine>(setup: Setup<E>) {
    let (open, ids) = filled(&setup, 2).await;
    assert_eq!(deliver(&*open.groups, "c", 0).await, []);
    assert_eq!(deliver(&*open.groups, "c", 9).await, ids);
    let none = open
        .groups
        .read_pending(GROUP, "c", &Cursor::start(), 0)
        .await;
    assert_eq!(none, Ok(Vec::new()));
    assert!(
        pending(&*open.groups)
            .await
            .iter()
            .all(|entry| entry.delivery_count == 1)
    );
}
