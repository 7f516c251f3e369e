//! What becomes of runs, good and odd.

use recount_core::payload::Payload;
use recount_core::{Event, TimestampSource};
use serde_json::{Value, json};

use super::*;

fn start() -> Timestamp {
    SYNTHETIC_START.parse().unwrap()
}

fn convert(run: Value) -> Vec<Event> {
    let Value::Object(run) = run else {
        panic!("not an object")
    };
    events(run, 0, start()).unwrap()
}

#[expect(clippy::needless_pass_by_value, reason = "each test makes its own")]
fn messages(list: Value) -> Vec<Event> {
    convert(json!({ "session_id": "s", "messages": list }))
}

/// The events of one type, as their data.
fn of(events: &[Event], name: &str) -> Vec<Value> {
    events
        .iter()
        .filter(|event| event.event_type.as_str() == name)
        .map(|event| event.data.to_map().into())
        .collect()
}

fn types(events: &[Event]) -> Vec<&str> {
    events.iter().map(|e| e.event_type.as_str()).collect()
}

fn call(id: &str, tool: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": tool, "arguments": "{\"of\":1}"}})
}

fn calling(calls: &[Value]) -> Value {
    json!({"role": "assistant", "content": null, "tool_calls": calls})
}

fn result(id: &str, content: &str) -> Value {
    json!({"role": "tool", "tool_call_id": id, "content": content})
}

#[test]
fn a_run_becomes_a_session_with_everything_in_order() {
    let events = convert(json!({
        "task_id": 3, "trial": 1, "reward": 0.1, "info": {"task": {"user_id": "mia"}},
        "traj": [
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "One moment.", "tool_calls": [call("c1", "look")]},
            {"role": "tool", "tool_call_id": "c1", "name": "look", "content": "{\"found\":true}"},
            {"role": "assistant", "content": "Found it.", "mood": "good"},
        ]
    }));
    assert_eq!(
        types(&events),
        [
            "session.started",
            "message.added",
            "message.added",
            "tool.called",
            "tool.returned",
            "message.added",
            "session.ended"
        ]
    );
    assert!(events.iter().all(|e| e.user_id.as_deref() == Some("mia")));
    assert!(events[0].session_id.starts_with("task-3-trial-1-"));
    for end in [&events[0], &events[6]] {
        let data = end.data.to_map();
        assert_eq!(data["reward"], 0.1);
        assert_eq!(data["info"]["task"]["user_id"], "mia");
        assert!(!data.contains_key("traj"));
    }
    let called = of(&events, "tool.called").remove(0);
    assert_eq!(called["arguments"], json!({"of": 1}));
    assert_eq!(called["tool"], "look");
    let returned = of(&events, "tool.returned").remove(0);
    assert_eq!(returned["call_id"], "c1");
    assert_eq!(returned["result"], "{\"found\":true}");
    assert_eq!(of(&events, "message.added")[2]["mood"], "good");
}

#[test]
fn repeated_ids_pair_by_position_and_become_unique() {
    let events = messages(json!([
        calling(&[call("x", "a")]),
        result("x", "1"),
        calling(&[call("x", "b"), call("x", "c")]),
        result("x", "2"),
        result("x", "3"),
    ]));
    let called = of(&events, "tool.called");
    let ids: Vec<_> = called.iter().map(|c| &c["call_id"]).collect();
    assert_eq!(ids, ["x", "x#2", "x#3"]);
    assert_eq!(called[0].get("tool_call_id"), None);
    assert_eq!(called[1]["tool_call_id"], "x");
    for (call, result) in called.iter().zip(of(&events, "tool.returned")) {
        assert_eq!(call["call_id"], result["call_id"]);
        assert_eq!(call["tool"], result["tool"]);
    }
}

#[test]
fn results_out_of_order_without_id_or_without_call_find_their_place() {
    let events = messages(json!([
        calling(&[call("x", "a"), call("y", "b"), call("z", "c")]),
        result("y", "of b"),
        {"role": "tool", "content": "of a"},
        {"role": "tool", "tool_call_id": "unheard of", "content": "of c"},
        result("w", "of nobody"),
    ]));
    let returned = of(&events, "tool.returned");
    let pairs: Vec<_> = returned
        .iter()
        .map(|r| (&r["call_id"], &r["result"]))
        .collect();
    assert_eq!(
        pairs,
        [
            (&json!("y"), &json!("of b")),
            (&json!("x"), &json!("of a")),
            (&json!("z"), &json!("of c")),
            (&json!("w"), &json!("of nobody")),
        ]
    );
    assert_eq!(returned[2]["tool_call_id"], "unheard of");
    assert_eq!(returned[3].get("tool"), None);
}

#[test]
fn a_late_result_finds_its_call_by_id() {
    let events = messages(json!([
        calling(&[call("slow", "a")]),
        calling(&[call("quick", "b")]),
        result("slow", "1"),
        result("quick", "2"),
    ]));
    let returned = of(&events, "tool.returned");
    assert_eq!(returned[0]["tool"], "a");
    assert_eq!(returned[1]["tool"], "b");
}

#[test]
fn a_failed_tool_returns_and_then_errs() {
    for (content, message, code) in [
        ("Error: no such seat", Some("Error: no such seat"), None),
        (r#"{"error": "gone"}"#, Some("gone"), None),
        (
            r#"{"error": {"message": "slow", "code": "E7"}}"#,
            Some("slow"),
            Some("E7"),
        ),
        (r#"{"is_error": true}"#, Some(r#"{"is_error": true}"#), None),
        (r#"{"error": null, "seats": 4}"#, None, None),
        (r#"{"error": ""}"#, None, None),
        ("No Error here", None, None),
        ("", None, None),
    ] {
        let events = messages(json!([calling(&[call("c", "t")]), result("c", content)]));
        assert_eq!(of(&events, "tool.returned")[0]["result"], content);
        let errors = of(&events, "error.occurred");
        assert_eq!(errors.len(), usize::from(message.is_some()), "{content}");
        if let Some(message) = message {
            assert_eq!(errors[0]["message"], message);
            assert_eq!(errors[0]["tool"], "t");
            assert_eq!(errors[0]["call_id"], "c");
            assert_eq!(errors[0].get("code").and_then(Value::as_str), code);
        }
    }
    let flagged = json!({"role": "tool", "content": "no", "is_error": true});
    assert_eq!(of(&messages(json!([flagged])), "error.occurred").len(), 1);
}

#[test]
fn an_empty_message_with_calls_is_no_message_and_its_other_keys_survive() {
    let mut message = calling(&[call("c", "t"), call("d", "t")]);
    message["model"] = "m1".into();
    let events = messages(json!([message, {"role": "assistant", "content": ""}]));
    assert_eq!(
        of(&events, "message.added"),
        [json!({
            "role": "assistant", "content": "", "synthetic_time": true
        })]
    );
    let called = of(&events, "tool.called");
    assert_eq!(called[0]["model"], "m1");
    assert_eq!(called[1].get("model"), None);
}

#[test]
fn the_single_function_call_of_old_is_a_call() {
    let events = messages(json!([
        {"role": "assistant", "content": null, "function_call": {"name": "t", "arguments": "not json"}},
        {"role": "function", "name": "t", "content": "fine"},
    ]));
    assert_eq!(of(&events, "tool.called")[0]["arguments"], "not json");
    assert_eq!(
        of(&events, "tool.called")[0]["call_id"],
        of(&events, "tool.returned")[0]["call_id"]
    );
}

#[test]
fn the_user_is_found_where_runs_keep_it() {
    for (place, user) in [
        (json!({"user_id": "u"}), Some("u")),
        (json!({"user": "u"}), Some("u")),
        (json!({"user": {"id": 7}}), Some("7")),
        (json!({"metadata": {"user_id": "u"}}), Some("u")),
        (json!({"info": {"task": {"user_id": "u"}}}), Some("u")),
        (json!({"user_id": "", "info": {"user_id": "u"}}), Some("u")),
        (json!({"info": "none"}), None),
    ] {
        let mut run = place.clone();
        run["messages"] = json!([]);
        for event in convert(run) {
            assert_eq!(event.user_id.as_deref(), user, "{place}");
        }
    }
}

#[test]
fn the_same_run_gives_the_same_events_and_another_one_others() {
    let run = |text: &str| json!({"task_id": 1, "messages": [{"role": "user", "content": text}]});
    assert_eq!(convert(run("a")), convert(run("a")));
    assert_ne!(
        convert(run("a"))[0].session_id,
        convert(run("b"))[0].session_id
    );

    let Value::Object(map) = run("a") else {
        unreachable!()
    };
    let second = events(map, 1, start()).unwrap();
    assert_ne!(second[0].session_id, convert(run("a"))[0].session_id);
}

#[test]
fn two_runs_of_one_session_id_do_not_hide_each_other() {
    let run = |text: &str| json!({"id": "s", "messages": [{"role": "user", "content": text}]});
    let (one, other) = (convert(run("a")), convert(run("b")));
    assert_eq!(one[1].session_id, "s");
    assert_ne!(one[1].id, other[1].id);
    assert_eq!(one[0].id, other[0].id, "their starts are the same event");
}

#[test]
fn ids_are_unique_and_legal_however_long_the_session_id() {
    let session = "s".repeat(128);
    let events = convert(json!({"session_id": session, "messages": [
        calling(&[call("x", "a"), call("x", "a")]), result("x", "Error"), result("x", "Error"),
    ]}));
    let ids: std::collections::HashSet<_> = events.iter().map(|e| e.id.clone()).collect();
    assert_eq!(ids.len(), events.len());
    assert_eq!(events.len(), 8);
}

#[test]
fn made_up_times_are_marked_increase_and_follow_the_start() {
    let run =
        json!({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]});
    let Value::Object(map) = run else {
        unreachable!()
    };
    let first = events(map.clone(), 0, start()).unwrap();
    assert_eq!(first[0].timestamp, start());
    assert!(
        first
            .windows(2)
            .all(|two| two[0].timestamp <= two[1].timestamp)
    );
    assert!(first[1].timestamp < first[2].timestamp);
    for event in &first {
        assert_eq!(event.data.to_map()["synthetic_time"], true);
        assert_eq!(event.timestamp_source, TimestampSource::Filled);
    }
    assert!(events(map.clone(), 1, start()).unwrap()[0].timestamp > start());

    let later = events(map, 0, "2025-05-05T00:00:00Z".parse().unwrap()).unwrap();
    assert_eq!(later[0].id, first[0].id, "made-up times are no identity");
}

#[test]
fn times_that_are_there_are_used() {
    let mut asks = calling(&[call("c", "t")]);
    asks["timestamp"] = json!(1_700_000_000);
    let mut answers = result("c", "1");
    answers["created_at"] = json!("2023-11-14T22:13:21.500Z");
    let events =
        messages(json!([asks, answers, {"role": "user", "content": "?", "timestamp": "soon"}]));
    assert_eq!(events[1].timestamp.as_millis(), 1_700_000_000_000);
    assert_eq!(events[1].timestamp_source, TimestampSource::Given);
    assert_eq!(events[2].data.to_map()["duration_ms"], 1500);
    assert_eq!(events[2].data.to_map().get("synthetic_time"), None);
    let undated = events[3].data.to_map();
    assert_eq!(undated["synthetic_time"], true);
    assert_eq!(
        undated["timestamp"], "soon",
        "what is no time is carried through"
    );
    assert_eq!(events[0].timestamp, events[1].timestamp);
}

#[test]
fn data_can_always_be_read_as_what_its_type_documents() {
    let events = convert(json!({
        "session_id": "s", "reason": 5, "metadata": "text", "duration_ms": "long",
        "messages": [
            {"role": "user", "content": "a", "tokens": "many"},
            {"role": "tool", "content": "b", "result": "c", "call_id": "d"},
        ]
    }));
    for event in &events {
        Payload::of(event).unwrap_or_else(|error| panic!("{event:?}: {error}"));
    }
    let ended = events.last().unwrap().data.to_map();
    assert_eq!(ended["carried"]["reason"], 5);
    assert_eq!(of(&events, "message.added")[0]["carried"]["tokens"], "many");
    let returned = of(&events, "tool.returned").remove(0);
    assert_eq!(returned["result"], "b");
    assert_eq!(returned["carried"]["result"], "c");
}

#[test]
fn what_is_no_run_says_why() {
    let error = |run: Value| {
        let Value::Object(run) = run else {
            unreachable!()
        };
        events(run, 0, start()).unwrap_err().to_string()
    };
    assert!(error(json!({"type": "message.added"})).contains("neither `messages` nor `traj`"));
    assert!(error(json!({"traj": {}})).contains("`traj` is not a list"));
    assert!(error(json!({"messages": [{}, 7]})).contains("message 1 is not an object"));
}
