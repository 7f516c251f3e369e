//! Queries on a server go through a mirror, which can be looked at, kept and forgotten.

use std::io::{BufRead as _, BufReader};

use serde_json::Value;

use crate::redis::{interrupt, server};
use crate::support::{Run, SESSION, Sandbox};

fn mirrors(sandbox: &Sandbox) -> Vec<Value> {
    let run = sandbox.run(&["mirrors", "--json"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let lines = run.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_query_builds_the_mirror_and_reads_what_was_just_published() {
    let server = server();
    let sandbox = Sandbox::on(&server.url()).with_session();
    let first = sandbox.run(&["events", "--user", "ada"]);
    assert_eq!(first.stdout.lines().count(), 5, "{}", first.stderr);
    assert!(
        first
            .stderr
            .contains("no mirror of the stream on this machine yet")
    );
    for n in 7..10 {
        let id = format!("e{n}");
        let event = [
            "publish",
            "--type",
            "t",
            "--session",
            "s3",
            "--user",
            "ada",
            "--id",
            &id,
        ];
        assert_eq!(sandbox.run(&event).code, Some(0));
        let again = sandbox.run(&["events", "--user", "ada"]);
        assert_eq!(again.stdout.lines().count(), n - 1, "{}", again.stderr);
        assert!(!again.stderr.contains("no mirror"), "{}", again.stderr);
    }
    let known = mirrors(&sandbox);
    assert_eq!(known.len(), 1);
    assert_eq!(known[0]["partitions"][0]["complete"], true);
    let table = sandbox.run(&["mirrors"]).stdout;
    assert!(table.starts_with("mirror"), "{table}");
    assert!(
        table.contains(known[0]["name"].as_str().unwrap()),
        "{table}"
    );
    let info = sandbox.run(&["info"]).stdout;
    let dir = sandbox.path().join("mirrors");
    assert!(
        info.contains(&dir.display().to_string()) || info.contains("mirrors/"),
        "{info}"
    );
}

#[test]
fn a_mirror_remembers_what_was_trimmed_and_without_one_a_partial_memory_is_told() {
    let server = server();
    let sandbox = Sandbox::on(&server.url()).with_session();
    assert_eq!(sandbox.run(&["mirrors", "run", "--once"]).code, Some(0));
    let trimmed = sandbox.run(&["trim", "--max-length", "1"]);
    assert!(
        trimmed.stdout.starts_with("5 events removed, 1 left"),
        "{}",
        trimmed.stdout
    );

    let state = sandbox.run(&["state", "s1"]);
    assert!(
        state.stdout.contains("events          5: "),
        "{}",
        state.stdout
    );
    assert!(!state.stderr.contains("warning"), "{}", state.stderr);
    assert_eq!(sandbox.run(&["events", "--count"]).stdout, "6\n");

    let other = |args: &[&str]| -> Run {
        let mut command = sandbox.command(args);
        command
            .env("RECOUNT_MIRROR", "new")
            .output()
            .unwrap()
            .into()
    };
    for args in [&["state", "s1"][..], &["events", "--session", "s1"]] {
        let run = other(args);
        let told = "warning: the session is retained from revision 5 on";
        assert!(run.stderr.contains(told), "{args:?}: {}", run.stderr);
    }
    let json = other(&["state", "s1", "--json"]).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["complete"], false);
}

#[test]
fn a_mirror_holds_back_trims_until_it_is_forgotten() {
    let server = server();
    let sandbox = Sandbox::on(&server.url()).with_session();
    assert_eq!(sandbox.run(&["mirrors", "run", "--once"]).code, Some(0));
    let more = SESSION.replace("\"id\":\"e", "\"id\":\"more");
    assert_eq!(sandbox.run_with(&["publish"], &more).code, Some(0));
    let name = mirrors(&sandbox)[0]["name"].as_str().unwrap().to_owned();
    let held = sandbox.run(&["trim", "--max-length", "1"]);
    assert!(
        held.stdout.contains(&format!("by mirror {name}")),
        "{}",
        held.stdout
    );
    assert!(
        sandbox
            .run(&["info"])
            .stdout
            .contains(&format!("by mirror {name}"))
    );

    sandbox
        .run(&["mirrors", "forget", "nobody"])
        .assert_refused(1, &["no mirror \"nobody\"", "recount mirrors"]);
    let forgotten = sandbox.run(&["mirrors", "forget", &name]);
    assert!(
        forgotten
            .stdout
            .starts_with(&format!("{name} is forgotten"))
    );
    assert!(mirrors(&sandbox).is_empty());
    assert!(
        sandbox
            .run(&["mirrors"])
            .stderr
            .ends_with("recount: no mirrors\n")
    );
    let trimmed = sandbox.run(&["trim", "--max-length", "1"]);
    assert!(trimmed.stdout.contains(" 1 left"), "{}", trimmed.stdout);

    // The mirror comes too late for what was trimmed meanwhile, and says so.
    let late = sandbox.run(&["events", "--type", "session.ended"]);
    assert_eq!(late.stdout.lines().count(), 2, "{}", late.stderr);
    assert!(
        late.stderr.contains("warning: the mirror lacks 5 entries"),
        "{}",
        late.stderr
    );
    let info = sandbox.run(&["info"]).stderr;
    assert!(info.contains("missing from the mirror"), "{info}");
}

/// The first `events` events of the session that the others are compared with.
fn numbered(events: std::ops::Range<usize>) -> String {
    let line = |n| {
        let session = n % 2;
        format!(
            "{{\"id\":\"n{n}\",\"type\":\"note\",\"session_id\":\"s{session}\",\"user_id\":\"ada\"}}\n"
        )
    };
    events.map(line).collect()
}

fn publish(sandbox: &Sandbox, events: std::ops::Range<usize>) {
    let run = sandbox.run_with(&["publish", "--quiet"], &numbered(events));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
}

#[test]
fn whoever_reads_over_a_gap_is_told_until_somebody_takes_note() {
    let server = server();
    let sandbox = Sandbox::on(&server.url());
    publish(&sandbox, 0..20);
    assert_eq!(sandbox.run(&["mirrors", "run", "--once"]).code, Some(0));
    let name = mirrors(&sandbox)[0]["name"].as_str().unwrap().to_owned();
    assert_eq!(sandbox.run(&["mirrors", "forget", &name]).code, Some(0));
    publish(&sandbox, 20..40);
    let trimmed = sandbox.run(&["trim", "--max-length", "8"]);
    assert!(trimmed.stdout.contains("8 left"), "{}", trimmed.stdout);

    let readers: [&[&str]; 6] = [
        &["events", "--count"],
        &["events", "--type", "note", "--count"],
        &["export"],
        &["replay", "--speed", "max"],
        &["tail", "--from", "-", "--limit", "28"],
        &["events", "--reverse", "--limit", "1"],
    ];
    for args in readers {
        let run = sandbox.run(args);
        assert_eq!(run.code, Some(0), "{args:?}: {}", run.stderr);
        let told = run.warnings();
        assert_eq!(told.len(), 1, "{args:?}: {told:?}");
        assert!(
            told[0].starts_with("warning: the mirror lacks 12 entries"),
            "{args:?}: {told:?}"
        );
    }
    for args in [&["events", "--session", "s0"][..], &["state", "s0"]] {
        let run = sandbox.run(args);
        let told = "warning: 6 events of the session are missing: trimmed before the mirror had copied them";
        assert_eq!(run.warnings(), [told], "{args:?}");
    }
    // What the gap does not touch.
    let newest = sandbox.run(&["events", "--reverse", "--limit", "1", "--json"]);
    let newest: Value = serde_json::from_str(&newest.stdout).unwrap();
    let after = format!("({}", newest["entry_id"].as_str().unwrap());
    let untouched = sandbox.run(&["events", "--start", &after, "--type", "note"]);
    assert_eq!(untouched.warnings(), Vec::<&str>::new());

    let listed = sandbox.run(&["mirrors"]);
    assert!(listed.stdout.contains("gap "), "{}", listed.stdout);
    let settled = sandbox.run(&["mirrors", "settle"]);
    assert_eq!(settled.stdout, "1 incident settled\n");
    for args in readers {
        assert_eq!(sandbox.run(args).warnings(), Vec::<&str>::new(), "{args:?}");
    }
    let partial = sandbox.run(&["state", "s0"]);
    assert_eq!(
        partial.warnings().len(),
        1,
        "a partial memory is never silent"
    );
    let info = sandbox.run(&["info"]);
    assert!(!info.stderr.contains("missing"), "{}", info.stderr);
    assert!(
        info.stdout.contains("mirror incidents settled"),
        "{}",
        info.stdout
    );
}

#[test]
fn what_the_server_lost_is_told_once_noticed_and_can_be_read() {
    let server = server();
    let sandbox = Sandbox::on(&server.url());
    publish(&sandbox, 0..30);
    let of_ada = ["events", "--user", "ada", "--count"];
    assert_eq!(sandbox.run(&of_ada).stdout, "30\n");
    server.command(&["DEL", "memory:events"]);
    // Nothing new was published: the first one who asks is told, and the next.
    for args in [&of_ada[..], &["events", "--count"], &["export"], &of_ada] {
        let run = sandbox.run(args);
        let answer = if args[0] == "export" { "" } else { "0\n" };
        assert_eq!(run.stdout, answer, "{args:?}");
        let told = run.warnings();
        assert_eq!(told.len(), 1, "{args:?}: {told:?}");
        assert!(told[0].starts_with("warning: the server lost entries, as was noticed"));
    }
    // Ids below those that were lost.
    server.command(&[
        "XADD",
        "memory:events",
        "7-1",
        "type",
        "note",
        "session_id",
        "s9",
        "user_id",
        "ada",
    ]);
    for _ in 0..2 {
        let run = sandbox.run(&of_ada);
        assert_eq!(run.stdout, "1\n");
        assert_eq!(run.warnings().len(), 1, "{}", run.stderr);
    }
    let listed = sandbox.run(&["mirrors", "--json"]);
    let incidents: Vec<Value> = listed
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["incident"].is_string())
        .collect();
    assert_eq!(incidents.len(), 1, "{}", listed.stdout);
    assert_eq!(incidents[0]["incident"], "divergence");
    let command = listed.stderr.lines().find_map(|line| {
        let command = line.strip_prefix("recount: recount ")?;
        command.strip_suffix(" shows what the server lost")
    });
    let words: Vec<_> = command.expect("a command").split(' ').collect();
    let kept = sandbox.run(&words);
    assert_eq!(kept.stdout.lines().count(), 30, "{}", kept.stderr);

    assert_eq!(
        sandbox.run(&["mirrors", "settle"]).stdout,
        "1 incident settled\n"
    );
    assert_eq!(sandbox.run(&of_ada).warnings(), Vec::<&str>::new());
}

#[test]
fn a_replica_is_mirrored_without_registration() {
    let server = server();
    let sandbox = Sandbox::on(&server.url()).with_session();
    server.command(&[
        "ACL", "SETUSER", "reader", "on", ">secret", "~*", "+@read", "+ping", "+client", "+info",
    ]);
    let url = server.url().replace("redis://", "redis://reader:secret@");
    let reader = Sandbox::on(&url);
    let found = reader.run(&["events", "--user", "ada", "--count"]);
    assert_eq!(
        (found.code, &*found.stdout),
        (Some(0), "5\n"),
        "{}",
        found.stderr
    );
    let run = reader.run(&["mirrors", "run", "--once"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(
        run.stderr.contains("the mirror is not registered"),
        "{}",
        run.stderr
    );
    drop(sandbox);
}

#[test]
fn a_mirror_is_kept_until_ctrl_c_and_others_follow_it() {
    let server = server();
    let sandbox = Sandbox::on(&server.url()).with_session();
    let mut keeper = sandbox
        .command(&["mirrors", "run", "--json"])
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(keeper.stderr.take().unwrap()).lines();
    let mut told = |words: &str| assert!(stderr.any(|line| line.unwrap().contains(words)));
    told("keeping the mirror");
    told("caught up");
    let event = ["publish", "--type", "late", "--session", "s9"];
    assert_eq!(sandbox.run(&event).code, Some(0));
    // It comes from the files that the other process writes.
    let found = sandbox.run(&["events", "--type", "late"]);
    assert_eq!(found.stdout.lines().count(), 1, "{}", found.stderr);
    interrupt(keeper.id());
    let output = keeper.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["partitions"][0]["mirrored"], 7);
    assert_eq!(document["incidents"], serde_json::json!([]));
    assert_eq!(mirrors(&sandbox)[0]["partitions"][0]["complete"], true);
}

#[test]
fn without_a_directory_queries_look_through_the_server() {
    let server = server();
    let sandbox = Sandbox::new()
        .with("RECOUNT_URL", &server.url())
        .with_session();
    let found = sandbox.run(&["events", "--type", "error.occurred"]);
    assert_eq!(found.stdout.lines().count(), 1, "{}", found.stderr);
    assert_eq!(std::fs::read_dir(sandbox.path()).unwrap().count(), 0);
    sandbox
        .run(&["mirrors", "run"])
        .assert_refused(2, &["no directory for mirrors", "--mirror DIR"]);
    let home = sandbox.path().join("home");
    let kept = sandbox
        .command(&["events", "--type", "error.occurred"])
        .env("HOME", &home)
        .output()
        .unwrap();
    assert!(kept.status.success());
    assert!(home.join(".local/state/recount/mirrors").is_dir());
}
