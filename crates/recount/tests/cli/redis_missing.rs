//! Streams that are not where they are looked for, and what is said of those that are.

use serde_json::Value;

use crate::redis::server;
use crate::support::{SESSION, Sandbox};

impl Sandbox {
    /// The command in the hint of a run that failed.
    fn hinted(&self, args: &[&str], words: &[&str]) -> Vec<String> {
        let run = self.run(args);
        run.assert_refused(1, words);
        let (_, hint) = run.stderr.split_once("\nhint: ").unwrap();
        let (_, command) = hint.split_once(": recount ").unwrap();
        let command = command.split(" shows that").next().unwrap();
        let words = command.split(' ').map(|word| word.trim_matches('\''));
        words.map(str::to_owned).collect()
    }
}

#[test]
fn a_stream_that_the_server_lost_is_shown_where_a_mirror_has_it() {
    let server = server();
    let sandbox = Sandbox::on(&server.url()).with_session();
    assert_eq!(sandbox.run(&["mirrors", "run", "--once"]).code, Some(0));
    let json = sandbox.run(&["events", "--json"]).stdout;
    let last: Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    let up_to = format!("up to {}:", last["entry_id"].as_str().unwrap());
    let dir = std::fs::read_dir(sandbox.path().join("mirrors"))
        .unwrap()
        .next();
    let dir = dir.unwrap().unwrap().file_name().into_string().unwrap();
    server.command(&["FLUSHALL"]).assert_fine();
    let held = format!("hint: the mirror in mirrors/{dir} holds");
    for args in [
        &["events"][..],
        &["export"],
        &["state", "s1"],
        &["info"],
        &["mirrors"],
        &["trim", "--max-length", "1"],
    ] {
        let command = sandbox.hinted(args, &["no stream memory:events", &held, &up_to]);
        let words: Vec<_> = command.iter().map(String::as_str).collect();
        let shown = sandbox.run(&words);
        assert_eq!(shown.stdout.lines().count(), 6, "{}", shown.stderr);
    }
    // Set aside, as whoever kept the mirror meanwhile does.
    let data = sandbox.path().join("mirrors").join(&dir).join("data");
    recount_disk::rename_stream(&data, "memory:events", "memory:events:diverged-1").unwrap();
    let command = sandbox.hinted(&["events"], &[&held, &up_to, "memory:events:diverged-1"]);
    let words: Vec<_> = command.iter().map(String::as_str).collect();
    assert_eq!(sandbox.run(&words).stdout.lines().count(), 6);
    // Another stream, another server, and no mirror.
    let other = sandbox.run(&["events", "--stream", "memory"]);
    assert!(!other.stderr.contains("the mirror in"), "{}", other.stderr);
    let elsewhere = format!("{}/7", server.url());
    let other = sandbox.run(&["events", "--url", &elsewhere]);
    assert!(!other.stderr.contains("the mirror in"), "{}", other.stderr);
    let none = sandbox.with("RECOUNT_MIRROR", "none").run(&["events"]);
    none.assert_refused(1, &["hint: nothing is recorded"]);
}

#[test]
fn the_partitions_of_a_lost_stream_are_named() {
    let server = server();
    let sandbox = Sandbox::on(&server.url());
    let publish = ["publish", "--stream", "a b", "--partitions", "3"];
    assert_eq!(sandbox.run_with(&publish, SESSION).code, Some(0));
    let once = ["mirrors", "run", "--once", "--stream", "a b"];
    assert_eq!(sandbox.run(&once).code, Some(0));
    server.command(&["FLUSHALL"]).assert_fine();
    let run = sandbox.run(&["events", "--stream", "a b"]);
    run.assert_refused(1, &["; all of its streams: 'a b:{"]);
    assert_eq!(run.stderr.matches("'a b:{").count(), 4, "{}", run.stderr);
    // The command shows one that is not empty.
    let (_, command) = run.stderr.split_once("recount events --url ").unwrap();
    let (url, rest) = command.split_once(" --stream '").unwrap();
    let stream = rest.split('\'').next().unwrap();
    let shown = sandbox.run(&["events", "--url", url, "--stream", stream]);
    assert!(shown.stdout.lines().count() > 0, "{}", shown.stderr);
}

#[test]
fn a_few_of_many_streams_are_named() {
    let server = server();
    let sandbox = Sandbox::on(&server.url());
    let add = |name: &str| {
        let entry = ["XADD", name, "*", "type", "t", "session_id", "s"];
        server.command(&entry).assert_fine();
    };
    add("a b");
    sandbox.run(&["events"]).assert_refused(
        1,
        &["hint: --stream NAME names another one: there is 'a b'\n"],
    );
    for n in 10..22 {
        add(&format!("s{n}"));
    }
    let some = "'a b', s10, s11, s12, s13, s14, s15, s16, s17, s18 and 3 more\n";
    sandbox
        .run(&["events"])
        .assert_refused(1, &[&format!("there are {some}")]);
    let info = sandbox.run(&["info", "--stream", "s10"]).stdout;
    assert!(info.contains(some), "{info}");
    let info = sandbox.run(&["info", "--stream", "s10", "--json"]).stdout;
    let info: Value = serde_json::from_str(&info).unwrap();
    assert_eq!(info["streams"].as_array().unwrap().len(), 13);
}

#[test]
fn a_partition_is_no_stream_of_its_own() {
    let server = server();
    let sandbox = Sandbox::on(&server.url());
    let publish = ["publish", "--stream", "col", "--partitions", "3"];
    assert_eq!(sandbox.run_with(&publish, SESSION).code, Some(0));
    let info = sandbox.run(&["info", "--stream", "col", "--json"]).stdout;
    let info: Value = serde_json::from_str(&info).unwrap();
    let key = info["partitions"][1]["key"].as_str().unwrap();
    for command in ["publish", "events"] {
        sandbox
            .run_with(&[command, "--stream", key], SESSION)
            .assert_refused(2, &[&format!("{key} is a partition of the stream col:")]);
    }
    // Who may not look at the other stream may have this one.
    let rights = "ACL SETUSER ada on >pw ~x:{1}* ~{1}:* +@all";
    let rights: Vec<_> = rights.split(' ').collect();
    server.command(&rights).assert_fine();
    let url = server.url().replace("redis://", "redis://ada:pw@");
    let ada = Sandbox::on(&url).run_with(&["publish", "--stream", "x:{1}"], SESSION);
    assert_eq!(ada.code, Some(0), "{}", ada.stderr);
}

#[test]
fn programs_are_told_of_partitions_and_mirrors_by_number_and_name() {
    let server = server();
    let sandbox = Sandbox::on(&server.url());
    let publish = ["publish", "--partitions", "3"];
    assert_eq!(sandbox.run_with(&publish, SESSION).code, Some(0));
    let info = || -> Value {
        let run = sandbox.run(&["info", "--json"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        serde_json::from_str(&run.stdout).unwrap()
    };
    let before = info();
    assert_eq!(before["mirror"], Value::Null);
    for partition in before["partitions"].as_array().unwrap() {
        let tag = partition["tag"].as_str().unwrap();
        assert_eq!(partition["key"], format!("memory:events:{{{tag}}}"));
    }
    assert!(before["details"].get("partition_keys").is_none());
    let note = before["if_published_from_here"]["note"].as_str().unwrap();
    assert!(note.starts_with(char::is_uppercase), "{note}");
    assert_eq!(sandbox.run(&["mirrors", "run", "--once"]).code, Some(0));
    let after = info();
    let dir = after["mirror"]["dir"].as_str().unwrap();
    assert!(dir.starts_with("mirrors/"), "{dir}");
    assert_eq!(after["mirror"]["incidents_settled"], 0);
    let mirrored = after["mirror"]["partitions"].as_array().unwrap();
    assert_eq!(mirrored.len(), 3);
    for (mirrored, partition) in mirrored.iter().zip(after["partitions"].as_array().unwrap()) {
        assert_eq!(mirrored["partition"], partition["partition"]);
        assert_eq!(mirrored["up_to"], partition["last"]);
    }
    let details = after["details"].as_object().unwrap();
    assert!(!details.keys().any(|name| name.starts_with("mirror")));
}
