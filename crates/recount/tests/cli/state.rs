//! `recount state`

use insta::assert_snapshot;

use super::support::Sandbox;
use super::timeline::with_conversation;

#[test]
fn a_state_is_shown_at_any_moment() {
    let sandbox = with_conversation(Sandbox::new());
    let state = |args: &[&str]| {
        let args: Vec<_> = ["state", "order-4711"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        sandbox.run(&args).told()
    };
    assert_snapshot!("state-conversation", state(&[]));
    assert_snapshot!("state-at", state(&["--at", "10"]));
    assert_snapshot!("state-full", state(&["--at", "16", "--full"]));
    assert_snapshot!("state-before", state(&["--at", "0"]));
}

#[test]
fn moments_are_named_in_several_ways() {
    let sandbox = with_conversation(Sandbox::new());
    let revision = |args: &[&str]| {
        let args: Vec<_> = ["state", "order-4711", "--json"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        let run = sandbox.run(&args);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let document: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        document["revision"].as_u64().unwrap()
    };
    let ids = sandbox.run(&["events", "--session", "order-4711"]).stdout;
    let id = ids
        .lines()
        .nth(11)
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .to_owned();
    assert_eq!(revision(&["--at", &id]), 12);
    assert_eq!(revision(&["--at", "7"]), 7);
    assert_eq!(revision(&["--at", "now"]), 29);
    assert_eq!(revision(&["--at", "1h"]), 0);
    // The late one comes after what happened later.
    assert_eq!(revision(&["--at-happened", "2026-01-02T10:02:30"]), 9);
    assert_eq!(revision(&["--at-happened", "2026-01-03"]), 19);
}

#[test]
fn what_never_was_is_told() {
    let sandbox = with_conversation(Sandbox::new());
    sandbox
        .run(&["state", "order-4711", "--at", "30"])
        .assert_refused(
            2,
            &[
                "has no revision 30: it is at revision 29",
                "recount timeline order-4711 shows",
            ],
        );
    sandbox
        .run(&["state", "nobody", "--at", "3"])
        .assert_refused(1, &["nothing is recorded of session \"nobody\""]);
    sandbox
        .run(&["state", "order-4711", "--at", "1", "--at-happened", "1h"])
        .assert_refused(2, &["cannot be used with"]);
}
