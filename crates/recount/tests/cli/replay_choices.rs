//! Which events `replay` delivers: by query, by when they happened, of several sessions.

use crate::support::{Run, Sandbox};

/// The ids that were printed, in their order.
fn ids(run: &Run) -> Vec<String> {
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let id = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        event["id"].as_str().unwrap().to_owned()
    };
    run.stdout.lines().map(id).collect()
}

fn replayed(sandbox: &Sandbox, args: &[&str]) -> Vec<String> {
    let all = ["replay", "--speed", "max", "--json", "--quiet"];
    ids(&sandbox.run(&[&all[..], args].concat()))
}

#[test]
fn a_query_and_the_flags_beside_it_say_which_events() {
    let sandbox = Sandbox::new().with_session();
    for (args, expected) in [
        (
            &["type:message.added,error.occurred"][..],
            &["e2", "e4", "e5"][..],
        ),
        (&["type:message.added", "user:bob"], &["e4"]),
        (&["type:message.added", "--user", "ada"], &["e2"]),
        (&["\"my order\""], &["e2"]),
        (&[" -session:s1"], &["e4"]),
        (
            &["session:s1 -type:tool.called", "--limit", "2"],
            &["e1", "e2"],
        ),
        (&["session:s1", "--session", "s2"], &[]),
        (
            &["happened-since:2026-01-02T10:00:02 happened-until:2026-01-02T10:00:04"],
            &["e3", "e4"],
        ),
        (&["until:1h"], &[]),
    ] {
        assert_eq!(replayed(&sandbox, args), expected, "{args:?}");
    }
    sandbox
        .run(&["replay", "usr:bob"])
        .assert_refused(2, &["usr"]);
}

#[test]
fn what_happened_within_a_span_is_replayed_whenever_it_was_recorded() {
    let sandbox = Sandbox::new().with_session();
    let late = r#"{"id":"late","type":"t","session_id":"s3","timestamp":"2026-01-02T10:00:02.5Z"}"#;
    let run = sandbox.run_with(&["publish", "--quiet"], &format!("{late}\n"));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let from = ["--happened-since", "2026-01-02T10:00:02"];
    let until = ["--happened-until", "2026-01-02T10:00:04"];
    let within = [&from[..], &until].concat();
    assert_eq!(replayed(&sandbox, &within), ["e3", "e4", "late"]);
    assert_eq!(replayed(&sandbox, &from), ["e3", "e4", "e5", "e6", "late"]);
    let session = [&until[..], &["--session", "s1"]].concat();
    assert_eq!(replayed(&sandbox, &session), ["e1", "e2", "e3"]);
}

/// Two runs, recorded one after the other.
const RUNS: &str = r#"{"id":"a1","type":"session.started","session_id":"a","timestamp":"2026-01-02T10:00:00Z"}
{"id":"a2","type":"message.added","session_id":"a","timestamp":"2026-01-02T10:00:02Z","data":{"role":"user","content":"Hello"}}
{"id":"a3","type":"session.ended","session_id":"a","timestamp":"2026-01-02T10:00:04Z"}
{"id":"c1","type":"session.started","session_id":"c","timestamp":"2026-01-02T10:00:00Z"}
{"id":"b1","type":"session.started","session_id":"b","timestamp":"2026-01-02T10:00:01Z"}
{"id":"b2","type":"message.added","session_id":"b","timestamp":"2026-01-02T10:00:03Z","data":{"role":"user","content":"Hi"}}
"#;

#[test]
fn sessions_side_by_side_come_as_they_happened() {
    let sandbox = Sandbox::new();
    let run = sandbox.run_with(&["publish", "--quiet"], RUNS);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let both = ["--session", "a", "--session", "b"];
    assert_eq!(replayed(&sandbox, &both), ["a1", "b1", "a2", "b2", "a3"]);
    assert_eq!(
        replayed(&sandbox, &["session:b,a"]),
        ["a1", "b1", "a2", "b2", "a3"]
    );
    let typed = [&both[..], &["type:session.started"]].concat();
    assert_eq!(replayed(&sandbox, &typed), ["a1", "b1"]);
    let run = sandbox.run(&[&["replay", "--speed", "1000x"], &both[..]].concat());
    insta::assert_snapshot!("side_by_side", run.told_without_seconds());
    let run = sandbox.run(&[
        "replay",
        "--session",
        "a",
        "--session",
        "x",
        "--speed",
        "max",
    ]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run.assert_said(&["warning: nothing is recorded of session \"x\""]);
    let trimmed = sandbox.run(&["trim", "--max-length", "5", "--quiet"]);
    assert_eq!(trimmed.code, Some(0), "{}", trimmed.stderr);
    let run = sandbox.run(&[&["replay", "--speed", "max", "--quiet"], &both[..]].concat());
    assert_eq!(run.warnings().len(), 1, "{}", run.stderr);
    run.assert_said(&["session \"a\" is not all there", "retained from 2 on"]);
}

#[test]
fn another_log_takes_a_replay_in() {
    let sandbox = Sandbox::new().with_session();
    let into = ["replay", "--speed", "max", "--into", "disk:other", "--json"];
    let counts = |args: &[&str]| {
        let run = sandbox.run(args);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let told: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        (told["appended"].as_u64(), told["duplicates"].as_u64())
    };
    assert_eq!(counts(&into), (Some(6), Some(0)));
    assert_eq!(counts(&into), (Some(0), Some(6)));
    let there = ["events", "--url", "disk:other", "--json"];
    let events = sandbox.run(&there).stdout;
    assert_eq!(events.matches(r#""replayed":true"#).count(), 6, "{events}");
    let named = [&into[..], &["--into-stream", "named"]].concat();
    assert_eq!(counts(&named), (Some(6), Some(0)));
    let named = [
        "events",
        "--url",
        "disk:other",
        "--stream",
        "named",
        "--count",
    ];
    assert_eq!(sandbox.run(&named).stdout, "6\n");

    // However it is written, it is the same place.
    let itself = format!("disk:{}/./recount-data", sandbox.path().display());
    sandbox
        .run(&["replay", "--into", &itself])
        .assert_refused(2, &["the stream that is replayed"]);
    assert_eq!(
        counts(&[
            "replay",
            "--speed",
            "max",
            "--json",
            "--into",
            &itself,
            "--into-stream",
            "x"
        ]),
        (Some(6), Some(0))
    );
    for (args, words) in [
        (
            &["--into", "again", "--into-stream", "x"][..],
            "a stream of another log",
        ),
        (&["--into-stream", "x"], "--into"),
        (
            &["--into", "http://x"],
            "--into: the URL's scheme is unknown",
        ),
        (&["--into", "x", "--", "true"], "cannot be used with"),
    ] {
        let run = sandbox.run(&[&["replay"], args].concat());
        run.assert_refused(2, &[words]);
    }
}
