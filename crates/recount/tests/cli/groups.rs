//! Groups are created, moved, watched and deleted.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout};

use serde_json::Value;

use crate::support::{Run, SESSION, Sandbox};

/// The lines of a command that prints JSON.
pub fn documents(run: &Run) -> Vec<Value> {
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let lines = run.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A `recount groups --watch --json` that watches already.
pub struct Watch {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watch {
    pub fn start(sandbox: &Sandbox) -> Self {
        let args = ["groups", "--watch", "--json", "--quiet"];
        let mut child = sandbox.command(&args).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Watches until a group looks like that.
    pub fn until(&mut self, group: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        for line in &mut self.lines {
            let shown: Value = serde_json::from_str(&line.unwrap()).unwrap();
            if shown["name"] == group && wanted(&shown) {
                return shown;
            }
        }
        panic!("the watch ended");
    }

    pub fn end(mut self) {
        crate::redis::interrupt(self.child.id());
        assert_eq!(self.child.wait().unwrap().code(), Some(130));
    }
}

#[test]
fn a_group_is_created_shown_moved_and_deleted() {
    let sandbox = Sandbox::new().with_session();
    let told = |args: &[&str]| sandbox.run(args).told();
    let mut story = String::new();
    for args in [
        &["groups"][..],
        &["groups", "create", "audit", "--from", "start"],
        &["groups", "create", "debug", "--from", "end"],
        &["groups", "create", "audit", "--from", "end"],
        &["groups"],
        &["groups", "--json"],
        &["groups", "set", "audit", "--from", "end", "--quiet"],
        &["groups", "--quiet"],
        &[
            "groups", "set", "audit", "--from", "1h", "--quiet", "--json",
        ],
        &["groups", "--quiet"],
        &["pending", "audit"],
        &["pending", "audit", "--json", "--quiet"],
        &["groups", "consumers", "audit"],
        &["dead", "list", "--group", "audit"],
        &["groups", "delete", "audit"],
        &["groups", "delete", "audit"],
        &["groups", "set", "audit", "--from", "start"],
        &["groups", "consumers", "audit"],
        &["pending", "audit"],
        &["dead", "list", "--group", "audit"],
        &["groups", "--quiet"],
    ] {
        let _ = writeln!(story, "$ recount {}\n{}", args.join(" "), told(args));
    }
    insta::assert_snapshot!("groups", story);
}

#[test]
fn a_group_begins_after_an_entry_or_at_a_time() {
    let sandbox = Sandbox::new().with_session();
    let listed = documents(&sandbox.run(&["events", "--json"]));
    let third = listed[2]["entry_id"].as_str().unwrap();
    for (name, from, lag) in [
        ("a", third, 3),
        ("b", "start", 6),
        ("c", "end", 0),
        ("d", "1h", 6),
        ("e", "now", 0),
        ("f", "2026-01-02", 6),
    ] {
        let run = sandbox.run(&["groups", "create", name, "--from", from]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let groups = documents(&sandbox.run(&["groups", "--json"]));
        assert_eq!(groups.last().unwrap()["name"], name);
        assert_eq!(groups.last().unwrap()["lag"], lag, "{from}");
    }
    let set = sandbox.run(&["groups", "set", "b", "--from", third]);
    assert_eq!(set.code, Some(0), "{}", set.stderr);
    let groups = documents(&sandbox.run(&["groups", "--json"]));
    assert_eq!(groups[1]["lag"], 3);
}

#[test]
fn what_is_asked_wrongly_is_told() {
    let sandbox = Sandbox::new().with_session();
    for (args, words) in [
        (&["groups", "create", "g"][..], "--from"),
        (&["groups", "create", "g", "--from", "then"], "start or end"),
        (&["groups", "create", "", "--from", "end"], "it is empty"),
        (&["groups", "create", "a\nb", "--from", "end"], "control"),
        (&["claim", "g", "--consumer", "c", "7"], "write an entry id"),
        (&["claim", "g"], "--consumer"),
        (
            &["claim", "g", "--consumer", "c", "--min-idle", "x"],
            "500ms",
        ),
        (&["dead", "list"], "--group"),
        (&["dead", "retry", "--group", "g"], "--all"),
        (&["dead", "retry", "--group", "g", "--all", "7-0"], "--all"),
        (
            &["groups", "consumers", "g", "--hand-over-to", "b"],
            "--delete",
        ),
        (&["groups", "--fsync", "os"], "--fsync"),
    ] {
        sandbox.run(args).assert_refused(2, &[words]);
    }
    // A slip of the stream's name creates none.
    for args in [
        &["groups"][..],
        &["groups", "set", "g", "--from", "end"],
        &["groups", "delete", "g"],
        &["pending", "g"],
        &["claim", "g", "--consumer", "c"],
        &["dead", "retry", "--group", "g", "--all"],
        &["consume", "--group", "g", "--", "true"],
    ] {
        let mut command = sandbox.command(args);
        let run: Run = command
            .env("RECOUNT_STREAM", "slip")
            .output()
            .unwrap()
            .into();
        run.assert_refused(1, &["slip"]);
    }
    assert!(!sandbox.path().join("recount-data/slip").exists());
    let created = [
        "groups", "create", "g", "--from", "start", "--stream", "new",
    ];
    assert_eq!(sandbox.run(&created).code, Some(0));
    let groups = documents(&sandbox.run(&["groups", "--stream", "new", "--json"]));
    assert_eq!(groups[0]["name"], "g");
}

#[test]
fn a_watch_follows_the_process_that_consumes() {
    let sandbox = Sandbox::new().with_session();
    let create = ["groups", "create", "audit", "--from", "start"];
    assert_eq!(sandbox.run(&create).code, Some(0));
    let mut watch = Watch::start(&sandbox);
    assert_eq!(watch.until("audit", |_| true)["lag"], 6);
    let consume = [
        "consume", "--group", "audit", "--drain", "--quiet", "--", "true",
    ];
    let run = sandbox.run(&consume);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let shown = watch.until("audit", |shown| shown["lag"] == 0 && shown["pending"] == 0);
    assert_eq!(shown["dead_letters"], 0);
    assert_eq!(sandbox.run_with(&["publish"], &later()).code, Some(0));
    watch.until("audit", |shown| shown["lag"] == 6);
    assert_eq!(sandbox.run(&["groups", "delete", "audit"]).code, Some(0));
    watch.until("audit", |shown| shown["deleted"] == true);
    watch.end();
}

#[test]
fn without_a_terminal_a_watch_prints_a_table_whenever_it_changes() {
    let sandbox = Sandbox::new().with_session();
    let args = ["groups", "--watch", "--quiet"];
    let mut child = sandbox.command(&args).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "no groups");
    let create = ["groups", "create", "audit", "--from", "start"];
    assert_eq!(sandbox.run(&create).code, Some(0));
    let shown: Vec<_> = lines.by_ref().take(3).map(Result::unwrap).collect();
    assert_eq!(shown[0], "");
    assert!(shown[1].starts_with("consumers  pending"), "{shown:?}");
    assert!(shown[2].ends_with("audit"), "{shown:?}");
    crate::redis::interrupt(child.id());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

/// The session again, as other events.
fn later() -> String {
    SESSION.replace("\"id\":\"e", "\"id\":\"later")
}
