//! Replays from a server, and into one.

use crate::redis::server;
use crate::support::{Run, Sandbox};

fn ids(run: &Run) -> Vec<String> {
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let id = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        event["id"].as_str().unwrap().to_owned()
    };
    run.stdout.lines().map(id).collect()
}

#[test]
fn what_is_replayed_is_what_is_replayed_on_disk() {
    let server = server();
    let disk = Sandbox::new().with_session();
    let redis = Sandbox::on(&server.url()).with_session();
    for args in [
        &["type:message.added", "user:bob"][..],
        &["\"my order\""],
        &["--session", "s2", "--session", "s1"],
        &["session:s1,s2", "--happened-since", "2026-01-02T10:00:02"],
        &["--happened-until", "2026-01-02T10:00:02"],
    ] {
        let all = ["replay", "--speed", "1000x", "--json", "--quiet"];
        let all = [&all[..], args].concat();
        let told = ids(&redis.run(&all));
        assert!(!told.is_empty(), "{args:?}");
        assert_eq!(told, ids(&disk.run(&all)), "{args:?}");
    }
}

#[test]
fn a_log_moves_to_a_server_and_back_in_parts() {
    let server = server();
    let sandbox = Sandbox::new().with_session();
    let over = |from: &[&str], name: &str, into: &str| {
        let resume = [
            "replay",
            "--speed",
            "max",
            "--state-dir",
            "names",
            "--quiet",
            "--resume",
            name,
        ];
        let resume = [&resume[..], from].concat();
        let first = sandbox.run(&[&resume[..], &["--into", into, "--limit", "4"]].concat());
        assert_eq!(first.code, Some(0), "{}", first.stderr);
        // It knows by itself where to.
        let rest = sandbox.run(&resume);
        assert_eq!(rest.code, Some(0), "{}", rest.stderr);
    };
    let url = server.url();
    over(&[], "there", &url);
    let at_server = ["--url", &url];
    let events = sandbox.run(&[&["events", "--json"], &at_server[..]].concat());
    assert_eq!(ids(&events), ["e1", "e2", "e3", "e4", "e5", "e6"]);
    over(&at_server, "back", "disk:other");
    let events = sandbox.run(&["events", "--json", "--url", "disk:other"]);
    assert_eq!(ids(&events), ["e1", "e2", "e3", "e4", "e5", "e6"]);
    sandbox
        .run(&[&["replay", "--into", &url], &at_server[..]].concat())
        .assert_refused(2, &["the stream that is replayed"]);
}

#[test]
fn several_partitions_go_on_behind_one_mark() {
    let server = server();
    let sandbox = Sandbox::on(&server.url());
    let session = |n: usize| format!("{{\"id\":\"{n}\",\"type\":\"t\",\"session_id\":\"s{n}\"}}\n");
    let events: String = (0..12).map(session).collect();
    let publish = ["publish", "--partitions", "3", "--quiet"];
    assert_eq!(sandbox.run_with(&publish, &events).code, Some(0));
    let resume = [
        "replay",
        "--resume",
        "n",
        "--state-dir",
        "names",
        "--speed",
        "max",
        "--json",
        "--quiet",
        "--limit",
        "5",
    ];
    let mut all: Vec<_> = (0..3).flat_map(|_| ids(&sandbox.run(&resume))).collect();
    let whole = ["replay", "--speed", "max", "--json", "--quiet"];
    assert_eq!(all, ids(&sandbox.run(&whole)));
    all.sort_by_key(|id| id.parse::<usize>().unwrap());
    let expected: Vec<_> = (0..12).map(|n| n.to_string()).collect();
    assert_eq!(all, expected);
}
