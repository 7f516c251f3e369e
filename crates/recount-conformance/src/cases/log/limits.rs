//! A batch is checked whole before anything is appended.

use recount_core::{
    AppendError, Batch, Event, EventLog, EventType, InvalidEvent, InvalidId, Limits,
};

use crate::Engine;
use crate::kit::{
    Setup, add, add_one, append, assert_holds, building, data, event, events, finish, id,
    partition, read_all,
};

/// An event of exactly `bytes` bytes on the wire.
fn sized(event_id: &str, bytes: usize) -> Event {
    let padded = |length: usize| {
        let text = format!(r#"{{"p":"{}"}}"#, "x".repeat(length));
        finish(building(event_id, "s").data(data(&text)))
    };
    padded(bytes - padded(0).wire_bytes())
}

/// Makes an event illegal.
type Spoiler<'a> = &'a dyn Fn(&mut Event);

async fn refusal(log: &impl EventLog, batch: Vec<Event>) -> AppendError {
    let before = partition(log).await;
    let refused = log.append(Batch::new(batch)).await;
    let error = refused.expect_err("the batch is refused");
    assert_eq!(partition(log).await, before, "nothing was appended");
    error
}

pub async fn the_first_bad_event_refuses_the_batch<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let too_long = "x".repeat(129);
    let spoilers: [(&str, Spoiler<'_>); 9] = [
        ("session_id", &|e| e.session_id.clear()),
        ("session_id", &|e| e.session_id.clone_from(&too_long)),
        ("session_id", &|e| e.session_id = "a\nb".into()),
        ("user_id", &|e| e.user_id = Some(String::new())),
        ("agent_id", &|e| e.agent_id = Some(too_long.clone())),
        ("trace_id", &|e| e.trace_id = Some("\0".into())),
        ("causation_id", &|e| e.causation_id = Some("\u{85}".into())),
        ("type", &|e| e.event_type = EventType::Custom("".into())),
        ("type", &|e| {
            e.event_type = EventType::Custom(too_long.as_str().into());
        }),
    ];
    for (name, spoil) in spoilers {
        let mut batch = events(0..4);
        spoil(&mut batch[1]);
        batch[3].version = 0;
        match refusal(&*log, batch).await {
            AppendError::InvalidEvent {
                index: 1,
                id,
                reason: InvalidEvent::Id(reason),
            } => {
                assert_eq!(id.as_str(), "e1");
                let (InvalidId::Empty { field }
                | InvalidId::TooLong { field, .. }
                | InvalidId::Control { field, .. }) = reason;
                assert_eq!(field, name);
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    add(&*log, events(0..4)).await;
}

pub async fn a_version_of_zero_is_refused<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let mut batch = events(0..3);
    batch[2].version = 0;
    let error = refusal(&*log, batch).await;
    assert!(
        matches!(
            error,
            AppendError::InvalidEvent {
                index: 2,
                reason: InvalidEvent::Version,
                ..
            }
        ),
        "{error:?}"
    );
}

pub async fn an_event_may_be_as_large_as_the_limit<E: Engine>(setup: Setup<E>) {
    let setup = setup.with_limits(Limits {
        event_bytes_max: 1_000,
        ..Limits::default()
    });
    let log = setup.open().await;
    add_one(&*log, sized("fits", 1_000)).await;
    let error = refusal(&*log, vec![event("e", "s"), sized("large", 1_001)]).await;
    assert!(
        matches!(
            error,
            AppendError::InvalidEvent {
                index: 1,
                reason: InvalidEvent::TooLarge {
                    bytes: 1_001,
                    bytes_max: 1_000
                },
                ..
            }
        ),
        "{error:?}"
    );
}

pub async fn a_batch_may_have_as_many_events_as_the_limit<E: Engine>(setup: Setup<E>) {
    let setup = setup.with_limits(Limits {
        batch_events_max: 5,
        ..Limits::default()
    });
    let log = setup.open().await;
    let error = refusal(&*log, events(0..6)).await;
    assert_eq!(
        error,
        AppendError::TooManyEvents {
            events: 6,
            events_max: 5
        }
    );
    add(&*log, events(0..5)).await;
}

pub async fn a_batch_may_have_as_many_bytes_as_the_limit<E: Engine>(setup: Setup<E>) {
    let setup = setup.with_limits(Limits {
        batch_bytes_max: 3_000,
        ..Limits::default()
    });
    let log = setup.open().await;
    let batch = |last: usize| vec![sized("a", 1_000), sized("b", 1_000), sized("c", last)];
    let error = refusal(&*log, batch(1_001)).await;
    assert_eq!(
        error,
        AppendError::TooManyBytes {
            bytes: 3_001,
            bytes_max: 3_000
        }
    );
    add(&*log, batch(1_000)).await;
}

pub async fn duplicates_count_towards_the_limits<E: Engine>(setup: Setup<E>) {
    let setup = setup.with_limits(Limits {
        batch_events_max: 2,
        ..Limits::default()
    });
    let log = setup.open().await;
    add(&*log, events(0..2)).await;
    let error = refusal(&*log, events(0..3)).await;
    assert_eq!(error.code(), "too_many_events");
}

pub async fn the_largest_event_and_the_longest_batch<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let limits = setup.environment.limits;
    let large = sized("large", limits.event_bytes_max);
    add_one(&*log, large.clone()).await;
    let many = events(0..limits.batch_events_max);
    let ids = add(&*log, many.clone()).await;
    assert_eq!(ids.last(), Some(&id(0, many.len() as u64)));
    let again = append(&*log, Batch::new(many.clone())).await;
    assert!(again.iter().zip(ids).all(|(outcome, id)| {
        matches!(outcome, recount_core::Outcome::Duplicate { position } if position.entry_id == id)
    }));
    let log = setup.reopen(log).await;
    let found = read_all(&*log).await;
    assert_holds(&found[0], &large);
    assert_eq!(found.len(), many.len() + 1);
    for (entry, event) in found[1..].iter().zip(&many) {
        assert_holds(entry, event);
    }
}

pub async fn the_heaviest_batch<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let limits = setup.environment.limits;
    let count = limits.batch_bytes_max / limits.event_bytes_max;
    let heavy: Vec<_> = (0..count)
        .map(|n| sized(&format!("e{n}"), limits.event_bytes_max))
        .collect();
    let ids = add(&*log, heavy.clone()).await;
    let log = setup.reopen(log).await;
    let found = read_all(&*log).await;
    assert_eq!(crate::kit::ids(&found), ids);
    for (entry, event) in found.iter().zip(&heavy) {
        assert_holds(entry, event);
    }
}
