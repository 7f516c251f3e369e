//! Of a session that is not all there, whoever reads it is told.

use serde_json::Value;

use crate::support::Sandbox;

/// All that read the session s1.
const READERS: [&[&str]; 7] = [
    &["events", "--session", "s1"],
    &["events", "--session", "s1", "--count"],
    &["state", "s1"],
    &["export", "--session", "s1"],
    &["export", "--session", "s1", "--output", "s1.csv"],
    &["replay", "--session", "s1", "--speed", "max"],
    &["replay", "--session", "s1", "--speed", "max", "--into", "s"],
];

/// Those that read a part of it.
const OF_A_PART: [&[&str]; 3] = [
    &["events", "--session", "s1", "--limit", "1"],
    &["export", "--session", "s1", "--type", "error.occurred"],
    &[
        "replay",
        "--session",
        "s1",
        "--speed",
        "max",
        "--limit",
        "1",
    ],
];

/// Those that tell programs of it in one document.
const DOCUMENTS: [&[&str]; 3] = [
    &["state", "s1", "--json"],
    &["events", "--session", "s1", "--count", "--json"],
    &[
        "replay",
        "--session",
        "s1",
        "--speed",
        "max",
        "--into",
        "s",
        "--json",
    ],
];

fn assert_told(sandbox: &Sandbox, first_revision: u64) {
    let complete = first_revision == 1;
    let told = |after: &str| {
        let told = format!("warning: the session is {after}")
            .replace("FIRST", &first_revision.to_string());
        Vec::from_iter((!complete).then_some(told))
    };
    for (readers, after) in [
        (
            &READERS[..],
            "retained from revision FIRST on: what came before was trimmed",
        ),
        (
            &OF_A_PART,
            "whole from revision FIRST on: of what came before, some or all is no longer there",
        ),
    ] {
        for args in readers {
            let run = sandbox.run(args);
            assert_eq!(run.code, Some(0), "{args:?}: {}", run.stderr);
            assert_eq!(run.warnings(), told(after), "{args:?}");
        }
    }
    for args in DOCUMENTS {
        let run = sandbox.run(args);
        let document: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(document["session_id"], "s1", "{args:?}");
        assert_eq!(document["complete"], complete, "{args:?}");
        assert_eq!(document["first_revision"], first_revision, "{args:?}");
        assert_eq!(document["revision"], 5, "{args:?}");
    }
}

/// Leaves the last two events of s1.
fn trim(sandbox: &Sandbox) {
    let run = sandbox.run(&["trim", "--max-length", "2"]);
    assert!(run.stdout.starts_with("4 events removed"), "{}", run.stderr);
}

#[test]
fn on_disk() {
    let sandbox = Sandbox::new().with_session();
    assert_told(&sandbox, 1);
    trim(&sandbox);
    assert_told(&sandbox, 4);
    // What is not about one session is not about revisions.
    let run = sandbox.run(&["replay", "--speed", "max", "--into", "all", "--json"]);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert!(document.get("complete").is_none(), "{document}");
    assert!(run.warnings().is_empty(), "{}", run.stderr);
}

#[cfg(unix)]
#[test]
fn on_a_server_without_a_mirror() {
    let server = crate::redis::server();
    let sandbox = Sandbox::new()
        .with("RECOUNT_URL", &server.url())
        .with_session();
    assert_told(&sandbox, 1);
    trim(&sandbox);
    assert_told(&sandbox, 4);
}

#[cfg(unix)]
#[test]
fn in_a_mirror() {
    let server = crate::redis::server();
    let sandbox = Sandbox::on(&server.url()).with_session();
    assert_eq!(sandbox.run(&["mirrors", "run", "--once"]).code, Some(0));
    trim(&sandbox);
    // It was there before the trim, and remembers.
    assert_told(&sandbox, 1);
    assert_told(&sandbox.with("RECOUNT_MIRROR", "new"), 4);
}

#[test]
fn a_count_can_be_a_document() {
    let sandbox = Sandbox::new().with_session();
    let count = |args: &[&str]| {
        let args = [&["events", "--count", "--json"], args].concat();
        sandbox.run(&args).stdout
    };
    assert_eq!(count(&[]), "{\"count\":6}\n");
    assert_eq!(count(&["--user", "bob"]), "{\"count\":1}\n");
    assert_eq!(count(&["--user", "nobody"]), "{\"count\":0}\n");
    sandbox
        .run(&["events", "--count", "--raw"])
        .assert_refused(2, &["cannot be used with"]);
}
