//! `replay`, `state`, `trim` and `events --raw`.

use crate::support::{SESSION, Sandbox};

#[test]
fn a_session_is_replayed_in_order_and_marked() {
    let sandbox = Sandbox::new().with_session();
    let run = sandbox.run(&["replay", "--session", "s1", "--speed", "1000x"]);
    insta::assert_snapshot!(run.told_without_seconds());
    let run = sandbox.run(&[
        "replay", "--speed", "max", "--json", "--limit", "2", "--quiet",
    ]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let lines: Vec<_> = run.stdout.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(
        lines.iter().all(|line| line.contains(r#""replayed":true"#)),
        "{lines:?}"
    );
    let stored = sandbox.run(&["events", "--json"]).stdout;
    assert!(!stored.contains("replayed"), "{stored}");
}

#[test]
fn another_stream_takes_a_replay_in_once() {
    let sandbox = Sandbox::new().with_session();
    let into = [
        "replay", "--speed", "max", "--into", "again", "--json", "--quiet",
    ];
    let counts = |args: &[&str]| {
        let run = sandbox.run(args);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let told: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        (told["appended"].as_u64(), told["duplicates"].as_u64())
    };
    let some = [&into[..], &["--type", "tool.called", "--batch-size", "1"]].concat();
    assert_eq!(counts(&some), (Some(1), Some(0)));
    assert_eq!(counts(&into), (Some(5), Some(1)));
    assert_eq!(counts(&into), (Some(0), Some(6)));
    let events = sandbox
        .run(&["events", "--stream", "again", "--json"])
        .stdout;
    assert_eq!(events.matches(r#""replayed":true"#).count(), 6, "{events}");
    let run = sandbox.run(&["events", "--stream", "again", "--session", "s2"]);
    assert!(run.stdout.contains("[replayed] user"), "{}", run.stdout);
    // Carried on by export and import.
    let export = sandbox
        .run(&["export", "--stream", "again", "--quiet"])
        .stdout;
    let run = sandbox.run_with(&["import", "-", "--stream", "copy", "--quiet"], &export);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(
        sandbox
            .run(&["export", "--stream", "copy", "--quiet"])
            .stdout,
        export
    );
}

#[test]
fn what_was_trimmed_in_the_target_is_counted_apart() {
    let sandbox = Sandbox::new().with_session();
    let into = ["replay", "--speed", "max", "--into", "again"];
    assert_eq!(sandbox.run(&into).code, Some(0));
    for (left, trimmed) in [("2", "4"), ("0", "6")] {
        let trim = ["trim", "--stream", "again", "--max-length", left];
        assert_eq!(sandbox.run(&trim).code, Some(0));
        let told = sandbox.run(&into).stdout;
        let words = format!(
            "0 appended, 6 already recorded (of these {trimmed} were trimmed since), 0 in conflict\n"
        );
        assert!(told.ends_with(&words), "{told}");
    }
}

#[test]
fn conflicts_in_the_target_are_named() {
    let sandbox = Sandbox::new().with_session();
    let other = "{\"id\":\"e2\",\"type\":\"t\",\"session_id\":\"x\"}\n";
    let run = sandbox.run_with(&["publish", "--stream", "other", "--quiet"], other);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let into = ["replay", "--speed", "max", "--into", "other"];
    let run = sandbox.run(&into);
    assert_eq!(run.code, Some(1));
    assert!(
        run.stdout
            .contains("5 appended, 0 already recorded, 1 in conflict")
    );
    for words in [
        "warning: conflict: \"e2\" is the id of another event there, entry ",
        "error: 1 event has an id that another event has in other",
    ] {
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
    let run = sandbox.run(&[&into[..], &["--json"]].concat());
    let told: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(told["conflicting"][0]["id"], "e2");
    assert!(told["conflicting"][0]["entry_id"].is_string(), "{told}");
    assert!(!run.stderr.contains("warning: conflict"), "{}", run.stderr);
}

#[cfg(unix)]
#[test]
fn ctrl_c_is_told_with_what_was_replayed_until_then() {
    use std::io::{BufRead as _, BufReader, Read as _};
    use std::process::Command;
    let sandbox = Sandbox::new().with_session();
    // Slow enough to be at it still.
    let replay = ["replay", "--speed", "0.01x"];
    for (args, opened, words) in [
        (&[][..], 1, "stopped at Ctrl-C: 1 event replayed in "),
        (&["--into", "again"], 2, "stopped at Ctrl-C: "),
    ] {
        let mut child = sandbox
            .command(&[&replay[..], args].concat())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        for _ in 0..opened {
            stderr.read_line(&mut String::new()).unwrap();
        }
        let mut told = String::new();
        if args.is_empty() {
            stdout.read_line(&mut told).unwrap();
            told.clear();
        }
        let id = child.id().to_string();
        Command::new("kill").args(["-INT", &id]).status().unwrap();
        stdout.read_to_string(&mut told).unwrap();
        stderr.read_to_string(&mut told).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert!(told.contains(words), "{told}");
        assert_eq!(
            told.contains("; replaying again goes on where nothing is there yet\n"),
            !args.is_empty(),
            "{told}"
        );
    }
}

#[test]
fn a_replay_into_itself_and_a_pace_that_is_none_are_refused() {
    let sandbox = Sandbox::new().with_session();
    let itself = ["replay", "--into", "memory:events"];
    sandbox
        .run(&itself)
        .assert_refused(2, &["the stream that is replayed", "hint: name another"]);
    for (args, word) in [
        (["replay", "--speed", "fast"], "0.5x"),
        (["replay", "--speed", "-1x"], "write 1x"),
        (["replay", "--max-gap", "5"], "write a span"),
    ] {
        sandbox.run(&args).assert_refused(2, &[word]);
    }
    sandbox
        .run(&["replay", "--stream", "none"])
        .assert_refused(1, &["there is no stream none"]);
    let nothing = sandbox.run(&["replay", "--session", "nobody"]);
    assert_eq!((nothing.code, &*nothing.stdout), (Some(0), ""));
}

#[test]
fn a_session_is_reconstructed_from_its_events() {
    let sandbox = Sandbox::new().with_session();
    insta::assert_snapshot!("state", sandbox.run(&["state", "s1"]).told());
    insta::assert_snapshot!("state_json", sandbox.run(&["state", "s1", "--json"]).told());
    sandbox.run(&["state", "nobody"]).assert_refused(
        1,
        &[
            "nothing is recorded of session \"nobody\"",
            "hint: recount sessions",
        ],
    );
    let trimmed = sandbox.run(&["trim", "--max-length", "4", "--quiet"]);
    assert_eq!(trimmed.code, Some(0), "{}", trimmed.stderr);
    let part = sandbox.run(&["state", "s1"]);
    assert!(
        part.stderr.contains("retained from revision 3 on"),
        "{}",
        part.stderr
    );
}

#[test]
fn events_of_versions_that_are_not_known_mark_the_state() {
    let sandbox = Sandbox::new();
    let later =
        r#"{"id":"a","type":"message.added","session_id":"s","version":7,"data":{"content":"hi"}}"#;
    let run = sandbox.run_with(&["import", "-", "--quiet"], &format!("{later}\n"));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let run = sandbox.run(&["state", "s"]);
    assert!(
        run.stdout
            .contains("not understood  1 event of newer versions\n"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("messages        0\n"), "{}", run.stdout);
    let warning = "warning: 1 event of newer versions not understood";
    assert!(run.stderr.contains(warning), "{}", run.stderr);
    let json = sandbox.run(&["state", "s", "--json"]).stdout;
    assert!(json.contains("\"events_of_unknown_versions\": 1"), "{json}");
}

#[test]
fn a_trim_tells_what_it_removes_and_a_dry_run_what_it_would() {
    let sandbox = Sandbox::new().with_session();
    let dry = sandbox.run(&["trim", "--max-length", "2", "--dry-run"]);
    insta::assert_snapshot!("trim_dry_run", dry.told());
    assert_eq!(sandbox.run(&["events", "--count"]).stdout, "6\n");
    insta::assert_snapshot!("trim", sandbox.run(&["trim", "--max-length", "2"]).told());
    assert_eq!(sandbox.run(&["events", "--count"]).stdout, "2\n");
    // The window outlives the entries.
    let again = sandbox.run_with(&["publish", "--quiet"], SESSION);
    assert_eq!(
        again.stdout.matches("duplicate ").count(),
        6,
        "{}",
        again.stdout
    );
    let old = sandbox.run(&["trim", "--max-age", "1h", "--json"]);
    assert_eq!(
        old.stdout.replace(char::is_numeric, ""),
        "{\"dry_run\":false,\"first\":\"-\",\"held_back\":[],\"left\":,\"lost\":[],\"removed\":}\n"
    );
    let all = sandbox.run(&["trim", "--max-age", "now"]);
    assert!(
        all.stdout.contains("2 events removed, none left"),
        "{}",
        all.stdout
    );
    assert_eq!(sandbox.run(&["events", "--count"]).stdout, "0\n");
}

#[test]
fn a_trim_without_a_limit_or_of_nothing_is_refused() {
    let sandbox = Sandbox::new().with_session();
    sandbox
        .run(&["trim"])
        .assert_refused(2, &["--max-length", "--max-age", "--min-id"]);
    sandbox
        .run(&["trim", "--max-length", "-1"])
        .assert_refused(2, &["a whole number from 0"]);
    let both = ["trim", "--max-length", "1", "--min-id", "5-0"];
    sandbox
        .run(&both)
        .assert_refused(2, &["cannot be used with"]);
    let nowhere = ["trim", "--max-length", "1", "--stream", "none"];
    sandbox
        .run(&nowhere)
        .assert_refused(1, &["there is no stream none"]);
    assert_eq!(sandbox.run(&["events", "--count"]).stdout, "6\n");
}

#[test]
fn raw_events_are_what_the_stream_stores() {
    let sandbox = Sandbox::new();
    let later = r#"{"id":"a","type":"message.added","session_id":"s","timestamp":"2026-01-02T10:00:00Z","version":7,"data":{"text":"line\u000aend"}}"#;
    let foreign = r#"{"entry_id":"1-0","fields":[["a","1"],["b",{"hex":"ff"}]]}"#;
    let input = format!("{foreign}\n{later}\n");
    let run = sandbox.run_with(&["import", "-", "--quiet"], &input);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    insta::assert_snapshot!("raw", sandbox.run(&["events", "--raw"]).told());
    insta::assert_snapshot!(
        "raw_json",
        sandbox.run(&["events", "--raw", "--json"]).told()
    );
    insta::assert_snapshot!("unknown_version", sandbox.run(&["events"]).told());
    insta::assert_snapshot!(
        "unknown_version_json",
        sandbox.run(&["events", "--json"]).told()
    );
}

#[test]
fn what_recount_toml_keeps_is_kept_by_whoever_writes() {
    let sandbox = Sandbox::new();
    let file = "[retention]\nmax_length = 2\nmax_length_exact = true\n";
    std::fs::write(sandbox.path().join("recount.toml"), file).unwrap();
    let run = sandbox.run_with(&["publish", "--quiet", "--batch-size", "1"], SESSION);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    // The writer trims once it has answered, and before it is closed at the latest when it opens.
    let run = sandbox.run(&["trim", "--max-length", "1000", "--json", "--quiet"]);
    assert!(run.stdout.contains("\"left\":2"), "{}", run.stdout);
}
