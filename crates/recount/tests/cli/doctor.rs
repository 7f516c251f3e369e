//! `recount doctor`: what a log's files are, what is wrong with them, and what becomes of it.

use std::fs;
use std::path::PathBuf;

use super::support::{Run, Sandbox};

fn file(sandbox: &Sandbox, name: &str) -> PathBuf {
    let stream = sandbox.path().join("recount-data/streams/memory%3Aevents");
    stream.join(name)
}

/// Changes a byte in the middle of the text of an event.
fn hurt(sandbox: &Sandbox, text: &str) {
    let path = file(sandbox, "0000000001.log");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes
        .windows(text.len())
        .position(|at| at == text.as_bytes());
    bytes[at.unwrap()] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// All that was told, without the process id in the lock and the time of a repair.
fn told(run: &Run) -> String {
    let lock = |line: &&str| !line.contains("writer.lock");
    let told = run.told();
    let timeless = |line: &str| match line.split_once("what a repair on ") {
        Some((before, after)) => {
            let after = after.split_once(' ').map_or("", |(_, after)| after);
            format!("{before}what a repair on [time] {after}")
        }
        None => line.to_owned(),
    };
    let lines: Vec<String> = told.lines().filter(lock).map(timeless).collect();
    lines.join("\n") + "\n"
}

fn json(run: &Run) -> serde_json::Value {
    serde_json::from_str(&run.stdout).unwrap()
}

#[test]
fn a_log_in_order() {
    let sandbox = Sandbox::new().with_session();
    insta::assert_snapshot!(told(&sandbox.run(&["doctor"])));
    let document = json(&sandbox.run(&["doctor", "--json"]));
    let stream = &document["streams"][0];
    assert_eq!(
        (&stream["entries"], &stream["damage"]),
        (&6.into(), &0.into())
    );
    assert_eq!(stream["findings"], serde_json::json!([]));
    let repaired = sandbox.run(&["doctor", "--repair"]);
    assert_eq!(repaired.code, Some(0), "{}", repaired.stderr);
    assert!(
        repaired.stdout.contains("all in order."),
        "{}",
        repaired.stdout
    );
}

#[test]
fn a_damaged_record_is_found_and_the_others_are_kept() {
    let sandbox = Sandbox::new().with_session();
    hurt(&sandbox, "Where is my order?");
    let refused = sandbox.run(&["publish", "--session", "s1", "--type", "session.ended"]);
    refused.assert_refused(1, &["is damaged at byte", "recount doctor"]);

    let found = sandbox.run(&["doctor"]);
    insta::assert_snapshot!("damage_found", told(&found));
    let document = json(&sandbox.run(&["doctor", "--json"]));
    let finding = &document["streams"][0]["findings"][0];
    assert_eq!(finding["code"], "records");
    assert_eq!(finding["lost"]["entries"], 1);

    let repaired = sandbox.run(&["doctor", "--repair"]);
    insta::assert_snapshot!("damage_repaired", told(&repaired));
    let again = sandbox.run(&["doctor", "--json"]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    let left = sandbox.run(&["events", "--json", "--quiet"]);
    let ids: Vec<String> = left
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].to_string())
        .collect();
    assert_eq!(ids, ["\"e1\"", "\"e3\"", "\"e4\"", "\"e5\"", "\"e6\""]);
    // What is lost can be published again.
    let run = sandbox.run_with(&["publish", "--quiet"], super::support::SESSION);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(
        sandbox
            .run(&["events", "--json", "--quiet"])
            .stdout
            .lines()
            .count(),
        6
    );
}

#[test]
fn every_stream_unless_one_is_named() {
    let sandbox = Sandbox::new().with_session();
    let other = [
        "publish",
        "--stream",
        "other",
        "--session",
        "s",
        "--type",
        "session.started",
    ];
    assert_eq!(sandbox.run(&other).code, Some(0));
    let streams = |args: &[&str]| -> Vec<String> {
        let document = json(&sandbox.run(args));
        let streams = document["streams"].as_array().unwrap().iter();
        streams
            .map(|stream| stream["stream"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(streams(&["doctor", "--json"]), ["memory:events", "other"]);
    assert_eq!(
        streams(&["doctor", "--json", "--stream", "other"]),
        ["other"]
    );
    sandbox
        .run(&["doctor", "--stream", "none"])
        .assert_refused(1, &["there is no stream none"]);
}

#[test]
fn what_is_no_log_is_told() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path().join("empty")).unwrap();
    fs::create_dir(sandbox.path().join("foreign")).unwrap();
    fs::write(sandbox.path().join("foreign/notes"), "mine").unwrap();
    fs::write(sandbox.path().join("file"), "mine").unwrap();
    for (url, words) in [
        ("disk:nowhere", "there is no data directory here"),
        ("disk:empty", "there is no data directory here"),
        ("disk:foreign", "is not a Recount data directory"),
        ("disk:file", "it is no directory"),
    ] {
        for args in [
            &["doctor", "--url", url][..],
            &["doctor", "--repair", "--url", url],
        ] {
            sandbox.run(args).assert_refused(1, &[words]);
        }
    }
    assert!(!sandbox.path().join("nowhere").exists());
}

#[test]
fn a_damaged_marker_is_written_anew() {
    let sandbox = Sandbox::new().with_session();
    let marker = sandbox.path().join("recount-data/recount.format");
    for content in [Some("recount"), None] {
        match content {
            Some(content) => fs::write(&marker, content).unwrap(),
            None => fs::remove_file(&marker).unwrap(),
        }
        fs::write(sandbox.path().join("recount-data/recount.1-0.tmp"), "x").unwrap();
        assert_eq!(sandbox.run(&["info"]).code, Some(1));
        assert_eq!(sandbox.run(&["doctor"]).code, Some(1));
        let repaired = sandbox.run(&["doctor", "--repair"]);
        assert_eq!(repaired.code, Some(0), "{}", repaired.stderr);
        assert_eq!(sandbox.run(&["info"]).code, Some(0));
        assert!(!sandbox.path().join("recount-data/recount.1-0.tmp").exists());
    }
}

#[test]
fn a_stream_that_cannot_be_looked_at_keeps_nobody_from_the_others() {
    let sandbox = Sandbox::new().with_session();
    let other = sandbox.path().join("recount-data/streams/a");
    fs::create_dir_all(other.join("writer.lock")).unwrap();
    fs::copy(file(&sandbox, "stream.meta"), other.join("stream.meta")).unwrap();
    let run = sandbox.run(&["doctor", "--repair", "--json"]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let document = json(&run);
    assert_eq!(document["failed"][0]["stream"], "a");
    assert_eq!(document["streams"][0]["stream"], "memory:events");
    assert!(run.stderr.contains("a is not checked"), "{}", run.stderr);
}

#[test]
fn what_no_repair_helps_against_is_not_called_mendable() {
    let sandbox = Sandbox::new().with_session();
    fs::write(file(&sandbox, "stream.meta"), "x").unwrap();
    let run = sandbox.run(&["doctor"]);
    assert_eq!(run.code, Some(1));
    assert!(!run.told().contains("keeps every record"), "{}", run.told());
    assert!(!run.told().contains("doctor --repair"), "{}", run.told());
}

#[test]
fn a_missing_watermark_is_told_and_made_anew() {
    let sandbox = Sandbox::new().with_session();
    fs::remove_file(file(&sandbox, "watermark")).unwrap();
    let found = sandbox.run(&["doctor"]);
    assert_eq!(found.code, Some(1));
    let repaired = sandbox.run(&["doctor", "--repair"]);
    assert_eq!(repaired.code, Some(0), "{}", repaired.stderr);
    assert!(
        repaired.stdout.contains("nothing is known to be lost"),
        "{}",
        repaired.stdout
    );
    assert_eq!(sandbox.run(&["doctor"]).code, Some(0));
}
