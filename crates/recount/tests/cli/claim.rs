//! What is pending for one consumer is taken over by another.

use crate::groups::documents;
use crate::pending::with_pending;
use crate::redis::server;
use crate::support::Sandbox;

#[test]
fn entries_change_hands_and_are_handled_by_whoever_has_them() {
    let server = server();
    for sandbox in [Sandbox::new(), Sandbox::on(&server.url())] {
        let sandbox = with_pending(sandbox);
        let [pending, ..] = sandbox.left("g");
        let first = documents(&sandbox.run(&["events", "--limit", "1", "--json"]));
        let id = first[0]["entry_id"].as_str().unwrap();
        let claim = ["claim", "g", "--consumer", "me", "--min-idle", "0s"];

        let one = sandbox.run(&[&claim[..], &["--json", id]].concat());
        one.assert_said(&["1 entry claimed for me\n"]);
        let claimed = documents(&one);
        assert_eq!(claimed.len(), 1);
        assert_eq!(claimed[0]["event"], first[0]);
        assert_eq!(claimed[0]["entry_id"], first[0]["entry_id"]);
        assert_eq!(claimed[0]["delivery_count"], 2);

        let all = sandbox.run(&claim);
        assert_eq!(all.code, Some(0), "{}", all.stderr);
        assert_eq!(all.stdout.lines().count() as u64, pending, "{}", all.stdout);
        assert!(all.stdout.contains("session.started"), "{}", all.stdout);

        let not = sandbox.run(&["claim", "g", "--consumer", "me", "--min-idle", "1h", "7-0"]);
        not.assert_said(&["0 entries claimed for me; 1 entry not pending"]);
        let owners = documents(&sandbox.run(&["groups", "consumers", "g", "--json"]));
        let owned: Vec<_> = owners
            .iter()
            .map(|one| (&one["name"], &one["pending"]))
            .collect();
        assert_eq!(owned[0].0, "me");
        assert_eq!(*owned[0].1, pending);

        let mine = sandbox.drain(&["--name", "me"], "cat >> out");
        assert_eq!(mine.code, Some(0), "{}", mine.stderr);
        let mut ids = sandbox.ids("out");
        ids.sort();
        assert_eq!(ids, ["e1", "e2", "e3", "e4", "e5", "e6"]);
        assert_eq!(sandbox.left("g"), [0, 0, 0]);
    }
}

#[test]
fn so_many_are_claimed_as_are_asked_for() {
    let sandbox = with_pending(Sandbox::new());
    let claim = [
        "claim",
        "g",
        "--consumer",
        "me",
        "--limit",
        "1",
        "--min-idle",
        "0s",
    ];
    let run = sandbox.run(&claim);
    assert_eq!(run.stdout.lines().count(), 1, "{}", run.stderr);
}

#[test]
fn a_consumer_is_deleted_once_somebody_has_what_it_owed() {
    let sandbox = with_pending(Sandbox::new());
    let [pending, ..] = sandbox.left("g");
    let delete = ["groups", "consumers", "g", "--delete", "w1"];
    sandbox.run(&delete).assert_refused(
        1,
        &[
            &format!("consumer w1 of group g owns {pending} pending entr"),
            "--hand-over-to NAME",
        ],
    );
    let run = sandbox.run(&[&delete[..], &["--hand-over-to", "w2"]].concat());
    assert_eq!(
        run.stdout,
        format!("consumer w1 is deleted: w2 has the {pending} entries that it had pending\n")
    );
    let owners = documents(&sandbox.run(&["groups", "consumers", "g", "--json"]));
    assert_eq!(owners.len(), 1);
    assert_eq!(owners[0]["name"], "w2");
    assert_eq!(owners[0]["pending"], pending);
    sandbox
        .run(&delete)
        .assert_refused(1, &["group g has no consumer \"w1\""]);
}
