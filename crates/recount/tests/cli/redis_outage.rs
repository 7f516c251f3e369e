//! A server that goes away while a command is at work, and comes back.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStderr, ChildStdout};

use recount_testbed::{Flavor, Server};

use crate::redis::{interrupt, server};
use crate::support::Sandbox;

struct Tail {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Tail {
    /// A tail that follows already.
    fn start(sandbox: &Sandbox, args: &[&str]) -> Self {
        let mut child = sandbox
            .command(&[&["tail"], args].concat())
            .spawn()
            .unwrap();
        let mut tail = Self {
            stdout: BufReader::new(child.stdout.take().unwrap()).lines(),
            stderr: BufReader::new(child.stderr.take().unwrap()).lines(),
            child,
        };
        tail.told("following, Ctrl-C ends");
        tail
    }

    /// Waits until it says this.
    fn told(&mut self, words: &str) {
        let said = self
            .stderr
            .find(|line| line.as_ref().unwrap().contains(words));
        assert!(said.is_some(), "the tail ended without saying {words:?}");
    }

    fn next(&mut self) -> String {
        self.stdout.next().expect("the tail ended").unwrap()
    }

    /// How it ended, and what it printed before.
    fn end(mut self) -> (Option<i32>, Vec<String>) {
        let printed = self.stdout.map(Result::unwrap).collect();
        (self.child.wait().unwrap().code(), printed)
    }
}

#[test]
fn a_tail_waits_for_its_server_and_goes_on_without_a_gap() {
    let keeps = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut server = Server::start(Flavor::Redis70, &keeps);
    let sandbox = Sandbox::on(&server.url())
        .with("RECOUNT_REDIS_TIMEOUT", "10ms")
        .with_session();
    let mut tail = Tail::start(&sandbox, &["--from", "-", "--json"]);
    for id in ["e1", "e2", "e3", "e4", "e5", "e6"] {
        let line = tail.next();
        assert!(line.contains(&format!(r#""id":"{id}""#)), "{line}");
    }
    for outage in ["first", "second"] {
        server.kill();
        tail.told("does not answer; waiting for it");
        server.restart();
        tail.told("answers again");
        let event = ["publish", "--type", "t", "--session", "s", "--id", outage];
        let run = sandbox.run(&event);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let line = tail.next();
        assert!(line.contains(&format!(r#""id":"{outage}""#)), "{line}");
    }
    interrupt(tail.child.id());
    assert_eq!(tail.end(), (Some(130), Vec::new()));
}

#[test]
fn a_tail_that_waits_for_its_server_ends_as_it_was_to() {
    let mut server = server();
    let sandbox = Sandbox::on(&server.url())
        .with("RECOUNT_REDIS_TIMEOUT", "10ms")
        .with_session();
    let blocked = Tail::start(&sandbox, &["--block", "1s"]);
    let mut interrupted = Tail::start(&sandbox, &[]);
    server.kill();
    assert_eq!(blocked.end(), (Some(0), Vec::new()));
    interrupted.told("does not answer; waiting for it");
    interrupt(interrupted.child.id());
    assert_eq!(interrupted.end(), (Some(130), Vec::new()));
    // To begin with there has to be one.
    sandbox.run(&["tail"]).assert_refused(1, &["redis-cli"]);
}

#[test]
fn what_is_not_confirmed_can_be_published_again_under_its_id() {
    let server = server();
    let sandbox = Sandbox::on(&server.url()).with("RECOUNT_REDIS_WAIT_TIMEOUT", "10ms");
    let event = ["publish", "--type", "t", "--session", "s"];
    let run = sandbox.run(&[&event[..], &["--wait-replicas", "1"]].concat());
    let summary = "recount: 1 event appended or there before, not confirmed";
    run.assert_refused(1, &[summary, "hint: publish it again with --id "]);
    let id = run.stderr.split("--id ").nth(1).unwrap();
    let id = id.split(',').next().unwrap();
    let again = sandbox.run(&[&event[..], &["--id", id]].concat());
    assert!(again.stdout.starts_with("duplicate "), "{}", again.stdout);

    let lines = "{\"type\":\"t\",\"session_id\":\"s\"}\n\n{\"type\":\"u\",\"session_id\":\"s\"}\n";
    let run = sandbox.run_with(&["publish", "--wait-replicas", "1"], lines);
    run.assert_refused(1, &["2 events appended or there", "line 1 ", "line 3 "]);
}
