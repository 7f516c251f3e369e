//! Replays with a name: they stop, are killed, and go on.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};

use serde_json::Value;

use crate::follow::Tail;
use crate::support::{Run, Sandbox};

const NAMES: [&str; 2] = ["--state-dir", "names"];

fn named(sandbox: &Sandbox, name: &str, args: &[&str]) -> Run {
    let resume = ["replay", "--resume", name, "--speed", "max"];
    sandbox.run(&[&resume[..], &NAMES, args].concat())
}

/// The events' ids, as they were printed as JSON.
fn ids(run: &Run) -> Vec<String> {
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let id = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        event["id"].as_str().unwrap().to_owned()
    };
    run.stdout.lines().map(id).collect()
}

fn listed(sandbox: &Sandbox) -> Vec<Value> {
    let run = sandbox.run(&[&["replay", "--list", "--json"], &NAMES[..]].concat());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let lines = run.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_replay_goes_on_under_its_name_until_it_is_done() {
    let sandbox = Sandbox::new().with_session();
    let what = ["--session", "s1", "--until", "now", "--json"];
    let first = named(&sandbox, "n", &[&what[..], &["--limit", "2"]].concat());
    assert_eq!(ids(&first), ["e1", "e2"]);
    first.assert_said(&["; --resume n goes on from there"]);
    // What is recorded meanwhile is not part of it, though `now` is later.
    let later = "{\"id\":\"e9\",\"type\":\"t\",\"session_id\":\"s1\"}\n";
    assert_eq!(
        sandbox.run_with(&["publish", "--quiet"], later).code,
        Some(0)
    );
    assert_eq!(listed(&sandbox)[0]["state"], "stopped");
    // The same words, or none, mean the same.
    let second = named(&sandbox, "n", &[&what[..], &["--limit", "1"]].concat());
    assert_eq!(ids(&second), ["e3"]);
    second.assert_said(&[
        "replay n goes on behind entry ",
        ": 2 events delivered before",
    ]);
    let rest = named(&sandbox, "n", &["--json"]);
    assert_eq!(ids(&rest), ["e5", "e6"]);
    assert!(!rest.stderr.contains("retained from"), "{}", rest.stderr);
    let done = named(&sandbox, "n", &what);
    assert_eq!(ids(&done), Vec::<String>::new());
    done.assert_said(&["replay n is done: 5 events delivered", "--forget n"]);
    let list = listed(&sandbox);
    assert_eq!(list.len(), 1);
    assert_eq!(list[0]["state"], "done");
    assert_eq!(list[0]["delivered"], 5);

    let forget = [&["replay", "--forget", "n"], &NAMES[..]].concat();
    let run = sandbox.run(&forget);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    sandbox
        .run(&forget)
        .assert_refused(1, &["no replay has the name n"]);
    assert_eq!(listed(&sandbox), Vec::<Value>::new());
    let anew = named(&sandbox, "n", &["--session", "s1", "--json"]);
    assert_eq!(ids(&anew), ["e1", "e2", "e3", "e5", "e6", "e9"]);
}

#[test]
fn sessions_side_by_side_go_on_in_their_order() {
    let sandbox = Sandbox::new().with_session();
    let both = ["--session", "s2", "--session", "s1", "--json"];
    let mut all = Vec::new();
    for _ in 0..6 {
        let some = named(&sandbox, "both", &[&both[..], &["--limit", "1"]].concat());
        all.extend(ids(&some));
    }
    assert_eq!(all, ["e1", "e2", "e3", "e4", "e5", "e6"]);
    let end = named(&sandbox, "both", &["--json"]);
    assert_eq!(ids(&end), Vec::<String>::new());
    assert_eq!(listed(&sandbox)[0]["state"], "done");
}

#[test]
fn what_is_not_the_replay_of_that_name_is_refused() {
    let sandbox = Sandbox::new().with_session();
    let some = ["--session", "s1", "--limit", "1"];
    assert_eq!(named(&sandbox, "n", &some).code, Some(0));
    for (args, words) in [
        (
            &["--session", "s2"][..],
            "is of --session s1, not of --session s2",
        ),
        (&["type:t"], "is of --session s1, not of type:t"),
        (
            &["--into", "again"],
            "goes to standard output, not to stream again of",
        ),
        (&["--", "true"], "goes to standard output, not to a command"),
        (&["--stream", "other"], "not of stream other of"),
        (&["--url", "disk:other"], "not of stream memory:events of"),
    ] {
        named(&sandbox, "n", args).assert_refused(2, &[words, "--forget n"]);
    }
    for name in ["", "a/b", ".a", "-a", "ü"] {
        let resume = format!("--resume={name}");
        sandbox
            .run(&["replay", &resume])
            .assert_refused(2, &["--resume"]);
    }
    sandbox.run(&["replay", "--resume", "n"]).assert_refused(
        2,
        &["no directory to keep named replays in", "XDG_STATE_HOME"],
    );
    sandbox
        .run(&["replay", "--state-dir", "names"])
        .assert_refused(2, &["goes with --resume, --list and --forget"]);
    sandbox
        .run(&["replay", "--list", "--session", "s1"])
        .assert_refused(2, &["takes nothing that says which events"]);
    let rest = named(&sandbox, "n", &["--json"]);
    assert_eq!(ids(&rest), ["e2", "e3", "e5", "e6"]);

    // Damaged, it is refused until it is forgotten.
    let path = sandbox.path().join("names/n.json");
    std::fs::write(&path, "{\"version\":1,\"url\":").unwrap();
    named(&sandbox, "n", &[]).assert_refused(1, &["n.json is damaged", "--forget n"]);
    std::fs::write(&path, "{\"version\":2}").unwrap();
    named(&sandbox, "n", &[]).assert_refused(1, &["another version of recount"]);
    let forget = [&["replay", "--forget", "n"], &NAMES[..]].concat();
    assert_eq!(sandbox.run(&forget).code, Some(0));
    // The directory is another one's log now.
    assert_eq!(named(&sandbox, "n", &["--limit", "1"]).code, Some(0));
    std::fs::remove_dir_all(sandbox.path().join("recount-data")).unwrap();
    let old = "{\"entry_id\":\"5-0\",\"id\":\"x\",\"type\":\"t\",\"session_id\":\"s\",\
               \"timestamp\":\"2026-01-02T10:00:00Z\",\"version\":1,\"data\":{}}\n";
    let run = sandbox.run_with(&["import", "-", "--quiet"], old);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    named(&sandbox, "n", &[]).assert_refused(1, &["it lost some, or is another one"]);
}

#[test]
fn what_was_trimmed_behind_the_mark_is_warned_of() {
    let sandbox = Sandbox::new().with_session();
    assert_eq!(named(&sandbox, "n", &["--limit", "2"]).code, Some(0));
    let trim = ["trim", "--max-length", "2", "--quiet"];
    assert_eq!(sandbox.run(&trim).code, Some(0));
    let rest = named(&sandbox, "n", &["--json"]);
    assert_eq!(ids(&rest), ["e5", "e6"]);
    rest.assert_said(&["where the replay was, was trimmed since"]);
}

#[test]
fn one_process_at_a_time_runs_a_replay_of_a_name() {
    let sandbox = Sandbox::new().with_session();
    // Slow enough to be at it still.
    let slow = ["replay", "--resume", "n", "--speed", "0.001x", "--json"];
    let mut child = sandbox
        .command(&[&slow[..], &NAMES].concat())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    let by = format!("is being run by process {}", child.id());
    named(&sandbox, "n", &[]).assert_refused(1, &[&by, "--list"]);
    let forget = [&["replay", "--forget", "n"], &NAMES[..]].concat();
    sandbox.run(&forget).assert_refused(1, &[&by]);
    assert_eq!(listed(&sandbox)[0]["state"], "running");
    assert_eq!(ids(&named(&sandbox, "other", &["--json"])).len(), 6);
    child.kill().unwrap();
    child.wait().unwrap();
    // Whatever it had printed, at most its last batch comes again.
    let rest = ids(&named(&sandbox, "n", &["--json"]));
    assert!(
        rest.ends_with(&["e2", "e3", "e4", "e5", "e6"].map(str::to_owned)),
        "{rest:?}"
    );
}

#[test]
fn a_replay_that_is_killed_again_and_again_brings_everything_over_once() {
    const EVENTS: usize = 1_500;
    const KILLS: usize = 8;
    let sandbox = Sandbox::new();
    let mut events = String::new();
    for n in 0..EVENTS {
        let session = n % 7;
        writeln!(
            events,
            "{{\"id\":\"{n}\",\"type\":\"step.done\",\"session_id\":\"s{session}\"}}"
        )
        .unwrap();
    }
    let run = sandbox.run_with(&["publish", "--quiet"], &events);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let move_over = [
        "replay",
        "--speed",
        "max",
        "--resume",
        "move",
        "--into",
        "disk:other",
        "--batch-size",
        "16",
        "--quiet",
    ];
    let move_over = [&move_over[..], &NAMES].concat();
    let begun = sandbox.run(&[&move_over[..], &["--limit", "1"]].concat());
    assert_eq!(begun.code, Some(0), "{}", begun.stderr);
    let mut tail = Tail::start(&sandbox, &["--url", "disk:other", "--from", "-", "--json"]);
    let mut followed = vec![tail.next()];
    for kill in 0..KILLS {
        let mut child = sandbox.command(&move_over).spawn().unwrap();
        // Killed once some more are there, their number from kill to kill another.
        for _ in 0..(kill * 23 % 60) {
            followed.push(tail.next());
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let last = sandbox.run(&[&["replay", "--resume", "move", "--json"], &NAMES[..]].concat());
    assert_eq!(last.code, Some(0), "{}", last.stderr);
    let told: Value = serde_json::from_str(&last.stdout).unwrap();
    assert_eq!(told["replay"]["finished"], true, "{told}");
    // At most one batch again at each kill.
    assert!(told["duplicates"].as_u64().unwrap_or(0) <= 16, "{told}");
    let there = sandbox.run(&["events", "--url", "disk:other", "--json"]);
    let expected: Vec<_> = (0..EVENTS).map(|n| n.to_string()).collect();
    assert_eq!(ids(&there), expected);
    while followed.len() < EVENTS {
        followed.push(tail.next());
    }
    tail.kill();
}

#[test]
fn the_list_reads_well() {
    let sandbox = Sandbox::new().with_session();
    assert_eq!(named(&sandbox, "all", &[]).code, Some(0));
    let into = [
        "--into",
        "again",
        "type:tool.called -user:bob",
        "--limit",
        "1",
    ];
    assert_eq!(named(&sandbox, "tools", &into).code, Some(0));
    let run = sandbox.run(&[&["replay", "--list"], &NAMES[..]].concat());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let here = sandbox.path().canonicalize().unwrap();
    let shown = run.stdout.replace(&*here.to_string_lossy(), "[here]");
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines.len(), 3, "{shown}");
    assert!(lines[0].starts_with("DELIVERED  NAME"), "{shown}");
    for words in ["all", "done", "everything", "standard output"] {
        assert!(lines[1].contains(words), "{shown}");
    }
    for words in [
        "tools",
        "stopped",
        "'type:tool.called -user:bob'",
        "stream again of disk:[here]/recount-data",
    ] {
        assert!(lines[2].contains(words), "{shown}");
    }
}
