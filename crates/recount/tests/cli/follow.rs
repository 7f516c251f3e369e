//! Following live, and ending well.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStderr, ChildStdout, Command};

use super::support::{SESSION, Sandbox};

/// A `recount tail` that follows already.
pub struct Tail {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Tail {
    pub fn start(sandbox: &Sandbox, args: &[&str]) -> Self {
        let args: Vec<_> = ["tail"].iter().chain(args).copied().collect();
        let mut child = sandbox.command(&args).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        let following = stderr.find(|line| line.as_ref().unwrap().contains("following"));
        assert!(following.is_some(), "the tail ended before it followed");
        Self {
            child,
            lines,
            stderr,
        }
    }

    pub fn next(&mut self) -> String {
        self.lines.next().expect("the tail ended").unwrap()
    }

    /// Ends it from outside.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn end(mut self) -> Option<i32> {
        let rest: Vec<_> = self.stderr.map(Result::unwrap).collect();
        assert_eq!(rest, [""; 0]);
        self.child.wait().unwrap().code()
    }
}

#[test]
fn a_tail_started_first_shows_what_is_published_then() {
    let sandbox = Sandbox::new();
    let mut tail = Tail::start(&sandbox, &["--session", "s2", "--json", "--limit", "1"]);
    let sandbox = sandbox.with_session();
    assert!(tail.next().contains(r#""id":"e4""#));
    assert_eq!(tail.end(), Some(0));
    assert_eq!(sandbox.run(&["events", "--count"]).stdout, "6\n");
}

#[test]
fn a_tail_sees_every_event_of_several_publishers_in_order() {
    let sandbox = Sandbox::new().with_session();
    let mut tail = Tail::start(&sandbox, &["--from", "-"]);
    for id in ["e1", "e2"] {
        assert!(tail.next().contains("2026-01-02T10:00:0"), "{id}");
    }
    for _ in 2..6 {
        tail.next();
    }
    for n in 0..5 {
        let event =
            format!(r#"{{"id":"n{n}","type":"step.done","session_id":"s3","data":{{"n":{n}}}}}"#);
        assert_eq!(sandbox.run_with(&["publish"], &event).code, Some(0));
        assert!(
            tail.next()
                .ends_with(&format!(r#"step.done        s3     {{"n":{n}}}"#))
        );
    }
    interrupt(&tail.child);
    assert_eq!(tail.end(), Some(130));
}

#[test]
fn a_tail_starts_at_a_time_or_an_entry() {
    let sandbox = Sandbox::new().with_session();
    let first = |args: &[&str]| {
        let args: Vec<_> = ["tail", "--limit", "1", "--json"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        let run = sandbox.run(&args);
        let event: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        (
            event["id"].as_str().unwrap().to_owned(),
            event["entry_id"].as_str().unwrap().to_owned(),
        )
    };
    let (id, entry_id) = first(&["--from", "1h"]);
    assert_eq!(id, "e1");
    assert_eq!(first(&["--from", &entry_id]).0, "e2");
    assert_eq!(first(&["--from", "-", "--type", "error.occurred"]).0, "e5");
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let sandbox = Sandbox::new();
    let line = |n| {
        format!(
            r#"{{"id":"{n}","type":"t","session_id":"{}"}}"#,
            "x".repeat(100)
        )
    };
    let many: Vec<_> = (0..3_000).map(line).collect();
    let run = sandbox.run_with(&["publish", "--fsync", "os"], &many.join("\n"));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for command in [&["events"][..], &["export"], &["tail", "--from", "-"]] {
        let mut child = sandbox
            .command(&[command, &["--quiet"]].concat())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{command:?}");
        assert!(output.stderr.is_empty(), "{command:?}");
    }
}

#[test]
fn an_interrupted_publisher_ends_at_once_and_keeps_what_it_answered_for() {
    let sandbox = Sandbox::new();
    let mut child = sandbox
        .command(&["publish", "--quiet"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, SESSION.as_bytes()).unwrap();
    let answers = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(answers.take(6).count(), 6);
    // Its input is still open.
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(sandbox.run(&["events", "--count"]).stdout, "6\n");
    drop(stdin);
}

#[test]
fn an_interrupted_publisher_or_import_tells_what_it_recorded() {
    let sandbox = Sandbox::new();
    let mut child = sandbox
        .command(&["publish"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, SESSION.as_bytes()).unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(answers.by_ref().take(6).count(), 6);
    interrupt(&child);
    let run = child.wait_with_output().unwrap();
    assert_eq!(run.status.code(), Some(130));
    let told = String::from_utf8(run.stderr).unwrap();
    assert!(told.contains("recount: 6 events appended"), "{told}");
    drop(stdin);

    let mut child = sandbox
        .command(&["import", "-", "--stream", "imported"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // More than is read before the log is opened.
    let padding = "x".repeat(900_000);
    for n in 0..3 {
        let line = format!(
            "{{\"id\":\"{n}\",\"type\":\"t\",\"session_id\":\"s\",\"data\":{{\"x\":\"{padding}\"}}}}\n"
        );
        std::io::Write::write_all(&mut stdin, line.as_bytes()).unwrap();
    }
    let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(stderr.any(|line| line.unwrap().contains("stream imported")));
    interrupt(&child);
    let run = child.wait_with_output().unwrap();
    assert_eq!(run.status.code(), Some(130));
    let told = String::from_utf8(run.stdout).unwrap();
    assert!(told.contains("stopped at Ctrl-C"), "{told}");
    let added: String = told
        .lines()
        .find(|line| line.contains(" added, "))
        .unwrap()
        .into();
    let count = sandbox
        .run(&["events", "--count", "--stream", "imported"])
        .stdout;
    assert!(
        added.starts_with(&format!("{} added", count.trim())),
        "{told}"
    );
    drop(stdin);
}

fn interrupt(child: &Child) {
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
}
