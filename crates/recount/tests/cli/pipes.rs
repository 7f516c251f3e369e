//! Whoever reads goes away, and Ctrl-C: nothing that was acknowledged is lost, nothing half done is
//! left behind.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};

use super::support::{SESSION, Sandbox};

/// Events enough that a command is busy with them for a while, and more than a pipe holds.
fn with_many_events(sandbox: &Sandbox) {
    let line = |n| format!(r#"{{"id":"{n}","type":"t","session_id":"s","data":{{"n":{n}}}}}"#);
    let lines: Vec<_> = (0..20_000).map(line).collect();
    let run = sandbox.run_with(&["publish", "--fsync", "os", "--quiet"], &lines.join("\n"));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
}

/// Runs to the end with a standard output that nobody reads.
fn unread(sandbox: &Sandbox, args: &[&str], input: Stdio) -> Output {
    let mut child = sandbox.command(args).stdin(input).spawn().unwrap();
    drop(child.stdout.take());
    child.wait_with_output().unwrap()
}

#[test]
fn what_only_prints_ends_well_when_nobody_reads() {
    let sandbox = Sandbox::new();
    with_many_events(&sandbox);
    for args in [
        &["export", "--format", "csv"][..],
        &["export", "--format", "ndjson"],
        &["events", "--json"],
        &["tail", "--from", "-", "--json"],
        &["info"],
        &["--help"],
        &["help", "events"],
        &["man"],
        &["completions", "bash"],
    ] {
        let args = [args, &["--quiet"]].concat();
        let output = unread(&sandbox, &args, Stdio::null());
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(told, "", "{args:?}");
    }
}

#[cfg(feature = "parquet")]
#[test]
fn a_parquet_export_ends_well_when_nobody_reads() {
    let sandbox = Sandbox::new();
    with_many_events(&sandbox);
    let args = ["export", "--format", "parquet", "--quiet"];
    let output = unread(&sandbox, &args, Stdio::null());
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn an_import_is_whole_whether_its_summary_is_read_or_not() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path().join("events.ndjson"), SESSION).unwrap();
    let output = unread(&sandbox, &["import", "events.ndjson"], Stdio::null());
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(sandbox.run(&["events", "--count"]).stdout, "6\n");
}

#[test]
fn a_publisher_whose_answers_nobody_reads_says_so_and_loses_nothing() {
    let sandbox = Sandbox::new();
    let line = |n| format!("{{\"id\":\"{n}\",\"type\":\"t\",\"session_id\":\"s\"}}\n");
    let lines: String = (0..20_000).map(line).collect();
    let path = sandbox.path().join("events.ndjson");
    fs::write(&path, &lines).unwrap();

    let mut child = sandbox
        .command(&["publish"])
        .stdin(fs::File::open(&path).unwrap())
        .spawn()
        .unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = answers.next().unwrap().unwrap();
    drop(answers);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("standard output was closed while publishing"),
        "{told}"
    );

    // What was answered is there, what it counted is there, and nothing else is.
    let recorded = sandbox.run(&["events", "--json"]).stdout;
    let id = first.split(' ').nth(1).unwrap();
    assert!(recorded.starts_with(&format!("{{\"entry_id\":\"{id}\"")));
    let appended = told.lines().find_map(|line| {
        let (number, _) = line
            .strip_prefix("recount: ")?
            .split_once(" events appended")?;
        number.replace(',', "").parse().ok()
    });
    assert_eq!(appended, Some(recorded.lines().count()), "{told}");

    // Published again, the rest is added and nothing is doubled.
    let run = sandbox.run_with(&["publish", "--quiet"], &lines);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(sandbox.run(&["events", "--count"]).stdout, "20000\n");
}

/// However early or late it comes: there is the whole file or none, and no temporary one.
#[cfg(unix)]
#[test]
fn an_interrupted_export_leaves_nothing_behind() {
    let sandbox = Sandbox::new();
    with_many_events(&sandbox);
    for name in ["all.ndjson", "all.csv"] {
        let path = sandbox.path().join(name);
        let interrupted = (0..50).any(|_| {
            let mut command = sandbox.command(&["export", "--output", name]);
            let mut child = command.spawn().unwrap();
            let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
            assert!(stderr.next().unwrap().unwrap().contains("reading"));
            interrupt(&child);
            let code = child.wait().unwrap().code();
            let left = fs::read_dir(sandbox.path()).unwrap().filter(|entry| {
                let name = entry.as_ref().unwrap().file_name();
                name.to_string_lossy().starts_with(".recount")
            });
            assert_eq!(left.count(), 0, "a temporary file was left");
            match code {
                Some(130) => {
                    assert!(!path.exists(), "{name} stands there half done");
                    true
                }
                // It was faster.
                code => {
                    assert_eq!(code, Some(0));
                    let lines = fs::read_to_string(&path).unwrap().lines().count();
                    assert!(lines >= 20_000, "{lines}");
                    fs::remove_file(&path).unwrap();
                    false
                }
            }
        });
        assert!(interrupted, "every export was faster than Ctrl-C");
    }
}

#[cfg(unix)]
fn interrupt(child: &Child) {
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();
    assert!(sent.success());
}
