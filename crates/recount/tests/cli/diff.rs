//! `recount diff`

use insta::assert_snapshot;
use serde_json::Value;

use super::support::Sandbox;
use super::timeline::with_conversation;

#[test]
fn two_moments_are_compared() {
    let sandbox = with_conversation(Sandbox::new());
    let diff = |args: &[&str]| {
        let args: Vec<_> = ["diff", "order-4711"].iter().chain(args).copied().collect();
        sandbox.run(&args).told()
    };
    assert_snapshot!("diff", diff(&["--from", "18", "--to", "23"]));
    assert_snapshot!(
        "diff-color",
        diff(&["--from", "3", "--to", "10", "--color", "always"])
    );
    assert_snapshot!("diff-json", diff(&["--from", "22", "--to", "23", "--json"]));
}

#[test]
fn the_patch_makes_the_second_state_of_the_first() {
    let sandbox = with_conversation(Sandbox::new());
    let json = |args: &[&str]| -> Value {
        let run = sandbox.run(args);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        serde_json::from_str(&run.stdout).unwrap()
    };
    let fork = sandbox.run(&["fork", "order-4711", "--at", "18", "other"]);
    assert_eq!(fork.code, Some(0), "{}", fork.stderr);
    let at = |session: &str, revision: &str| json(&["state", session, "--at", revision, "--json"]);
    for (from, with, to) in [
        ("3", "order-4711", "18"),
        ("20", "order-4711", "5"),
        ("29", "other", "1"),
    ] {
        let diff = json(&[
            "diff",
            "order-4711",
            "--from",
            from,
            "--with",
            with,
            "--to",
            to,
            "--json",
        ]);
        let mut document = at("order-4711", from);
        let patch: json_patch::Patch = serde_json::from_value(diff["patch"].clone()).unwrap();
        json_patch::patch(&mut document, &patch).unwrap();
        assert_eq!(document, at(with, to));
    }
}

#[test]
fn what_is_to_be_compared_must_be_two_things() {
    let sandbox = with_conversation(Sandbox::new());
    sandbox
        .run(&["diff", "order-4711"])
        .assert_refused(2, &["--from"]);
    sandbox
        .run(&["diff", "order-4711", "--from", "now"])
        .assert_refused(2, &["compared with itself"]);
    sandbox
        .run(&["diff", "order-4711", "--with", "nobody", "--quiet"])
        .assert_refused(1, &["nothing is recorded of session \"nobody\""]);
    let same = sandbox.run(&["diff", "order-4711", "--from", "7", "--to", "7"]);
    same.assert_refused(2, &["compared with itself"]);
}
