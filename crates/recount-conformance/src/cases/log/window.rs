//! The idempotency window: exact, across restarts and trims.

use recount_core::{Batch, EntryId, EventLog, Outcome, TimestampSource, TrimLimit};

use crate::Engine;
use crate::kit::{
    START_MS, Setup, WINDOW_MS, add, add_one, append, at, building, copy, data, event, events,
    finish, id, time, trim, trim_everything,
};

fn duplicate(entry_id: EntryId) -> [Outcome; 1] {
    [Outcome::Duplicate {
        position: at(entry_id),
    }]
}

pub async fn an_id_is_remembered_to_the_window_s_last_millisecond<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let first = add_one(&*log, event("e", "s")).await;
    setup.clock().advance(WINDOW_MS - 1);
    assert_eq!(append(&*log, event("e", "s")).await, duplicate(first));
    setup.clock().advance(1);
    let second = add_one(&*log, event("e", "t")).await;
    assert_eq!(second, id(WINDOW_MS, 0));

    // From now on the id means the second event.
    setup.clock().advance(WINDOW_MS - 1);
    assert_eq!(append(&*log, event("e", "t")).await, duplicate(second));
    setup.clock().set(START_MS);
    assert_eq!(append(&*log, event("e", "t")).await, duplicate(second));
}

pub async fn the_window_survives_a_restart<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let first = add_one(&*log, event("early", "s")).await;
    setup.clock().advance(1);
    let second = add_one(&*log, event("late", "s")).await;
    setup.clock().advance(WINDOW_MS - 2);
    let log = setup.reopen(log).await;
    assert_eq!(append(&*log, event("early", "s")).await, duplicate(first));
    setup.clock().advance(1);
    let log = setup.reopen(log).await;
    assert_eq!(append(&*log, event("late", "s")).await, duplicate(second));
    let again = add_one(&*log, event("early", "s")).await;
    assert_eq!(again, id(WINDOW_MS, 0));
}

pub async fn a_clock_that_steps_back_does_not_stretch_the_window<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    add_one(&*log, event("old", "s")).await;
    setup.clock().advance(WINDOW_MS);
    let late = add_one(&*log, event("late", "s")).await;
    setup.clock().set(START_MS);
    add_one(&*log, event("old", "s")).await;
    assert_eq!(append(&*log, event("late", "s")).await, duplicate(late));
}

pub async fn trimming_does_not_shorten_the_window<E: Engine>(setup: Setup<E>) {
    let mut log = setup.open().await;
    let ids = add(&*log, events(0..4)).await;
    trim(&*log, TrimLimit::MaxLength(1)).await;
    for round in 0..2 {
        for (event, entry_id) in events(0..4).into_iter().zip(&ids) {
            assert_eq!(append(&*log, event).await, duplicate(*entry_id));
        }
        if round == 0 {
            trim_everything(&*log).await;
            log = setup.reopen(log).await;
        }
    }
    setup.clock().advance(WINDOW_MS - 1);
    assert_eq!(append(&*log, event("e0", "s")).await, duplicate(ids[0]));
    setup.clock().advance(1);
    add(&*log, events(0..4)).await;
}

pub async fn trimmed_contents_are_compared_as_bytes<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let with = |text: &str| finish(building("e", "s").data(data(text)));
    let first = add_one(&*log, with(r#"{"a":1,"b":2}"#)).await;
    trim_everything(&*log).await;
    assert_eq!(
        append(&*log, with(r#"{"a":1,"b":2}"#)).await,
        duplicate(first)
    );
    let conflict = [Outcome::Conflict {
        position: at(first),
        first_trimmed: true,
    }];
    for text in [r#"{"b":2,"a":1}"#, r#"{"a":1, "b":2}"#, r#"{"a":1}"#] {
        assert_eq!(append(&*log, with(text)).await, conflict, "{text}");
    }
    let log = setup.reopen(log).await;
    assert_eq!(append(&*log, with(r#"{"b":2,"a":1}"#)).await, conflict);
    assert_eq!(append(&*log, event("e", "other")).await, conflict);
    let strict = Batch::from(event("e", "other")).strict();
    let refused = log.append(strict).await.expect_err("a conflict");
    assert_eq!(refused.code(), "conflict");
}

pub async fn a_retry_after_a_trim_may_have_another_filled_in_time<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let filled = |ms| recount_core::Event {
        timestamp: time(ms),
        timestamp_source: TimestampSource::Filled,
        ..event("e", "s")
    };
    let first = add_one(&*log, filled(1)).await;
    let given = add_one(&*log, event("given", "s")).await;
    trim_everything(&*log).await;
    let log = setup.reopen(log).await;
    assert_eq!(append(&*log, filled(2)).await, duplicate(first));
    assert_eq!(append(&*log, event("given", "s")).await, duplicate(given));
    let mut other = event("given", "s");
    other.timestamp = time(1);
    assert_eq!(
        append(&*log, other).await,
        [Outcome::Conflict {
            position: at(given),
            first_trimmed: true
        }]
    );
}

pub async fn copies_enter_the_window<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let old = EntryId::new(START_MS - WINDOW_MS, 0);
    let young = EntryId::new(START_MS - WINDOW_MS + 1, 0);
    let copies = vec![copy(old, "old", "s"), copy(young, "young", "s")];
    let given = log.append_with_ids(copies).await;
    given.expect("the copies succeed");
    let log = setup.reopen(log).await;
    assert_eq!(append(&*log, event("young", "s")).await, duplicate(young));
    let conflict = Outcome::Conflict {
        position: at(young),
        first_trimmed: false,
    };
    assert_eq!(append(&*log, event("young", "t")).await, [conflict]);
    add_one(&*log, event("old", "s")).await;
}

pub async fn the_last_id_counts_as_now_when_it_is_ahead_of_the_clock<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let first = add_one(&*log, event("e", "s")).await;
    let ahead = |ms| vec![copy(id(ms, 0), &format!("copy{ms}"), "s")];
    let given = log.append_with_ids(ahead(WINDOW_MS - 1)).await;
    given.expect("the copy succeeds");
    assert_eq!(append(&*log, event("e", "s")).await, duplicate(first));
    let given = log.append_with_ids(ahead(WINDOW_MS)).await;
    given.expect("the copy succeeds");
    assert_eq!(add_one(&*log, event("e", "s")).await, id(WINDOW_MS, 1));
}
