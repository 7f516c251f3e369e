//! `recount views`: what is kept, who keeps it, and what becomes of it when files are harmed.

use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout};

use serde_json::Value;

use super::support::Sandbox;
use crate::redis::{interrupt, server};

/// `recount views run --json`, until it is dropped.
struct Keeper {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Keeper {
    fn start(sandbox: &Sandbox) -> Self {
        let mut child = sandbox
            .command(&["views", "run", "--json"])
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Reads on until every view stands so.
    fn wait_until_all_are(&mut self, state: &str) {
        let mut left = vec!["search", "sessions"];
        while !left.is_empty() {
            let line = self.lines.next().expect("it ended").unwrap();
            let change: Value = serde_json::from_str(&line).unwrap();
            if change["state"] == state {
                left.retain(|name| change["name"] != *name);
            }
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The views by name.
fn views(sandbox: &Sandbox) -> [Value; 2] {
    let run = sandbox.run(&["views", "--json"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let mut all: Vec<Value> = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    all.sort_by_key(|view| view["name"].to_string());
    let all: [Value; 2] = all.try_into().unwrap();
    assert_eq!([&all[0]["name"], &all[1]["name"]], ["search", "sessions"]);
    all
}

fn sessions(sandbox: &Sandbox) -> (Vec<Value>, String) {
    let run = sandbox.run(&["sessions", "--json"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let lines = run.stdout.lines();
    let sessions = lines.map(|line| serde_json::from_str(line).unwrap());
    (sessions.collect(), run.stderr)
}

fn folder_of(sandbox: &Sandbox, view: &str) -> std::path::PathBuf {
    let stream = sandbox.path().join("recount-data/streams/memory%3Aevents");
    stream.join("views").join(view)
}

#[test]
fn a_question_brings_a_view_up_to_date_and_no_other() {
    let sandbox = Sandbox::new().with_session();
    let [search, of_sessions] = views(&sandbox);
    assert_eq!(search["standing"], "not built yet");
    assert_eq!(of_sessions["standing"], "not built yet");
    assert_eq!(of_sessions["behind"], 6);
    assert_eq!(sessions(&sandbox).0.len(), 2);
    let [search, of_sessions] = views(&sandbox);
    assert_eq!(search["standing"], "not built yet");
    assert_eq!(of_sessions["standing"], "up to date");
    assert_eq!(of_sessions["entries"], 6);
}

#[test]
fn one_process_keeps_them_and_others_read_what_it_keeps() {
    let sandbox = Sandbox::new().with_session();
    let mut keeper = Keeper::start(&sandbox);
    keeper.wait_until_all_are("live");
    let published = sandbox.run(&["publish", "--type", "note", "--session", "n1"]);
    assert_eq!(published.code, Some(0), "{}", published.stderr);
    // Read your writes: the answer waits for what is recorded.
    assert_eq!(sessions(&sandbox).0.len(), 3);
    let kept_by = views(&sandbox).map(|view| view["maintained_by"].clone());
    assert_eq!(kept_by, [keeper.child.id(), keeper.child.id()]);

    let mut second = Keeper::start(&sandbox);
    second.wait_until_all_are("elsewhere");
    keeper.child.kill().unwrap();
    keeper.child.wait().unwrap();
    second.wait_until_all_are("live");
    let published = sandbox.run(&["publish", "--type", "note", "--session", "n2"]);
    assert_eq!(published.code, Some(0), "{}", published.stderr);
    assert_eq!(sessions(&sandbox).0.len(), 4);

    interrupt(second.child.id());
    assert_eq!(second.child.wait().unwrap().code(), Some(130));
    assert_eq!(views(&sandbox).map(|view| view["entries"].clone()), [8, 8]);
}

#[test]
fn views_that_are_gone_or_garbled_are_built_anew() {
    let sandbox = Sandbox::new().with_session();
    let before = sessions(&sandbox).0;
    let found = sandbox.run(&["search", "--count", "find_order"]).stdout;
    fs::remove_dir_all(folder_of(&sandbox, "")).unwrap();
    assert_eq!(sessions(&sandbox).0, before);
    assert_eq!(
        sandbox.run(&["search", "--count", "find_order"]).stdout,
        found
    );

    for view in ["sessions", "search"] {
        for entry in fs::read_dir(folder_of(&sandbox, view)).unwrap() {
            let path = entry.unwrap().path();
            let length = fs::metadata(&path).unwrap().len();
            fs::write(&path, vec![0xA5; usize::try_from(length).unwrap()]).unwrap();
        }
    }
    let (after, told) = sessions(&sandbox);
    assert_eq!(after, before);
    assert!(told.contains("the view sessions was built anew"), "{told}");
    let run = sandbox.run(&["search", "--count", "find_order"]);
    assert_eq!(run.stdout, found, "{}", run.stderr);
    run.assert_said(&["the index of texts was built anew"]);
    // Said once, and to be seen afterwards.
    let told = sessions(&sandbox).1;
    assert!(!told.contains("anew"), "{told}");
    let [search, _] = views(&sandbox);
    assert_eq!(search["standing"], "up to date");
}

#[test]
fn an_index_of_which_a_file_was_harmed_is_built_anew_by_who_asks_it() {
    let sandbox = Sandbox::new().with_session();
    let ask = || sandbox.run(&["search", "--count", "find_order"]);
    let found = ask().stdout;
    let files = || {
        let files = fs::read_dir(folder_of(&sandbox, "search")).unwrap();
        files.map(|file| file.unwrap().path())
    };
    let harms: [fn(&std::path::Path); 4] = [
        |file| fs::remove_file(file).unwrap(),
        |file| fs::write(file, "").unwrap(),
        |file| {
            let mut bytes = fs::read(file).unwrap();
            bytes.truncate(bytes.len() / 2);
            fs::write(file, bytes).unwrap();
        },
        |file| {
            let mut bytes = fs::read(file).unwrap();
            bytes[3] ^= 4;
            fs::write(file, bytes).unwrap();
        },
    ];
    let mut harmed = 0;
    for part in ["idx", "term", "fast", "store"] {
        for harm in harms {
            let is_part = |file: &std::path::PathBuf| file.extension().is_some_and(|it| it == part);
            harm(&files().find(is_part).unwrap());
            let run = ask();
            assert_eq!(run.stdout, found, "{part}: {}", run.stderr);
            run.assert_said(&["the index of texts was built anew"]);
            harmed += 1;
        }
    }
    assert_eq!(harmed, 16);
    // Nothing is wrong any more.
    assert!(!ask().stderr.contains("anew"));
}

#[test]
fn what_the_server_lost_leaves_the_views_while_they_are_kept() {
    let server = server();
    let sandbox = Sandbox::on(&server.url()).with_session();
    let mut keeper = Keeper::start(&sandbox);
    keeper.wait_until_all_are("live");
    assert_eq!(sessions(&sandbox).0.len(), 2);
    for round in ["n1", "n2"] {
        server.command(&["FLUSHALL"]).assert_fine();
        let published = sandbox.run(&["publish", "--type", "note", "--session", round]);
        assert_eq!(published.code, Some(0), "{}", published.stderr);
        let left: Vec<_> = sessions(&sandbox)
            .0
            .iter()
            .map(|session| session["session_id"].clone())
            .collect();
        assert_eq!(left, [round]);
    }
    drop(keeper);
    assert_eq!(sessions(&sandbox).0.len(), 1);
}

#[test]
fn rebuilding_tells_what_was_built() {
    let sandbox = Sandbox::new().with_session();
    let run = sandbox.run(&["views", "rebuild", "--json"]);
    let built: Vec<Value> = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let entries: Vec<_> = built.iter().map(|view| view["entries"].clone()).collect();
    assert_eq!(entries, [6, 6], "{}", run.stderr);
    sandbox
        .run(&["views", "rebuild", "nothing"])
        .assert_refused(2, &["nothing", "sessions"]);
}
