//! What a log says of itself, and where its tail is.

use recount_core::{Batch, Cursor, EntryId, EventLog};

use crate::Engine;
use crate::kit::{
    Setup, WINDOW_MS, add, append, copy, event, events, id, noise, partition, trim_everything,
};

async fn tail(log: &impl EventLog) -> EntryId {
    log.tail().await.expect("the tail is known").get(0)
}

pub async fn an_empty_log<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let info = partition(&*log).await;
    assert_eq!((info.length, info.entries_added), (0, 0));
    assert_eq!((info.first, info.last), (None, EntryId::MIN));
    assert_eq!(info.held_back, []);
    assert_eq!(tail(&*log).await, EntryId::MIN);
    let log = setup.reopen(log).await;
    assert_eq!(partition(&*log).await, info);
}

pub async fn counts_follow_what_was_appended<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    add(&*log, events(0..3)).await;
    append(&*log, Batch::new(events(1..4))).await;
    append(&*log, event("e0", "other")).await;
    let copies = vec![copy(id(9, 0), "c", "s"), noise(id(9, 1))];
    let receipt = log.append_with_ids(copies).await;
    receipt.expect("the copies succeed");
    let info = partition(&*log).await;
    assert_eq!((info.length, info.entries_added), (6, 6));
    assert_eq!((info.first, info.last), (Some(id(0, 0)), id(9, 1)));
    let log = setup.reopen(log).await;
    assert_eq!(partition(&*log).await, info);
    assert_eq!(log.info().await.expect("info succeeds").length(), 6);
}

pub async fn the_window_and_the_names_are_told<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let info = log.info().await.expect("info succeeds");
    assert_eq!(info.idempotency_window_ms, WINDOW_MS);
    for (what, text) in [
        ("engine", info.engine),
        ("stream", &info.stream),
        ("location", &info.location),
        ("durability", &info.durability_note),
    ] {
        assert!(!text.is_empty(), "the {what} is told");
    }
}

pub async fn the_tail_is_after_the_last_entry<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    for n in 0..3 {
        let ids = add(&*log, events(n * 2..n * 2 + 2)).await;
        assert_eq!(tail(&*log).await, ids[1]);
        setup.clock().advance(1);
    }
    let receipt = log.append_with_ids(vec![noise(id(50, 1))]).await;
    receipt.expect("the copy succeeds");
    assert_eq!(tail(&*log).await, id(50, 1));
    let log = setup.reopen(log).await;
    assert_eq!(tail(&*log).await, id(50, 1));
}

pub async fn trimming_does_not_move_the_tail_back<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let ids = add(&*log, events(0..3)).await;
    trim_everything(&*log).await;
    assert_eq!(tail(&*log).await, ids[2]);
    let log = setup.reopen(log).await;
    assert_eq!(tail(&*log).await, ids[2]);
    let tail: Cursor = log.tail().await.expect("the tail is known");
    add(&*log, events(3..4)).await;
    assert_eq!(log.wait(&tail).await, Ok(()));
}

pub async fn a_log_stays_one_history<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let history = log.history(0).await.expect("it is told");
    add(&*log, events(0..3)).await;
    assert_eq!(log.history(0).await, Ok(history), "after an append");
    trim_everything(&*log).await;
    assert_eq!(log.history(0).await, Ok(history), "after a trim");
    let follower = setup.follow().await;
    assert_eq!(follower.history(0).await, Ok(history), "beside it");
    follower.close().await.expect("closing succeeds");
    drop(follower);
    let log = setup.reopen(log).await;
    assert_eq!(log.history(0).await, Ok(history), "after a restart");
}

pub async fn another_log_is_another_history<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let other = Setup::<E>::new().await;
    let other = other.open().await;
    let one = log.history(0).await.expect("it is told");
    let two = other.history(0).await.expect("it is told");
    assert!(one.is_none() || one != two, "{one:?}");
}
