//! Entry ids follow the clock and strictly increase, whatever it does.

use recount_core::{AppendError, Batch, EntryId, EventLog};

use crate::Engine;
use crate::kit::{
    START_MS, Setup, add, add_one, all_ids, append, copy, event, events, id, partition,
    trim_everything,
};

pub async fn ids_follow_the_clock<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    assert_eq!(add(&*log, events(0..2)).await, [id(0, 0), id(0, 1)]);
    assert_eq!(add(&*log, events(2..3)).await, [id(0, 2)]);
    setup.clock().advance(5);
    assert_eq!(add(&*log, events(3..5)).await, [id(5, 0), id(5, 1)]);
}

pub async fn a_clock_that_steps_back_does_not_show<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    add(&*log, events(0..2)).await;
    setup.clock().set(START_MS - 60_000);
    assert_eq!(add(&*log, events(2..3)).await, [id(0, 2)]);
    setup.clock().set(0);
    assert_eq!(add(&*log, events(3..4)).await, [id(0, 3)]);
    setup.clock().set(START_MS);
    assert_eq!(add(&*log, events(4..5)).await, [id(0, 4)]);
    setup.clock().set(START_MS + 1);
    assert_eq!(add(&*log, events(5..6)).await, [id(1, 0)]);
    assert!(all_ids(&*log).await.is_sorted());
}

pub async fn ids_go_on_after_reopening_with_an_earlier_clock<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    add(&*log, events(0..2)).await;
    setup.clock().set(START_MS - 60_000);
    let log = setup.reopen(log).await;
    assert_eq!(add(&*log, events(2..3)).await, [id(0, 2)]);
}

pub async fn ids_go_on_after_everything_was_trimmed<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    add(&*log, events(0..3)).await;
    setup.clock().set(START_MS - 60_000);
    trim_everything(&*log).await;
    assert_eq!(add(&*log, events(3..4)).await, [id(0, 3)]);
    trim_everything(&*log).await;
    let log = setup.reopen(log).await;
    assert_eq!(partition(&*log).await.last, id(0, 3));
    assert_eq!(add(&*log, events(4..5)).await, [id(0, 4)]);
}

pub async fn no_entry_has_the_id_zero<E: Engine>(setup: Setup<E>) {
    setup.clock().set(0);
    let log = setup.open().await;
    let ids = add(&*log, events(0..2)).await;
    assert_eq!(ids, [EntryId::new(0, 1), EntryId::new(0, 2)]);
    assert_eq!(all_ids(&*log).await, ids);
}

pub async fn a_full_millisecond_spills_into_the_next<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let full = id(0, u64::MAX);
    let given = log.append_with_ids(vec![copy(full, "full", "s")]).await;
    given.expect("the copy succeeds");
    assert_eq!(add(&*log, events(0..2)).await, [id(1, 0), id(1, 1)]);
    let log = setup.reopen(log).await;
    assert_eq!(all_ids(&*log).await, [full, id(1, 0), id(1, 1)]);
}

pub async fn an_id_far_in_the_future_is_gone_on_from<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let far = EntryId::new(u64::MAX - 1, 7);
    let given = log.append_with_ids(vec![copy(far, "far", "s")]).await;
    given.expect("the copy succeeds");
    let next = EntryId::new(u64::MAX - 1, 8);
    assert_eq!(add_one(&*log, event("e0", "s")).await, next);
    let log = setup.reopen(log).await;
    assert_eq!(all_ids(&*log).await, [far, next]);
}

pub async fn after_the_greatest_id_nothing_is_appended<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let near = EntryId::new(u64::MAX, u64::MAX - 1);
    let given = log.append_with_ids(vec![copy(near, "near", "s")]).await;
    given.expect("the copy succeeds");

    // Two do not fit, so neither is appended; one does.
    let refused = log.append(Batch::new(events(0..2))).await;
    assert!(
        matches!(refused, Err(AppendError::IdsExhausted { .. })),
        "{refused:?}"
    );
    assert_eq!(all_ids(&*log).await, [near]);
    assert_eq!(add_one(&*log, event("last", "s")).await, EntryId::MAX);

    let log = setup.reopen(log).await;
    let refused = log.append(event("more", "s").into()).await;
    let last = EntryId::MAX;
    assert_eq!(refused, Err(AppendError::IdsExhausted { last }));
    assert_eq!(all_ids(&*log).await, [near, EntryId::MAX]);
    let again = append(&*log, event("last", "s")).await;
    assert_eq!(again[0].position().entry_id, EntryId::MAX);
}
