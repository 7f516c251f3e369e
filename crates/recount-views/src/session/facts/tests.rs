//! Against a tree of the same data.

use proptest::prelude::*;
use recount_core::JsonObject;
use serde_json::{Map, json};

use super::*;

const NAMES: [&str; 12] = [
    "role",
    "tokens",
    "tokens_in",
    "output_tokens",
    "cost",
    "usage",
    "reason",
    "call_id",
    "duration_ms",
    "at_entry_id",
    "content",
    "other",
];

fn event(data: &str) -> Event {
    Event::builder(EventType::MessageAdded, "s")
        .data(JsonObject::parse(data.to_owned()).unwrap())
        .build()
        .unwrap()
}

/// Any value, down to a few levels.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(&["assistant", "user", "7-3", "a\"b\\c\n{}[]", "ü", ""][..])
            .prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            object(inner).prop_map(Value::from),
        ]
    })
}

fn object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    let name = prop::sample::select(&NAMES[..]);
    prop::collection::vec((name, value), 0..8).prop_map(|members| {
        let members = members.into_iter();
        members
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    })
}

fn number(data: &Map<String, Value>, name: &str) -> Option<f64> {
    data.get(name).and_then(Value::as_f64)
}

proptest! {
    #[test]
    fn what_is_read_is_what_a_tree_of_the_data_holds(data in object(value()), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&data) } else { serde_json::to_string(&data) };
        let text = text.unwrap();
        let event = event(&text);
        let facts = Facts::of(&event);
        let text = |name: &str| data.get(name).and_then(Value::as_str);
        let count = |name: &str| data.get(name).and_then(Value::as_u64);
        let empty = Map::new();
        let usage = data.get("usage").and_then(Value::as_object).unwrap_or(&empty);
        let used = |name: &str| usage.get(name).and_then(Value::as_u64);
        prop_assert_eq!(facts.assistant, text("role") == Some("assistant"));
        prop_assert_eq!(facts.reason.as_deref(), text("reason"));
        prop_assert_eq!(facts.call_id.as_deref(), text("call_id"));
        prop_assert_eq!(facts.tokens, count("tokens").or(used("tokens")));
        prop_assert_eq!(facts.tokens_in, count("tokens_in").or(used("tokens_in")));
        prop_assert_eq!(facts.tokens_out, count("output_tokens").or(used("output_tokens")));
        let duration = number(&data, "duration_ms").filter(|&ms| ms >= 0.0);
        prop_assert_eq!(facts.duration_ms, duration);
        let at: Option<EntryId> = text("at_entry_id").and_then(|id| id.parse().ok());
        prop_assert_eq!(facts.at_entry_id, at);
        // The order of the members decides where the one is unfit.
        if number(&data, "cost").is_some() || !data.contains_key("cost") {
            prop_assert_eq!(facts.cost, number(&data, "cost").or(number(usage, "cost")));
        }
    }
}

#[test]
fn an_escaped_name_is_the_same_name() {
    let event = event(r#"{"tok\u0065ns":7,"reas\u006fn":"a\tb"}"#);
    let facts = Facts::of(&event);
    assert_eq!(facts.tokens, Some(7));
    assert_eq!(facts.reason.as_deref(), Some("a\tb"));
}

#[test]
fn the_state_is_read_of_forks_only() {
    let data = json!({"state": {"a": 1}}).to_string();
    let mut event = event(&data);
    assert_eq!(Facts::of(&event).state, None);
    event.event_type = EventType::SessionForked;
    assert_eq!(Facts::of(&event).state, Some(json!({"a": 1})));
}
