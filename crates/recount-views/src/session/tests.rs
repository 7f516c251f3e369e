use recount_core::{
    Body, EntryId, Event, EventType, Fold as _, JsonObject, Position, Recorded, Schema, Timestamp,
    Undecodable,
};

use super::*;

fn entry(n: u64, event_type: EventType, data: &str) -> Recorded {
    let event = Event::builder(event_type, "s")
        .id(format!("e{n}"))
        .timestamp(Timestamp::from_millis(1_000 * n as i64).unwrap())
        .data(JsonObject::parse(data.to_owned()).unwrap())
        .build()
        .unwrap();
    recorded(n, Body::Event(event))
}

fn recorded(n: u64, body: Body) -> Recorded {
    Recorded {
        position: Position {
            partition: 0,
            entry_id: EntryId::new(n, 0),
        },
        revision: n,
        schema: Schema::AsStored,
        body,
    }
}

fn state(entries: &[Recorded]) -> SessionState {
    let mut state = SessionState::new("s");
    state.apply_all(entries);
    state
}

#[test]
fn what_is_of_an_unknown_version_is_counted_and_not_taken_in() {
    let mut entries = story();
    for (entry, schema) in entries[1..].iter_mut().zip([
        Schema::Future { newest: 1 },
        Schema::Refused {
            at: 1,
            reason: "no".to_owned(),
        },
    ]) {
        entry.schema = schema;
    }
    let (known, state) = (state(&story()), state(&entries));
    assert_eq!((known.future, state.future), (0, 2));
    assert_eq!(state.events, known.events);
    assert_eq!(state.types, known.types);
    assert_eq!(state.revision, known.revision);
    assert_eq!(state.tokens.total, known.tokens.total - 3);
    assert_eq!(state.message_count, known.message_count - 1);
}

fn at(ms: u64) -> Position {
    Position {
        partition: 0,
        entry_id: EntryId::new(ms, 0),
    }
}

fn story() -> Vec<Recorded> {
    vec![
        entry(1, EventType::SessionStarted, "{}"),
        entry(
            2,
            EventType::MessageAdded,
            r#"{"role":"user","content":"one","tokens":3}"#,
        ),
        entry(
            3,
            EventType::ToolCalled,
            r#"{"tool":"find","call_id":"c1"}"#,
        ),
        entry(4, EventType::ToolCalled, r#"{"tool":"buy","call_id":"c2"}"#),
        entry(5, EventType::ToolReturned, r#"{"call_id":"c1"}"#),
        entry(
            6,
            EventType::MessageAdded,
            r#"{"content":"two","tokens":4}"#,
        ),
        entry(7, EventType::ErrorOccurred, r#"{"message":"timed out"}"#),
        entry(8, EventType::SummaryCreated, r#"{"summary":"short"}"#),
        entry(9, EventType::SessionEnded, r#"{"reason":"error"}"#),
    ]
}

#[test]
fn a_session_is_what_its_events_made_of_it() {
    let state = state(&story());
    assert_eq!(
        state.status,
        SessionStatus::Ended {
            reason: Some("error".into())
        }
    );
    assert_eq!(
        (state.first_revision, state.revision, state.events),
        (1, 9, 9)
    );
    assert!(state.is_complete());
    assert_eq!((state.message_count, state.messages_added), (2, 2));
    assert_eq!(state.tokens.total, 7);
    assert_eq!(state.count(&EventType::ToolCalled), 2);
    assert_eq!((state.summaries, state.summary), (1, Some(at(8))));
    assert_eq!((state.errors, state.last_error), (1, Some(at(7))));
    let [open] = &state.tools.open[..] else {
        panic!("{:?}", state.tools.open);
    };
    assert_eq!(open.call_id.as_deref(), Some("c2"));
    assert_eq!(
        (open.tool.as_deref(), open.position),
        (Some("buy"), Some(at(4)))
    );
    assert_eq!((state.tools.called, state.tools.returned), (2, 1));
    assert_eq!((state.tools.duration_ms, state.tools.timed), (2_000.0, 1));
    assert_eq!(state.position, Some(at(9)));
    assert_eq!(state.first_happened, Timestamp::from_millis(1_000).ok());
    assert_eq!(state.last_happened, Timestamp::from_millis(9_000).ok());
}

#[test]
fn the_same_state_is_reached_in_one_go_or_in_parts() {
    let story = story();
    for cut in 0..=story.len() {
        let mut parts = state(&story[..cut]);
        parts.apply_all(&story[cut..]);
        assert_eq!(parts, state(&story), "cut at {cut}");
    }
}

#[test]
fn clearing_forgets_messages_and_counts_what_was() {
    let mut all = story();
    all.push(entry(
        10,
        EventType::MemoryCleared,
        r#"{"message_count":"odd"}"#,
    ));
    all.push(entry(11, EventType::MessageAdded, r#"{"content":"three"}"#));
    let state = state(&all);
    assert_eq!((state.message_count, state.messages_added), (1, 3));
    assert_eq!(state.tokens.total, 7);
    assert_eq!((state.clears, state.cleared), (1, Some(at(10))));
    assert_eq!((state.summaries, state.summary), (1, None));
}

#[test]
fn a_part_of_a_session_says_so() {
    assert!(!state(&story()[3..]).is_complete());
    let nothing = state(&[]);
    assert_eq!(
        (nothing.status.clone(), nothing.events),
        (SessionStatus::Unknown, 0)
    );
}

#[test]
fn a_hole_and_entries_without_a_number_are_told_apart() {
    let numbered = |numbers: &[u64]| {
        let entries = numbers.iter().map(|&number| Recorded {
            revision: number,
            ..entry(1, EventType::MessageAdded, "{}")
        });
        state(&entries.collect::<Vec<_>>())
    };
    for (numbers, first, missing) in [
        (&[1, 2, 3][..], 1, 0),
        (&[1, 2, 7, 8], 1, 4),
        (&[3, 5], 3, 1),
        // Other programs' entries have no number.
        (&[1, 0, 2, 0], 1, 0),
        (&[0, 0], 0, 0),
        (&[], 0, 0),
    ] {
        let state = numbered(numbers);
        assert_eq!((state.first_revision, state.missing()), (first, missing));
        assert_eq!(
            state.is_complete(),
            first <= 1 && missing == 0,
            "{numbers:?}"
        );
    }
}

#[test]
fn whatever_comes_is_counted_and_nothing_fails() {
    let mut all = story();
    all.reverse();
    all.extend(story());
    all.push(entry(
        10,
        EventType::MessageAdded,
        r#"{"role":7,"content":"odd"}"#,
    ));
    all.push(entry(11, EventType::SessionEnded, r#"{"reason":{}}"#));
    all.push(entry(12, EventType::ToolReturned, "{}"));
    all.push(recorded(
        13,
        Body::Undecodable(Undecodable {
            reason: "no".into(),
            fields: Vec::new(),
        }),
    ));
    let state = state(&all);
    assert_eq!(state.events, 21);
    assert_eq!(state.message_count, 5);
    assert_eq!(state.tools.unasked, 2);
    assert_eq!(state.status, SessionStatus::Ended { reason: None });
}

#[test]
fn its_size_is_bounded() {
    let mut state = SessionState::new("s");
    for n in 1..3_000 {
        state.apply(&entry(n, EventType::MessageAdded, "{}"));
        let name = EventType::new(&format!("own.{n}")).unwrap();
        state.apply(&entry(n, name, "{}"));
        let call = format!(r#"{{"call_id":"{n}"}}"#);
        state.apply(&entry(n, EventType::ToolCalled, &call));
    }
    assert_eq!(state.message_count, 2_999);
    assert_eq!(state.tools.open.len(), OPEN_CALLS_MAX);
    let oldest = state.tools.open[0].position;
    assert_eq!(oldest, Some(at(3_000 - OPEN_CALLS_MAX as u64)));
    assert!(state.types.len() <= TYPES_MAX + 1);
    assert_eq!(state.types.values().sum::<u64>(), state.events);
}

#[test]
fn tokens_are_told_by_who_used_them() {
    let state = state(&[
        entry(1, EventType::MessageAdded, r#"{"role":"user","tokens":3}"#),
        entry(
            2,
            EventType::MessageAdded,
            r#"{"role":"assistant","tokens":5}"#,
        ),
        entry(
            3,
            EventType::MessageAdded,
            r#"{"role":"assistant","usage":{"prompt_tokens":100,"completion_tokens":20},"cost":0.25}"#,
        ),
    ]);
    let Tokens {
        input,
        output,
        total,
    } = state.tokens;
    assert_eq!((input, output, total), (103, 25, 128));
    assert!((state.cost - 0.25).abs() < f64::EPSILON);
}

#[test]
fn a_failed_call_stays_open_until_it_is_answered() {
    let mut all = vec![
        entry(
            1,
            EventType::ToolCalled,
            r#"{"tool":"find","call_id":"c1"}"#,
        ),
        entry(
            2,
            EventType::ErrorOccurred,
            r#"{"message":"no","call_id":"c1"}"#,
        ),
    ];
    let failed = state(&all);
    assert_eq!(failed.tools.failed, 1);
    assert!(failed.tools.open[0].failed);
    assert_eq!(failed.tools.unanswered().count(), 0);
    all.push(entry(
        3,
        EventType::ToolReturned,
        r#"{"call_id":"c1","duration_ms":7}"#,
    ));
    let answered = state(&all);
    assert!(answered.tools.open.is_empty());
    assert_eq!(answered.tools.duration_ms.to_string(), "7");
}

#[test]
fn a_session_that_went_on_after_its_end_is_active() {
    let mut all = story();
    all.push(entry(10, EventType::SearchPerformed, "{}"));
    assert!(matches!(state(&all).status, SessionStatus::Ended { .. }));
    all.push(entry(11, EventType::MessageAdded, "{}"));
    assert_eq!(state(&all).status, SessionStatus::Active);
}

#[test]
fn a_session_is_idle_only_while_it_goes_on() {
    let entries = story();
    let active = state(&entries[..8]);
    let time = |ms| Timestamp::from_millis(ms).unwrap();
    assert!(!active.is_idle(time(9_000), 1_000));
    assert!(active.is_idle(time(9_001), 1_000));
    assert!(!state(&entries).is_idle(time(9_000_000), 1_000));
}

#[test]
fn a_fork_of_a_part_is_a_part() {
    let fork = |of: &SessionState| {
        let data = serde_json::json!({"parent_session_id": "p", "state": of}).to_string();
        state(&[entry(1, EventType::SessionForked, &data)])
    };
    assert!(fork(&state(&story())).is_complete());
    assert!(!fork(&state(&story()[3..])).is_complete());
    // Nobody knows what was taken over.
    let data = r#"{"parent_session_id":"p"}"#;
    assert!(!state(&[entry(1, EventType::SessionForked, data)]).is_complete());
}
