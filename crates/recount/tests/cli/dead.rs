//! What a group gave up on is kept, and goes back to it on demand.

use serde_json::Value;

use crate::groups::documents;
use crate::redis::server;
use crate::support::Sandbox;

/// A group all of whose events became dead letters.
fn with_letters(sandbox: Sandbox) -> Sandbox {
    let sandbox = sandbox.with_group("g");
    let script = r#"echo "first" >&2; echo "no $RECOUNT_EVENT_ID here" >&2; exit 1"#;
    let run = sandbox.drain(&["--name", "w1", "--max-deliveries", "1"], script);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run.assert_said(&["6 dead letters", "recount dead list --group g"]);
    assert_eq!(sandbox.left("g"), [0, 0, 6]);
    sandbox
}

fn list(sandbox: &Sandbox) -> Vec<Value> {
    documents(&sandbox.run(&["dead", "list", "--group", "g", "--json"]))
}

#[test]
fn letters_are_listed_shown_retried_and_discarded() {
    let server = server();
    for sandbox in [Sandbox::new(), Sandbox::on(&server.url())] {
        let sandbox = with_letters(sandbox);
        let letters = list(&sandbox);
        let events = documents(&sandbox.run(&["events", "--json"]));
        assert_eq!(letters.len(), 6);
        for (letter, event) in letters.iter().zip(&events) {
            assert_eq!(letter["entry_id"], event["entry_id"]);
            assert_eq!(letter["entry"], *event);
            let error = format!("no {} here", event["id"].as_str().unwrap());
            assert_eq!(letter["error"], error);
            assert_eq!(letter["consumer"], "w1");
            assert_eq!(letter["attempts"].as_array().unwrap().len(), 1);
        }
        let table = sandbox.run(&["dead", "list", "--group", "g", "--limit", "2"]);
        assert_eq!(table.stdout.lines().count(), 3, "{}", table.stdout);
        assert!(table.stdout.contains("failed too often  no e1 here"));
        table.assert_said(&["the first 2 of 6"]);

        let ids: Vec<_> = letters
            .iter()
            .map(|one| one["entry_id"].as_str().unwrap())
            .collect();
        let show = sandbox.run(&["dead", "show", "--group", "g", ids[1]]);
        for words in [
            "letter       open\n",
            "no e2 here",
            "attempt 1 ",
            r#""id":"e2""#,
        ] {
            assert!(
                show.stdout.contains(words),
                "no {words:?} in {}",
                show.stdout
            );
        }

        let discard = sandbox.run(&["dead", "discard", "--group", "g", ids[0]]);
        assert_eq!(
            discard.stdout, "1 dead letter discarded\n",
            "{}",
            discard.stderr
        );
        sandbox
            .run(&["dead", "discard", "--group", "g", ids[0]])
            .assert_refused(1, &["no open dead letter of entry", "hint: "]);

        let retry = sandbox.run(&["dead", "retry", "--group", "g", ids[1]]);
        assert_eq!(
            retry.stdout, "1 event handed to group g again\n",
            "{}",
            retry.stderr
        );
        assert_eq!(sandbox.left("g"), [1, 0, 4]);
        // It fails again: the letter knows of both times.
        let again = sandbox.drain(&["--name", "w2", "--max-deliveries", "1"], "exit 3");
        assert_eq!(again.code, Some(0), "{}", again.stderr);
        let letters = list(&sandbox);
        assert_eq!(letters.len(), 5);
        assert_eq!(letters[0]["error"], "the command ended with exit code 3");
        assert_eq!(letters[0]["attempts"].as_array().unwrap().len(), 2);

        let retry = sandbox.run(&["dead", "retry", "--group", "g", "--all", "--json"]);
        let retried = &documents(&retry)[0];
        assert_eq!(retried["retried"].as_array().unwrap().len(), 5);
        assert_eq!(retried["refused"].as_array().unwrap().len(), 0);
        let run = sandbox.drain(&[], "cat >> out");
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let mut handled = sandbox.ids("out");
        handled.sort();
        assert_eq!(handled, ["e2", "e3", "e4", "e5", "e6"]);
        assert_eq!(sandbox.left("g"), [0, 0, 0]);
        let none = sandbox.run(&["dead", "list", "--group", "g"]);
        assert_eq!(none.stdout, "");
        none.assert_said(&["no dead letters"]);
        let shown = sandbox.run(&["dead", "show", "--group", "g", ids[1]]);
        assert!(shown.stdout.contains("retried"), "{}", shown.stdout);
    }
}

#[test]
fn in_sequence_what_follows_a_letter_follows_it() {
    let sandbox = Sandbox::new().with_group("g");
    let script = "[ $RECOUNT_EVENT_ID != e2 ] || exit 1; cat >> out";
    let flags = ["--in-sequence", "--max-deliveries", "1"];
    assert_eq!(sandbox.drain(&flags, script).code, Some(0));
    assert_eq!(sandbox.ids("out"), ["e1", "e4"]);
    let reasons: Vec<_> = list(&sandbox)
        .iter()
        .map(|one| one["reason"].clone())
        .collect();
    assert_eq!(
        reasons,
        [
            "max_deliveries",
            "in_sequence",
            "in_sequence",
            "in_sequence"
        ]
    );
    let retry = ["dead", "retry", "--group", "g", "--all"];
    assert_eq!(sandbox.run(&retry).code, Some(0));
    assert_eq!(sandbox.drain(&flags, "cat >> out").code, Some(0));
    assert_eq!(sandbox.ids("out"), ["e1", "e4", "e2", "e3", "e5", "e6"]);
}

#[test]
fn an_entry_that_was_trimmed_cannot_be_had_again() {
    let sandbox = with_letters(Sandbox::new());
    let trimmed = sandbox.run(&["trim", "--max-length", "1"]);
    assert_eq!(trimmed.code, Some(0), "{}", trimmed.stderr);
    let retry = sandbox.run(&["dead", "retry", "--group", "g", "--all"]);
    assert_eq!(retry.code, Some(1), "{}", retry.stderr);
    assert_eq!(retry.stdout, "1 event handed to group g again\n");
    retry.assert_said(&[
        "stays a dead letter: ",
        "5 dead letters could not be retried",
    ]);
    assert_eq!(list(&sandbox).len(), 5);
}
