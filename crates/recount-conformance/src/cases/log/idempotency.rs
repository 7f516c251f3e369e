//! Duplicates and conflicts.

use recount_core::{AppendError, Batch, Event, EventLog, EventType, Outcome, TimestampSource};

use crate::Engine;
use crate::kit::{
    START_MS, Setup, add, add_one, append, assert_holds, at, building, data, event, event_ids,
    events, finish, id, partition, read_all, time, trim_everything,
};

fn duplicate(ms: u64, seq: u64) -> Outcome {
    Outcome::Duplicate {
        position: at(id(ms, seq)),
    }
}

fn conflict(ms: u64, seq: u64) -> Outcome {
    Outcome::Conflict {
        position: at(id(ms, seq)),
        first_trimmed: false,
    }
}

pub async fn the_same_event_again_is_a_duplicate<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    add(&*log, events(0..3)).await;
    setup.clock().advance(10);
    let outcomes = append(&*log, Batch::new(events(1..4))).await;
    let appended = Outcome::Appended {
        position: at(id(10, 0)),
        revision: 4,
    };
    assert_eq!(outcomes, [duplicate(0, 1), duplicate(0, 2), appended]);
    assert_eq!(partition(&*log).await.entries_added, 4);
    let log = setup.reopen(log).await;
    assert_eq!(append(&*log, event("e3", "s")).await, [duplicate(10, 0)]);
}

pub async fn another_event_under_the_same_id_is_a_conflict<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let first = finish(building("e", "s").user("u"));
    add(&*log, vec![first.clone()]).await;
    let changes: [fn(&mut Event); 10] = [
        |e| e.event_type = EventType::ToolCalled,
        |e| e.session_id = "other".into(),
        |e| e.user_id = None,
        |e| e.user_id = Some("other".into()),
        |e| e.agent_id = Some("a".into()),
        |e| e.trace_id = Some("t".into()),
        |e| e.causation_id = Some("c".into()),
        |e| e.timestamp = time(START_MS + 1),
        |e| e.version = 2,
        |e| e.data = data(r#"{"role":"user","content":"Bye"}"#),
    ];
    for change in changes {
        let mut other = first.clone();
        change(&mut other);
        let outcomes = append(&*log, other.clone()).await;
        assert_eq!(outcomes, [conflict(0, 0)], "{other:?}");
    }
    let log = setup.reopen(log).await;
    let found = read_all(&*log).await;
    assert_eq!(found.len(), 1);
    assert_holds(&found[0], &first);
}

pub async fn the_events_beside_a_conflict_are_appended<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    add_one(&*log, event("b", "s")).await;
    let batch = vec![event("a", "s"), event("b", "t"), event("c", "t")];
    let outcomes = append(&*log, Batch::new(batch)).await;
    assert_eq!(outcomes[1], conflict(0, 0));
    assert_eq!(outcomes[0].position(), at(id(0, 1)));
    let appended = Outcome::Appended {
        position: at(id(0, 2)),
        revision: 1,
    };
    assert_eq!(outcomes[2], appended, "a conflict takes no revision");
    assert_eq!(event_ids(&read_all(&*log).await), ["b", "a", "c"]);
}

pub async fn events_of_one_batch_are_compared_too<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let batch = vec![
        event("a", "s"),
        event("a", "s"),
        event("b", "s"),
        event("a", "t"),
        event("a", "s"),
    ];
    let outcomes = append(&*log, Batch::new(batch)).await;
    assert!(matches!(outcomes[0], Outcome::Appended { revision: 1, .. }));
    assert!(matches!(outcomes[2], Outcome::Appended { revision: 2, .. }));
    assert_eq!(outcomes[1], duplicate(0, 0));
    assert_eq!(outcomes[3], conflict(0, 0));
    assert_eq!(outcomes[4], duplicate(0, 0));
    assert_eq!(event_ids(&read_all(&*log).await), ["a", "b"]);
}

pub async fn key_order_and_white_space_do_not_matter<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let with = |text: &str| finish(building("e", "s").data(data(text)));
    add_one(&*log, with(r#"{"a":1,"b":{"c":[1,2],"d":"é"}}"#)).await;
    for same in [
        r#"{"b":{"d":"é","c":[1,2]},"a":1}"#,
        "{ \"a\" : 1 ,\n \"b\": {\"c\": [1, 2], \"d\": \"\\u00e9\"} }",
        r#"{"a":1.0,"b":{"c":[1e0,2],"d":"é"}}"#,
    ] {
        assert_eq!(append(&*log, with(same)).await, [duplicate(0, 0)], "{same}");
    }
    for other in [
        r#"{"a":1,"b":{"c":[2,1],"d":"é"}}"#,
        r#"{"a":1,"b":{"c":[1,2],"d":"e"}}"#,
        r#"{"a":"1","b":{"c":[1,2],"d":"é"}}"#,
    ] {
        assert_eq!(
            append(&*log, with(other)).await,
            [conflict(0, 0)],
            "{other}"
        );
    }
    let log = setup.reopen(log).await;
    let reordered = with(r#"{"b":{"d":"é","c":[1,2]},"a":1}"#);
    assert_eq!(append(&*log, reordered).await, [duplicate(0, 0)]);
}

pub async fn a_timestamp_that_was_filled_in_does_not_count<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let with = |event_id: &str, ms: u64, timestamp_source| Event {
        timestamp: time(ms),
        timestamp_source,
        ..event(event_id, "s")
    };
    let filled = |id: &str, ms| with(id, ms, TimestampSource::Filled);
    let given = |id: &str, ms| with(id, ms, TimestampSource::Given);
    add(&*log, vec![filled("filled", 1), given("given", 1)]).await;
    let log = setup.reopen(log).await;
    for same in [filled("filled", 2), given("filled", 2)] {
        assert_eq!(append(&*log, same).await, [duplicate(0, 0)]);
    }
    for same in [filled("given", 2), given("given", 1)] {
        assert_eq!(append(&*log, same).await, [duplicate(0, 1)]);
    }
    let other = append(&*log, given("given", 2)).await;
    assert_eq!(other, [conflict(0, 1)]);
    let kept = read_all(&*log).await;
    assert_eq!(kept[0].event().expect("an event").timestamp, time(1));
}

pub async fn a_strict_batch_with_a_conflict_is_refused_whole<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    add(&*log, events(0..2)).await;
    let batch = vec![event("new", "s"), event("e0", "s"), event("e1", "other")];
    let refused = log.append(Batch::new(batch.clone()).strict()).await;
    match refused {
        Err(AppendError::Conflict { index, id, first }) => {
            assert_eq!((index, id.as_str()), (2, "e1"));
            assert_eq!(first, at(crate::kit::id(0, 1)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(partition(&*log).await.entries_added, 2);
    let outcomes = append(&*log, Batch::new(batch[..2].to_vec()).strict()).await;
    assert_eq!(outcomes[0].position(), at(id(0, 2)));
    assert_eq!(outcomes[1], duplicate(0, 0));
}

pub async fn a_strict_batch_must_not_conflict_with_itself<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let batch = vec![event("a", "s"), event("a", "t")];
    let refused = log.append(Batch::new(batch).strict()).await;
    let Err(AppendError::SelfConflict { index, id, earlier }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((index, id.as_str(), earlier), (1, "a", 0));
    assert_eq!(partition(&*log).await.entries_added, 0);
    add_one(&*log, event("a", "t")).await;
}

pub async fn a_strict_batch_is_compared_with_what_was_trimmed<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let with = |text: &str| finish(building("e", "s").data(data(text)));
    let (one, spelled_otherwise) = (with(r#"{"a":1,"b":2}"#), with(r#"{"b":2,"a":1}"#));
    add_one(&*log, one.clone()).await;
    let both = Batch::new(vec![one, spelled_otherwise]).strict();
    let outcomes = append(&*log, both.clone()).await;
    assert_eq!(outcomes, [duplicate(0, 0), duplicate(0, 0)]);
    trim_everything(&*log).await;
    let refused = log.append(both).await;
    let Err(AppendError::Conflict { index, first, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((index, first), (1, at(id(0, 0))));
}
