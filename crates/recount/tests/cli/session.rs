//! A small session, from publishing to export.

use std::fs;

use insta::assert_snapshot;

use super::support::{SESSION, Sandbox};

#[test]
fn publishing_answers_for_each_event() {
    let sandbox = Sandbox::new();
    let first = sandbox.run_with(&["publish"], SESSION);
    assert_snapshot!("publish", first.told());

    let again = sandbox.run_with(&["publish", "--json"], SESSION);
    assert_eq!(again.code, Some(0));
    assert_eq!(again.stdout.lines().count(), 6);
    assert!(
        again
            .stdout
            .lines()
            .all(|line| line.starts_with(r#"{"outcome":"duplicate","entry_id":""#))
    );

    let other = SESSION.replace("Hello", "Bye");
    let conflict = sandbox.run_with(&["publish"], &other);
    assert_snapshot!("publish-conflict", conflict.told());
}

#[test]
fn one_event_is_published_from_flags() {
    let sandbox = Sandbox::new();
    let flags = [
        "publish",
        "--json",
        "--type",
        "message.added",
        "--session",
        "s1",
        "--user",
        "ada",
        "--agent",
        "a",
        "--trace",
        "t",
        "--causation",
        "c",
        "--id",
        "e1",
        "--version",
        "2",
        "--timestamp",
        "2026-01-02T10:00",
        "--data",
        r#"{"role":"user","content":"Hello"}"#,
    ];
    let run = sandbox.run(&flags);
    assert_snapshot!("publish-flags", run.told());
    assert_snapshot!(
        "publish-flags-event",
        sandbox.run(&["events", "--json"]).told()
    );
}

#[test]
fn events_are_found_by_session_user_type_and_range() {
    let sandbox = Sandbox::new().with_session();
    let events = |args: &[&str]| {
        let args: Vec<_> = ["events", "--quiet"].iter().chain(args).copied().collect();
        sandbox.run(&args).told()
    };
    assert_snapshot!("events", events(&[]));
    assert_snapshot!(
        "events-json",
        events(&["--json", "--session", "s1", "--limit", "2"])
    );
    assert_snapshot!(
        "events-reverse",
        events(&["--reverse", "--limit", "2", "--color", "always"])
    );
    let count = |args: &[&str]| {
        let args: Vec<_> = ["events", "--count"].iter().chain(args).copied().collect();
        sandbox.run(&args).stdout
    };
    assert_eq!(count(&["--user", "bob"]), "1\n");
    assert_eq!(
        count(&["--type", "message.added", "--type", "tool.called"]),
        "3\n"
    );
    assert_eq!(
        count(&["--session", "s1", "--type", "message.added"]),
        "1\n"
    );
    assert_eq!(count(&["--since", "1h"]), "6\n");
    assert_eq!(count(&["--until", "2026-01-01"]), "0\n");
    let ids: Vec<_> = sandbox
        .run(&["events"])
        .stdout
        .lines()
        .map(|line| line.split(' ').nth(1).unwrap().to_owned())
        .collect();
    let after_second = format!("({}", ids[1]);
    assert_eq!(count(&["--start", &after_second]), "4\n");
    assert_eq!(count(&["--start", &after_second, "--end", &ids[3]]), "2\n");
    assert_eq!(count(&["--since", &ids[4]]), "2\n");
}

#[test]
fn settings_come_from_flags_then_variables() {
    let sandbox = Sandbox::new();
    let event = ["--type", "t", "--session", "s"];
    let run = sandbox
        .command(&[
            "--stream", "by-flag", "publish", event[0], event[1], event[2], event[3],
        ])
        .env("RECOUNT_URL", "disk:elsewhere")
        .env("RECOUNT_STREAM", "by-variable")
        .env("RECOUNT_FSYNC", "")
        .output()
        .unwrap();
    let stderr = String::from_utf8(run.stderr).unwrap();
    assert!(
        stderr.contains("recount: disk:elsewhere, stream by-flag, synced"),
        "{stderr}"
    );
    let info = sandbox.run(&["info", "--url", "disk:elsewhere", "--stream", "by-flag"]);
    assert_eq!(info.code, Some(0), "{}", info.stderr);
}

#[test]
fn info_says_what_is_there_and_what_is_promised() {
    let sandbox = Sandbox::new().with_session();
    let info = sandbox.run(&["info", "--quiet"]);
    assert_eq!((info.code, info.stderr.as_str()), (Some(0), ""));
    for row in [
        "engine          disk\n",
        "stream          memory:events\n",
        "entries         6\n",
        "durability      if published from here: synced",
    ] {
        assert!(info.stdout.contains(row), "no {row:?} in\n{}", info.stdout);
    }
    let json = sandbox.run(&["info", "--json"]).stdout;
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["length"], 6);
    assert_eq!(document["if_published_from_here"]["durability"], "synced");
    assert_eq!(document["streams"], serde_json::json!(["memory:events"]));
    assert_eq!(document["partitions"][0]["entries_added"], 6);
    assert_eq!(document["idempotency_window_ms"], 86_400_000);
}

#[test]
fn conditions_refuse_the_whole_input() {
    let sandbox = Sandbox::new().with_session();
    let count = || sandbox.run(&["events", "--count"]).stdout;
    let more = r#"{"id":"n1","type":"t","session_id":"s2"}"#;

    let args = [
        "publish",
        "--expect-revision",
        "7",
        "--url",
        "disk:recount-data",
    ];
    let wrong = sandbox.run_with(&args, more);
    wrong.assert_refused(
        1,
        &[
            "session s2 is at revision 1, not 7",
            "hint: recount events --session s2 --url disk:recount-data shows",
        ],
    );
    // The lines of the input are told, with the blank ones that no batch has.
    let mixed = format!(
        "{more}\n\n{}",
        r#"{"id":"e1","type":"other","session_id":"s2"}"#
    );
    let conflict = sandbox.run_with(&["publish", "--strict"], &mixed);
    let line = "line 3: the event e1 conflicts with the one at";
    conflict.assert_refused(1, &[line, "hint: nothing of the input was appended"]);
    let twice = format!("\n{more}\n\n{}", more.replace(r#""t""#, r#""u""#));
    let conflict = sandbox.run_with(&["publish", "--strict"], &twice);
    conflict.assert_refused(1, &["line 4: the event n1 conflicts with line 2"]);
    let bad = sandbox.run_with(&["publish", "--strict"], &format!("{more}\nnope\n"));
    bad.assert_refused(
        2,
        &[
            "standard input, line 2, column 2",
            "hint: nothing was published",
        ],
    );
    let none = sandbox.run_with(&["publish", "--expect-revision", "1"], "\n");
    none.assert_refused(2, &["standard input holds no event"]);
    for condition in [&["--strict"][..], &["--expect-revision", "1"]] {
        let args = [&["publish", "--skip-invalid"], condition].concat();
        sandbox
            .run_with(&args, more)
            .assert_refused(2, &["cannot be used with"]);
    }
    assert_eq!(count(), "6\n");

    let right = sandbox.run_with(&["publish", "--expect-revision", "1"], more);
    assert_eq!(right.code, Some(0), "{}", right.stderr);
    assert_eq!(count(), "7\n");
}

#[test]
fn an_export_holds_everything_and_a_file_appears_whole() {
    let sandbox = Sandbox::new().with_session();
    let streamed = sandbox.run(&["export"]);
    let listed = sandbox.run(&["events", "--json"]);
    assert_eq!(streamed.stdout, listed.stdout);
    assert!(streamed.stderr.contains("6 events exported"));

    let run = sandbox.run(&["export", "--session", "s2", "--output", "out.ndjson"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), ""));
    let kept = fs::read_to_string(sandbox.path().join("out.ndjson")).unwrap();
    assert_eq!(kept.lines().count(), 1);
    assert!(kept.contains(r#""id":"e4""#));
    let mut names: Vec<_> = fs::read_dir(sandbox.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["out.ndjson", "recount-data"]);

    sandbox
        .run(&["export", "--output", "no/such/folder"])
        .assert_refused(
            2,
            &["writing no/such/folder: there is no directory no/such"],
        );
}

#[test]
fn the_longest_id_and_the_largest_input_pass() {
    let sandbox = Sandbox::new();
    let id = "x".repeat(128);
    let line = |n| format!(r#"{{"id":"{n}","type":"t","session_id":"{id}"}}"#);
    let input: Vec<_> = (0..2_500).map(line).collect();
    let run = sandbox.run_with(&["publish", "--fsync", "os"], &input.join("\n"));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let answered: Vec<_> = run
        .stdout
        .lines()
        .map(|line| line.rsplit(' ').next().unwrap().to_owned())
        .collect();
    let given: Vec<_> = (0..2_500).map(|n| n.to_string()).collect();
    assert_eq!(answered, given);
    assert_eq!(
        sandbox.run(&["events", "--count", "--session", &id]).stdout,
        "2500\n"
    );
}
