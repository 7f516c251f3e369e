use serde_json::json;

use super::*;

fn message(role: &str, content: &str, revision: u64) -> Value {
    json!({"role": role, "content": content, "revision": revision, "entry_id": format!("{revision}-0")})
}

fn document(session: &str, messages: &[Value]) -> Value {
    json!({
        "session_id": session,
        "status": "active",
        "clears": 0,
        "message_count": messages.len(),
        "open_calls": [],
        "messages": messages,
    })
}

fn applied(a: &Value, b: &Value) -> Diff {
    let diff = diff(a, b);
    let mut patched = a.clone();
    json_patch::patch(&mut patched, &diff.patch).unwrap();
    assert_eq!(&patched, b);
    diff
}

fn words(diff: &Diff) -> Vec<String> {
    diff.changes.iter().map(ToString::to_string).collect()
}

#[test]
fn messages_are_matched_by_who_said_what() {
    let a = document(
        "s1",
        &[
            message("user", "Hello", 1),
            message("assistant", "Hi", 2),
            message("user", "Where is it?", 3),
        ],
    );
    let b = document(
        "s2",
        &[
            message("user", "Hello", 4),
            message("user", "Where is it?", 5),
            message("assistant", "Here", 6),
        ],
    );
    let diff = applied(&a, &b);
    assert_eq!(
        words(&diff),
        [
            r#"- assistant: "Hi""#,
            r#"+ assistant: "Here""#,
            "session: s1, now s2"
        ]
    );
}

#[test]
fn a_window_that_moved_on_removed_nothing() {
    let all: Vec<_> = (1..=6)
        .map(|n| message("user", &n.to_string(), n))
        .collect();
    let mut a = document("s", &all[..3]);
    let mut b = document("s", &all[2..5]);
    a["message_count"] = json!(3);
    b["message_count"] = json!(5);
    let diff = applied(&a, &b);
    assert_eq!(
        words(&diff),
        [r#"+ user: "4""#, r#"+ user: "5""#, "messages: 3, now 5"]
    );
    // Backwards, the older ones come into sight.
    assert_eq!(
        words(&applied(&b, &a)),
        [r#"- user: "4""#, r#"- user: "5""#, "messages: 5, now 3"]
    );
}

#[test]
fn calls_are_told_by_what_became_of_them() {
    let call = |id: &str, failed: bool| json!({"entry_id": id, "call_id": id, "tool": "find", "failed": failed});
    let mut a = document("s", &[]);
    a["open_calls"] = json!([call("1-0", false), call("2-0", false)]);
    let mut b = document("s", &[]);
    b["open_calls"] = json!([call("2-0", true), call("3-0", false), call("4-0", true)]);
    b["clears"] = json!(2);
    assert_eq!(
        words(&applied(&a, &b)),
        [
            "memory cleared 2 times",
            "tool finished: find (1-0)",
            "tool failed: find (2-0)",
            "tool called: find (3-0)",
            "tool failed: find (4-0)",
        ]
    );
}

#[test]
fn documents_of_another_shape_are_compared_all_the_same() {
    applied(&json!({"messages": 7}), &document("s", &[]));
    applied(&json!(null), &json!([1]));
    applied(&document("s", &[]), &json!({}));
}

proptest::proptest! {
    #[test]
    fn a_patch_leads_from_any_messages_to_any(
        a in proptest::collection::vec(("[ab]", 0_u64..4), 0..12),
        b in proptest::collection::vec(("[ab]", 0_u64..4), 0..12),
    ) {
        let of = |said: &[(String, u64)]| {
            let messages = said.iter().map(|(text, n)| message("user", text, *n));
            document("s", &messages.collect::<Vec<_>>())
        };
        applied(&of(&a), &of(&b));
        applied(&of(&b), &of(&a));
    }
}

#[test]
fn what_was_trimmed_hides_nothing_that_is_there() {
    let mut a = document("s", &[]);
    let mut b = document("s", &[message("user", "three", 4)]);
    // The first two messages are gone for both.
    a["message_count"] = json!(2);
    b["message_count"] = json!(3);
    assert_eq!(
        words(&applied(&a, &b)),
        [r#"+ user: "three""#, "messages: 2, now 3"]
    );
    let mut other = document("t", &[message("user", "another", 4)]);
    other["message_count"] = json!(3);
    assert_eq!(
        words(&applied(&b, &other)),
        [
            r#"- user: "three""#,
            r#"+ user: "another""#,
            "session: s, now t"
        ]
    );
}

#[test]
fn backwards_a_call_is_not_made_yet() {
    let call = |entry_id: &str, tool: &str| json!({"entry_id": entry_id, "call_id": null, "tool": tool, "failed": false});
    let mut early = document("s", &[]);
    early["revision"] = json!(3);
    early["open_calls"] = json!([call("2-0", "find")]);
    let mut late = document("s", &[]);
    late["revision"] = json!(9);
    late["open_calls"] = json!([call("7-0", "pay")]);
    assert_eq!(
        words(&applied(&early, &late)),
        ["tool finished: find", "tool called: pay"]
    );
    assert_eq!(
        words(&applied(&late, &early)),
        ["tool not called yet: pay", "tool not finished yet: find"]
    );
}
