//! What holds of every fold, whatever was recorded.

use proptest::prelude::*;
use recount_core::{
    Body, EntryId, Event, EventType, Fold as _, JsonObject, Position, Recorded, Schema, Timestamp,
    Undecodable,
};
use serde_json::{Value, json};

use super::state::{Lineage, SessionState};

/// Any session's entries, in their order: known and unknown types, documented and odd fields, times in no
/// order, answers without calls, entries of other sessions, and some that are no events.
fn story() -> impl Strategy<Value = Vec<Recorded>> {
    proptest::collection::vec((body(), schema(), 0_u64..3), 0..40).prop_map(|bodies| {
        let mut revision = 0;
        let entries = bodies
            .into_iter()
            .enumerate()
            .map(|(n, (body, schema, gap))| {
                // Some are missing, and some are not numbered.
                revision += gap;
                Recorded {
                    position: Position {
                        partition: 3,
                        entry_id: EntryId::new(1_000 + n as u64, gap),
                    },
                    revision: if gap == 0 { 0 } else { revision },
                    schema,
                    body,
                }
            });
        entries.collect()
    })
}

fn body() -> impl Strategy<Value = Body> {
    let event = (
        event_type(),
        prop_oneof![9 => Just("s"), 1 => Just("other")],
        data(),
        -1_000_000_i64..1_000_000_000,
        proptest::option::of("[uv]"),
    );
    let event = event.prop_map(|(event_type, session, data, ms, user)| {
        let data = JsonObject::parse(data.to_string()).unwrap();
        let mut event = Event::builder(event_type, session)
            .timestamp(Timestamp::from_millis(ms).unwrap())
            .data(data);
        if let Some(user) = user {
            event = event.user(&user).agent(format!("agent-of-{user}"));
        }
        Body::Event(event.build().unwrap())
    });
    let other = Just(Body::Undecodable(Undecodable {
        reason: "no".into(),
        fields: Vec::new(),
    }));
    prop_oneof![20 => event, 1 => other]
}

fn event_type() -> impl Strategy<Value = EventType> {
    let custom = (0_u32..200).prop_map(|n| EventType::new(&format!("own.{n}")).unwrap());
    prop_oneof![
        6 => proptest::sample::select(EventType::KNOWN.to_vec()),
        1 => custom,
    ]
}

fn schema() -> impl Strategy<Value = Schema> {
    prop_oneof![
        9 => Just(Schema::AsStored),
        1 => Just(Schema::Future { newest: 1 }),
        1 => Just(Schema::Refused { at: 1, reason: "no".into() }),
    ]
}

/// Fields that count and others, of the types documented and of any.
fn data() -> impl Strategy<Value = Value> {
    const NAMES: [&str; 18] = [
        "role",
        "content",
        "tokens",
        "tokens_in",
        "tokens_out",
        "usage",
        "cost",
        "reason",
        "reward",
        "call_id",
        "tool",
        "duration_ms",
        "parent_session_id",
        "at_partition",
        "at_entry_id",
        "at_revision",
        "state",
        "mood",
    ];
    let name = proptest::sample::select(NAMES.to_vec());
    proptest::collection::btree_map(name, value(), 0..6).prop_map(|fields| json!(fields))
}

fn value() -> impl Strategy<Value = Value> {
    let short = proptest::sample::select(vec![
        "assistant",
        "user",
        "c1",
        "c2",
        "find",
        "7-0",
        "ü",
        "",
    ]);
    prop_oneof![
        4 => short.prop_map(Value::from),
        2 => any::<u32>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        2 => any::<f64>().prop_map(Value::from),
        1 => Just(json!(null)),
        1 => Just(json!([1, {"tokens": 2}])),
        1 => (any::<u64>(), any::<u32>()).prop_map(|(a, b)| json!({"input_tokens": a, "output_tokens": b, "cost": 0.5})),
        1 => any::<bool>().prop_map(Value::from),
    ]
}

fn fold(entries: &[Recorded]) -> SessionState {
    let mut state = SessionState::new("s");
    state.apply_all(entries);
    state
}

/// The first entry of a session that was forked from the state.
fn fork(state: &SessionState, child: &str) -> Recorded {
    let data = json!({
        "parent_session_id": state.session_id,
        "at_entry_id": "7-1",
        "at_partition": 3,
        "at_revision": state.revision,
        "state": state,
    });
    let event = Event::builder(EventType::SessionForked, child)
        .data(JsonObject::parse(data.to_string()).unwrap())
        .build()
        .unwrap();
    Recorded {
        position: Position {
            partition: 5,
            entry_id: EntryId::new(9_000, 0),
        },
        revision: 1,
        schema: Schema::AsStored,
        body: Body::Event(event),
    }
}

/// The fork of a state, as it is to be: the same but for what it is and where it comes from.
fn forked(state: &SessionState, child: &str) -> SessionState {
    let from = Lineage {
        session_id: state.session_id.clone(),
        position: Some(Position {
            partition: 3,
            entry_id: EntryId::new(7, 1),
        }),
        revision: state.revision,
        complete: state.is_complete(),
    };
    SessionState {
        first_revision: 1,
        revision: 1,
        own_events: 1,
        position: Some(Position {
            partition: 5,
            entry_id: EntryId::new(9_000, 0),
        }),
        ..state.inherited_by(child, from)
    }
}

proptest! {
    #[test]
    fn a_snapshot_and_the_rest_make_the_whole(story in story(), at in any::<proptest::sample::Index>()) {
        let cut = at.index(story.len() + 1);
        let stored = fold(&story[..cut]);
        let row = postcard::to_stdvec(&stored).unwrap();
        let mut from_row: SessionState = postcard::from_bytes(&row).unwrap();
        prop_assert_eq!(&from_row, &stored);
        from_row.apply_all(&story[cut..]);
        prop_assert_eq!(from_row, fold(&story));
    }

    #[test]
    fn any_order_and_any_number_of_times_is_counted(story in story(), seed in any::<u64>()) {
        let mut shuffled = story.clone();
        let mut random = seed;
        for at in (1..shuffled.len()).rev() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(at, (random >> 33) as usize % (at + 1));
        }
        shuffled.extend(story.iter().cloned());
        let own = |recorded: &&Recorded| {
            recorded.event().is_some_and(|event| event.session_id == "s")
        };
        let state = fold(&shuffled);
        prop_assert_eq!(state.own_events, 2 * story.iter().filter(own).count() as u64);
        let forks = u64::from(state.forked_from.is_some());
        prop_assert_eq!(state.types.values().sum::<u64>() + forks, state.own_events);
        prop_assert_eq!(state.events + forks, state.own_events);
    }

    #[test]
    fn a_fork_in_which_nothing_happened_is_what_it_was_forked_from(story in story()) {
        let parent = fold(&story);
        let mut child = SessionState::new("child");
        child.apply(&fork(&parent, "child"));
        prop_assert_eq!(&child, &forked(&parent, "child"));

        // A fork of it, and one of that.
        let mut deep = child.clone();
        for n in 0..3 {
            let name = format!("child-{n}");
            let mut next = SessionState::new(&name);
            next.apply(&fork(&deep, &name));
            prop_assert_eq!(&next, &forked(&deep, &name));
            deep = next;
        }
        prop_assert_eq!(deep.events, parent.events);
        prop_assert_eq!(deep.tokens, parent.tokens);
    }

    #[test]
    fn a_fork_goes_on_as_its_parent_would_have(story in story(), at in any::<proptest::sample::Index>()) {
        let cut = at.index(story.len() + 1);
        let parent = fold(&story[..cut]);
        let mut child = SessionState::new("s");
        child.apply(&fork(&parent, "s"));
        // Another fork is none of a session that began already.
        let rest = story[cut..].iter().filter(|entry| {
            entry.event().is_none_or(|event| event.event_type != EventType::SessionForked)
        });
        let mut whole = parent.clone();
        for entry in rest {
            child.apply(entry);
            whole.apply(entry);
        }
        prop_assert_eq!(child.events, whole.events);
        prop_assert_eq!(&child.types, &whole.types);
        prop_assert_eq!(child.message_count, whole.message_count);
        prop_assert_eq!(&child.tools, &whole.tools);
        prop_assert_eq!(child.status, whole.status);
        prop_assert_eq!(child.last_happened, whole.last_happened);
    }

    #[test]
    fn a_state_is_the_same_when_it_is_read_back(story in story()) {
        let state = fold(&story);
        let text = serde_json::to_string(&state).unwrap();
        prop_assert_eq!(serde_json::from_str::<SessionState>(&text).unwrap(), state);
    }
}

#[test]
fn a_state_that_somebody_made_up_leaves_room_to_count() {
    let mut odd = serde_json::to_value(SessionState::new("p")).unwrap();
    for name in ["events", "message_count", "messages_added", "errors"] {
        odd[name] = json!(u64::MAX);
    }
    odd["types"] = json!({"message.added": u64::MAX, "x".repeat(9_000): 1});
    odd["tools"]["called"] = json!(u64::MAX);
    odd["user_id"] = json!("u".repeat(9_000));
    let odd: SessionState = serde_json::from_value(odd).unwrap();
    let mut state = SessionState::new("s");
    state.apply(&fork(&odd, "s"));
    for event_type in [
        EventType::MessageAdded,
        EventType::ErrorOccurred,
        EventType::ToolCalled,
    ] {
        let event = Event::builder(event_type, "s").build().unwrap();
        state.apply(&Recorded {
            revision: 2,
            body: Body::Event(event),
            ..fork(&odd, "s")
        });
    }
    assert_eq!(state.events, (1 << 53) + 3);
    assert_eq!(state.types.len(), 3);
    assert!(serde_json::to_string(&state).unwrap().len() < 4_000);
}
