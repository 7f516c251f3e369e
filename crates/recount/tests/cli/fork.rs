//! `recount fork`

use insta::assert_snapshot;

use super::support::Sandbox;
use super::timeline::with_conversation;

#[test]
fn a_fork_is_told_and_shown() {
    let sandbox = with_conversation(Sandbox::new());
    let fork = sandbox.run(&["fork", "order-4711", "--at", "22", "retry"]);
    assert_snapshot!("fork", fork.told());
    let again = sandbox.run(&["fork", "order-4711", "--at", "22", "retry"]);
    assert!(
        again.stdout.contains("at revision 22, as before"),
        "{}",
        again.stdout
    );
    let json = sandbox.run(&["fork", "order-4711", "--at", "22", "retry", "--json"]);
    assert_snapshot!("fork-json", json.told());

    // A call was open there; what failed later did not fail here.
    let said = r#"{"id":"r1","type":"message.added","session_id":"retry","timestamp":"2026-01-03T08:40:00Z","data":{"role":"user","content":"Try again."}}"#;
    let run = sandbox.run_with(&["publish", "--quiet"], said);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_snapshot!(
        "fork-state",
        sandbox.run(&["state", "retry", "--at", "2"]).told()
    );
    let timeline = sandbox.run(&["timeline", "retry"]);
    timeline.assert_said(&["recount timeline order-4711 --to 22 shows what came before"]);
    assert!(
        timeline
            .stdout
            .contains("session.forked    from order-4711, at its revision 22"),
        "{}",
        timeline.stdout
    );
}

#[test]
fn what_cannot_be_forked_is_told() {
    let sandbox = with_conversation(Sandbox::new()).with_session();
    let fork = |args: &[&str]| {
        let args: Vec<_> = ["fork", "order-4711"].iter().chain(args).copied().collect();
        sandbox.run(&args)
    };
    fork(&["s1"]).assert_refused(1, &["session s1 exists already, at revision 5"]);
    fork(&["order-4711"]).assert_refused(2, &["into itself"]);
    fork(&["new", "--at", "0"]).assert_refused(1, &["there is nothing to branch off"]);
    fork(&["new", "--at", "99"]).assert_refused(2, &["no revision 99"]);
    fork(&[""]).assert_refused(2, &["it is empty"]);
    sandbox
        .run(&["--wait-aof", "local", "fork", "order-4711", "new"])
        .assert_refused(2, &["--wait-aof: this is about logs on a server"]);
}

#[cfg(unix)]
#[test]
fn on_a_server_it_is_the_same() {
    let server = super::redis::server();
    let (disk, redis) = (Sandbox::new(), Sandbox::on(&server.url()));
    let (disk, redis) = (with_conversation(disk), with_conversation(redis));
    for args in [
        &["fork", "order-4711", "--at", "22", "retry"][..],
        &["timeline", "order-4711"],
        &["timeline", "order-4711", "--last", "3", "--full"],
        &["state", "order-4711", "--at", "16"],
        &["state", "retry"],
        &["diff", "order-4711", "--from", "3", "--to", "23"],
        &["diff", "order-4711", "--with", "retry"],
    ] {
        let args: Vec<_> = args.iter().copied().chain(["--quiet"]).collect();
        assert_eq!(redis.run(&args).told(), disk.run(&args).told(), "{args:?}");
    }
}
